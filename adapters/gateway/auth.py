"""Who may come in: a token made at the first start, or ownership of the unix socket.

There is no default credential and no way to switch this off. The file holds the token for its
owner's clients; the daemon keeps only the hash.
"""

import hashlib
import hmac
import os
import secrets
import stat
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from aiohttp import web

from trader.errors import ConfigInvalid

TOKEN_BYTES = 32  # 256 bits: nothing to guess
_LENGTH_MIN = 32
_DISTINCT_MIN = 12  # "aaaa…" and "changeme…" are no tokens; a random one has over 20


class Scope(StrEnum):
    """What a route asks of its caller. A route without one is never served."""

    OPEN = "OPEN"
    READ = "READ"
    TRADE = "TRADE"  # halt, close, reconcile
    ADMIN = "ADMIN"  # resume


class Authority(Protocol):
    """Decides what a caller may do."""

    def scopes_of(self, request: web.BaseRequest) -> frozenset[Scope]:
        """The caller's scopes; only OPEN for a stranger."""
        ...


STRANGER = frozenset({Scope.OPEN})
EVERYTHING = frozenset(Scope)


def ensure_token(path: Path) -> str:
    """The token in the file, made on the first start, readable by its owner only.

    Raises ConfigInvalid for a file that others may read, and for a token one could guess.
    """
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return _read_token(path)
    with os.fdopen(handle, "w") as file:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    return token


def _read_token(path: Path) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise ConfigInvalid((f"{path}: the token must be a plain file of your own",)) from error
    with os.fdopen(handle) as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
            raise ConfigInvalid((f"{path}: the token must be a plain file of your own",))
        if facts.st_mode & 0o077:
            raise ConfigInvalid((f"{path}: others may read the token: chmod 600 it, or remove it",))
        token = file.read(1_024).strip()
    if len(token) < _LENGTH_MIN or len(set(token)) < _DISTINCT_MIN or not token.isascii():
        raise ConfigInvalid((f"{path}: too short or too simple for a token: remove it",))
    return token


class BearerAuthority:
    """`Authorization: Bearer <token>`, in the header only: never a cookie, never a query."""

    def __init__(self, token: str) -> None:
        self._digest = hashlib.sha256(token.encode()).digest()

    def scopes_of(self, request: web.BaseRequest) -> frozenset[Scope]:
        """Everything for the token, nothing for anybody else."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        # Hashes have one length and are bytes, whatever was sent.
        digest = hashlib.sha256(given.strip().encode("utf-8", "surrogateescape")).digest()
        is_ours = hmac.compare_digest(digest, self._digest) and scheme.lower() == "bearer"
        return EVERYTHING if is_ours else STRANGER


class OwnerAuthority:
    """The unix socket: its mode 0600 let only the owner (or root) connect."""

    def scopes_of(self, _: web.BaseRequest) -> frozenset[Scope]:
        """Everything."""
        return EVERYTHING
