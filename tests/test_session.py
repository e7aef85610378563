"""Input in slices, pipelines, limits of input, errors of our own, and the end of a session."""

import gc
import weakref
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import MemoryPeer, Node, Wire
from peers import packed

from airwave.session import Session
from airwave.states import inner_entry

# --- pipelines --------------------------------------------------------------------------------------------------------

LINES = [
    *("PUBLISH a x", "publish a y", "Publish a z", "PUBLISH b x", "PUBLISH none x", "PUBLISH a", "PUBLISH a b c"),
    *("SPUBLISH a x", "PING", "PING x", "ping", "ECHO x", "NOSUCH", "CLIENT REPLY SKIP", "CLIENT REPLY OFF"),
    *(
        "CLIENT REPLY ON",
        "SUBSCRIBE a",
        "UNSUBSCRIBE a",
        "PSUBSCRIBE *",
        "PUNSUBSCRIBE",
        "SSUBSCRIBE a",
        "SUNSUBSCRIBE",
    ),
    *("MULTI", "EXEC", "DISCARD", "HELLO 3", "HELLO 2", "RESET", "CLIENT GETNAME", "CLIENT SETNAME x", "MONITOR"),
    *("PUBSUB NUMSUB a b", "PUBSUB NUMPAT", "CONFIG SET slowlog-log-slower-than 0", "QUIT"),
]


def play(lines: list[str], *, at_once: bool, version: int, watched: bool) -> list[bytes]:
    """What each client hears when alice says these lines, in one read or in one each."""
    node = Node()
    alice, bob, carol, dave = (node.peer(f"127.0.0.1:{number}") for number in range(1, 5))
    if version == 3:
        alice.raw("HELLO 3")
    for line in ("SUBSCRIBE a", "PSUBSCRIBE a*", "SSUBSCRIBE a"):
        bob.raw(line)
    carol.raw("HELLO 3")
    carol.raw("SUBSCRIBE a b")
    if watched:
        dave.raw("MONITOR")
    if at_once:
        alice.sends(b"".join(map(packed, lines)))
    else:
        for line in lines:
            alice.asks(line)
            node.settle()
    calls = {name: each.calls for name, each in node.broker.command_stats.items() if each.calls}
    return [*(peer.reads() for peer in (alice, bob, carol, dave)), repr(sorted(calls.items())).encode()]


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(LINES) | st.sampled_from(LINES[:7]), min_size=1, max_size=25),
    st.sampled_from([2, 3]),
    st.booleans(),
)
def test_a_pipeline_is_the_same_as_one_command_after_the_other(lines: list[str], version: int, watched: bool) -> None:
    together = play(lines, at_once=True, version=version, watched=watched)
    assert together == play(lines, at_once=False, version=version, watched=watched)


def test_a_long_pipeline_of_publishes_comes_in_order(node: Node, protocol: int) -> None:
    alice, bob = node.peer("127.0.0.1:1"), node.peer("127.0.0.1:2")
    if protocol == 3:
        alice.raw("HELLO 3")
    alice.raw("SUBSCRIBE a")
    bob.sends(b"".join([packed(f"PUBLISH {'ab'[number % 2]} {number}") for number in range(1000)]))
    assert bob.reads() == b":1\r\n:0\r\n" * 500
    mark = b"*" if protocol == 2 else b">"
    assert alice.reads() == b"".join(
        [mark + b"3\r\n$7\r\nmessage\r\n$1\r\na\r\n$%d\r\n%d\r\n" % (len(str(n)), n) for n in range(0, 1000, 2)]
    )


@pytest.fixture
def node() -> Node:
    return Node()


# --- slices of input --------------------------------------------------------------------------------------------------


def busy_node() -> Node:
    """A node on which each look at the clock takes 100 µs, and a client has 500 µs."""
    node = Node(("input-slice-us", "500"))
    node.host.step_ns = 100_000
    return node


@pytest.mark.parametrize("line", ["ECHO {}", "PUBLISH a {}"])
def test_a_long_pipeline_lets_others_have_a_turn(line: str) -> None:
    node = busy_node()
    alice, bob = node.peer("127.0.0.1:1"), node.peer("127.0.0.1:2")
    # Of PUBLISH up to 64 are run at once.
    alice.sends(b"".join([packed(line.format(number)) for number in range(2000)]))
    bob.asks("PING")
    assert not alice.wire.reading  # no more is read from it until this is done
    node.turn()
    assert bob.wire.data == b"+PONG\r\n"
    assert alice.wire.data.count(b"\r\n") < 1000
    node.settle()
    assert alice.wire.reading
    expected = (
        b":0\r\n" * 2000 if "PUBLISH" in line else b"".join([b"$%d\r\n%d\r\n" % (len(str(n)), n) for n in range(2000)])
    )
    assert alice.reads() == expected


