"""The tree: who supervises whom, in the order of starting. Leaf to root, stopped in reverse.

root (one for one)
├── watcher                  the log
├── writing (rest for one)   journal, jobs
├── portfolio
├── accounts                 one account manager each
├── feeds                    one per login, and its market's hours
├── strategies               inline, process
├── traders (quarantine)     one per session, started by `sessions`
├── guardians                those that stand in
├── sessions
├── commands                 closes, until they are done
└── viewers                  one for each reader of a series
"""

from collections.abc import Callable
from dataclasses import dataclass

from actors import command_keeper, job_runner, journal, portfolio_server, sessions, watcher
from actors.account_messages import name_of
from actors.runtime import Actor, Child, Exhausted, Strategy, SupervisorSpec
from actors.viewer import VIEWERS
from trader.ids import AccountId

Make = Callable[[], Actor]
INLINE = "strategies:inline"
PROCESS = "strategies:process"


def feed_name(account_id: AccountId) -> str:
    """The market data actor of a login."""
    return f"feed:{account_id}"


def hours_name(account_id: AccountId) -> str:
    """Who watches that login's market hours."""
    return f"hours:{account_id}"


@dataclass(frozen=True, slots=True)
class Parts:
    """How each actor is made."""

    watcher: Make
    journal: Make
    jobs: Make | None
    portfolio: Make
    accounts: dict[AccountId, Make]
    feeds: dict[AccountId, Make]
    hours: dict[AccountId, Make]
    inline: Make
    process: Make | None
    sessions: Make
    commands: Make


def tree(parts: Parts, *, restarts_count_max: int, restarts_window_s: float) -> SupervisorSpec:
    """The whole house as one specification."""

    def group(
        name: str,
        *children: Child,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        exhausted: Exhausted = Exhausted.ESCALATE,
    ) -> SupervisorSpec:
        return SupervisorSpec(
            name,
            children,
            strategy=strategy,
            restarts_count_max=restarts_count_max,
            restarts_window_s=restarts_window_s,
            exhausted=exhausted,
        )

    jobs = () if parts.jobs is None else (Child(job_runner.NAME, parts.jobs),)
    process = () if parts.process is None else (Child(PROCESS, parts.process),)
    return SupervisorSpec(
        "root",
        (
            Child(watcher.NAME, parts.watcher),
            group(
                "writing",
                Child(journal.NAME, parts.journal),
                *jobs,
                strategy=Strategy.REST_FOR_ONE,
            ),
            Child(portfolio_server.NAME, parts.portfolio),
            group(
                "accounts",
                *(Child(name_of(each), make) for each, make in parts.accounts.items()),
            ),
            group(
                "feeds",
                *(Child(feed_name(each), make) for each, make in parts.feeds.items()),
                *(Child(hours_name(each), make) for each, make in parts.hours.items()),
            ),
            group("strategies", Child(INLINE, parts.inline), *process),
            group(sessions.TRADERS, exhausted=Exhausted.QUARANTINE),
            group(sessions.GUARDIANS, exhausted=Exhausted.QUARANTINE),
            Child(sessions.NAME, parts.sessions),
            Child(command_keeper.NAME, parts.commands),
            group(VIEWERS, exhausted=Exhausted.QUARANTINE),
        ),
        restarts_count_max=restarts_count_max,
        restarts_window_s=restarts_window_s,
    )
