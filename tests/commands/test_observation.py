"""MONITOR, SLOWLOG, LATENCY, MEMORY."""

import gc

import pytest

from airwave.commands.latency import graph

from .conftest import Ask, Node, Peer


@pytest.fixture
def node() -> Node:
    return Node(("enable-debug-command", "yes"), ("latency-monitor-threshold", "10"))


@pytest.mark.parametrize("resp3", [False, True], ids=["resp2", "resp3"])
@pytest.mark.parametrize(
    "line",
    [
        "LATENCY GRAPH nosuch",
        "LATENCY HISTOGRAM nosuch",
        "LATENCY HISTORY",
        "LATENCY HISTORY nosuch",
        "LATENCY LATEST",
        "LATENCY LATEST x",
        "LATENCY RESET",
        "LATENCY RESET nosuch",
        "LATENCY nosuch",
        "MEMORY PURGE",
        "MEMORY USAGE",
        "MEMORY USAGE k",
        "MEMORY USAGE k SAMPLES",
        "MEMORY USAGE k SAMPLES -1",
        "MEMORY USAGE k SAMPLES 1 SAMPLES 0",
        "MEMORY USAGE k SAMPLES x",
        "MEMORY USAGE k x",
        "MEMORY nosuch",
        "MONITOR",
        "MONITOR x",
        "SLOWLOG GET",
        "SLOWLOG GET -1 x",
        "SLOWLOG GET -2",
        "SLOWLOG GET x",
        "SLOWLOG LEN",
        "SLOWLOG LEN x",
        "SLOWLOG RESET",
        "SLOWLOG nosuch",
    ],
)
def test_replies_are_those_of_redis(alice: Peer, oracle: Ask, line: str, resp3: bool) -> None:
    if resp3:
        alice.ask("HELLO 3")
    assert alice.raw(line) == oracle(line, resp3=resp3)


# --- MONITOR ----------------------------------------------------------------------------------------------------------


def lines(peer: Peer) -> list[str]:
    """What MONITOR shows, without the times."""
    return [line.partition(" ")[2] for line in peer.reads().decode().splitlines()]


def test_monitor_shows_every_command_escaped(node: Node, alice: Peer) -> None:
    bob, carol = node.peer("127.0.0.1:2"), node.peer("/run/airwave.sock:0")
    assert alice.ask("MONITOR") == b"OK"
    bob.ask("PUBLISH", "news", b'\x1b[31m "red"\n')
    bob.ask("SELECT 3")
    carol.ask("Ping")
    assert alice.reads() == (
        b'+1800000005.250000 [0 127.0.0.1:2] "PUBLISH" "news" "\\x1b[31m \\"red\\"\\n"\r\n'
        b'+1800000005.250000 [3 127.0.0.1:2] "SELECT" "3"\r\n'
        b'+1800000005.250000 [0 unix:/run/airwave.sock] "Ping"\r\n'
    )


def test_monitor_shows_no_passwords_and_no_admin_commands(node: Node, alice: Peer) -> None:
    bob = node.peer("127.0.0.1:2")
    alice.ask("MONITOR")
    bob.error("AUTH user secret")
    bob.ask("HELLO 3 SETNAME bob AUTH default secret")
    bob.ask("CONFIG SET requirepass secret")
    bob.ask("CLIENT KILL ID 99")
    assert lines(alice) == [
        '[0 127.0.0.1:2] "AUTH" "(redacted)" "(redacted)"',
        '[0 127.0.0.1:2] "HELLO" "3" "SETNAME" "bob" "AUTH" "(redacted)" "(redacted)"',
    ]


def test_monitor_shows_a_transaction_when_it_runs(node: Node, alice: Peer) -> None:
    bob = node.peer("127.0.0.1:2")
    alice.ask("MONITOR")
    for command in ("MULTI", "PUBLISH a b", "PING", "EXEC"):
        bob.ask(command)
    assert lines(alice) == [
        f"[0 127.0.0.1:2] {shown}" for shown in ('"MULTI"', '"PUBLISH" "a" "b"', '"PING"', '"EXEC"')
    ]


def test_a_monitor_sees_itself_after_the_reply_until_reset(alice: Peer) -> None:
    alice.ask("MONITOR")
    assert alice.raw("PING") == b'+PONG\r\n+1800000005.250000 [0 127.0.0.1:50001] "PING"\r\n'
    assert alice.raw("MONITOR") == b""
    assert alice.raw("RESET") == b"+RESET\r\n"
    assert alice.raw("PING") == b"+PONG\r\n"
    assert alice.ask("MONITOR") == b"OK"


