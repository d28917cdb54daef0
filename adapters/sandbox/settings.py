"""What the sandbox venue is started with."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adapters.sandbox.commands import Rules

TIMEFRAME = re.compile(r"(\d+)([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class PriceKind(StrEnum):
    """Where prices come from."""

    REPLAY = "replay"
    SEEDED = "seeded"


class SandboxSettings(BaseModel):
    """Everything the venue can be told at its start. Durations are the venue's, unless said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)  # 0 = any free one
    control_port: int = Field(default=0, ge=0, le=65535)
    token_file: Path | None = None  # of the control port; made in the data directory if not given
    accounts: tuple[str, ...] = ("DEMO-1",)
    cash: Decimal = Field(default=Decimal(100_000), ge=0)  # each account's, once, in dollars
    rules: Rules = Rules()
    symbols: tuple[str, ...] = Field(default=("AAPL", "IBM", "MSFT"), min_length=1)
    prices: PriceKind = PriceKind.REPLAY
    recordings: tuple[str, ...] = ()  # FILE or SYMBOL=FILE; none = the shipped daily file
    first_slot: int = Field(default=0, ge=0)  # of the source
    prefill_count: int = Field(default=0, ge=0)  # bars of history before the live start
    timeframe: str = "1m"
    speed: float = Field(default=1.0, gt=0)  # how much faster than real time
    start_at: datetime | None = None  # of the venue's clock on the very first start; None = now
    walk_start: Decimal = Field(default=Decimal(100), gt=0)  # seeded: first price
    walk_volatility: float = Field(default=0.001, gt=0)  # seeded: of a quarter of a bar
    revise_fraction: float = Field(default=0.0, ge=0, le=1)  # of closed bars, updated afterwards
    latency_ms: float = Field(default=1.0, ge=0)  # host time; 0 = events come before the reply
    requests_per_minute: int = Field(default=200, gt=0)  # for each account, host time
    fsync: bool = False  # each command on the disk before it is answered
    paused: bool = False  # the price path waits for /resume

    @field_validator("timeframe")
    @classmethod
    def _timeframe_is_known(cls, value: str) -> str:
        if parse_timeframe(value) <= timedelta():
            raise ValueError("must be longer than nothing")
        return value

    @field_validator("start_at")
    @classmethod
    def _start_is_aware(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("needs a time zone")
        return value


def parse_timeframe(text: str) -> timedelta:
    """`1s`, `5m`, `1h`, `1d` as a duration."""
    match = TIMEFRAME.fullmatch(text)
    if match is None:
        raise ValueError("a timeframe is a number and one of s, m, h, d")
    return timedelta(**{UNITS[match[2]]: int(match[1])})
