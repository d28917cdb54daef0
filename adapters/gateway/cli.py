"""The client verbs of the command line. They know the wire of the unix socket and nothing else.

Kept quick to import: no daemon, no models.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from adapters.folders import client_places
from adapters.gateway import tables
from adapters.gateway.client import Answer, Client, ExitCode, Unreachable, part

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, as it came over the wire.")]
SocketOption = Annotated[
    Path | None, typer.Option("--socket", help="The daemon's socket, if not where config says.")
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="The daemon's config.toml.")]
Session = Annotated[str, typer.Argument(help="A session's name, as in `trader sessions`.")]
Reason = Annotated[str, typer.Option("--reason", help="Recorded with the command.")]

_RESUME_WORD = "RESUME"


def register(app: typer.Typer) -> None:
    """Mount every client verb."""
    for verb in (
        status,
        sessions,
        bars,
        orders,
        positions,
        heat,
        why,
        close,
        halt,
        resume,
        reconcile,
    ):
        app.command()(verb)


def status(
    as_json: AsJson = False, socket: SocketOption = None, config: ConfigOption = None
) -> None:
    """The whole house on one page. Exit code 5 while it is not ready."""
    body = _asked(_client(socket, config), "status", {}, as_json)
    _print(body, as_json, tables.status_page)
    if not body["ready"]["is_ready"]:
        raise typer.Exit(ExitCode.DEGRADED)


def sessions(
    as_json: AsJson = False, socket: SocketOption = None, config: ConfigOption = None
) -> None:
    """Every session, and why an entry would be refused."""
    body = _asked(_client(socket, config), "sessions", {}, as_json)
    _print(body, as_json, tables.listing(tables.SESSIONS, empty="no sessions"))


def bars(
    session: Session,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on, forming bar too.")] = False,
    as_json: AsJson = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """The newest bars of a session, the forming one last."""
    client = _client(socket, config)
    resource = f"sessions/{part(session)}/bars"
    body = _asked(client, resource, {"limit": str(limit)}, as_json)
    if not follow:
        return _print(body, as_json, tables.listing(tables.BARS, empty="no bars yet"))
    try:
        for bar in client.lines(resource, {"limit": str(limit), "follow": "true"}):
            _print_bar(bar, as_json=as_json)
    except Unreachable as error:
        _unreachable(error)
    except KeyboardInterrupt:
        sys.stdout.write("\n")


def _print_bar(bar: dict[str, Any], *, as_json: bool) -> None:
    """A line a bar; on a terminal the forming one is written over until it closes."""
    if as_json:
        line = json.dumps(bar)
    else:
        prices = " ".join(f"{bar[name]:>12}" for name in ("open", "high", "low", "close", "volume"))
        line = f"{bar['opened_at'][:19]}Z {prices} {'' if bar['is_final'] else 'forming'}"
    rewrites = sys.stdout.isatty() and not as_json and not bar["is_final"]
    sys.stdout.write(f"{line:<100}\r" if rewrites else f"{line}\n")
    sys.stdout.flush()


def orders(
    order: Annotated[str | None, typer.Argument(help="One order, with its whole life.")] = None,
    session: Annotated[str | None, typer.Option(help="Only this session's.")] = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only those still working.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50,
    as_json: AsJson = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """Orders, newest first; or one order and its life."""
    query = {"limit": str(limit)}
    if session:
        query["session"] = session
    if only_open:
        query["open"] = "true"
    resource = f"orders/{part(order)}" if order else "orders"
    body = _asked(_client(socket, config), resource, {} if order else query, as_json)
    several = tables.listing(tables.ORDERS, empty="no orders")
    _print(body, as_json, tables.order_page if order else several)


def positions(
    as_json: AsJson = False, socket: SocketOption = None, config: ConfigOption = None
) -> None:
    """Positions in three columns: broker, memory, database. Exit code 5 where they differ."""
    body = _asked(_client(socket, config), "positions", {}, as_json)
    _print(body, as_json, tables.listing(tables.POSITIONS, empty="no positions"))
    if not all(item["agrees"] for item in body["items"]):
        raise typer.Exit(ExitCode.DEGRADED)


def heat(as_json: AsJson = False, socket: SocketOption = None, config: ConfigOption = None) -> None:
    """Total risk now, and who is missing from it. Exit code 5 while it is not known."""
    body = _asked(_client(socket, config), "heat", {}, as_json)
    _print(body, as_json, tables.heat_page)
    if body["level"] == "UNKNOWN":
        raise typer.Exit(ExitCode.DEGRADED)


def why(
    session: Session,
    as_json: AsJson = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """Why an entry would be refused now, and what was decided last."""
    body = _asked(_client(socket, config), f"sessions/{part(session)}/why", {}, as_json)
    _print(body, as_json, tables.why_page)


def close(
    session: Session,
    reason: Reason = "closed by the operator",
    as_json: AsJson = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """Flatten a session's position, from broker truth, whatever state the house is in."""
    client = _client(socket, config)
    _commanded(client, f"sessions/{part(session)}/close", {"reason": reason}, as_json)


