"""How to make the venue misbehave: faults are installed, met, counted and written down.

A fault has a kind, says what it waits for (fields left out match everything) and strikes the
`nth` match and the `count - 1` after it. `mute` and any fault with `count: 0` strike for ever.
"""

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

JOURNAL_LENGTH = 10_000


class FaultKind(StrEnum):
    """What goes wrong."""

    DROP_BEFORE = "drop_before"  # the connection is cut, nothing was processed
    ACK_LOST = "ack_lost"  # processed, then the connection is cut
    HTTP_BEFORE = "http_before"  # a 5xx, nothing was processed
    HTTP_AFTER = "http_after"  # processed, then a 5xx
    SLOW = "slow"  # processed late
    SLOW_REPLY = "slow_reply"  # processed at once, answered late
    RATE_LIMIT = "rate_limit"  # 429
    SILENT_REJECT = "silent_reject"  # accepted, then rejected without an event
    NEVER_FIRE = "never_fire"  # accepted, then it never trades
    DROP_EVENT = "drop_event"  # a stream message is lost
    DUP_EVENT = "dup_event"  # a stream message comes twice
    MUTE = "mute"  # the stream stays connected and says nothing
    DISCONNECT = "disconnect"  # the stream is cut instead of the message


class Place(StrEnum):
    """Where a fault can strike."""

    REQUEST = "request"
    ORDER = "order"
    EVENT = "event"


PLACES = {
    Place.REQUEST: frozenset(
        {
            FaultKind.DROP_BEFORE,
            FaultKind.ACK_LOST,
            FaultKind.HTTP_BEFORE,
            FaultKind.HTTP_AFTER,
            FaultKind.SLOW,
            FaultKind.SLOW_REPLY,
            FaultKind.RATE_LIMIT,
        }
    ),
    Place.ORDER: frozenset({FaultKind.SILENT_REJECT, FaultKind.NEVER_FIRE}),
    Place.EVENT: frozenset(
        {FaultKind.DROP_EVENT, FaultKind.DUP_EVENT, FaultKind.MUTE, FaultKind.DISCONNECT}
    ),
}


class Fault(BaseModel):
    """One installed fault, as the control port takes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FaultKind
    account: str | None = None
    method: str | None = None  # GET, POST, PATCH, DELETE
    path: str | None = None  # a prefix of the request's path
    client_order_id: str | None = None
    symbol: str | None = None
    event: str | None = None  # of trade_updates (fill, new, ...), or t, b, u of the data stream
    nth: int = Field(default=1, ge=1)
    count: int = Field(default=1, ge=0)  # 0 = for ever
    delay_ms: int = Field(default=1000, ge=0)  # slow, slow_reply
    status: int = Field(default=503, ge=500, le=599)  # http_before, http_after


@dataclass(frozen=True, slots=True)
class Occasion:
    """Something a fault may wait for."""

    place: Place
    account: str | None = None
    method: str | None = None
    path: str | None = None
    client_order_id: str | None = None
    symbol: str | None = None
    event: str | None = None


@dataclass(slots=True)
class _Installed:
    id: int
    fault: Fault
    matched: int = 0
    struck: int = 0


class FaultBoard:
    """The faults in force, and the journal of what they did."""

    def __init__(self) -> None:
        self._installed: dict[int, _Installed] = {}
        self._last_id = 0
        self._journal: deque[dict[str, Any]] = deque(maxlen=JOURNAL_LENGTH)

    @property
    def quiet(self) -> bool:
        """Whether nothing is installed: then nobody needs to ask."""
        return not self._installed

    def install(self, fault: Fault) -> int:
        """Put a fault in force and return its id."""
        self._last_id += 1
        self._installed[self._last_id] = _Installed(self._last_id, fault)
        return self._last_id

    def clear(self) -> None:
        """Take all faults away; the journal stays."""
        self._installed.clear()

    def strike(self, occasion: Occasion, at: datetime) -> Fault | None:
        """The fault that strikes now, if any: the oldest one that matches."""
        for entry in list(self._installed.values()):
            fault = entry.fault
            if fault.kind not in PLACES[occasion.place] or not _matches(fault, occasion):
                continue
            entry.matched += 1
            if entry.matched < fault.nth:
                continue
            entry.struck += 1
            if fault.kind is not FaultKind.MUTE and entry.struck == fault.count:
                del self._installed[entry.id]
            self._journal.append(
                {
                    "fault_id": entry.id,
                    "kind": fault.kind,
                    "at": at,
                    "account": occasion.account,
                    "method": occasion.method,
                    "path": occasion.path,
                    "client_order_id": occasion.client_order_id,
                    "symbol": occasion.symbol,
                    "event": occasion.event,
                }
            )
            return fault
        return None

    def report(self) -> dict[str, Any]:
        """What is installed and what has happened, oldest first."""
        return {
            "installed": [
                {
                    "id": entry.id,
                    "matched": entry.matched,
                    "struck": entry.struck,
                    **entry.fault.model_dump(mode="json"),
                }
                for entry in self._installed.values()
            ],
            "journal": list(self._journal),
        }


def _matches(fault: Fault, occasion: Occasion) -> bool:
    if fault.path is not None and not (occasion.path or "").startswith(fault.path):
        return False
    return all(
        wanted is None or wanted == found
        for wanted, found in (
            (fault.account, occasion.account),
            (fault.method, occasion.method),
            (fault.client_order_id, occasion.client_order_id),
            (fault.symbol, occasion.symbol),
            (fault.event, occasion.event),
        )
    )