def test_input_that_comes_meanwhile_waits_its_turn_in_order() -> None:
    node = busy_node()
    alice = node.peer()
    data = b"".join([packed(f"ECHO {number}") for number in range(100)])
    for place in range(0, len(data), 333):  # in reads that end anywhere
        alice.sends(data[place : place + 333])
    alice.sends(b"PING\r\n")
    assert alice.reads() == b"".join([b"$%d\r\n%d\r\n" % (len(str(n)), n) for n in range(100)]) + b"+PONG\r\n"


def test_two_busy_clients_take_turns() -> None:
    node = busy_node()
    alice, bob = node.peer("127.0.0.1:1"), node.peer("127.0.0.1:2")
    for peer in (alice, bob):
        peer.sends(packed("ECHO x") * 100)
    progress = []
    while node.turn():
        progress.append((alice.wire.data.count(b"x"), bob.wire.data.count(b"x")))
    assert progress[-1] == (100, 100)
    assert all(abs(first - second) <= 10 for first, second in progress)
    assert len(progress) > 10


def test_what_waits_for_its_turn_has_a_bound() -> None:
    node = busy_node()
    node.host.quiet = False
    node.broker.limits.buffer_max = 1000
    alice, bob = node.peer("127.0.0.1:1"), node.peer("127.0.0.1:2")
    for _ in range(20):
        alice.sends(packed("ECHO x") * 10)
    assert alice.wire.aborted
    assert node.broker.stats.query_buffer_disconnections == 1
    assert bob.raw("PING") == b"+PONG\r\n"


def test_a_client_that_goes_leaves_its_waiting_input_behind() -> None:
    node = busy_node()
    alice, bob = node.peer("127.0.0.1:1"), node.peer("127.0.0.1:2")
    bob.raw("SUBSCRIBE a")
    alice.sends(packed("PUBLISH a x") + packed("ECHO x") * 100 + packed("PUBLISH a y"))
    alice.close()
    node.settle()
    assert bob.reads().count(b"message") == 1


def test_quit_in_a_pipeline_ends_it() -> None:
    node = busy_node()
    alice = node.peer()
    alice.sends(packed("ECHO x") * 50 + packed("QUIT") + packed("ECHO y") * 50)
    assert alice.reads() == b"$1\r\nx\r\n" * 50 + b"+OK\r\n"
    assert alice.wire.closed


def test_nothing_is_run_after_quit_before_the_transport_closes(node: Node) -> None:
    alice = node.peer()
    alice.asks("QUIT")
    alice.asks("ECHO x")
    assert alice.reads() == b"+OK\r\n"


def test_nothing_is_run_after_broken_protocol(node: Node) -> None:
    alice = node.peer()
    alice.sends(b"*x\r\n")
    alice.asks("ECHO x")
    assert alice.reads() == b"-ERR Protocol error: invalid multibulk length\r\n"
    assert alice.wire.closed


# --- the query buffer -------------------------------------------------------------------------------------------------


def test_a_request_larger_than_the_query_buffer_is_closed_without_an_answer(node: Node) -> None:
    node.host.quiet = False
    node.broker.limits.buffer_max = 1000
    alice, bob = node.peer("127.0.0.1:1"), node.peer("127.0.0.1:2")
    alice.sends(packed("PING") + b"*2\r\n$4\r\nECHO\r\n$5000\r\n")
    for _ in range(4):
        alice.sends(b"x" * 400)
    assert alice.wire.aborted
    assert b"client_query_buffer_limit_disconnections:1\r\n" in bob.ask("INFO stats")
    assert any("client-query-buffer-limit" in message for _, message, _ in node.host.logs)
    assert bob.raw("PING") == b"+PONG\r\n"


def test_the_limits_of_input_can_be_changed(node: Node) -> None:
    alice = node.peer()
    alice.raw("CONFIG SET proto-max-bulk-len 1mb")
    alice.sends(b"*2\r\n$4\r\nECHO\r\n$1048577\r\n")
    assert alice.reads() == b"-ERR Protocol error: invalid bulk length\r\n"


# --- faults of our own ------------------------------------------------------------------------------------------------


def boom(session: Session, argv: list[bytes]) -> bytes:
    del session, argv
    raise ZeroDivisionError("a fault of ours")


