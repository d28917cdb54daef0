"""A session's state as JSON and back, field by field: from where a life can be told on."""

import dataclasses
import functools
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter

from trader.market.candle import Candle
from trader.market.series import SeriesCursor
from trader.session.rules import SessionRules
from trader.session.state import SessionState

Frozen = dict[str, Any]

_CANDLES = TypeAdapter[tuple[Candle, ...]](tuple[Candle, ...])


def freeze(state: SessionState) -> Frozen:
    """All of it but the rules, as it stands."""
    frozen: Frozen = {}
    for name, adapter in _adapters().items():
        value = getattr(state, name)
        dumped = adapter.dump_python(value, mode="json")
        frozen[name] = sorted(dumped) if isinstance(value, set) else dumped
    cursor = state.cursor
    window = None if cursor is None else _CANDLES.dump_python(cursor.since(None), mode="json")
    return frozen | {"cursor": window}


def thaw(frozen: Frozen, rules: SessionRules) -> SessionState:
    """The state again. Raises ValueError where it is of another form than this program's."""
    adapters = _adapters()
    if frozen.keys() != {*adapters, "cursor"}:
        odd = sorted(frozen.keys() ^ {*adapters, "cursor"})
        raise ValueError(f"the state's form is another program's: {', '.join(odd)}")
    fields = {name: adapter.validate_python(frozen[name]) for name, adapter in adapters.items()}
    state = SessionState(rules, **fields)
    if frozen["cursor"] is not None:
        candles = _CANDLES.validate_python(frozen["cursor"])
        state.cursor = SeriesCursor(candles, rules.warmup_bars)
    return state


@functools.cache
def _adapters() -> dict[str, TypeAdapter[Any]]:
    hints = get_type_hints(SessionState)
    return {
        each.name: _adapter(hints[each.name])
        for each in dataclasses.fields(SessionState)
        if each.name not in ("rules", "cursor")
    }


def _adapter(hint: Any) -> TypeAdapter[Any]:
    if hint is float:  # "never" is an infinity, which JSON does not have
        return TypeAdapter(hint, config=ConfigDict(ser_json_inf_nan="strings"))
    return TypeAdapter(hint)
