"""The sandbox venue's control port, from outside: the truth, and the faults."""

from collections.abc import Mapping
from typing import Any

import aiohttp

from actors.app.venues import SandboxProcess


class VenueControl:
    """One venue. Everything raises aiohttp.ClientError where it does not answer."""

    def __init__(self, http: aiohttp.ClientSession, venue: SandboxProcess) -> None:
        self._http = http
        self._url = venue.control_url
        token = venue.control_token_file.read_text("ascii").strip()
        self._headers = {"Authorization": f"Bearer {token}"}

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request."""
        async with self._http.request(
            method, self._url + path, json=body, headers=self._headers, raise_for_status=True
        ) as response:
            return await response.json()

    async def truth(self) -> Any:
        """What the venue has, of its only account."""
        found = await self.ask("GET", "/truth?requests_limit=0")
        (account,) = found["accounts"].values()
        return account

    async def install(self, kind: str, method: str, path: str, delay_ms: int, count: int) -> None:
        """Let the next requests of this kind go wrong."""
        fault = {"kind": kind, "method": method, "path": path, "delay_ms": delay_ms, "count": count}
        await self.ask("POST", "/faults", fault)

    async def strikes_count(self) -> int:
        """How often faults have struck so far."""
        return len((await self.ask("GET", "/faults"))["journal"])
