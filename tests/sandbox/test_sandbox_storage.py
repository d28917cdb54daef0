"""The journal of commands."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.sandbox.commands import Command, ListSymbol, Rules, SetRules
from adapters.sandbox.storage import CommandJournal, Durability, JournalUnreadable

AT = datetime(2026, 3, 2, 15, 0, 0, 123456, tzinfo=UTC)
COMMANDS: list[Command] = [SetRules(AT, Rules()), ListSymbol(AT, "XYZ")]


def write(path: Path, durability: Durability) -> None:
    journal = CommandJournal(path, durability)
    assert list(journal.replay()) == []
    for command in COMMANDS:
        journal.append(command)
    journal.close()


@pytest.mark.parametrize("durability", Durability)
def test_what_was_written_is_read_back(tmp_path: Path, durability: Durability) -> None:
    write(tmp_path / "journal", durability)

    journal = CommandJournal(tmp_path / "journal", durability)
    assert list(journal.replay()) == COMMANDS
    journal.close()


def test_a_torn_last_line_is_forgotten_and_writing_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    write(path, Durability.PROCESS)
    path.write_bytes(path.read_bytes()[:-20])

    journal = CommandJournal(path, Durability.PROCESS)
    assert list(journal.replay()) == COMMANDS[:1]
    journal.append(COMMANDS[1])
    journal.close()

    journal = CommandJournal(path, Durability.PROCESS)
    assert list(journal.replay()) == COMMANDS
    journal.close()


def test_a_journal_of_another_version_is_refused_politely(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text('{"sandbox_journal":99}\n')

    journal = CommandJournal(path, Durability.PROCESS)
    with pytest.raises(JournalUnreadable, match="another data directory"):
        list(journal.replay())
    journal.close()


def test_the_journal_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    write(tmp_path / "journal", Durability.PROCESS)

    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o600
