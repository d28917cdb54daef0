"""What the demo's viewer sees: the daemon's own log lines, in words. Everything goes to a file too.

The screen invents nothing: a line stands here because the daemon logged it after it had happened.
"""

import io
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

Event = Mapping[str, Any]
Words = tuple[str, str, str, str]  # who, what, in which words, style

MILLISECOND = timedelta(milliseconds=1)
_WHO = 16
_WHAT = 10


class Screen(io.TextIOBase):
    """A stream for `Logs`: takes its JSON lines."""

    def __init__(self, console: Console, log_file: Path, began_at: datetime) -> None:
        self.fills_count = 0
        self._console = console
        self._log = log_file.open("a", encoding="utf-8", buffering=1)
        self._step_at = began_at
        self._heat_level: str | None = None  # None: until all stands it says nothing
        self._recorded_at: dict[str, datetime] = {}  # by order, until it is filled

    def _step(self, event: Event) -> None:
        at = datetime.fromisoformat(event["timestamp"])
        what, text = _STEPS[event["event"]](event)
        self.step(what, text, (at - self._step_at).total_seconds())
        self._step_at = at

    def step(self, what: str, text: str, took_s: float) -> None:
        """A part of the demo that stands."""
        self._console.print(
            Text.assemble((" ✔ ", "green"), f"{what:<{_WHO}}{text}  ", (f"{took_s:.1f}s", "dim"))
        )

    def write(self, text: str, /) -> int:
        """One line of the log."""
        self._log.write(text)
        event = json.loads(text)
        match event["event"]:
            case "fill":
                self.fills_count += 1
                event["after_ms"] = self._ms_since_row(event)
            case "order_recorded":
                self._recorded_at[event["order_id"]] = datetime.fromisoformat(event["timestamp"])
            case "store_ready" | "account_ours" | "demo_step":
                self._step(event)
                return len(text)
            case "demo_said":
                self._heat_level = self._heat_level or ""
            case "heat_changed" if not self._is_new_level(event["heat_level"]):
                return len(text)
        line = line_of(event)
        if line is not None:
            self._console.print(line)
        return len(text)

    def close(self) -> None:
        """The file; the terminal stays."""
        self._log.close()

    def _is_new_level(self, level: str) -> bool:
        if self._heat_level is None:
            return False
        before, self._heat_level = self._heat_level, level
        return before not in ("", level)

    def _ms_since_row(self, event: Event) -> int | None:
        recorded_at = self._recorded_at.pop(event["order_id"] or "", None)
        if recorded_at is None:
            return None
        return round((datetime.fromisoformat(event["timestamp"]) - recorded_at) / MILLISECOND)


_STEPS: dict[str, Callable[[Event], tuple[str, str]]] = {
    "store_ready": lambda event: ("database", f"{event['database']} PostgreSQL"),
    "account_ours": lambda event: (
        "sandbox venue",
        f"its own process, Alpaca's wire, account {event['account']}, lease {event['epoch']}",
    ),
    "demo_step": lambda event: (event["what"], event["text"]),
}


def line_of(event: Event) -> Text | None:
    """The line for an event of the log; None where it says nothing to a viewer."""
    if event["event"] == "demo_said":
        return Text(f"   {event['text']}", "bold" if event["is_loud"] else "")
    known = _WORDS.get(event["event"])
    words = known(event) if known is not None else _unknown(event)
    if words is None:
        return None
    who, what, text, style = words
    time = f" {event['timestamp'][11:19]}Z "
    return Text.assemble((time, "dim"), f"{who:<{_WHO}}", (f"{what:<{_WHAT}}", style), text)


def _unknown(event: Event) -> Words | None:
    """What has no words of its own is shown as it is, if somebody should look at it."""
    if event["level"] not in ("warning", "error", "critical"):
        return None
    told = event.get("text") or ", ".join(
        f"{key} {value}"
        for key, value in event.items()
        if key not in ("event", "level", "timestamp", "session", "stack")
    )
    return event.get("session", ""), "!", f"{event['event'].replace('_', ' ')}: {told}", "yellow"


def _quiet(_: Event) -> None:
    return None


def _recorded(event: Event) -> Words:
    order = f"{event['side']} {event['qty']} @ {event['type']}"
    what, style = {"ENTRY": ("enters", "cyan"), "EXIT": ("exits", "cyan")}.get(
        event["purpose"], ("protects", "blue")
    )
    return event["session"], what, f"{order}, {event['reason']}; its row is durable", style


def _fill(event: Event) -> Words:
    text = f"{event['side']} {event['qty']} @ {event['price']}, position {event['position']}"
    if event["after_ms"] is not None:
        text += f"  ({event['after_ms']} ms after its row)"
    return event["session"], "FILLED", text, "bold green"


def _exit(event: Event) -> Words:
    text = f"{event['error'][:120]}; its supervisor starts it again, its mail is kept"
    return event["name"], event["reason"], text, "bold red"


def _stays(what: str) -> Callable[[Event], Words]:
    def words(event: Event) -> Words:
        order = f"{event.get('side', '')} {event['qty']} {event['instrument']}".strip()
        return "at the broker", what, f"{order}, until the next start", "yellow"

    return words


def _said(who: str, what: str, key: str, style: str) -> Callable[[Event], Words]:
    def words(event: Event) -> Words:
        return event.get("session") or who, what, str(event[key]), style

    return words


def _heat(event: Event) -> Words:
    missing = f", missing: {event['missing']}" if event["missing"] else ""
    style = "green" if event["heat_level"] == "CALM" else "yellow"
    return "portfolio", event["heat_level"], f"worst case {event['high']} USD{missing}", style


_WORDS: dict[str, Callable[[Event], Words | None]] = {
    "order_recorded": _recorded,
    "fill": _fill,
    "order_unknown": _said("", "UNKNOWN", "text", "bold yellow"),
    "order_unanswered": _quiet,  # the same, as a row
    "order_found": _said("", "found", "text", "bold green"),
    "order_rejected": _said("", "REJECTED", "detail", "red"),
    "position_adjusted": _said("", "ADJUSTED", "text", "bold yellow"),
    "exit": _exit,
    "heat_changed": _heat,
    "position_stays_open": _stays("position"),
    "order_stays_open": _stays("order"),
    "demo_reconciled": _said("reconcile", "", "text", "green"),
    "demo_chaos": _said("CHAOS", "", "text", "bold magenta"),
    "stopping": lambda _: ("", "stopping", "no new entries; what is open stays as it is", "dim"),
    "stopped": lambda _: ("", "stopped", "the data is kept for the next start", "dim"),
    "trading_state_changed": _quiet,  # said by `stopping`
    "handler_holds_the_loop": _quiet,  # in the file, with its stack
}
