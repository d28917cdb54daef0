"""How an account misbehaves: kinds of faults, installed by whoever strikes, met by what they fit.

A fault strikes the `nth` match and the `count - 1` after it, or with `for_s` all matches until so
many seconds after it was installed. Fields left out match everything. In a request's place a fault
models the network, a gateway or the venue's own servers; each kind is one that a venue has shown.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from adapters.simulated.history import FaultStruck, History


class AccountFaultKind(StrEnum):
    """What goes wrong."""

    # Requests
    UNREACHABLE = "unreachable"  # no connection: nothing leaves
    REQUEST_LOST = "request_lost"  # it leaves and never arrives
    REPLY_LOST = "reply_lost"  # performed; nobody hears of it
    LATE_ARRIVAL = "late_arrival"  # performed `delay_s` later, perhaps long after our timeout
    LATE_REPLY = "late_reply"  # performed at once, answered `delay_s` later: fills overtake it
    ERROR_BEFORE = "error_before"  # a gateway's 5xx page; nothing was performed
    ERROR_AFTER = "error_after"  # performed, then a gateway's 5xx page
    RATE_LIMITED = "rate_limited"  # 429, with Retry-After if `retry_after_s`
    SENT_TWICE = "sent_twice"  # a middlebox sends it again; the answer is the second one's
    GARBAGE_REPLY = "garbage_reply"  # performed; 200 with a page, or cut short
    KEYS_REFUSED = "keys_refused"  # 401; also to whoever opens a stream
    # Questions whose answer is 200 and not the truth
    EMPTY_LIST = "empty_list"  # `[]` by an outage
    CUT_LISTING = "cut_listing"  # without its newest row
    STALE_SNAPSHOT = "stale_snapshot"  # positions and worth as they were `delay_s` ago
    TORN_SNAPSHOT = "torn_snapshot"  # executions as of `delay_s` ago beside positions of now
    NOT_YET_VISIBLE = "not_yet_visible"  # 404 for an order younger than `delay_s`
    # The stream
    EVENT_LOST = "event_lost"
    EVENT_TWICE = "event_twice"
    EVENT_LATE = "event_late"  # comes `delay_s` later, after those that followed it
    EVENT_GARBLED = "event_garbled"  # comes as something that cannot be read
    STREAM_MUTE = "stream_mute"  # connected, and says nothing
    STREAM_HALF_OPEN = "stream_half_open"  # dead, and only our heartbeat will notice
    STREAM_CUT = "stream_cut"  # closed instead of the message
    # Orders
    SILENT_REJECT = "silent_reject"  # accepted, then rejected without an event
    NEVER_FIRE = "never_fire"  # accepted, then it never trades


K = AccountFaultKind
CONNECTING = frozenset({K.UNREACHABLE})
EXCHANGES = frozenset(
    {
        K.REQUEST_LOST,
        K.REPLY_LOST,
        K.LATE_ARRIVAL,
        K.LATE_REPLY,
        K.ERROR_BEFORE,
        K.ERROR_AFTER,
        K.RATE_LIMITED,
        K.SENT_TWICE,
        K.GARBAGE_REPLY,
        K.KEYS_REFUSED,
        K.EMPTY_LIST,
        K.CUT_LISTING,
        K.STALE_SNAPSHOT,
        K.TORN_SNAPSHOT,
        K.NOT_YET_VISIBLE,
    }
)
EVENTS = frozenset(
    {
        K.EVENT_LOST,
        K.EVENT_TWICE,
        K.EVENT_LATE,
        K.EVENT_GARBLED,
        K.STREAM_MUTE,
        K.STREAM_HALF_OPEN,
        K.STREAM_CUT,
    }
)
DIALS = frozenset({K.UNREACHABLE, K.REQUEST_LOST, K.REPLY_LOST, K.ERROR_BEFORE, K.KEYS_REFUSED})
ORDERS = frozenset({K.SILENT_REJECT, K.NEVER_FIRE})

ACTIVITIES, OPEN_ORDERS, POSITIONS = "/v2/account/activities/FILL", "/v2/orders", "/v2/positions"
BY_CLIENT_ID, MONEY, STREAM = "/v2/orders:by_client_order_id", "/v2/account", "/stream"
# Where alone a kind makes sense, whatever else the fault matches: methods and whole paths.
ONLY: dict[AccountFaultKind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    K.SENT_TWICE: (("POST", "DELETE"), ()),
    K.EMPTY_LIST: (("GET",), (POSITIONS, OPEN_ORDERS, ACTIVITIES)),
    K.CUT_LISTING: (("GET",), (OPEN_ORDERS, ACTIVITIES)),
    K.STALE_SNAPSHOT: (("GET",), (POSITIONS, MONEY)),
    K.TORN_SNAPSHOT: (("GET",), (ACTIVITIES,)),
    K.NOT_YET_VISIBLE: (("GET",), (BY_CLIENT_ID,)),
}


@dataclass(frozen=True, slots=True)
class AccountFault:
    """One fault, and what it waits for."""

    kind: AccountFaultKind
    number: str | None = None  # the venue's name of the account
    who: str | None = None  # the daemon at the other end
    method: str | None = None  # GET, POST, PATCH, DELETE; WS for opening a stream
    path: str | None = None  # a prefix of the request's path
    client_order_id: str | None = None
    event: str | None = None  # of trade_updates: new, fill, partial_fill, canceled, ...
    nth: int = 1
    count: int = 1  # without `for_s`; 0: for ever
    for_s: float | None = None
    delay_s: float = 1.0
    status: int = 503  # of an ERROR
    retry_after_s: int | None = None  # of a RATE_LIMITED


@dataclass(frozen=True, slots=True)
class Occasion:
    """Something a fault may wait for."""

    number: str
    who: str
    method: str = ""
    path: str = ""
    client_order_id: str = ""
    event: str = ""


@dataclass(slots=True)
class _Installed:
    fault: AccountFault
    until_s: float
    matched_count: int = 0


@dataclass(slots=True)
class AccountFaults:
    """The faults in force. Whoever asks finds the oldest one that fits; it is noted."""

    elapsed: Callable[[], float]
    history: History
    _installed: list[_Installed] = field(default_factory=list)

    def install(self, fault: AccountFault) -> None:
        """Put a fault in force."""
        until_s = float("inf") if fault.for_s is None else self.elapsed() + fault.for_s
        self._installed.append(_Installed(fault, until_s))

    def clear(self) -> None:
        """Take all away."""
        self._installed.clear()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is installed: then nobody needs to ask."""
        return not self._installed

    def strike(self, kinds: frozenset[AccountFaultKind], occasion: Occasion) -> AccountFault | None:
        """The fault of these kinds that strikes now, if any."""
        now_s = self.elapsed()
        for entry in tuple(self._installed):
            fault = entry.fault
            if entry.until_s <= now_s:
                self._installed.remove(entry)
            elif fault.kind in kinds and _fits(fault, occasion):
                entry.matched_count += 1
                if entry.matched_count < fault.nth:
                    continue
                if fault.for_s is None and entry.matched_count == fault.nth + fault.count - 1:
                    self._installed.remove(entry)
                self.history.note(
                    FaultStruck(
                        now_s, fault.kind, occasion.who, occasion.number, occasion.method,
                        occasion.path, occasion.client_order_id, occasion.event,
                    )
                )  # fmt: skip
                return fault
        return None


def _fits(fault: AccountFault, occasion: Occasion) -> bool:
    methods, paths = ONLY.get(fault.kind, ((), ()))
    return (
        (not methods or occasion.method in methods)
        and (not paths or occasion.path in paths)
        and (fault.path is None or occasion.path.startswith(fault.path))
        and fault.number in (None, occasion.number)
        and fault.who in (None, occasion.who)
        and fault.method in (None, occasion.method)
        and fault.client_order_id in (None, occasion.client_order_id)
        and fault.event in (None, occasion.event)
    )