@pytest.mark.parametrize("lines", [["ECHO x"], ["MULTI", "PING", "ECHO x", "EXEC"]], ids=["alone", "in a transaction"])
def test_an_internal_error_is_told_logged_and_closed_while_others_go_on(node: Node, lines: list[str]) -> None:
    node.host.quiet = False
    alice, bob, carol = (node.peer(f"127.0.0.1:{number}") for number in (1, 2, 3))
    bob.raw("SUBSCRIBE a")
    for key in (b"ECHO", b"echo", "echo"):
        alice.session.table[key].handler = boom
    inner_entry(node.broker, "echo").handler = boom
    for line in lines:
        alice.asks(line)
    alice.asks("PUBLISH a never")
    assert alice.reads().endswith(b"-ERR internal error\r\n")
    assert alice.wire.closed
    ((_, _, about),) = [entry for entry in node.host.logs if entry[0] == "error"]
    assert isinstance(about["exc_info"], ZeroDivisionError)
    assert about["client"] == "127.0.0.1:1"
    assert carol.raw("PUBLISH a x") == b":1\r\n"
    assert bob.reads().count(b"message") == 1
    assert b"unexpected_error_replies:1\r\n" in carol.ask("INFO stats")
    assert carol.raw("MULTI") + carol.raw("MONITOR") + carol.raw("DISCARD") == b"+OK\r\n+QUEUED\r\n+OK\r\n"
    assert carol.raw("MONITOR") == b"+OK\r\n"  # it does not believe that a transaction still runs


# --- the end ----------------------------------------------------------------------------------------------------------


class Mortal(Session):
    """A session whose end can be seen."""

    __slots__ = ("__weakref__",)


def say(*lines: str) -> Callable[[Node, MemoryPeer], None]:
    def act(node: Node, peer: MemoryPeer) -> None:
        for line in lines:
            peer.asks(line)
            node.settle()

    return act


def stuck(node: Node, peer: MemoryPeer) -> None:
    peer.asks("SUBSCRIBE a")
    node.settle()
    peer.wire.stuck = True
    other = node.peer()
    for _ in range(3):
        other.raw("PUBLISH", "a", b"x" * 70_000)
    other.close()
    assert peer.session.lagging


def held(node: Node, peer: MemoryPeer) -> None:
    other = node.peer()
    other.raw("CLIENT PAUSE 1000 WRITE")
    other.close()
    peer.asks("PUBLISH a x")
    peer.asks("PING")
    node.settle()
    assert node.broker.held


def put_off(node: Node, peer: MemoryPeer) -> None:
    node.host.step_ns = 1_000_000
    peer.sends(packed("ECHO x") * 100)
    peer.asks("PING")


def waiting(node: Node, peer: MemoryPeer) -> None:
    peer.asks("SUBSCRIBE a")
    node.settle()
    other = node.peer()
    other.asks("PUBLISH a x")


ENDS: dict[str, Callable[[Node, MemoryPeer], None]] = {
    "new": say(),
    "normal": say("PING", "NOSUCH", "HELLO 3"),
    "subscriber": say("SUBSCRIBE a b", "PSUBSCRIBE *", "SSUBSCRIBE a", "PUBLISH a x"),
    "resp3 subscriber": say("HELLO 3", "SUBSCRIBE a", "PUBLISH a x", "HELLO 2"),
    "monitor": say("MONITOR", "PING"),
    "transaction": say("MULTI", "PING", "PUBLISH a x"),
    "executed": say("MULTI", "PING", "EXEC", "WATCH a"),
    "quit": say("QUIT"),
    "broken": lambda _, peer: peer.sends(b"*x\r\n"),
    "unfinished": lambda _, peer: peer.sends(b"PING\r\n*2\r\n$4\r\nECHO\r\n$100\r\nabc"),
    "stuck": stuck,
    "held": held,
    "put off": put_off,
    "with a message": waiting,
}


@pytest.fixture
def no_collector() -> Iterator[None]:
    """No garbage collection: what is freed is freed by reference counts alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("how", ENDS)
def test_a_session_is_freed_when_its_connection_is_lost(node: Node, how: str) -> None:
    peer = node.peer("127.0.0.1:9")
    peer.close()
    wire = Wire()
    wire.session = peer.session = Mortal(node.broker, wire, "127.0.0.1:8", "127.0.0.1:6379")
    peer.wire = wire
    ENDS[how](node, peer)
    ghost = weakref.ref(peer.session)
    peer.session.connection_lost(None)
    node.settle()
    del peer
    assert wire.session is ghost()
    del wire
    assert ghost() is None
    assert not node.broker.pubsub.channels
    assert not node.broker.pubsub.patterns
    assert not node.broker.pubsub.shard_channels


def test_nothing_of_a_client_stays_in_the_node(node: Node) -> None:
    for how in ENDS.values():
        peer = node.peer()
        how(node, peer)
        peer.close()
    node.host.step_ns = 0
    node.advance(2)
    broker = node.broker
    assert len(broker.clients) <= 1  # the publisher of `waiting`
    for left in (broker.lagging, broker.monitors, broker.held, broker.put_off, broker.replying, broker.fan_out):
        assert not left
