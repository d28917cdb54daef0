"""The database server of a simulated world, and the connections to it: how it fails, and when.

A statement that was sent is performed when it arrives, whether or not whoever asked still waits
or lives. A transaction that lost its client is rolled back, so it is never performed late.
Latencies are uneven, as real ones are: most are short, and a few are a hundred times as long.
"""

import random
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Any, TypeVar

from adapters.simulated.line import Line, LineLost, Loss, Way
from adapters.simulated.rows import MemoryStore
from adapters.store.connect import COMMAND_TIMEOUT_S
from trader.errors import StoreUnavailable

T = TypeVar("T")
Statement = Callable[[], Coroutine[Any, Any, T]]

MEDIANS_S = (0.0002, 0.001, 0.004)  # one way: on the same machine, in the same house, in a cloud
FAIR_LATENCY_S_MAX = 0.15  # one way; past it something is wrong
LATE_S_MAX = 25.0
NOTICED_S_MAX = 0.05  # until a connection that broke is known to have broken


class Trouble(StrEnum):
    """What may be wrong with a database or with the way to it, for a while."""

    REFUSED = "REFUSED"  # no server there: what is under way is lost, connecting is refused
    SILENT = "SILENT"  # whatever is sent vanishes, which is noticed by waiting in vain
    STALLED = "STALLED"  # it stands still, and performs what was sent when it goes on
    SLOW = "SLOW"  # the disk or the network is busy
    REQUEST_LOST = "REQUEST_LOST"  # the connection breaks before the statement arrives
    REPLY_LOST = "REPLY_LOST"  # it breaks after the commit: nobody is told
    LATE = "LATE"  # one connection is held up until long after its asker gave it up
    ABORTED = "ABORTED"  # a deadlock or a serialization failure: certainly not performed
    READ_ONLY = "READ_ONLY"  # a standby, or a full disk: every write is refused
    CROWDED = "CROWDED"  # no connection more; those that are open go on


class Database:
    """One server. Made outside of every process that asks it."""

    def __init__(self, rows: MemoryStore, seed: int | str) -> None:
        self.rows = rows
        self.chance = random.Random(f"database {seed}")
        self.line = Line()
        self.boot = 1  # counts its starts: a connection to an earlier one is dead
        self._median_s = self.chance.choice(MEDIANS_S)
        self._troubles: dict[Trouble, tuple[float, float]] = {}  # until when, for which share

    # A hand on it

    def strike(self, trouble: Trouble, for_s: float, share: float = 1.0) -> None:
        """From now on, for so long, that share of all statements suffers it."""
        self._troubles[trouble] = (self.rows.elapsed() + for_s, share)
        if trouble is Trouble.REFUSED:
            self.boot += 1

    def restart(self) -> None:
        """Every connection is lost."""
        self.boot += 1

    def fail_over(self, lag_s: float) -> None:
        """To a replica that lags so much behind: what was committed since is gone."""
        self.boot += 1
        self.rows.restore(self.rows.elapsed() - lag_s)

    def calm(self) -> None:
        """All trouble is over."""
        self._troubles.clear()

    # What it is like to ask it

    @property
    def is_away(self) -> bool:
        """Whether nobody can have an answer now."""
        now_s = self.rows.elapsed()
        return any(
            now_s < until_s and share >= 1
            for trouble, (until_s, share) in self._troubles.items()
            if trouble in (Trouble.REFUSED, Trouble.SILENT)
        )

    def left_s(self, trouble: Trouble) -> float:
        """How long a statement that is asked now still suffers it; 0: it does not."""
        if trouble not in self._troubles:
            return 0.0
        until_s, share = self._troubles[trouble]
        left_s = max(0.0, until_s - self.rows.elapsed())
        return left_s if left_s and (share >= 1 or self.chance.random() < share) else 0.0

    def suffers(self, trouble: Trouble) -> bool:
        """Whether a statement suffers it now."""
        return self.left_s(trouble) > 0

    def way(self, trips_count: int, *, is_held: bool) -> Way:
        """How a statement travels. `is_held`: once sent it is performed, however late."""
        there_s = trips_count * self._latency_s()
        back_s = self._latency_s()
        if self._troubles:
            if stalled_s := self.left_s(Trouble.STALLED):
                there_s += stalled_s * (1 + 0.01 * self.chance.random())
            if self.suffers(Trouble.SLOW):
                there_s += self.chance.expovariate(1 / 0.4)
            if self.suffers(Trouble.LATE):
                there_s += self.chance.uniform(COMMAND_TIMEOUT_S, LATE_S_MAX)
            if self.suffers(Trouble.SILENT):
                return _in_vain(there_s, back_s, Loss.REQUEST)
            for trouble, loss in _LOSSES:
                if self.suffers(trouble):
                    if self.chance.random() < 0.5:
                        return _in_vain(there_s, back_s, loss)
                    return Way(there_s, back_s, loss, NOTICED_S_MAX * self.chance.random())
        if there_s + back_s >= COMMAND_TIMEOUT_S:
            return _in_vain(there_s, back_s, Loss.REPLY if is_held else Loss.REQUEST)
        return Way(there_s, back_s)

    def _latency_s(self) -> float:
        """Half are below twice the median's scale; one in 10,000 takes a hundred times as long."""
        scaled_s = self._median_s / (1.0 - self.chance.random()) ** 0.5
        return scaled_s if scaled_s < FAIR_LATENCY_S_MAX else FAIR_LATENCY_S_MAX


