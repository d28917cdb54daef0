"""The last gate: asked when the connection stands, in the loop turn that writes the first byte.

Whether the gate was passed is also the proof of what was sent: before it nothing has left, after
it anything may have. A write is one attempt: the HTTP client sends some methods again by itself
when a reused connection dies, and that second try is refused here.
"""

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection

from trader.ports import LastGate, NotSent


class GateRefused(Exception):
    """The gate said no; not one byte was written."""

    def __init__(self, answer: NotSent) -> None:
        super().__init__(answer.reason_code)
        self.answer = answer


class Attempt:
    """One write. Rides along as a middleware, because a request is only made inside the client."""

    __slots__ = ("_gate", "_is_used", "was_written")

    def __init__(self, gate: LastGate) -> None:
        self._gate = gate
        self._is_used = False
        self.was_written = False

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Let the request through, the first time only."""
        if self._is_used:
            raise aiohttp.ServerDisconnectedError("connection lost; never sent a second time")
        self._is_used = True
        assert isinstance(request, GatedRequest)
        request.attempt = self
        return await handler(request)

    def pass_gate(self, connection: Connection) -> None:
        """Ask. From here on the write counts as sent. Raises GateRefused."""
        protocol = connection.protocol
        if protocol is None or not protocol.is_connected():
            raise GateRefused(NotSent("unreachable", "the connection closed before the write"))
        refusal = self._gate()
        if refusal is not None:
            raise GateRefused(refusal)
        self.was_written = True


class GatedRequest(ClientRequest):
    """A request that asks its attempt's gate right before the first byte.

    The client buffers the headers and writes them together with the body, from `write_bytes`; a
    request without body it writes from `send`. Between either and the socket nothing awaits.
    """

    attempt: Attempt | None = None

    async def send(self, conn: Connection) -> ClientResponse:
        """Write a request that has no body; else only prepare."""
        protocol = conn.protocol
        writes_here = not self.body and protocol is not None and not protocol.writing_paused
        if self.attempt is not None and writes_here:
            self.attempt.pass_gate(conn)
        return await super().send(conn)

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        """Write headers and body."""
        if self.attempt is not None:
            try:
                self.attempt.pass_gate(conn)
            except Exception as refusal:
                # This runs as a task of its own; whoever waits for the reply is told like this.
                if conn.protocol is not None:
                    conn.protocol.set_exception(refusal)
                conn.close()
                return
        await super().write_bytes(writer, conn, content_length)
