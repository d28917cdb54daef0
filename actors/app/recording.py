"""Recording in the daemon: `daemon.record = true`, and every session's heart writes a file."""

import contextlib
from collections.abc import Callable, Iterator

from actors import realtime_trader, sessions
from actors.app.secrets import secrets_of
from actors.realtime_trader import Heart
from actors.runtime import Exit, Notice, Runtime
from adapters.folders import Folders
from adapters.incidents.recorder import Recorder
from trader.config import Settings
from trader.ids import SessionId
from trader.session.step import step

_PREFIXES = (realtime_trader.name_of(SessionId("")), sessions.guardian_name(SessionId("")))


@contextlib.contextmanager
def hearts(
    settings: Settings, folders: Folders, runtime: Runtime
) -> Iterator[Callable[[SessionId], Heart]]:
    """Each session's heart: as it is, or recorded, and then how every body of it ends as well."""
    if not settings.daemon.record:
        yield lambda _: step
        return
    recorder = Recorder(
        folders.recordings,
        runtime.host.now,
        file_bytes_max=settings.daemon.record_bytes_max,
        secrets=secrets_of(settings),
    )

    def heard(notice: Notice) -> None:
        if not isinstance(notice, Exit):
            return
        for prefix in _PREFIXES:
            if notice.name.startswith(prefix):
                session_id = SessionId(notice.name.removeprefix(prefix))
                recorder.ended(session_id, _words(notice))

    runtime.listen(heard)
    try:
        yield recorder.heart
    finally:
        recorder.close()


def _words(end: Exit) -> str:
    if end.error is None:
        return end.reason.lower()
    on = "" if end.message is None else f" on {type(end.message).__name__}"
    return f"{end.reason.lower()}{on}: {type(end.error).__name__}: {end.error}"