_LOSSES = ((Trouble.REQUEST_LOST, Loss.REQUEST), (Trouble.REPLY_LOST, Loss.REPLY))
_CONNECTING_TRIPS = 3


def _in_vain(there_s: float, back_s: float, loss: Loss) -> Way:
    """The asker gives up at its command timeout."""
    return Way(there_s, back_s, loss, COMMAND_TIMEOUT_S - there_s - back_s)


class Connections:
    """A daemon's connections to the database: the journal's one, or a pool of a few.

    Raises what the statement raises, and StoreUnavailable.
    """

    def __init__(self, database: Database, count: int) -> None:
        self._database = database
        self._boots = [0] * count  # which start of the server each was opened to; 0: closed

    async def read(self, what: str, statement: Statement[T]) -> T:
        """Ask a question."""
        return await self._ask(what, lambda: at_once(statement()), is_held=False)

    async def write(self, what: str, statement: Statement[T], *, is_held: bool = True) -> T:
        """Change rows. `is_held`: it is one statement, no transaction: performed however late."""
        database = self._database

        def perform() -> T:
            if database.suffers(Trouble.READ_ONLY):
                raise StoreUnavailable(f"{what}: ReadOnlySQLTransactionError")
            if database.suffers(Trouble.ABORTED):
                raise StoreUnavailable(f"{what}: SerializationError")
            return at_once(statement())

        return await self._ask(what, perform, is_held=is_held)

    async def _ask(self, what: str, perform: Callable[[], T], *, is_held: bool) -> T:
        database = self._database
        boot = database.boot
        place = database.chance.randrange(len(self._boots)) if len(self._boots) > 1 else 0
        is_open = self._boots[place] == boot
        is_dead_unnoticed = self._boots[place] and not is_open and database.chance.random() < 0.5
        trips_count = 1 if is_open else 1 + _CONNECTING_TRIPS
        way = database.way(trips_count, is_held=is_held and is_open)

        def arrived() -> T:
            if is_dead_unnoticed or database.boot != boot or database.suffers(Trouble.REFUSED):
                raise StoreUnavailable(f"{what}: ConnectionDoesNotExistError")
            if not is_open and database.suffers(Trouble.CROWDED):
                raise StoreUnavailable(f"{what}: TooManyConnectionsError")
            return perform()

        self._boots[place] = 0  # interrupted in any way, it is closed
        try:
            result = await database.line.ask(way, arrived, what)
        except LineLost as error:
            raise StoreUnavailable(f"{what}: {error}") from error
        self._boots[place] = boot
        return result


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waits")
