"""Commands that wait: who is served, when, and with what. The conversations with redis-server are in
oracle/test_blocking.py; here is what only the core shows."""

from memory import MemoryPeer, Node


def blocked(node: Node, count: int, request: str = "XREAD BLOCK 0 STREAMS s $") -> list[MemoryPeer]:
    made = [node.peer(f"127.0.0.1:{20_000 + number}") for number in range(count)]
    for peer in made:
        peer.asks(request)
    return made


ENTRY = b"*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"
WOKEN = b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" + ENTRY


def test_one_reply_serves_all_who_wait_for_the_same() -> None:
    node = Node()
    crowd = blocked(node, 50)
    node.peer().asks("XADD s 1-1 a b")
    assert all(peer.session.out == [WOKEN] for peer in crowd)
    assert all(peer.session.out[0] is crowd[0].session.out[0] for peer in crowd)
    node.settle()
    assert all(peer.reads() == WOKEN for peer in crowd)
    assert not node.broker.blocking.waits


def test_each_protocol_gets_its_own_form() -> None:
    node = Node()
    old, new = node.peer(), node.peer()
    new.raw("HELLO 3")
    for peer in (old, new):
        peer.asks("XREAD BLOCK 0 STREAMS s $")
    node.peer().asks("XADD s 1-1 a b")
    assert old.reads() == WOKEN
    assert new.reads() == b"%1\r\n$1\r\ns\r\n*1\r\n" + ENTRY


def test_those_who_share_work_are_served_in_the_order_in_which_they_came() -> None:
    node = Node()
    bob = node.peer()
    bob.raw("XGROUP CREATE s g $ MKSTREAM")
    crowd = [node.peer() for _ in range(3)]
    for number, peer in enumerate(crowd):
        peer.asks(f"XREADGROUP GROUP g c{number} COUNT 1 BLOCK 0 STREAMS s >")
    for number in (1, 2):
        bob.raw(f"XADD s 1-{number} a b")
    assert [bool(peer.wire.data) for peer in crowd] == [True, True, False]
    assert len(node.broker.blocking.waits) == 1


def test_time_ends_it_with_null() -> None:
    node = Node()
    (alice,) = blocked(node, 1, "XREAD BLOCK 100 STREAMS s $")
    node.settle()
    node.advance(0.05)
    assert not alice.wire.data
    node.advance(0.06)
    assert alice.reads() == b"*-1\r\n"


def test_what_is_pipelined_behind_it_waits_and_then_runs() -> None:
    node = Node()
    alice = node.peer()
    alice.sends(b"PING\r\nXREAD BLOCK 0 STREAMS s $\r\nECHO x\r\n")
    assert alice.reads() == b"+PONG\r\n"
    alice.sends(b"ECHO y\r\n")
    node.settle()
    assert not alice.wire.data
    node.peer().raw("XADD s 1-1 a b")
    assert alice.reads() == WOKEN + b"$1\r\nx\r\n$1\r\ny\r\n"


def test_nobody_is_served_within_a_transaction() -> None:
    node = Node()
    (alice,) = blocked(node, 1)
    bob = node.peer()
    for request in ("MULTI", "XADD s 1-1 a b", "DEL s", "EXEC"):
        bob.raw(request)
    node.settle()
    assert not alice.wire.data  # the stream came and went: there is nothing to read
    bob.raw("XADD s 1-1 a b")
    assert alice.reads() == WOKEN


def test_a_client_that_goes_leaves_nothing_behind() -> None:
    node = Node()
    (alice,) = blocked(node, 1, "XREAD BLOCK 1000 STREAMS s t $ $")
    assert node.broker.blocking.waits
    alice.close()
    assert not node.broker.blocking.waits
    database = node.broker.keyspace.databases[0]
    assert not database.waiters
    assert not database.alert


def test_outdated_timers_do_not_pile_up() -> None:
    node = Node()
    alice, bob = node.peer(), node.peer()
    for number in range(1, 500):
        alice.asks("XREAD BLOCK 100000 STREAMS s $")
        bob.raw(f"XADD s 1-{number} a b")
        assert alice.reads()
    assert len(node.broker.blocking.timers) < 100
    assert len(node.host.timers_ns) < 10


def test_a_timer_that_comes_early_is_set_again() -> None:
    node = Node()
    (alice,) = blocked(node, 1, "XREAD BLOCK 20 STREAMS s $")
    node.settle()
    node.host.timers_ns.clear()
    node.host.ns += 19_500_000  # event loops count in ms
    node.broker.tick()
    assert not alice.wire.data
    assert node.host.timers_ns
    node.advance(0.001)
    assert alice.reads() == b"*-1\r\n"
