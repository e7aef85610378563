"""The table of commands: every row is complete and consistent."""

import pytest
from memory import Node

from airwave.command import CATEGORIES, COMMANDS, FLAGS, Command, all_commands

ROWS = [row for row in all_commands() if row.doc]
OWN_FLAGS = {"may_replicate"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_complete(row: Command) -> None:
    assert row.summary
    assert row.summary[0].isupper()
    assert row.flags <= {*FLAGS, *OWN_FLAGS}
    assert row.categories <= set(CATEGORIES)
    assert ("fast" in row.categories) != ("slow" in row.categories)
    assert row.group
    assert row.since.count(".") == 2
    if not row.subcommands:
        assert row.about("Reply")
        assert row.about("Cost")
        pages = (
            "https://redis.io/docs/latest/commands/",
            "streams.md#",
            "remember.md#",
        )  # which are whose: COMMAND's test
        assert row.about("Source").startswith(pages)


def test_names() -> None:
    for name, row in COMMANDS.items():
        assert row.name == name == name.lower()
        for own, sub in row.subcommands.items():
            assert sub.name == f"{name}|{own}"


def test_arity_is_checked_for_every_command() -> None:
    node = Node(("enable-debug-command", "yes"))
    alice = node.peer()
    for row in ROWS:
        words = row.name.encode().split(b"|")
        too_few = words if abs(row.arity) > len(words) else None
        too_many = [*words, *[b"x"] * (row.arity - len(words) + 1)] if row.arity > 0 else None
        for argv in (too_few, too_many):
            if argv is not None:
                error = f"wrong number of arguments for '{row.name}' command"
                refused = "EXECABORT Transaction discarded because of:" if row.name == "exec" else "ERR"
                assert alice.error(*argv) == f"{refused} {error}"