def halt(
    reason: Reason = "halted by the operator",
    as_json: AsJson = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """No more entries, until resumed; exits go on. Works without a daemon too: by the HALT file."""
    client = _client(socket, config)
    try:
        answer = client.post("halt", {"reason": reason})
    except Unreachable as error:
        answer = Answer(503, {"title": f"no daemon answers at {error}"})
    if answer.status in (200, 409, 400):
        return _show_command(answer, as_json)
    file = client_places(config).halt_file
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(reason + "\n", "utf-8")
    detail = f"{file} is made: no entry leaves while it exists"
    _print({**answer.body, "detail": detail}, as_json, tables.problem_page)
    raise typer.Exit(ExitCode.DEGRADED)


def resume(
    reason: Annotated[str, typer.Option("--reason", help="Why it is safe again.")],
    confirm: Annotated[str | None, typer.Option(help=f"The word {_RESUME_WORD}.")] = None,
    as_json: AsJson = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """Let entries through again."""
    if confirm is None:
        confirm = typer.prompt(f"Type {_RESUME_WORD} to let entries through again")
    body = {"reason": reason, "confirmation": confirm}
    _commanded(_client(socket, config), "resume", body, as_json)


def reconcile(
    session: Annotated[str | None, typer.Argument(help="One session; all without it.")] = None,
    as_json: AsJson = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
) -> None:
    """Ask the broker now, instead of at the next period."""
    body = {"session": session} if session else {}
    _commanded(_client(socket, config), "reconcile", body, as_json)


# ----------------------------------------------------------------------------------------- plumbing


def _client(socket: Path | None, config: Path | None) -> Client:
    return Client(socket or client_places(config).socket)


def _asked(client: Client, resource: str, query: dict[str, str], as_json: bool) -> Any:
    try:
        answer = client.get(resource, query)
    except Unreachable as error:
        _unreachable(error)
    if answer.status != 200:
        _refused(answer, as_json)
    return answer.body


def _commanded(client: Client, resource: str, body: dict[str, str], as_json: bool) -> None:
    try:
        answer = client.post(resource, body)
    except Unreachable as error:
        _unreachable(error)
    _show_command(answer, as_json)


def _show_command(answer: Answer, as_json: bool) -> None:
    if answer.status not in (200, 409):
        _refused(answer, as_json)
    _print(answer.body, as_json, tables.command_page)
    match answer.body["result"]:
        case "REFUSED":
            raise typer.Exit(ExitCode.REFUSED)
        case "FAILED":
            raise typer.Exit(ExitCode.FAILED)
        case _:
            pass


def _refused(answer: Answer, as_json: bool) -> NoReturn:
    _print(answer.body, as_json, tables.problem_page)
    raise typer.Exit(ExitCode.USAGE if answer.status in (400, 404) else ExitCode.FAILED)


def _unreachable(error: Unreachable) -> NoReturn:
    _complain(f"no daemon answers at {error}: is `trader run` running, with this configuration?")
    raise typer.Exit(ExitCode.UNREACHABLE)


def _complain(words: str) -> None:
    sys.stderr.write(words + "\n")


def _print(body: Any, as_json: bool, page: Callable[[Any], tables.Page]) -> None:
    if as_json:
        sys.stdout.write(json.dumps(body, indent=2) + "\n")
    else:
        tables.show(page(body))
