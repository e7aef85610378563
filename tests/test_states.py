"""Dispatch tables: which commands run, wait, are queued or refused in which state. What they answer is in commands/."""

import pytest
from memory import Node

from airwave.command import COMMANDS, all_commands
from airwave.states import State, table_for

SUBSCRIBING = {"subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe"}


def kept(state: State) -> set[str]:
    """The commands whose own handler runs in this state."""
    table = table_for(Node().broker, state)
    return {row.name for row in all_commands() if table[row.name].handler is row.handler}


def test_normally_every_command_runs() -> None:
    assert kept(State("normal")) == {row.name for row in all_commands()}


def test_strangers_run_what_the_table_lets_them() -> None:
    assert kept(State("unauthenticated")) == {"auth", "hello", "quit", "reset"}


def test_resp2_subscribers() -> None:
    assert kept(State("resp2-subscriber")) == SUBSCRIBING | {"ping", "quit", "reset"}


def test_resp3_subscribers_may_do_anything() -> None:
    # Those that may send it a message of its own making have their reply put first: they run, by another handler.
    wrapped = {row.name for row in all_commands()} - kept(State("resp3-subscriber"))
    assert wrapped == {"publish", "spublish"} | {row.name for row in all_commands() if row.uses_keys}


def test_transactions_queue_all_but_a_few() -> None:
    assert kept(State("multi")) == {"discard", "multi", "watch", "quit", "reset"}  # exec has its reply put first


@pytest.mark.parametrize("state", ["normal", "resp3-subscriber"])
def test_a_pause_of_writes_holds_back_what_writes_or_publishes(state: str) -> None:
    before, paused = (table_for(Node().broker, State(state, pause=pause)) for pause in ("", "write"))
    writing = {row.name for row in all_commands() if "write" in row.flags}
    assert {"set", "del", "xadd", "xreadgroup", "flushall"} <= writing
    held = {row.name for row in all_commands() if paused[row.name].handler is paused["set"].handler}
    assert held == {"publish", "spublish", "eval", "evalsha", *writing}
    assert before["exec"].handler is not paused["exec"].handler  # it looks at what is queued


def test_a_pause_of_everything_holds_back_everything() -> None:
    assert kept(State("normal", pause="all")) == set()


def test_tables_are_made_once() -> None:
    broker = Node().broker
    assert table_for(broker, State("normal")) is table_for(broker, State("normal"))


def test_a_table_has_each_command_by_bytes_in_both_cases_and_subcommands_by_full_name() -> None:
    table = table_for(Node().broker, State("normal"))
    assert table[b"PING"] is table[b"ping"] is table["ping"]
    assert "client|id" in table
    assert b"CLIENT" not in table  # needs a closer look
    assert len([key for key in table if isinstance(key, str)]) == len(all_commands()) > len(COMMANDS)


def test_counters_are_those_of_the_command_in_every_state() -> None:
    """Refused: as rejected. Queued and held: when it runs."""
    node = Node(("requirepass", "secret"))
    alice = node.peer()
    stats = node.broker.command_stats
    alice.raw("PING")
    assert (stats["ping"].calls, stats["ping"].rejected) == (0, 1)
    for line in ("AUTH secret", "MULTI", "PING", "PING x y z"):
        alice.raw(line)
    assert stats["ping"].calls == 0
    alice.raw("EXEC")
    assert (stats["ping"].calls, stats["ping"].rejected, stats["ping"].failed) == (2, 1, 1)
    for line in ("ECHO", "ECHO x", "NOSUCH", "SUBSCRIBE a", "ECHO x"):
        alice.raw(line)
    assert (stats["echo"].calls, stats["echo"].rejected) == (1, 2)
    alice.raw("RESET")
    assert b"errorstat_NOAUTH:count=1\r\n" in _errors(alice)


def _errors(alice):  # type: ignore[no-untyped-def]
    alice.raw("AUTH secret")
    return alice.raw("INFO errorstats")


def test_pipelines_run_in_batches_only_where_nothing_lies_over_the_command() -> None:
    broker = Node().broker

    def batched(*state: str) -> bool:
        return table_for(broker, State(*state))[b"PUBLISH"].batch is not None

    assert batched("normal")
    assert not any(batched(name) for name in ("unauthenticated", "resp2-subscriber", "resp3-subscriber", "multi"))
    assert not any(batched("normal", "on", pause) for pause in ("write", "all"))
    assert not any(batched("normal", replies) for replies in ("off", "skip"))
