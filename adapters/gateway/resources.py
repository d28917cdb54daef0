"""Resources: what one may look at, the same at every door."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

from aiohttp import web

from adapters.gateway.auth import Scope
from adapters.gateway.doorway import HEADERS, Doorway, Handler
from adapters.gateway.wire import (
    AskedBars,
    AskedNewest,
    AskedNothing,
    AskedOrders,
    AskedPage,
    Refusal,
    answer,
    asked_in_query,
    encoded,
)
from trader.desk import Desk
from trader.ids import ClientOrderId, SessionId

T = TypeVar("T")

_ALIVE_S = 5.0  # how soon a stream notices that its reader has gone


def add_resources(doorway: Doorway, desk: Desk) -> None:
    """What one may look at, the same at every door."""

    def read(path: str, handler: Handler) -> None:
        doorway.route("GET", f"/api/v1{path}", Scope.READ, handler)

    async def status(request: web.Request) -> web.Response:
        asked_in_query(AskedNothing, request)
        return answer(await desk.status())

    async def sessions(request: web.Request) -> web.Response:
        asked_in_query(AskedNothing, request)
        return _items(await desk.sessions())

    async def session(request: web.Request) -> web.Response:
        asked_in_query(AskedNothing, request)
        return answer(_found(await desk.session(session_in(request))))

    async def why(request: web.Request) -> web.Response:
        asked_in_query(AskedNothing, request)
        return answer(_found(await desk.why(session_in(request))))

    async def decisions(request: web.Request) -> web.Response:
        asked = asked_in_query(AskedNewest, request)
        return _items(_found(await desk.decisions(session_in(request), limit=asked.limit)))

    async def bars(request: web.Request) -> web.StreamResponse:
        asked = asked_in_query(AskedBars, request)
        newest = _found(await desk.bars(session_in(request), limit=asked.limit))
        if not asked.follow:
            return _items(newest)
        return await _streamed(request, newest, desk.follow_bars(session_in(request)))

    async def orders(request: web.Request) -> web.Response:
        asked = asked_in_query(AskedOrders, request)
        found = await desk.orders(
            session_id=_session(asked),
            open_only=asked.open,
            limit=asked.limit,
            after=ClientOrderId(asked.after) if asked.after else None,
        )
        return _page(asked, found, [order.id for order in found])

    async def order(request: web.Request) -> web.Response:
        asked_in_query(AskedNothing, request)
        return answer(_found(await desk.order(ClientOrderId(request.match_info["id"]))))

    async def positions(request: web.Request) -> web.Response:
        asked_in_query(AskedNothing, request)
        return _items(await desk.positions())

    async def fills(request: web.Request) -> web.Response:
        asked = asked_in_query(AskedPage, request)
        found = await desk.fills(session_id=_session(asked), limit=asked.limit, after=asked.after)
        return _page(asked, found, [fill.execution_id for fill in found])

    async def trades(request: web.Request) -> web.Response:
        asked = asked_in_query(AskedPage, request)
        found = await desk.trades(session_id=_session(asked), limit=asked.limit, after=asked.after)
        return _page(asked, found, [trade.closing_execution_id for trade in found])

    async def heat(request: web.Request) -> web.Response:
        asked_in_query(AskedNothing, request)
        return answer(await desk.heat())

    async def accounts(request: web.Request) -> web.Response:
        asked_in_query(AskedNothing, request)
        return _items(await desk.accounts())

    async def feeds(request: web.Request) -> web.Response:
        asked_in_query(AskedNothing, request)
        return _items(await desk.feeds())

    async def actors(request: web.Request) -> web.Response:
        asked_in_query(AskedNothing, request)
        return answer(await desk.actors())

    async def dead_letters(request: web.Request) -> web.Response:
        asked = asked_in_query(AskedNewest, request)
        return _items(await desk.dead_letters(limit=asked.limit))

    async def config(request: web.Request) -> web.Response:
        asked_in_query(AskedNothing, request)
        return _items(await desk.config())

    read("/status", status)
    read("/sessions", sessions)
    read("/sessions/{id}", session)
    read("/sessions/{id}/why", why)
    read("/sessions/{id}/decisions", decisions)
    read("/sessions/{id}/bars", bars)
    read("/orders", orders)
    read("/orders/{id}", order)
    read("/positions", positions)
    read("/fills", fills)
    read("/trades", trades)
    read("/heat", heat)
    read("/accounts", accounts)
    read("/feeds", feeds)
    read("/actors", actors)
    read("/dead-letters", dead_letters)
    read("/config", config)


def session_in(request: web.Request) -> SessionId:
    """The session that the path names; whether it exists the desk knows."""
    return SessionId(request.match_info["id"])


def _session(asked: AskedPage) -> SessionId | None:
    return SessionId(asked.session) if asked.session else None


def _found(value: T | None) -> T:
    if value is None:
        raise Refusal(404, "no such name")
    return value


def _items(items: Sequence[object]) -> web.Response:
    return answer({"items": items})


def _page(asked: AskedPage, items: Sequence[object], ids: Sequence[str]) -> web.Response:
    """`next` is what to send as `after`; null on the last page."""
    return answer({"items": items, "next": ids[-1] if len(ids) == asked.limit else None})


async def _streamed(
    request: web.Request, first: Sequence[object], more: AsyncGenerator[object, None]
) -> web.StreamResponse:
    """One JSON object a line, until the client goes away."""
    response = web.StreamResponse(headers={**HEADERS, "Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    async with aclosing(more):
        waiting: asyncio.Future[object] | None = None
        try:
            for item in first:
                await response.write(encoded(item) + b"\n")
            while request.transport is not None:
                waiting = waiting or asyncio.ensure_future(anext(more))
                if (await asyncio.wait({waiting}, timeout=_ALIVE_S))[0]:
                    await response.write(encoded(waiting.result()) + b"\n")
                    waiting = None
        except (ConnectionError, StopAsyncIteration):
            pass  # the client went away, or the session ended
        finally:
            if waiting is not None and waiting.cancel():
                await asyncio.wait({waiting})
    return response
