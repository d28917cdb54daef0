"""One reminder for all that an actor may be late with: whoever is due first sets it."""

from typing import Any

from actors.runtime.actor import Actor, Reminder

_NEVER_S = float("inf")
_A_MOMENT_S = 0.001  # it tells a little late: seconds that were added up are rounded


class Alarm:
    """Tells its actor `message` once the earliest instant that was asked for has passed.

    Seconds are the host's elapsed ones. Who is told clears it, then says what is due next.
    """

    __slots__ = ("_actor", "_due_s", "_message", "_reminder")

    def __init__(self, actor: Actor, message: Any) -> None:
        self._actor = actor
        self._message = message
        self._due_s = _NEVER_S
        self._reminder: Reminder | None = None

    def by(self, due_s: float) -> None:
        """Tell by then; never, for infinity. What is set for an earlier instant stays."""
        if due_s >= self._due_s:
            return
        self.clear()
        self._due_s = due_s
        delay_s = max(0.0, due_s - self._actor.runtime.host.elapsed()) + _A_MOMENT_S
        self._reminder = self._actor.remind(delay_s, self._message)

    def clear(self) -> None:
        """Nothing is due that is known of."""
        self._due_s = _NEVER_S
        if self._reminder is not None:
            self._reminder.cancel()
            self._reminder = None
