"""Settings: the whole of `config.toml`, typed. Read by `adapters/config_file.py`, frozen after it.

Every key names its unit, every limit has a default, and the reason for each default stands beside
it in `config.toml`. Secrets are never here: only the name of the file or variable that holds one.
An empty text means "not set"; what is then taken is said in `config.toml` too.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from trader.config_values import (
    Count,
    Currency,
    GroupName,
    Host,
    Millis,
    Name,
    Param,
    Port,
    Positive,
    Ratio,
    Seconds,
    Share,
    Symbol,
    Variable,
)
from trader.ids import AccountId, InstrumentId, SessionId, instrument_id
from trader.instants import Timeframe


class Section(BaseModel):
    """A table of the file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Mode(StrEnum):
    """Whether real money is at stake. Live asks to be configured twice (`live_account_id`)."""

    PAPER = "paper"
    LIVE = "live"


class VenueKind(StrEnum):
    """How an account is reached."""

    SANDBOX = "sandbox"  # the shipped venue, started beside the daemon, over Alpaca's wire
    ALPACA = "alpaca"


class Isolation(StrEnum):
    """Where a strategy runs."""

    AUTO = "auto"  # bundled ones inline, anybody else's in a process
    INLINE = "inline"
    PROCESS = "process"


class LogFormat(StrEnum):
    """How a log line looks."""

    AUTO = "auto"  # pretty on a terminal, JSON otherwise
    JSON = "json"
    PRETTY = "pretty"


class LogLevel(StrEnum):
    """The least important line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class DaemonConfig(Section):
    """[daemon]: the process."""

    mode: Mode = Mode.PAPER
    data_dir: str = ""
    state_dir: str = ""
    stop_grace_s: Seconds = 10.0
    record: bool = False
    record_bytes_max: Annotated[int, Field(ge=65_536, le=1_000_000_000)] = 64_000_000


class StoreConfig(Section):
    """[store]: PostgreSQL, the spool, the lease."""

    database_url_file: str = ""
    database_url_env: Variable = "DATABASE_URL"
    command_timeout_s: Seconds = 5.0
    read_connections_max: Count = 4
    pending_entries_max: Count = 10_000
    degraded_after_ms: Millis = 500.0
    spool_records_max: Count = 1_000
    lease_ttl_s: Annotated[float, Field(ge=1, le=60)] = 5.0
    decisions_kept_days: Count = 90


class RuntimeConfig(Section):
    """[runtime]: the engine room."""

    slice_ms: Annotated[float, Field(gt=0, le=50)] = 0.5
    mailbox_depth_max: Count = 10_000
    restarts_count_max: Count = 5
    restarts_window_s: Seconds = 60.0
    handler_warn_ms: Millis = 100.0
    handler_interrupt_ms: Millis = 500.0
    loop_dead_after_s: Seconds = 10.0
    ask_timeout_s: Seconds = 2.0


class StrategiesConfig(Section):
    """[strategies]: the hosts in which strategies run."""

    host_processes_count: Annotated[int, Field(ge=0, le=256)] = 0
    decision_deadline_ms: Millis = 250.0


class ReconcileConfig(Section):
    """[reconcile]: how often the broker is asked."""

    position_period_s: Seconds = 30.0
    order_period_s: Seconds = 300.0
    jitter_fraction: Share = 0.1
    query_timeout_s: Seconds = 10.0
    unknown_probe_s: Seconds = 2.0


class RiskConfig(Section):
    """[risk]: the limits of each session's entries; exits know none of them."""

    qty_max: Positive = Decimal(1_000)
    notional_max: Positive = Decimal(25_000)
    position_qty_max: Positive = Decimal(1_000)
    orders_per_minute_max: Count = 10
    orders_per_day_max: Count = 500
    collar_fraction: Ratio = Decimal("0.05")
    entry_deadline_s: Annotated[float, Field(gt=0, le=25)] = 10.0
    grant_ttl_s: Annotated[float, Field(gt=0, le=30)] = 30.0


class SessionLimits(Section):
    """[sessions.<id>.limits]: what differs from [risk] for one session; None: as there."""

    qty_max: Positive | None = None
    notional_max: Positive | None = None
    position_qty_max: Positive | None = None
    orders_per_minute_max: Count | None = None
    orders_per_day_max: Count | None = None
    collar_fraction: Ratio | None = None


def _above_warn(block: Decimal, info: ValidationInfo) -> Decimal:
    """The level that blocks lies above the one that warns."""
    warn = info.data.get("warn_ratio")
    if warn is not None and block <= warn:
        raise ValueError(f"must be above warn_ratio ({warn})")
    return block


class PortfolioConfig(Section):
    """[portfolio]: what is stored on the first start; then the database is the source of truth."""

    currency: Currency = "USD"
    warn_ratio: Ratio = Decimal("0.04")
    block_ratio: Annotated[Ratio, AfterValidator(_above_warn)] = Decimal("0.06")
    stopless_loss_fraction_long: Ratio = Decimal("1.0")
    stopless_loss_fraction_short: Ratio = Decimal("2.0")
    mark_age_s_max: Seconds = 120.0
    report_age_s_max: Seconds = 10.0
    group_caps: Mapping[Name, Ratio] = Field(default_factory=dict)  # group -> ratio


class AdminConfig(Section):
    """[admin]: HTTP on loopback, and the socket of the command line."""

    host: Host = "127.0.0.1"
    port: Port = 8787
    token_file: str = ""
    socket: str = ""
    body_bytes_max: Annotated[int, Field(ge=1_024, le=1_048_576)] = 65_536
    connections_max: Annotated[int, Field(ge=1, le=1_000)] = 200
    request_timeout_s: Seconds = 10.0


