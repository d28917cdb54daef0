"""The control port: the truth, the operator's hand, and the faults.  Loopback, with a token."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from hmac import compare_digest
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.sandbox import commands
from adapters.sandbox.alpaca_streams import AlpacaStreams, Severance, StreamName
from adapters.sandbox.entry import Refused, not_found
from adapters.sandbox.faults import Fault
from adapters.sandbox.guard import RequestLog
from adapters.sandbox.host import Host
from adapters.sandbox.orders import Order, Side
from adapters.sandbox.pace import Pacer
from adapters.sandbox.tape import Bar
from adapters.sandbox.truth import plain, truth

REQUESTS_SHOWN = 1000
PRICE_VOLUME = Decimal(1_000_000)  # of a print by hand, so that liquidity is not in the way


class MarketState(StrEnum):
    """What /market takes."""

    OPEN = "open"
    CLOSED = "closed"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Price(_Body):
    symbol: str
    price: Decimal = Field(gt=0)
    volume: Decimal = Field(default=PRICE_VOLUME, gt=0)


class _Market(_Body):
    state: MarketState


class _Cancel(_Body):
    account: str | None = None
    order_id: str | None = None
    client_order_id: str | None = None  # neither: every open order of the account


class _Trade(_Body):
    account: str | None = None  # None = the first account, here and below
    symbol: str
    side: Side
    qty: Decimal = Field(gt=0)
    price: Decimal | None = Field(default=None, gt=0)  # None = the last price


class _Position(_Body):
    account: str | None = None
    symbol: str
    qty: Decimal  # signed: what the position is to be
    price: Decimal | None = Field(default=None, gt=0)


class _BarUpdate(_Body):
    symbol: str
    opened_at: datetime | None = None  # None = the newest closed bar
    open: Decimal | None = Field(default=None, gt=0)
    high: Decimal | None = Field(default=None, gt=0)
    low: Decimal | None = Field(default=None, gt=0)
    close: Decimal | None = Field(default=None, gt=0)
    volume: Decimal | None = Field(default=None, ge=0)


class _Disconnect(_Body):
    stream: StreamName | None = None  # None = both
    account: str | None = None  # None = everybody
    how: Severance = Severance.CUT


class Control:
    """The handlers of the control port."""

    def __init__(
        self, host: Host, pacer: Pacer, streams: AlpacaStreams, requests: RequestLog, token: str
    ) -> None:
        self._host = host
        self._venue = host.venue
        self._pacer = pacer
        self._streams = streams
        self._requests = requests
        self._expected = f"Bearer {token}".encode()

    def application(self) -> web.Application:
        """The routes, all behind the token."""
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/truth", self._get_truth),
                web.post("/price", self._post_price),
                web.post("/market", self._post_market),
                web.post("/operator/cancel", self._post_cancel),
                web.post("/operator/trade", self._post_trade),
                web.post("/operator/position", self._post_position),
                web.post("/bar/update", self._post_bar_update),
                web.get("/faults", self._get_faults),
                web.post("/faults", self._post_fault),
                web.delete("/faults", self._delete_faults),
                web.post("/disconnect", self._post_disconnect),
                web.post("/pause", self._post_pause),
                web.post("/resume", self._post_resume),
            ]
        )
        return app

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        if not compare_digest(request.headers.get("Authorization", "").encode(), self._expected):
            return _json({"error": "a valid token is needed"}, 401)
        try:
            return await handler(request)
        except Refused as refusal:
            return _json(refusal.body(), refusal.http_status)
        except ValidationError as error:
            return _json({"error": error.errors(include_url=False, include_context=False)}, 422)

    # --- the truth ------------------------------------------------------------------------------

    async def _get_truth(self, request: web.Request) -> web.Response:
        limit = int(request.query.get("requests_limit", REQUESTS_SHOWN))
        return _json(
            {
                **truth(self._venue, self._host.tell_time(), request.query.get("account")),
                "is_paused": self._pacer.is_paused,
                "requests": self._requests.report(limit),
                "faults": self._host.faults.report(),
            }
        )

    # --- prices and hours -----------------------------------------------------------------------

    async def _post_price(self, request: web.Request) -> web.Response:
        body = _Price.model_validate_json(await request.read())
        now = self._host.now()
        command = commands.SetPrice(now, body.symbol, body.price, body.volume)
        self._host.perform(command, self._venue.set_price)
        return _json({"symbol": body.symbol, "last": self._venue.ledger.marks[body.symbol]})

    async def _post_market(self, request: web.Request) -> web.Response:
        body = _Market.model_validate_json(await request.read())
        is_open = body.state is MarketState.OPEN
        self._host.perform(commands.SetMarket(self._host.now(), is_open), self._venue.set_market)
        self._pacer.look()
        return _json({"is_open": self._venue.is_open})

    async def _post_bar_update(self, request: web.Request) -> web.Response:
        body = _BarUpdate.model_validate_json(await request.read())
        bar = self._revised(body)
        command = commands.ReviseBar(self._host.now(), body.symbol, bar)
        self._host.perform(command, self._venue.revise_bar)
        return _json(bar)

    def _revised(self, body: _BarUpdate) -> Bar:
        bars = self._venue.lifecycle.market(body.symbol).bars
        opened_at = body.opened_at
        found = [bar for bar in bars if opened_at in (None, bar.opened_at)]
        if not found:
            raise not_found("bar")
        old = found[-1]
        close = body.close or old.close
        volume = old.volume if body.volume is None else body.volume
        return Bar(
            opened_at=old.opened_at,
            open=body.open or old.open,
            high=max(body.high or old.high, body.open or old.open, close),
            low=min(body.low or old.low, body.open or old.open, close),
            close=close,
            volume=volume,
            trade_count=old.trade_count,
            notional=old.notional / old.volume * volume if old.volume else close * volume,
        )

    async def _post_pause(self, request: web.Request) -> web.Response:
        self._pacer.pause()
        return _json({"is_paused": True})

    async def _post_resume(self, request: web.Request) -> web.Response:
        self._pacer.resume()
        return _json({"is_paused": False})

    # --- the operator ---------------------------------------------------------------------------

    async def _post_cancel(self, request: web.Request) -> web.Response:
        body = _Cancel.model_validate_json(await request.read())
        account = self._venue.ledger.account(self._number(body.account))
        if body.order_id is not None:
            orders = [self._venue.ledger.order(account.number, body.order_id)]
        elif body.client_order_id is not None:
            found = account.orders_by_client_id.get(body.client_order_id)
            if found is None:
                raise not_found(f"order {body.client_order_id}")
            orders = [found]
        else:
            orders = account.all_open()
        for order in orders:
            self._host.settle_soon(self._host.request_cancel(account.number, order.id))
        return _json({"canceling": [order.id for order in orders]})

    async def _post_trade(self, request: web.Request) -> web.Response:
        body = _Trade.model_validate_json(await request.read())
        command = commands.OperatorTrade(
            self._host.now(),
            self._number(body.account),
            body.symbol,
            body.side,
            body.qty,
            body.price,
        )
        order: Order = self._host.perform(command, self._venue.operator_trade)
        return _json({"order_id": order.id, "price": order.average_price})

    async def _post_position(self, request: web.Request) -> web.Response:
        body = _Position.model_validate_json(await request.read())
        account = self._venue.ledger.account(self._number(body.account))
        change = body.qty - account.position_qty(body.symbol)
        command = commands.OperatorAdjust(
            self._host.now(), account.number, body.symbol, change, body.price
        )
        self._host.perform(command, self._venue.operator_adjust)
        return _json({"symbol": body.symbol, "qty": account.position_qty(body.symbol)})

    def _number(self, account: str | None) -> str:
        return account or next(iter(self._venue.ledger.accounts))

    # --- faults ---------------------------------------------------------------------------------

    async def _get_faults(self, request: web.Request) -> web.Response:
        return _json(self._host.faults.report())

    async def _post_fault(self, request: web.Request) -> web.Response:
        fault = Fault.model_validate_json(await request.read())
        return _json({"id": self._host.faults.install(fault)})

    async def _delete_faults(self, request: web.Request) -> web.Response:
        self._host.faults.clear()
        return _json(self._host.faults.report())

    async def _post_disconnect(self, request: web.Request) -> web.Response:
        body = _Disconnect.model_validate_json(await request.read() or b"{}")
        count = await self._streams.sever(body.stream, body.account, body.how)
        return _json({"severed": count})


def _json(payload: Any, status: int = 200) -> web.Response:
    body = orjson.dumps(payload, default=plain)
    return web.Response(body=body, status=status, content_type="application/json")
