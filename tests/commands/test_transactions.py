"""MULTI, EXEC, DISCARD, WATCH."""

import pytest
from peers import Error, fields

ABORTED = Error("EXECABORT Transaction discarded because of previous errors.")


def test_commands_wait_for_exec(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("MULTI", "OK")
    alice.do("PING", "QUEUED")
    alice.do("ECHO x", "QUEUED")
    alice.do("client setname alice", "QUEUED")
    alice.do("CLIENT GETNAME", "QUEUED")
    alice.do("PUBLISH a x", "QUEUED")
    alice.do("EXEC", ["PONG", "x", "OK", "alice", 0])
    alice.do("PING", "PONG")


def test_an_empty_transaction(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("MULTI", "OK")
    alice.do("EXEC", [])


def test_discard_forgets(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("MULTI", "OK")
    alice.do("CLIENT SETNAME alice", "QUEUED")
    alice.do("DISCARD", "OK")
    alice.do("CLIENT GETNAME", None)
    alice.do("EXEC", Error("ERR EXEC without MULTI"))
    alice.do("DISCARD", Error("ERR DISCARD without MULTI"))


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("NOSUCH", "ERR unknown command 'NOSUCH', with args beginning with: "),
        ("ECHO", "ERR wrong number of arguments for 'echo' command"),
        ("CLIENT NOSUCH", "ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP."),
        ("CLIENT", "ERR wrong number of arguments for 'client' command"),
        ("CLIENT ID x", "ERR wrong number of arguments for 'client|id' command"),
        ("SUBSCRIBE", "ERR wrong number of arguments for 'subscribe' command"),
        ("MULTI x", "ERR wrong number of arguments for 'multi' command"),
        ("DISCARD x", "ERR wrong number of arguments for 'discard' command"),
        ("WATCH", "ERR wrong number of arguments for 'watch' command"),
        ("SHUTDOWN", "ERR Command not allowed inside a transaction"),
    ],
)
def test_a_command_that_is_refused_spoils_the_transaction(peers, protocol, line, error):
    alice, bob = peers(2, protocol)
    bob.do("SUBSCRIBE a", ["subscribe", "a", 1])
    alice.do("MULTI", "OK")
    alice.do("PUBLISH a x", "QUEUED")
    alice.do(line, Error(error))
    alice.do("PUBLISH a y", "QUEUED")
    alice.do("EXEC", ABORTED)
    bob.gets_nothing()
    alice.do("MULTI", "OK")
    alice.do("PING", "QUEUED")
    alice.do("EXEC", ["PONG"])


def test_an_error_while_executing_is_one_reply_among_others(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("MULTI", "OK")
    for line in ("PING", "PING a b", "SELECT 99", "CLIENT REPLY x", "PING"):
        alice.do(line, "QUEUED")
    alice.do(
        "EXEC",
        [
            "PONG",
            Error("ERR wrong number of arguments for 'ping' command"),
            Error("ERR DB index is out of range"),
            Error("ERR syntax error"),
            "PONG",
        ],
    )


def test_what_may_not_be_nested_is_refused_and_spoils_nothing(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("MULTI", "OK")
    alice.do("MULTI", Error("ERR MULTI calls can not be nested"))
    alice.do("WATCH key", Error("ERR WATCH inside MULTI is not allowed"))
    alice.do("UNWATCH", "QUEUED")
    alice.do("EXEC", ["OK"])


def test_an_exec_that_is_refused_ends_the_transaction(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("MULTI", "OK")
    alice.do("PING", "QUEUED")
    reason = "wrong number of arguments for 'exec' command"
    alice.do("EXEC x", Error(f"EXECABORT Transaction discarded because of: {reason}"))
    alice.do("EXEC", Error("ERR EXEC without MULTI"))


def test_watch_and_unwatch(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("WATCH a b", "OK")
    alice.do("WATCH a", "OK")
    alice.do("MULTI", "OK")
    alice.do("PING", "QUEUED")
    alice.do("EXEC", ["PONG"])
    alice.do("WATCH a", "OK")
    alice.do("UNWATCH", "OK")
    alice.do("UNWATCH", "OK")


def test_nobody_comes_between_the_commands_of_a_transaction(peers, protocol):
    alice, bob, carol = peers(3, protocol)
    carol.do("SUBSCRIBE a", ["subscribe", "a", 1])
    alice.do("MULTI", "OK")
    for number in range(3):
        alice.do(f"PUBLISH a alice-{number}", "QUEUED")
        bob.do(f"PUBLISH a bob-{number}", 1)
    alice.do("EXEC", [1, 1, 1])
    carol.gets(*[["message", "a", f"{who}-{number}"] for who in ("bob", "alice") for number in range(3)])


def test_client_list_shows_a_transaction(peers):
    alice, bob = peers(2)
    number = alice.id
    alice.do("MULTI", "OK")
    alice.do("PING", "QUEUED")
    alice.do("PING", "QUEUED")
    bob.do(["CLIENT", "LIST", "ID", number], fields(multi=2))


def test_quit_and_reset_are_not_queued(peers):
    alice, bob = peers(2)
    for peer in (alice, bob):
        peer.do("MULTI", "OK")
        peer.do("PING", "QUEUED")
    alice.do("RESET", "RESET")
    alice.do("EXEC", Error("ERR EXEC without MULTI"))
    bob.do("QUIT", "OK")
    bob.closed()


def test_hello_in_a_transaction_changes_the_protocol_when_it_runs(peers):
    (alice,) = peers(1)
    alice.do("MULTI", "OK")
    alice.do("CLIENT GETNAME", "QUEUED")
    alice.do("HELLO 3", "QUEUED")
    alice.do("CLIENT GETNAME", "QUEUED")
    alice.do("EXEC", lambda replies: (replies[0], replies[1]["proto"], replies[2]) == (None, 3, None))
    alice.asks("CLIENT GETNAME")
    alice.gets_bytes(b"_\r\n")


def test_what_is_queued_has_a_bound(node, alice):
    node.host.quiet = False
    node.broker.limits.buffer_max = 1000
    alice.ask("MULTI")
    for _ in range(10):
        assert alice.ask("ECHO", b"x" * 96) == b"QUEUED"
    alice.asks(["ECHO", "x" * 96])
    alice.closed()
    assert node.broker.stats.query_buffer_disconnections == 1
