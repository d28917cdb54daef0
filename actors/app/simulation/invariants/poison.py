"""A message that kills whoever reads it is put aside: no actor dies of it more than three times."""

from collections import Counter

from actors.app.simulation.house import Noticed
from actors.app.simulation.invariants.checker import Checker
from actors.runtime import DeadLetter, DeadReason, Exit, ExitReason

CRASHES_COUNT_MAX = 3


class PoisonIsPutAside(Checker):
    """I18."""

    invariant = "I18"
    promise = "a poison message crashes an actor three times at most, then it is a dead letter"

    def watch(self) -> None:
        """Every end of an actor, every dead letter."""
        self._crashes: dict[tuple[str, str], int] = {}  # by boot and name, on one message
        self._owed: Counter[tuple[str, str]] = Counter()  # dead letters that nobody saw yet
        self.world.history.listen(Noticed, self._noticed)

    def _noticed(self, noticed: Noticed) -> None:
        notice = noticed.notice
        if isinstance(notice, Exit) and notice.reason is ExitReason.CRASH:
            self._crashed((noticed.who, notice.name), notice)
        elif isinstance(notice, DeadLetter) and notice.reason is DeadReason.POISON:
            self._owed[noticed.who, notice.name] -= 1

    def _crashed(self, who: tuple[str, str], end: Exit) -> None:
        count = self._crashes.get(who, 0) + 1 if end.is_repeat else 1
        self._crashes[who] = count
        if count == CRASHES_COUNT_MAX:
            self._owed[who] += 1
        elif count > CRASHES_COUNT_MAX:
            boot, name = who
            self.broken(f"{name} of {boot} died {count} times of one message: {end.message!r}")

    async def after_order_period(self) -> list[str]:
        """Every message that killed three times is a dead letter."""
        return [
            f"{name} of {boot} died of a message three times, and it is no dead letter"
            for (boot, name), count in self._owed.items()
            if count > 0
        ]
