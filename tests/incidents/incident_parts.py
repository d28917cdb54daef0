"""A toy world whose heart is recorded, and its recording as a file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from adapters.incidents.heart import RecordedHeart
from adapters.incidents.page import Record, encode_record, head_line
from tests.trader.order_parts import SESSION
from tests.trader.session.session_world import START, World, buy, leave
from trader.ids import SessionId
from trader.session.events import SessionLoaded, TradingState, TradingStateChanged
from trader.session.step import SessionEvent


@dataclass
class RecordedWorld(World):
    """As the trader does it: the operator's word follows every load."""

    records: list[Record] = field(default_factory=list)
    has_room: Callable[[], bool] = lambda: True
    heart: RecordedHeart | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heart is None:
            self.heart = RecordedHeart(self._put, lambda: START + timedelta(seconds=self.now_s))

    def tell(self, event: SessionEvent) -> None:
        assert self.heart is not None
        queue: list[SessionEvent] = [event]
        if isinstance(event, SessionLoaded):
            queue.append(TradingStateChanged(TradingState.ACTIVE, ""))
        while queue:
            for effect in self.heart(self.state, queue.pop(0), self.now_s):
                self.done.append(effect)
                queue += self._do(effect)

    def _put(self, record: Record) -> bool:
        if not self.has_room():
            return False
        self.records.append(record)
        return True


def trade(world: World) -> None:
    """Buy on a bar, with a stop at the venue, and leave some bars later."""
    world.bar(buy(stop=90))
    world.wait(1)
    for price in (101, 102, 99):
        world.move(price)
        world.bar()
    world.wait(40)
    world.bar(leave())
    world.wait(40)


def write(folder: Path, records: list[Record], session_id: SessionId = SESSION) -> Path:
    """A file of these records."""
    file = folder / f"{session_id}.jsonl"
    file.write_bytes(b"".join([head_line(session_id), *map(encode_record, records)]))
    return file


def a_day(folder: Path) -> Path:
    """The recording of one life that has traded."""
    world = RecordedWorld()
    world.start()
    trade(world)
    return write(folder, world.records)


def rewrite(file: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Forge the lines of a file."""
    lines = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    change(lines)
    file.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def forge_a_quantity(lines: list[dict[str, Any]]) -> None:
    """As if another quantity had been decided then."""
    done = next(d for line in lines for d in line.get("did", ()) if d["is"] == "Record")
    done["order"]["qty"] = "11"
