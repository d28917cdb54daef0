"""The recorded heart: `step`, and whatever passes it is handed on."""

from collections.abc import Callable
from datetime import datetime

import structlog

from adapters.incidents.page import Record, Stepped, began_of
from trader.session.effects import Effects
from trader.session.events import SessionLoaded
from trader.session.state import SessionState
from trader.session.step import SessionEvent, step

log = structlog.get_logger()


class RecordedHeart:
    """`step` for one session, with everything that passes it handed to `put` (False: no room).

    `is_calm`: there is room enough to go on after something was lost.
    """

    def __init__(
        self,
        put: Callable[[Record], bool],
        now: Callable[[], datetime],
        is_calm: Callable[[], bool] = lambda: True,
    ) -> None:
        self._put = put
        self._now = now
        self._is_calm = is_calm
        self._lost_count = 0
        self._is_holed = False  # something is missing: nothing more until the state is written
        self._can_freeze = True
        self.wants_state = False  # set by the recorder: write the state next

    def __call__(self, state: SessionState, event: SessionEvent, now_s: float) -> Effects:
        """As `step`."""
        is_new = type(event) is SessionLoaded
        if is_new or ((self._is_holed or self.wants_state) and self._can_freeze):
            self._begin(state, event, now_s)
        try:
            effects = step(state, event, now_s)
        except BaseException as error:
            if isinstance(event, SessionEvent):  # else there is no word for it; its end is told
                self.keep(Stepped(now_s, event, None, f"{type(error).__name__}: {error}"))
            raise
        self.keep(Stepped(now_s, event, effects))
        return effects

    def keep(self, record: Record) -> None:
        """Hand it on, or count it as lost."""
        if self._is_holed or not self._put(record):
            self._lost_count += 1
            self._is_holed = True

    def _begin(self, state: SessionState, event: SessionEvent, now_s: float) -> None:
        """A life is told from here, or not at all while there is no room for it."""
        self._is_holed = True
        if not self._is_calm():
            return
        self.wants_state = False
        try:
            began = began_of(state, event, self._now(), now_s, self._lost_count)
        except Exception as error:  # the trader must not die of its recording
            log.error("recording_failed", session=state.rules.session_id, error=repr(error))
            self._can_freeze = False  # the next load needs no state
            return
        if self._put(began):
            self._is_holed, self._lost_count = False, 0
