"""Account: what the broker says it holds and allows."""

from dataclasses import dataclass
from datetime import datetime

from trader.ids import AccountId
from trader.money import Money


@dataclass(frozen=True, slots=True)
class Balance:
    """The account's money as the broker last said. A row is written only when it changed."""

    account_id: AccountId
    broker_account: str  # the broker's own number: live mode compares it with the configuration
    cash: Money
    equity: Money
    buying_power: Money
    is_blocked: bool  # the broker refuses trading
    reported_at: datetime

    def says_the_same_as(self, other: "Balance") -> bool:
        """Equal but for the time of asking."""
        return (
            self.cash == other.cash
            and self.equity == other.equity
            and self.buying_power == other.buying_power
            and self.is_blocked == other.is_blocked
        )
