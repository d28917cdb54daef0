"""Tick: one trade as the venue reported it."""

from dataclasses import dataclass
from datetime import datetime

from trader.ids import InstrumentId
from trader.money import Price, Quantity


@dataclass(slots=True)
class Tick:
    """One trade. Made by the thousand, so not frozen; a house test forbids assignment."""

    instrument: InstrumentId
    price: Price
    volume: Quantity
    happened_at: datetime  # the venue's stamp, UTC: decides the bar
    seen_at: datetime  # our clock, UTC: for people, never for decisions
    trade_id: str = ""  # the venue's, when it gives one: the same trade twice is admitted once
