"""The watcher: writes into the log what a person should know, beside the road of the orders.

Owns: nothing. It hears the topics of the house; what a reconcile found is counted for the metrics.
"""

from collections.abc import Callable
from typing import assert_never

import structlog

from actors.broker import HOUSE
from actors.journal import TOPIC as STORE
from actors.portfolio_server import TOPIC as HEAT
from actors.realtime_trader import NOTICES, TRADING, Noticed
from actors.runtime import Actor
from trader.accounts.events import AccountAuthFailed, FrameRefused
from trader.orders.reconcile import FindingKind
from trader.risk.events import HeatChanged
from trader.risk.heat import HeatLevel
from trader.session.effects import Severity
from trader.session.events import HeatAsked, LeaseChanged, StoreChanged, TradingStateChanged

NAME = "watcher"
TOPICS = (NOTICES, HOUSE, STORE, HEAT, TRADING)
FINDINGS = frozenset(
    {*(kind.lower() for kind in FindingKind), "position_adjusted", "database_differs"}
    | {"foreign_fill", "foreign_order", "order_absent", "order_adopted"}
)

log = structlog.get_logger()

Heard = (
    Noticed
    | FrameRefused
    | AccountAuthFailed
    | LeaseChanged
    | StoreChanged
    | HeatChanged
    | HeatAsked
    | TradingStateChanged
)


class Watcher(Actor):
    """See the module. `found` is told the kind of each finding, of a bounded set."""

    def __init__(self, found: Callable[[str], None]) -> None:
        super().__init__()
        self._found = found

    def on_start(self) -> None:
        """Listen."""
        for topic in TOPICS:
            self.runtime.subscribe(topic, self.address)

    def on_stop(self) -> None:
        """Listen no more."""
        for topic in TOPICS:
            self.runtime.unsubscribe(topic, self.address)

    def on_receive(self, message: Heard) -> None:
        """One line a message."""
        match message:
            case Noticed():
                self._noticed(message)
            case FrameRefused():
                log.warning("frame_refused", source=message.source, reason=message.reason)
            case AccountAuthFailed():
                log.error("account_auth_failed", account=message.account_id, detail=message.detail)
            case LeaseChanged():
                log.error("lease_changed", is_held=message.is_held, reason=message.reason)
            case StoreChanged():
                self._store(message)
            case HeatChanged():
                self._heat(message)
            case HeatAsked():
                pass
            case TradingStateChanged():
                log.warning("trading_state_changed", state=message.state, reason=message.reason)
            case _:
                assert_never(message)

    def _noticed(self, message: Noticed) -> None:
        notice = message.notice
        match notice.severity:
            case Severity.INFO:
                write = log.info
            case Severity.WARNING:
                write = log.warning
            case Severity.CRITICAL:
                write = log.critical
            case _:
                assert_never(notice.severity)
        write(notice.code, session=message.session_id, text=notice.text)
        if notice.code in FINDINGS:
            self._found(notice.code)

    def _store(self, message: StoreChanged) -> None:
        if message.is_up:
            log.info("store_up", lost_count=message.lost_count)
        else:
            log.error("store_down", reason=message.reason)

    def _heat(self, message: HeatChanged) -> None:
        heat = message.heat
        write = log.info if heat.level is HeatLevel.CALM else log.warning
        write(
            "heat_changed", heat_level=heat.level, high=heat.high, missing=", ".join(heat.missing)
        )