def test_quit_ends_a_monitor(node: Node, alice: Peer) -> None:
    alice.ask("MONITOR")
    assert b"flags=O " in node.peer().ask("CLIENT LIST")
    assert alice.raw("QUIT").startswith(b"+OK\r\n")
    assert alice.wire.closed
    assert node.broker.monitors == []


def test_monitor_is_refused_inside_a_transaction(alice: Peer, oracle: Ask) -> None:
    for line in ("MULTI", "MONITOR"):
        alice.ask(line)
    assert alice.raw("EXEC") == oracle("MULTI", "MONITOR", "EXEC")
    assert alice.ask("MONITOR") == b"OK"


# --- SLOWLOG ----------------------------------------------------------------------------------------------------------


def test_slowlog_keeps_commands_that_took_long(alice: Peer) -> None:
    alice.ask("CLIENT SETNAME alice")
    alice.ask("DEBUG SLEEP 0.0099")
    alice.ask("DEBUG SLEEP 0.02")
    assert alice.ask("SLOWLOG GET") == [
        [0, 1800000005, 20000, [b"DEBUG", b"SLEEP", b"0.02"], b"127.0.0.1:50001", b"alice"]
    ]
    assert alice.ask("SLOWLOG LEN") == 1
    assert alice.ask("SLOWLOG RESET") == b"OK"
    assert alice.ask("SLOWLOG LEN") == 0


def test_slowlog_get_gives_the_newest_ten_or_as_many_as_asked_for(alice: Peer) -> None:
    alice.ask("CONFIG SET slowlog-log-slower-than 0")
    for number in range(20):
        alice.ask(f"ECHO {number}")
    alice.ask("CONFIG SET slowlog-log-slower-than -1")
    assert [entry[3][1] for entry in alice.ask("SLOWLOG GET")] == [b"%d" % n for n in range(19, 9, -1)]
    assert len(alice.ask("SLOWLOG GET 3")) == 3
    assert len(alice.ask("SLOWLOG GET -1")) == alice.ask("SLOWLOG LEN")
    assert alice.ask("SLOWLOG GET 0") == []


def test_slowlog_shows_no_passwords(alice: Peer) -> None:
    alice.ask("CONFIG SET slowlog-log-slower-than 0")
    alice.ask("CONFIG SET timeout 5 RequirePass secret")
    alice.ask("HELLO 3 AUTH default secret SETNAME x")
    alice.error("AUTH wrong")
    assert "secret" not in str(alice.ask("SLOWLOG GET -1"))
    assert [entry[3] for entry in alice.ask("SLOWLOG GET 4")[1:]] == [
        [b"AUTH", b"(redacted)"],
        [b"HELLO", b"3", b"AUTH", b"(redacted)", b"(redacted)", b"SETNAME", b"x"],
        [b"CONFIG", b"SET", b"timeout", b"5", b"RequirePass", b"(redacted)"],
    ]


# --- LATENCY ----------------------------------------------------------------------------------------------------------


def spike(node: Node, peer: Peer, ms: int, then_s: int = 0) -> None:
    peer.ask(f"DEBUG SLEEP {ms / 1000}")
    node.host.ns += then_s * 1_000_000_000


def test_latency_keeps_what_held_the_server(node: Node, alice: Peer) -> None:
    spike(node, alice, 9, then_s=1)
    spike(node, alice, 50, then_s=1)
    spike(node, alice, 20, then_s=1)
    assert alice.ask("LATENCY LATEST") == [[b"command", 1800000007, 20, 50]]
    assert alice.ask("LATENCY HISTORY command") == [[1800000006, 50], [1800000007, 20]]
    assert alice.ask("LATENCY RESET nosuch command") == 1
    assert alice.ask("LATENCY LATEST") == []


