"""Alpaca, or whatever speaks its wire: the face of this room.

The sandbox, the paper host and the live host are the same adapter with other URLs.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from adapters.brokers.alpaca_account import AlpacaAccount, WrongAccount
from adapters.brokers.alpaca_feed import AlpacaFeed
from adapters.brokers.alpaca_http import AlpacaHttp
from adapters.brokers.alpaca_market import AlpacaExchange, AlpacaHistory
from adapters.brokers.alpaca_settings import AlpacaSettings
from adapters.brokers.alpaca_updates import orders_stream
from adapters.clock import Clock, SystemClock
from trader.ports import History, MarketFeed, Venue

__all__ = ["AlpacaSettings", "AlpacaVenue", "WrongAccount", "open_alpaca"]


@dataclass(frozen=True, slots=True)
class AlpacaVenue:
    """One login's four ports; the account's fulfilment also does the live handshake."""

    account: AlpacaAccount
    feed: MarketFeed
    history: History
    venue: Venue


@asynccontextmanager
async def open_alpaca(
    settings: AlpacaSettings, clock: Clock | None = None
) -> AsyncIterator[AlpacaVenue]:
    """The ports of one login; connections open when first used and are closed at the end.

    `clock` is the runtime's host where there is one, so that ages count the same seconds.
    """
    clock = clock if clock is not None else SystemClock()
    trading = AlpacaHttp(settings, clock, settings.url)
    data = AlpacaHttp(settings, clock, settings.data_url)
    account = AlpacaAccount(
        settings, clock, trading, partial(orders_stream, settings, clock, trading)
    )
    feed = AlpacaFeed(settings, clock, data)
    try:
        yield AlpacaVenue(
            account=account,
            feed=feed,
            history=AlpacaHistory(settings, clock, data, trading),
            venue=AlpacaExchange(settings, clock, trading),
        )
    finally:
        await feed.stop()
        await account.stop()
        await data.close()