class LogsConfig(Section):
    """[logs]: one line an event, on standard output."""

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.AUTO
    repeats_window_s: Annotated[float, Field(ge=0, le=3_600)] = 10.0


class SandboxConfig(Section):
    """[sandbox]: the shipped venue, used by accounts with venue = "sandbox"."""

    symbols: Annotated[tuple[Symbol, ...], Field(min_length=1)] = (
        "AAPL",
        "IBM",
        "MSFT",
    )
    csv: str = ""
    timeframe: Timeframe = Timeframe.M1
    speed: Annotated[float, Field(gt=0, le=100_000)] = 60.0
    seed: int = 1
    prefill_bars_count: Annotated[int, Field(ge=0, le=100_000)] = 300
    cash: Positive = Decimal(100_000)
    requests_per_minute_max: Count = 10_000


class AccountConfig(Section):
    """[accounts.<alias>]: one login at one broker."""

    venue: VenueKind
    live_account_id: str = ""
    url: str = "https://paper-api.alpaca.markets"
    stream_url: str = "wss://paper-api.alpaca.markets/stream"
    data_url: str = "https://data.alpaca.markets"
    data_stream_url: str = "wss://stream.data.alpaca.markets/v2/iex"
    key_file: str = ""
    secret_file: str = ""
    key_env: Variable = "APCA_API_KEY_ID"
    secret_env: Variable = "APCA_API_SECRET_KEY"
    in_flight_bound_s: Seconds = 120.0


class SessionConfig(Section):
    """[sessions.<id>]: one strategy on one instrument of one account."""

    account: Name
    symbol: Symbol
    strategy: Annotated[str, Field(min_length=1)]
    timeframe: Timeframe = Timeframe.M1
    params: Mapping[str, Param] = Field(default_factory=dict)
    warmup_bars_count: Annotated[int, Field(ge=0, le=10_000)] = 300
    isolation: Isolation = Isolation.AUTO
    group: GroupName = ""
    limits: SessionLimits = SessionLimits()


class Settings(Section):
    """The whole file."""

    daemon: DaemonConfig = DaemonConfig()
    store: StoreConfig = StoreConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    strategies: StrategiesConfig = StrategiesConfig()
    reconcile: ReconcileConfig = ReconcileConfig()
    risk: RiskConfig = RiskConfig()
    portfolio: PortfolioConfig = PortfolioConfig()
    admin: AdminConfig = AdminConfig()
    logs: LogsConfig = LogsConfig()
    sandbox: SandboxConfig = SandboxConfig()
    accounts: Mapping[Name, AccountConfig] = Field(default_factory=dict)
    sessions: Mapping[Name, SessionConfig] = Field(default_factory=dict)

    def limits_of(self, session_id: SessionId) -> RiskConfig:
        """[risk] with what the session's own table changes."""
        own = self.sessions[session_id].limits.model_dump(exclude_none=True)
        return self.risk.model_copy(update=own)

    def instrument_of(self, session_id: SessionId) -> InstrumentId:
        """What the session trades. The sandbox is reached over Alpaca's wire and named so."""
        return instrument_id(self.sessions[session_id].symbol, VenueKind.ALPACA)

    def sessions_of(self, account_id: AccountId) -> tuple[SessionId, ...]:
        """The account's sessions."""
        return tuple(
            SessionId(name) for name, one in self.sessions.items() if one.account == account_id
        )


FEED_TIMEFRAMES = (Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1)
"""What can be made of the minute bars that the feed gives while a bar forms."""


def contradictions(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    """What each table alone cannot know: (key, what is wrong), every one of them."""
    owners: dict[tuple[str, str], str] = {}
    for name, session in settings.sessions.items():
        here = ("sessions", name)
        account = settings.accounts.get(session.account)
        if account is None:
            yield (*here, "account"), f"no [accounts.{session.account}] in this configuration"
            continue
        if session.timeframe not in FEED_TIMEFRAMES:
            wanted = ", ".join(FEED_TIMEFRAMES)
            yield (*here, "timeframe"), f"the feed's bars are minutes: one of {wanted}"
        owner = owners.setdefault((session.account, session.symbol), name)
        if owner != name:
            yield (*here, "symbol"), f"session {owner} trades it on this account already"
        if account.venue is VenueKind.SANDBOX and session.symbol not in settings.sandbox.symbols:
            yield (*here, "symbol"), "not among sandbox.symbols"
    for name, account in settings.accounts.items():
        if settings.daemon.mode is Mode.LIVE:
            if account.venue is VenueKind.SANDBOX:
                yield ("accounts", name, "venue"), "the sandbox cannot trade live"
            elif not account.live_account_id:
                yield ("accounts", name, "live_account_id"), 'needed with daemon.mode = "live"'
            elif "//paper-api." in account.url:
                yield ("accounts", name, "url"), 'the paper host cannot serve daemon.mode = "live"'
        elif "//api.alpaca.markets" in account.url:
            yield ("accounts", name, "url"), 'the live host needs daemon.mode = "live"'
        elif account.live_account_id:
            yield ("accounts", name, "live_account_id"), 'only with daemon.mode = "live"'
    if settings.runtime.handler_interrupt_ms <= settings.runtime.handler_warn_ms:
        yield ("runtime", "handler_interrupt_ms"), "must be above handler_warn_ms"
    if settings.risk.grant_ttl_s <= settings.risk.entry_deadline_s:
        yield ("risk", "grant_ttl_s"), "must be above entry_deadline_s: a grant outlives its order"