def test_latency_histogram_counts_by_powers_of_two(alice: Peer) -> None:
    for delay_us in (0, 0, 2, 4, 1100):
        alice.ask(f"DEBUG SLEEP {delay_us / 1e6:f}")
    alice.ask("SLOWLOG LEN")
    assert alice.raw("LATENCY HISTOGRAM debug nosuch slowlog|len") == (
        b"*4\r\n$5\r\ndebug\r\n*4\r\n$5\r\ncalls\r\n:5\r\n"
        b"$14\r\nhistogram_usec\r\n*8\r\n:1\r\n:2\r\n:2\r\n:3\r\n:4\r\n:4\r\n:2048\r\n:5\r\n"
        b"$11\r\nslowlog|len\r\n*4\r\n$5\r\ncalls\r\n:1\r\n$14\r\nhistogram_usec\r\n*2\r\n:1\r\n:1\r\n"
    )
    alice.ask("HELLO 3")
    assert alice.ask("LATENCY HISTOGRAM slowlog") == {b"slowlog|len": {b"calls": 1, b"histogram_usec": {1: 1}}}
    assert set(alice.ask("LATENCY HISTOGRAM")) == {b"debug", b"slowlog|len", b"latency|histogram", b"hello"}
    alice.ask("CONFIG SET latency-tracking no")
    assert alice.ask("LATENCY HISTOGRAM") == {}


def test_latency_doctor_says_what_it_knows(node: Node, alice: Peer) -> None:
    assert alice.ask("LATENCY DOCTOR").startswith(b"No event took 10 ms or longer")
    spike(node, alice, 20, then_s=2)
    spike(node, alice, 40)
    assert alice.ask("LATENCY DOCTOR") == (
        b"1. command: 2 latency spikes (average 30ms, mean deviation 10ms, period 1.00 sec). "
        b"Worst all time event 40ms.\n\n"
        b"- SLOWLOG GET shows which commands took long; slowlog-log-slower-than says which ones it keeps.\n"
    )
    alice.ask("LATENCY RESET")
    alice.ask("CONFIG SET latency-monitor-threshold 0")
    assert alice.ask("LATENCY DOCTOR").startswith(b"Latency is not monitored")


def test_latency_graph_is_drawn_as_by_redis(node: Node, alice: Peer) -> None:
    # What redis-server 7.0 drew for these spikes, 6, 4 and 0 seconds ago.
    for ms, then_s in ((10, 2), (11, 4), (29, 0)):
        spike(node, alice, ms, then_s)
    assert alice.ask("LATENCY GRAPH command").decode() == (
        "command - high 29 ms, low 10 ms (all time high 29 ms)\n" + "-" * 80 + "\n  #\n  |\n  |\n__|\n   \n640\nsss\n"
    )


def test_a_long_graph_goes_on_below_and_labels_read_downwards() -> None:
    text = graph([*range(1, 81), 40], ["1m"] * 80 + ["12s"])
    first, second = text.split("\n\n")
    assert first.splitlines()[0].count("#") == 7
    assert first.splitlines()[3].startswith("_______ooooooo######")
    assert second.splitlines()[-3:] == ["1", "2", "s"]


# --- MEMORY -----------------------------------------------------------------------------------------------------------


def test_memory_stats_is_a_map_of_numbers(alice: Peer) -> None:
    alice.ask("HELLO 3")
    stats = alice.ask("MEMORY STATS")
    assert stats[b"total.allocated"] == 20 << 20
    assert stats[b"peak.allocated"] == 21 << 20
    assert stats[b"peak.percentage"] == pytest.approx(95.238, abs=0.001)
    assert stats[b"clients.waiting-bytes"] == 0
    assert all(isinstance(value, (int, float)) for value in stats.values())


def test_memory_doctor_names_clients_that_lag(node: Node, alice: Peer) -> None:
    assert alice.ask("MEMORY DOCTOR") == b"Nothing is wrong: the process uses 20.00M, and no client lags.\n"
    bob = node.peer()
    bob.ask("SUBSCRIBE news")
    bob.session.pause_writing()
    alice.ask("PUBLISH news " + "x" * 2000)
    assert b"- 1 clients do not read as fast as messages come; 1.99K" in alice.ask("MEMORY DOCTOR")


def test_memory_malloc_stats_is_text(alice: Peer) -> None:
    assert alice.ask("MEMORY MALLOC-STATS").startswith(b"allocated blocks: ")


def test_memory_purge_collects_what_the_server_froze(alice: Peer) -> None:
    class Cycle:
        freed = 0

        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            Cycle.freed += 1

    Cycle()
    gc.freeze()
    try:
        gc.collect()
        assert Cycle.freed == 0
        alice.ask("MEMORY PURGE")
        assert Cycle.freed == 1
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
