"""Logs: JSON or pretty, never a secret, never a flood, never in anybody's way."""

import io
import json
import logging
import threading
from collections.abc import Iterator
from decimal import Decimal

import pytest
import structlog

from adapters.logs import LINES_MAX, Logs, Repeats, Writer
from trader.config import LogFormat, LogLevel, LogsConfig

CANARY = "canary-51ab-9c77-secret"


def logs_to(stream: io.StringIO, **config: object) -> Logs:
    return Logs(LogsConfig.model_validate({"repeats_window_s": 0, **config}), stream)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logs(stream: io.StringIO) -> Iterator[Logs]:
    made = logs_to(stream)
    yield made
    made.close()


def lines(logs: Logs, stream: io.StringIO) -> list[dict[str, object]]:
    logs.close()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_level_utc_and_exact_decimals(
    logs: Logs, stream: io.StringIO
) -> None:
    structlog.get_logger().info("order_submitted", qty=Decimal("1E+1"), session_id="aapl-sma")

    (line,) = lines(logs, stream)

    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "order_submitted",
        "level": "info",
        "qty": "10",
        "session_id": "aapl-sma",
    }


def test_a_planted_secret_appears_in_no_line_wherever_it_was_put(
    logs: Logs, stream: io.StringIO
) -> None:
    logs.redactor.conceal(CANARY)
    log = structlog.get_logger()
    log.info("one", text=f"key is {CANARY}, yes")
    log.info("two", nested={"deep": [CANARY, {"x": CANARY}]}, error=ValueError(CANARY))
    try:
        raise RuntimeError(f"refused: {CANARY}")
    except RuntimeError:
        log.exception("three")
        logging.getLogger("some.client").exception("failed with %s", CANARY)

    written = lines(logs, stream)

    assert [line["event"] for line in written] == ["one", "two", "three", "library_said"]
    assert CANARY not in stream.getvalue()
    assert "RuntimeError" in stream.getvalue()


@pytest.mark.parametrize(
    "said",
    [
        {"authorization": CANARY},
        {"secret_key": CANARY},
        {"headers": {"APCA-API-SECRET-KEY": CANARY, "Authorization": f"Bearer {CANARY}"}},
        {"text": f"Authorization: Bearer {CANARY}"},
        {"text": f"postgresql://trader:{CANARY}@db/trader"},
        {"text": f"postgresql://trader:a/b{CANARY}@db/trader"},
        {"text": f"{{'APCA-API-SECRET-KEY': '{CANARY}'}}"},
        {"raw": f"APCA-API-KEY-ID: {CANARY}".encode()},
    ],
)
def test_what_looks_like_a_secret_is_hidden_though_nobody_said_it_was_one(
    logs: Logs, stream: io.StringIO, said: dict[str, object]
) -> None:
    structlog.get_logger().warning("odd", **said)

    assert len(lines(logs, stream)) == 1
    assert CANARY not in stream.getvalue()


def test_a_port_is_not_taken_for_a_password(logs: Logs, stream: io.StringIO) -> None:
    structlog.get_logger().info("daemon_ready", url="http://127.0.0.1:8787")

    assert lines(logs, stream)[0]["url"] == "http://127.0.0.1:8787"


def test_a_terminal_gets_pretty_lines(stream: io.StringIO) -> None:
    logs = logs_to(stream, format=LogFormat.PRETTY)
    structlog.get_logger().info("order_submitted", session_id="aapl-sma")
    logs.close()

    assert "order_submitted" in stream.getvalue()
    assert "session_id=aapl-sma" in stream.getvalue()


def test_lines_below_the_level_are_not_written(stream: io.StringIO) -> None:
    logs = logs_to(stream, level=LogLevel.WARNING)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")

    assert [line["event"] for line in lines(logs, stream)] == ["loud"]


def test_the_same_line_again_is_counted_and_the_count_is_written_when_the_window_ends(
    stream: io.StringIO,
) -> None:
    logs = logs_to(stream, repeats_window_s=3_600)
    for took_ms in (1.5, 2.5, 3.5):
        structlog.get_logger().warning("order_refused", reason_code="no_funds", took_ms=took_ms)
    structlog.get_logger().warning("order_refused", reason_code="market_closed")

    written = lines(logs, stream)

    assert [(line["reason_code"], line.get("repeated_count")) for line in written] == [
        ("no_funds", None),
        ("market_closed", None),
        ("no_funds", 2),
    ]


def test_a_line_is_written_anew_in_the_next_window() -> None:
    now = [0.0]
    late: list[object] = []
    repeats = Repeats(10, late.append, clock=lambda: now[0])

    assert repeats(None, "", {"event": "x"}) == {"event": "x"}
    with pytest.raises(structlog.DropEvent):
        repeats(None, "", {"event": "x"})
    now[0] = 10.0

    assert repeats(None, "", {"event": "x"}) == {"event": "x"}
    assert late == [{"event": "x", "repeated_count": 1}]


def test_a_pipe_that_nobody_reads_holds_nobody_up() -> None:
    is_writing, go_on = threading.Event(), threading.Event()

    class FullPipe(io.StringIO):
        def write(self, text: str) -> int:
            is_writing.set()
            go_on.wait(10)
            return super().write(text)

    pipe = FullPipe()
    writer = Writer(pipe, on_idle=lambda: None)
    writer.write("first")
    assert is_writing.wait(10)

    for _ in range(LINES_MAX + 5):
        writer.write("another")

    assert writer.dropped_count == 5
    go_on.set()
    writer.close(10)
    assert pipe.getvalue().count("another") == LINES_MAX
