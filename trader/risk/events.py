"""What sessions and the portfolio say to each other about heat."""

from dataclasses import dataclass
from decimal import Decimal

from trader.ids import ClientOrderId, SessionId
from trader.risk.heat import Grant, Heat


@dataclass(frozen=True, slots=True)
class ReserveHeat:
    """A session wants to enter: may this much more be at risk?"""

    session_id: SessionId
    incarnation: int
    order_id: ClientOrderId  # of the order, or for a change its request's
    amount: Decimal  # money, worst case
    group: str


@dataclass(frozen=True, slots=True)
class HeatGranted:
    """Reserved: the gate may turn the grant into a cleared order."""

    grant: Grant


@dataclass(frozen=True, slots=True)
class HeatRefused:
    """Not reserved, so the entry ends here."""

    order_id: ClientOrderId
    reason_code: str  # heat_unknown | heat_block | heat_over_block | group_cap | ...
    detail: str


@dataclass(frozen=True, slots=True)
class HeatChanged:
    """The portfolio's sum, as every session hears it."""

    heat: Heat
