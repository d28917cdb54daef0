"""A seat: one strategy of one session, made, warmed up and asked. Every runner puts its in one.

What user code raises never leaves it: it becomes the `StrategyFailed` of that bar.
"""

from collections.abc import Sequence
from types import TracebackType

from pydantic import ValidationError

from trader.context import Context
from trader.errors import ConfigInvalid
from trader.ids import SessionId
from trader.indicators import collecting
from trader.market.candle import Candle
from trader.session.events import StrategyDecided, StrategyFailed, StrategyReady
from trader.session.strategy import FLAT_VIEW, Nothing, StrategySpec, View
from trader.session.valid import BadDecision, valid_decision
from trader.strategy import Strategy

_NOT_YET = Nothing("indicators are warming up")
_DETAIL_LENGTH_MAX = 500


class Seat:
    """See the module. The session's strategy under one `rebuild`; another one gets a new seat."""

    __slots__ = (
        "_ctx",
        "_feeds",
        "_indicators",
        "_is_ready",
        "_on_bar",
        "rebuild",
        "session_id",
    )

    def __init__(
        self, kind: type[Strategy], session_id: SessionId, spec: StrategySpec, rebuild: int
    ) -> None:
        """Make the strategy. Raises ConfigInvalid for its parameters, and what its setup raises."""
        self.session_id = session_id
        self.rebuild = rebuild
        self._ctx = Context(spec.symbol, spec.tick, spec.lot)
        with collecting() as indicators:
            strategy = kind(params_of(kind, spec))
            strategy.setup(self._ctx)
        self._indicators = indicators
        self._feeds = tuple(indicator.update for indicator in indicators)
        self._is_ready = False
        self._on_bar = strategy.on_bar

    def warm(self, candles: Sequence[Candle]) -> Exception | None:
        """Show it history, oldest first. What it decides is dropped; the first error is returned.

        An exception costs its bar the decision, as it would live. Raised on every bar it is raised
        here: that strategy will never decide. So is what is no `Exception`: someone wants an end.
        """
        ctx = self._ctx
        asked = failed = 0
        first: Exception | None = None
        for candle in candles:
            for feed in self._feeds:
                feed(candle)
            if self._is_ready or self._look_ready():
                ctx.look(FLAT_VIEW, candle)
                asked += 1
                try:
                    self._on_bar(ctx, candle)
                except Exception as error:
                    failed += 1
                    first = first or error
        ctx.is_warming_up = False
        if first is not None and failed == asked:
            raise first
        return first

    def decide(self, candle: Candle, view: View) -> StrategyDecided | StrategyFailed:
        """Its decision on the next closed bar."""
        shared = self._ctx.nothings
        try:
            for feed in self._feeds:
                feed(candle)
            if self._is_ready or self._look_ready():
                self._ctx.look(view, candle)
                answer = self._on_bar(self._ctx, candle)
                if answer.__class__ is not Nothing or shared.get(answer.reason) is not answer:
                    answer = valid_decision(answer)
            else:
                answer = _NOT_YET
        except BadDecision as error:
            return self._failed(candle, "bad_decision", _text(error), must_rebuild=False)
        except BaseException as error:  # also a SystemExit or CancelledError of user code
            return self._failed(candle, "strategy_raised", explain(error), must_rebuild=True)
        return StrategyDecided(self.session_id, candle.opened_at, answer, self.rebuild)

    def _look_ready(self) -> bool:
        self._is_ready = all(indicator.is_ready for indicator in self._indicators)
        return self._is_ready

    def _failed(
        self, candle: Candle, code: str, detail: str, *, must_rebuild: bool
    ) -> StrategyFailed:
        return StrategyFailed(
            self.session_id, candle.opened_at, code, detail, self.rebuild, must_rebuild
        )


def params_of(kind: type[Strategy], spec: StrategySpec) -> Strategy.Params:
    """The strategy's parameters. Raises ConfigInvalid with a line for each bad one."""
    try:
        return kind.Params(**dict(spec.params))
    except ValidationError as error:
        raise ConfigInvalid(
            tuple(
                f"strategy {spec.name}: parameter {'.'.join(map(str, found['loc']))}: "
                f"{found['msg']} (known: {', '.join(kind.Params.model_fields) or 'none'})"
                for found in error.errors()
            )
        ) from None


def take_seat(
    kind: type[Strategy],
    session_id: SessionId,
    spec: StrategySpec,
    candles: Sequence[Candle],
    rebuild: int,
) -> tuple[Seat | None, StrategyReady | StrategyFailed, BaseException | None]:
    """A warm seat, the answer for its session, and the first error of its warm-up, for the log."""
    try:
        seat = Seat(kind, session_id, spec, rebuild)
        error = seat.warm(candles)
    except ConfigInvalid as problem:
        return None, not_open(session_id, "strategy_not_loaded", str(problem), rebuild), None
    except BaseException as raised:
        detail = f"in its warm-up: {explain(raised)}"
        return None, not_open(session_id, "strategy_raised", detail, rebuild), None
    return seat, StrategyReady(session_id, rebuild), error


def not_open(
    session_id: SessionId, code: str, detail: str, rebuild: int, *, must_rebuild: bool = False
) -> StrategyFailed:
    """It could not be opened; by default there is no use in trying the same again."""
    detail = detail[:_DETAIL_LENGTH_MAX]
    return StrategyFailed(session_id, None, code, detail, rebuild, must_rebuild)


def explain(error: BaseException) -> str:
    """What was raised, and the innermost line that raised it."""
    where = ""
    innermost: TracebackType | None = error.__traceback__
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    if innermost is not None:
        where = f" ({innermost.tb_frame.f_code.co_filename}:{innermost.tb_lineno})"
    return f"{type(error).__name__}: {_text(error)}{where}"


def _text(error: BaseException) -> str:
    try:
        return str(error)[:_DETAIL_LENGTH_MAX]
    except BaseException:  # its own __str__ raises
        return "(says nothing readable)"
