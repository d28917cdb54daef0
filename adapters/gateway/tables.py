"""How the wire's JSON looks on a terminal: words beside every colour, no foreign control codes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

Item = Mapping[str, Any]
Page = RenderableType
Column = tuple[str, Callable[[Item], object]]

_STYLES = {
    "CALM": "green",
    "WARN": "yellow",
    "BLOCK": "bold red",
    "UNKNOWN": "bold magenta",
    "ACTIVE": "green",
    "HALTED": "bold red",
    "EXITS_ONLY": "yellow",
    "FILLED": "green",
    "REJECTED": "red",
    "DENIED": "red",
    "DONE": "green",
    "REFUSED": "bold red",
    "FAILED": "bold red",
    "PAPER": "black on cyan",
    "LIVE": "bold white on red",
    "✔ yes": "green",
    "✖ no": "bold red",
}


def text(value: object) -> Text:
    """Anything as one line of text; what is not known is a dash."""
    if value is None or value == "":
        return Text("-", style="dim")
    if isinstance(value, float):
        value = f"{value:.1f}"
    words = "".join(char if char.isprintable() else "�" for char in str(value))
    return Text(words, style=_STYLES.get(words, ""))


def tabled(items: Sequence[Item], columns: Sequence[Column], *, empty: str) -> Page:
    """A table, or the words for none."""
    if not items:
        return Text(empty, style="dim")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title, _ in columns:
        table.add_column(title, overflow="fold")
    for item in items:
        table.add_row(*(text(of(item)) for _, of in columns))
    return table


def listing(columns: Sequence[Column], *, empty: str) -> Callable[[Item], Page]:
    """How a resource with `items` is shown."""
    return lambda body: tabled(body["items"], columns, empty=empty)


def key(*path: str) -> Callable[[Item], object]:
    """The value under the keys; None where any of them leads nowhere."""

    def of(item: Item) -> object:
        value: object = item
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    return of


def yes_or_no(is_ok: object) -> str:
    """A mark with its word."""
    return "✔ yes" if is_ok else "✖ no"


def moment(name: str) -> Callable[[Item], object]:
    """An instant, without its fraction."""
    return lambda item: str(item[name])[:19].replace("T", " ") + "Z" if item.get(name) else None


SESSIONS: tuple[Column, ...] = (
    ("session", key("id")),
    ("instrument", key("instrument")),
    ("tf", key("timeframe")),
    ("phase", key("phase")),
    ("state", key("trading_state")),
    ("position", key("position_qty")),
    ("heat", key("heat_high")),
    ("last decision", key("last_decision", "action")),
    ("because", key("last_decision", "reason")),
    ("entries refused by", lambda item: ", ".join(item["blocked_by"])),
    ("reconciled s ago", key("reconcile_age_s")),
    ("restarts", key("restarts_count")),
)
ORDERS: tuple[Column, ...] = (
    ("order", key("id")),
    ("session", key("session_id")),
    ("side", key("side")),
    ("qty", key("qty")),
    ("filled", key("cum_qty")),
    ("type", key("type")),
    ("price", lambda item: item["price"] or item["stop_price"]),
    ("status", key("status")),
    ("for", key("purpose")),
    ("because", lambda item: item["reason_code"] or item["reason"]),
    ("recorded", moment("recorded_at")),
)
TIMELINE: tuple[Column, ...] = (
    ("n", key("n")),
    ("recorded", moment("recorded_at")),
    ("event", key("event")),
    ("status", key("status")),
    ("filled", key("cum_qty")),
    ("why", lambda item: item["reason_code"] or item["detail"]),
)
POSITIONS: tuple[Column, ...] = (
    ("session", key("session_id")),
    ("instrument", key("instrument")),
    ("broker", key("broker_qty")),
    ("memory", key("memory_qty")),
    ("database", key("database_qty")),
    ("agree", lambda item: yes_or_no(item["agrees"])),
    ("avg price", key("avg_px")),
    ("mark", key("mark")),
    ("checked s ago", key("checked_age_s")),
)
BARS: tuple[Column, ...] = (
    ("opened", moment("opened_at")),
    ("open", key("open")),
    ("high", key("high")),
    ("low", key("low")),
    ("close", key("close")),
    ("volume", key("volume")),
    ("", lambda item: "" if item["is_final"] else "forming"),
)
CONTRIBUTIONS: tuple[Column, ...] = (
    ("session", key("session_id")),
    ("instrument", key("instrument")),
    ("group", key("group")),
    ("low", key("low")),
    ("high", key("high")),
    ("reported s ago", key("age_s")),
    ("complete", lambda item: yes_or_no(item["is_complete"])),
)
CONFIG: tuple[Column, ...] = (
    ("key", key("key")),
    ("value", key("value")),
    ("from", key("origin")),
)
FINDINGS: tuple[Column, ...] = (
    ("fine", lambda item: yes_or_no(item["is_ok"])),
    ("what", key("name")),
    ("found", key("detail")),
    ("do", key("fix")),
)
DECISIONS: tuple[Column, ...] = (
    ("bar", moment("bar_opened_at")),
    ("decision", key("action")),
    ("because", lambda item: item["reason_code"] or item["reason"]),
)


def status_page(status: Item) -> Page:
    """The house on one screen."""
    badge = "LIVE" if any(account["is_live"] for account in status["accounts"]) else "PAPER"
    head = Text.assemble(
        text(badge),
        f"  trader {status['version']}  ",
        text(status["trading_state"]),
        f" {status['trading_state_reason']}" if status["trading_state_reason"] else "",
    )
    troubles = [
        Text.assemble(("✖ ", "bold red"), f"{check['name']}: {check['detail']}")
        for check in status["ready"]["checks"]
        if not check["is_ok"]
    ]
    counts = Text(
        f"{status['actors_count']} actors, {status['actor_restarts_count']} restarts, "
        f"{status['dead_letters_count']} dead letters, {status['spooled_count']} spooled exits",
        style="dim",
    )
    return Group(
        head,
        _heat_line(status["heat"]),
        *(troubles or [Text("✔ ready", style="green")]),
        tabled(status["sessions"], SESSIONS, empty="no sessions"),
        counts,
    )


def heat_page(heat: Item) -> Page:
    """Total risk and what it is made of."""
    parts: list[Page] = [_heat_line(heat)]
    if heat["missing"]:
        parts.append(Text(f"not in the sum: {', '.join(heat['missing'])}", style="bold magenta"))
    parts.append(tabled(heat["contributions"], CONTRIBUTIONS, empty="no session has reported"))
    for group in heat["groups"]:
        cap = group["cap_ratio"] or "no cap"
        parts.append(Text(f"group {group['group']}: {group['ratio'] or 'unknown'} of {cap}"))
    return Group(*parts)


def _heat_line(heat: Item) -> Text:
    return Text.assemble(
        "heat ",
        text(heat["level"]),
        f"  {heat['low']} to {heat['high']} {heat['currency']}",
        f"  ratio {heat['ratio'] or 'unknown'}",
        f" (warn {heat['warn_ratio']}, block {heat['block_ratio']})",
    )


def why_page(why: Item) -> Page:
    """Every question the gate asks, in its order, then what was decided last."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("holds", "question", "answer"):
        table.add_column(title, overflow="fold")
    for one in why["answers"]:
        table.add_row(text(yes_or_no(one["is_ok"])), text(one["question"]), text(one["answer"]))
    refused = [one["question"] for one in why["answers"] if not one["is_ok"]]
    verdict = (
        Text(f"An entry would be refused now: {len(refused)} of the above.", style="bold red")
        if refused
        else Text("An entry would be let through now. Exits always are.", style="green")
    )
    decisions = tabled(why["decisions"], DECISIONS, empty="nothing was decided yet")
    return Group(table, verdict, decisions)


def order_page(order: Item) -> Page:
    """One order and its life."""
    return Group(
        tabled([order], ORDERS, empty=""), tabled(order["timeline"], TIMELINE, empty="no rows yet")
    )


def command_page(done: Item) -> Page:
    """How a command fared, and which orders are still working."""
    head = Text.assemble(
        text(done["result"]), f" {done['verb']} {done['target']}: ", done["detail"]
    )
    if not done["orders"]:
        return head
    return Group(head, Text("still working:"), tabled(done["orders"], ORDERS, empty=""))


def problem_page(problem: Item) -> Page:
    """What went wrong, in the wire's own fields."""
    head = Text.assemble(("✖ ", "bold red"), text(problem["title"]))
    if problem.get("detail"):
        head.append_text(Text.assemble(": ", text(problem["detail"])))
    return Group(head, *(Text.assemble("  ", text(field)) for field in problem.get("errors", ())))


def show(page: Page) -> None:
    """Print it."""
    Console(highlight=False, emoji=False).print(page)
