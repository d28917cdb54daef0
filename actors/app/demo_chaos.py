"""Three things break before the viewer's eyes; what is said of the recovery is what was seen."""

import asyncio
from dataclasses import dataclass

import aiohttp
import structlog

from actors.app.house import House
from actors.app.patience import until
from actors.app.venue_control import VenueControl
from actors.desk import HouseDesk
from actors.realtime_trader import name_of
from trader.ids import SessionId
from trader.orders.order import Status

RECOVERED_S = 60.0
PAUSE_S = 4.0
ORDER_S = 60.0  # by then some strategy has ordered something
NOTICED_S = 1.0  # a line that is cut is up again before one can look

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sabotage:
    """A message that no actor understands: whoever reads it dies of it."""


class Chaos:
    """Breaks the house it is given, through the doors that anybody has."""

    def __init__(self, house: House, desk: HouseDesk) -> None:
        self._house = house
        self._desk = desk

    async def is_survived(self) -> bool:
        """An actor, the lines, an acknowledgement: one after the other, each until it is mended."""
        assert self._house.sandbox is not None, "the demo's venue is the sandbox"
        async with aiohttp.ClientSession() as http:
            control = VenueControl(http, self._house.sandbox)
            try:
                await self._kill_a_trader()
                await asyncio.sleep(PAUSE_S)
                await self._cut_the_lines(control)
                await asyncio.sleep(PAUSE_S)
                await self._lose_an_answer(control)
            except TimeoutError:
                log.error("not_recovered", text="not in time: this is a fault, please tell us")
                return False
        _tell("That was all: an actor, the lines, an answer. The house trades on.")
        return True

    async def _kill_a_trader(self) -> None:
        session_id = min(SessionId(name) for name in self._house.settings.sessions)
        before = await self._incarnation(session_id)
        assert before is not None, "every configured session has its name"
        _tell(f"1 of 3. A poisonous message goes to {name_of(session_id)}: it will die of it.")
        began_s = self._house.host.elapsed()
        self._house.runtime.address(name_of(session_id)).tell(Sabotage())

        async def is_back() -> bool:
            view = await self._desk.session(session_id)
            return view is not None and view.incarnation > before and view.phase == "TRADING"

        await until(is_back, RECOVERED_S)
        now = await self._incarnation(session_id)
        _tell(
            f"It trades again after {self._house.host.elapsed() - began_s:.1f} s, incarnation "
            f"{before} -> {now}: rebuilt from the broker, the bars and the rows, reconciled first. "
            "The other sessions have not noticed."
        )

    async def _cut_the_lines(self, control: VenueControl) -> None:
        _tell("2 of 3. The venue cuts the market data and the stream of order events.")
        severed = await control.ask("POST", "/disconnect", {})
        await asyncio.sleep(NOTICED_S)
        await until(self._is_whole, RECOVERED_S)
        _tell(
            f"{severed['severed']} streams were cut; both lines are up again, and orders, fills "
            "and bars of the time between were asked for."
        )

    async def _lose_an_answer(self, control: VenueControl) -> None:
        before = await control.strikes_count()
        await control.install("ack_lost", "POST", "/v2/orders", 0, 1)
        _tell("3 of 3. The next order will reach the venue, and its answer will be lost.")

        async def is_lost() -> bool:
            return await control.strikes_count() > before

        async def is_known() -> bool:
            working = await self._desk.orders(open_only=True)
            return not any(each.status is Status.UNKNOWN for each in working)

        await until(is_lost, ORDER_S)
        await until(is_known, RECOVERED_S)
        truth = await control.truth()
        ids = [each["client_order_id"] for each in truth["orders"]]
        _tell(
            "It was neither called lost nor sent twice: asked for by its id, found. The venue has "
            f"{len(ids)} orders of {len(set(ids))} ids."
        )

    async def _incarnation(self, session_id: SessionId) -> int | None:
        view = await self._desk.session(session_id)
        return None if view is None else view.incarnation

    async def _is_whole(self) -> bool:
        """Both lines up, as the desk says."""
        accounts, feeds = await self._desk.accounts(), await self._desk.feeds()
        lines = [each.stream_is_connected for each in accounts]
        return all((*lines, *(each.is_connected for each in feeds)))


def _tell(text: str) -> None:
    log.info("demo_chaos", text=text)
