"""A trading floor for tests: the pure venue with two traders and a hand-turned clock."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from adapters.sandbox import commands
from adapters.sandbox.events import Happening, OrderChanged
from adapters.sandbox.orders import Fate, Order, OrderRequest, OrderType, Side, TimeInForce
from adapters.sandbox.tape import Path
from adapters.sandbox.venue import Venue

START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
CASH = Decimal(100_000)


class Floor:
    """One symbol, XYZ; accounts `ann` and `bob`; every order is settled at once unless asked."""

    def __init__(self, rules: commands.Rules | None = None) -> None:
        self.venue = Venue()
        self.at = START
        self.kept: list[commands.Command] = []  # every command that was not refused
        self.heard: list[Happening] = []
        self._ids = 0
        self.do(commands.SetRules(self.at, rules or commands.Rules(liquidity_fraction=Decimal(1))))
        self.do(commands.ListSymbol(self.at, "XYZ"))
        for name in ("ann", "bob"):
            self.do(commands.OpenAccount(self.at, name, CASH))

    def do(self, command: commands.Command) -> None:
        self.venue.apply(command)
        self.kept.append(command)
        self.heard += self.venue.ledger.outbox
        self.venue.ledger.outbox.clear()

    def wait(self, **duration: float) -> None:
        self.at += timedelta(**duration)

    def price(self, price: str, volume: int = 1_000_000) -> None:
        self.do(commands.SetPrice(self.at, "XYZ", Decimal(price), Decimal(volume)))

    def walk(self, price: str, volume: int = 1_000_000) -> None:
        move = commands.Move("XYZ", Decimal(price), Decimal(volume), Path.WALK)
        self.do(commands.Step(self.at, (move,), START, 0, 0, self.at))

    def send(
        self,
        side: str,
        qty: int,
        limit: str | None = None,
        stop: str | None = None,
        *,
        account: str = "ann",
        tif: str = "gtc",
        client_id: str | None = None,
        fate: Fate = Fate.NORMAL,
    ) -> Order:
        """Submit without settling."""
        self._ids += 1
        kind = {
            (False, False): OrderType.MARKET,
            (True, False): OrderType.LIMIT,
            (False, True): OrderType.STOP,
            (True, True): OrderType.STOP_LIMIT,
        }[limit is not None, stop is not None]
        request = OrderRequest(
            client_id or f"c{self._ids}",
            "XYZ",
            Side(side),
            kind,
            TimeInForce(tif),
            Decimal(qty),
            None if limit is None else Decimal(limit),
            None if stop is None else Decimal(stop),
        )
        self.do(commands.Submit(self.at, account, request, fate))
        return self.venue.ledger.accounts[account].orders[-1]

    def settle(self, order: Order) -> Order:
        self.do(commands.Settle(self.at, order.id))
        return order

    def order(self, side: str, qty: int, *args: str | None, **options: object) -> Order:
        """Submit and settle."""
        return self.settle(self.send(side, qty, *args, **options))  # type: ignore[arg-type]

    def cancel(self, order: Order) -> None:
        self.do(commands.RequestCancel(self.at, order.account, order.id))

    def replace(self, order: Order, **change: str) -> Order:
        self._ids += 1
        values = {name: Decimal(value) for name, value in change.items()}
        self.do(
            commands.RequestReplace(self.at, order.account, order.id, f"c{self._ids}", **values)
        )
        return self.venue.ledger.accounts[order.account].orders[-1]

    def position(self, account: str = "ann") -> Decimal:
        return self.venue.ledger.accounts[account].position_qty("XYZ")

    def cash(self, account: str = "ann") -> Decimal:
        return self.venue.ledger.accounts[account].cash

    def events(self, order: Order) -> list[str]:
        return [
            h.event for h in self.heard if isinstance(h, OrderChanged) and h.order.id == order.id
        ]

    def fills(self, order: Order) -> list[tuple[int, str]]:
        executions = self.venue.ledger.accounts[order.account].executions
        return [(int(e.qty), str(e.price)) for e in executions if e.order_id == order.id]
