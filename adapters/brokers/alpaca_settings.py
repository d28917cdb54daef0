"""What the Alpaca adapter is told: where the venue is, with which keys, and how long it waits."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from trader.config import Mode
from trader.errors import ConfigInvalid
from trader.ids import AccountId

LIVE_HOST = "api.alpaca.markets"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class AlpacaSettings:
    """One login. Live money asks to be configured twice: the mode and the account's number.

    Raises ConfigInvalid where a live host and the mode disagree, or keys would travel in the clear.
    """

    account_id: AccountId
    key_id: SecretStr
    secret: SecretStr
    mode: Mode = Mode.PAPER
    live_account_id: str = ""  # the broker's own number of the account, needed in live mode
    venue: str = "ALPACA"  # what stands behind the dot of an instrument's id
    url: str = "https://paper-api.alpaca.markets"
    stream_url: str = "wss://paper-api.alpaca.markets/stream"
    data_url: str = "https://data.alpaca.markets"
    data_stream_url: str = "wss://stream.data.alpaca.markets/v2/iex"
    data_source: str = "iex"  # which tape history is read from; the stream's is in its URL
    requests_per_minute: int = 200  # until the venue's own headers say otherwise
    in_flight_max: int = 32  # requests under way at once, of one host
    queue_wait_s_max: float = 5.0  # for a turn, when the venue's rate limit is near
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 5.0  # without a byte
    total_timeout_s: float = 10.0
    heartbeat_s: float = 5.0  # of the streams; half of it without an answer ends the connection
    reconnect_wait_s_max: float = 15.0
    in_flight_bound_s: float = 120.0  # after it a request cannot arrive any more
    steady_s: float = 5.0  # a stream that lived longer reconnects at once

    def __post_init__(self) -> None:
        problems = []
        urls = [self.url, self.stream_url, self.data_url, self.data_stream_url]
        hosts = [urlsplit(url).hostname or "" for url in urls]
        if self.mode is Mode.LIVE and not self.live_account_id:
            problems.append("live mode needs live_account_id, the broker's number of the account")
        if self.mode is not Mode.LIVE and LIVE_HOST in hosts[:2]:
            problems.append(f"{LIVE_HOST} trades real money, but the mode is {self.mode}")
        for url, host in zip(urls, hosts, strict=True):
            if host not in LOOPBACK and urlsplit(url).scheme not in ("https", "wss"):
                problems.append(f"{url} would carry the keys unencrypted: use https or wss")
        if problems:
            raise ConfigInvalid(tuple(problems))
