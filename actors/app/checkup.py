"""The doctor's round where the house's own parts are needed: the database, each broker."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

from actors.app import database
from actors.app.venues import login_of
from adapters.brokers.alpaca import AlpacaVenue, WrongAccount, open_alpaca
from adapters.clock import SystemClock
from adapters.doctor import Finding
from adapters.folders import Folders
from trader.config import Settings, VenueKind
from trader.errors import ConfigInvalid, StoreError
from trader.ids import AccountId
from trader.orders.events import QueryFailed

CLOCK_SKEW_S_MAX = 2.0  # as much as makes a running daemon doubt its clock


async def examine_house(settings: Settings, places: Folders) -> AsyncIterator[Finding]:
    """Database first, then every broker; each question fails alone."""
    async for finding in _database(settings, places):
        yield finding
    for name, account in settings.accounts.items():
        if account.venue is VenueKind.SANDBOX:
            yield Finding(f"{name} broker", True, "the sandbox venue starts with the daemon")
            continue
        async for finding in _broker(settings, AccountId(name)):
            yield finding


async def _database(settings: Settings, places: Folders) -> AsyncIterator[Finding]:
    try:
        found = await database.status(settings, places)
    except ConfigInvalid as error:
        yield Finding("database", False, str(error), "mend that file")
        return
    except StoreError as error:
        fix = "start it, or mend store.database_url_file; the message says which"
        yield Finding("database", False, str(error), fix)
        return
    if found is None:
        yield Finding("database", True, "made at the first start")
        return
    yield Finding("database", True, f"PostgreSQL {found.server_version}, {found.server}")
    pending = ", ".join(found.schema.pending)
    detail = f"{found.schema.version:04} of {found.schema.newest:04}"
    yield Finding("schema", not pending, detail, "run `trader db upgrade`" if pending else "")
    yield _clock("database clock", found.clock_skew_s)


async def _broker(settings: Settings, account_id: AccountId) -> AsyncIterator[Finding]:
    try:
        login = login_of(settings, account_id, None)
    except ConfigInvalid as error:
        yield Finding(f"{account_id} broker", False, str(error), "give it its keys")
        return
    async with contextlib.AsyncExitStack() as stack:
        venue = await stack.enter_async_context(open_alpaca(login))
        yield await _login(account_id, venue)
        yield await _symbols(settings, account_id, venue)
        clock = await venue.venue.clock()
        if isinstance(clock, QueryFailed):
            yield Finding(f"{account_id} clock", False, clock.reason, "see the line above")
        else:
            skew_s = (clock.now - SystemClock().now()) / timedelta(seconds=1)
            yield _clock(f"{account_id} clock", skew_s)


async def _login(account_id: AccountId, venue: AlpacaVenue) -> Finding:
    name = f"{account_id} login"
    answer = await venue.account.verify()
    match answer:
        case QueryFailed():
            return Finding(name, False, answer.reason, "check url, key and secret")
        case WrongAccount():
            detail = f"the keys open {answer.found}, not {answer.expected}"
            return Finding(name, False, detail, f"mend accounts.{account_id}.live_account_id")
        case _:
            balance = answer.balance
            detail = f"account {balance.broker_account}"
            if balance.is_blocked:
                return Finding(name, False, f"{detail} may not trade", "ask the broker why")
            return Finding(name, True, f"{detail}, it may trade")


async def _symbols(settings: Settings, account_id: AccountId, venue: AlpacaVenue) -> Finding:
    name = f"{account_id} symbols"
    wanted = {settings.instrument_of(each) for each in settings.sessions_of(account_id)}
    answer = await venue.venue.instruments(sorted(wanted))
    if isinstance(answer, QueryFailed):
        return Finding(name, False, answer.reason, "see the line above")
    missing = ", ".join(sorted(wanted - {each.id for each in answer}))
    if missing:
        return Finding(name, False, f"not traded there: {missing}", "take other symbols")
    return Finding(name, True, f"{len(wanted)} are traded there")


def _clock(name: str, skew_s: float) -> Finding:
    is_ok = abs(skew_s) <= CLOCK_SKEW_S_MAX
    return Finding(name, is_ok, f"{skew_s:+.2f} s", "" if is_ok else "set this machine's clock")
