"""The command line's end of the unix socket. Standard library only: it must load quickly."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode


class ExitCode(IntEnum):
    """What a verb says to the shell."""

    OK = 0
    FAILED = 1
    USAGE = 2  # bad usage or configuration
    UNREACHABLE = 3  # no daemon answers
    REFUSED = 4  # by safety
    DEGRADED = 5  # it works, and something is wrong


class Unreachable(Exception):
    """No daemon answers at the socket, or not in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status of HTTP and the JSON that came with it."""

    status: int
    body: Any


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.sock.close()
            raise


class Client:
    """Asks the daemon behind a socket. Raises Unreachable."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, resource: str, query: Mapping[str, str], *, timeout_s: float = 10.0) -> Answer:
        """A resource of `/api/v1`."""
        return self._ask("GET", f"{resource}?{urlencode(query)}" if query else resource, timeout_s)

    def post(self, resource: str, body: Mapping[str, str], *, timeout_s: float = 60.0) -> Answer:
        """A command. It may wait for the broker's answers, so it waits longer than a question."""
        return self._ask("POST", resource, timeout_s, json.dumps(body))

    def lines(self, resource: str, query: Mapping[str, str]) -> Iterator[Any]:
        """A stream of JSON objects, until the daemon ends it."""
        connection = _UnixConnection(self._path, timeout_s=3_600.0)
        try:
            connection.request("GET", f"/api/v1/{resource}?{urlencode(query)}")
            for line in connection.getresponse():
                yield json.loads(line)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unreachable(str(self._path)) from error
        finally:
            connection.close()

    def _ask(self, method: str, resource: str, timeout_s: float, body: str | None = None) -> Answer:
        connection = _UnixConnection(self._path, timeout_s)
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            connection.request(method, f"/api/v1/{resource}", body, headers)
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read()))
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unreachable(str(self._path)) from error
        finally:
            connection.close()


def part(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")
