"""Stop loss: leave when the price reaches the stop that the entry carried."""

from dataclasses import dataclass

from trader.exits.rule import ExitKind, ExitSignal
from trader.money import Price, plain
from trader.positions.position import Position


@dataclass(frozen=True, slots=True)
class StopLoss:
    """A fixed price below a long, above a short position; reaching it exactly counts."""

    stop: Price

    @property
    def kind(self) -> ExitKind:
        """Asked first."""
        return ExitKind.STOP

    def judge(self, position: Position, last: Price, high: Price, low: Price) -> ExitSignal | None:
        """The worst price since the last look decides, so a spike between two looks counts."""
        worst = low if position.is_long else high
        is_reached = worst <= self.stop if position.is_long else worst >= self.stop
        if not is_reached:
            return None
        way = "fell" if position.is_long else "rose"
        reason = f"stop {plain(self.stop)} reached: price {way} to {plain(worst)}"
        return ExitSignal(ExitKind.STOP, reason, self.stop, worst)
