"""One daemon a state folder: a lock that the kernel gives back however the process ends."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from trader.errors import Fenced


@contextlib.contextmanager
def only_daemon_of(state: Path) -> Iterator[str]:
    """Hold the folder; gives its identity, which is the holder's name in every lease.

    The same folder is the same holder, so a daemon that was killed retakes its leases at once.
    Raises Fenced while another process holds it.
    """
    file = os.open(state / "daemon.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Fenced(
                f"a daemon runs already with the state folder {state}: "
                "`trader status` shows it; stop it first, or use another --config"
            ) from None
        identity = os.pread(file, 64, 0).decode("ascii", "replace").strip()
        if len(identity) != 32:
            identity = secrets.token_hex(16)
            os.ftruncate(file, 0)
            os.pwrite(file, identity.encode(), 0)
            os.fsync(file)
        yield f"{os.uname().nodename}:{identity}"
    finally:
        os.close(file)


def is_held(state: Path) -> bool:
    """Whether a daemon runs with the folder now."""
    try:
        file = os.open(state / "daemon.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
