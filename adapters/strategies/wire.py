"""What the daemon and a strategy host say to each other: one JSON line each, decimals as text.

Nothing that could run is ever sent, in neither direction: the host holds foreign code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, assert_never

import orjson
from pydantic import TypeAdapter, ValidationError

from trader.ids import InstrumentId, SessionId
from trader.instants import Timeframe
from trader.market.candle import Candle
from trader.money import Price, Quantity
from trader.session.events import StrategyDecided, StrategyFailed, StrategyReady
from trader.session.strategy import (
    CancelOrders,
    Decision,
    ModifyOrders,
    Nothing,
    StrategySpec,
    SubmitOrder,
    View,
)
from trader.session.valid import BadDecision, valid_decision


@dataclass(frozen=True, slots=True)
class Open:
    """Make it anew and warm it up."""

    session_id: SessionId
    spec: StrategySpec
    candles: Sequence[Candle]
    rebuild: int


@dataclass(slots=True)
class Decide:
    """Ask it about a new bar."""

    session_id: SessionId
    candle: Candle
    view: View
    rebuild: int


@dataclass(frozen=True, slots=True)
class Close:
    """Forget it; answered like the others, so that the line stays in step."""

    session_id: SessionId
    rebuild: int = 0


Request = Open | Decide | Close
Answer = StrategyReady | StrategyDecided | StrategyFailed

_VIEW = TypeAdapter(View)
_SPEC = TypeAdapter(StrategySpec)
_DECISIONS: dict[str, TypeAdapter[Any]] = {
    kind.__name__: TypeAdapter(kind) for kind in (Nothing, SubmitOrder, ModifyOrders, CancelOrders)
}


class OutOfStep(Exception):
    """The other side does not keep to this page."""


def encode_requests(requests: Sequence[tuple[int, Request]]) -> bytes:
    """One line for all that is asked in one turn; a candle shared by many is written once."""
    candles: dict[int, tuple[int, Candle]] = {}
    views: dict[int, tuple[int, View]] = {}
    asks: list[list[Any]] = []
    for number, request in requests:
        match request:
            case Decide():
                candle, view = request.candle, request.view
                at, _ = candles.setdefault(id(candle), (len(candles), candle))
                seen, _ = views.setdefault(id(view), (len(views), view))
                asks.append([number, request.session_id, request.rebuild, at, seen])
            case Open():
                spec = _SPEC.dump_python(request.spec, mode="json")
                window = [_pack(candle) for candle in request.candles]
                asks.append([number, request.session_id, request.rebuild, spec, window, "open"])
            case Close():
                asks.append([number, request.session_id, request.rebuild])
            case _:
                assert_never(request)
    shared = [_pack(candle) for _, candle in candles.values()]
    seen_as = [_VIEW.dump_python(view, mode="json") for _, view in views.values()]
    return orjson.dumps([shared, seen_as, asks]) + b"\n"


def decode_requests(line: bytes) -> list[tuple[int, Request]]:
    """The host's side of `encode_requests`."""
    shared, seen_as, asks = orjson.loads(line)
    candles = [_unpack(packed) for packed in shared]
    views = [_VIEW.validate_python(view) for view in seen_as]
    requests: list[tuple[int, Request]] = []
    for number, session_id, rebuild, *what in asks:
        match what:
            case [int(at), int(seen)]:
                request: Request = Decide(session_id, candles[at], views[seen], rebuild)
            case [spec, window, "open"]:
                packed = tuple(_unpack(candle) for candle in window)
                request = Open(session_id, _SPEC.validate_python(spec), packed, rebuild)
            case []:
                request = Close(session_id, rebuild)
            case _:
                raise OutOfStep(repr(what))
        requests.append((number, request))
    return requests


def encode_answer(number: int, answer: Answer | None) -> bytes:
    """One answer; None where there is nothing to say but that it is done."""
    match answer:
        case None | StrategyReady():
            said: list[Any] = [number]
        case StrategyDecided():
            kind = type(answer.decision).__name__
            said = [number, kind, _DECISIONS[kind].dump_python(answer.decision, mode="json")]
        case StrategyFailed():
            said = [number, "", [answer.reason_code, answer.detail, answer.must_rebuild]]
        case _:
            assert_never(answer)
    return orjson.dumps(said) + b"\n"


def decode_answer(line: bytes, number: int, request: Request) -> Answer:
    """What the host answers to this very request. Raises OutOfStep if it answers anything else.

    The host's word is not trusted: session, bar and rebuild are taken from the request, and the
    decision is judged once more.
    """
    bar_opened_at = request.candle.opened_at if isinstance(request, Decide) else None
    try:
        said = orjson.loads(line)
        match said:
            case [int(first), *_] if first != number:
                raise OutOfStep(f"answer {first} to request {number}")
            case [int()] if bar_opened_at is None:
                return StrategyReady(request.session_id, request.rebuild)
            case [int(), "", [str(code), str(detail), bool(must_rebuild)]]:
                return StrategyFailed(
                    request.session_id, bar_opened_at, code, detail, request.rebuild, must_rebuild
                )
            case [int(), str(kind), dict(fields)] if bar_opened_at is not None:
                decision = valid_decision(_DECISIONS[kind].validate_python(fields))
                return _decided(request, bar_opened_at, decision)
            case _:
                raise OutOfStep(f"{said!r:.200}")
    except (BadDecision, ValidationError, KeyError) as error:
        text = f"{error!r:.500}"
        return StrategyFailed(
            request.session_id, bar_opened_at, "bad_decision", text, request.rebuild, False
        )
    except orjson.JSONDecodeError as error:
        raise OutOfStep(str(error)) from None


def _decided(request: Request, bar_opened_at: datetime, decision: Decision) -> StrategyDecided:
    return StrategyDecided(request.session_id, bar_opened_at, decision, request.rebuild)


def _pack(candle: Candle) -> list[str | bool | int]:
    return [
        candle.instrument,
        candle.timeframe,
        candle.opened_at.isoformat(),
        str(candle.open),
        str(candle.high),
        str(candle.low),
        str(candle.close),
        str(candle.volume),
        candle.is_final,
        candle.revision,
    ]


def _unpack(packed: list[Any]) -> Candle:
    instrument, timeframe, opened_at, opened, high, low, close, volume, is_final, revision = packed
    return Candle(
        InstrumentId(instrument),
        Timeframe(timeframe),
        datetime.fromisoformat(opened_at),
        Price(Decimal(opened)),
        Price(Decimal(high)),
        Price(Decimal(low)),
        Price(Decimal(close)),
        Quantity(Decimal(volume)),
        is_final,
        revision,
    )
