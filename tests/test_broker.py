"""The tick: what is flushed when, and what bounds the backlog."""

import pytest
from memory import Disk, MemoryPeer, Node
from peers import packed


def subscribers(node: Node, count: int, channel: str = "news") -> list[MemoryPeer]:
    made = [node.peer(f"127.0.0.1:{10_000 + number}") for number in range(count)]
    for peer in made:
        assert peer.raw(f"SUBSCRIBE {channel}")
    return made


def written(peers: list[MemoryPeer]) -> list[bool]:
    return [bool(peer.wire.data) for peer in peers]


def frame(payload: bytes) -> bytes:
    return b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$%d\r\n%b\r\n" % (len(payload), payload)


def test_a_fan_out_is_flushed_slice_by_slice_oldest_first() -> None:
    node = Node(("fan-out-slice", "4"))
    crowd, bob = subscribers(node, 10), node.peer()
    bob.asks("PUBLISH news x")
    assert not any(written(crowd))
    for flushed in (4, 8, 10):
        assert node.turn()
        assert written(crowd) == [number < flushed for number in range(10)]
        assert bob.wire.data == b":10\r\n"
    assert not node.turn()
    assert all(peer.reads() == frame(b"x") for peer in crowd)


def test_replies_go_out_before_the_fan_out_and_between_its_slices() -> None:
    node = Node(("fan-out-slice", "1"))
    crowd, bob, carol = subscribers(node, 5), node.peer(), node.peer()
    bob.asks("PUBLISH news x")
    for flushed in (1, 2, 3):
        carol.asks("PING")
        node.turn()
        assert carol.wire.data == b"+PONG\r\n" * flushed
        assert written(crowd) == [number < flushed for number in range(5)]
    bob.asks("ECHO y")
    node.turn()
    assert bob.wire.data == b":5\r\n$1\r\ny\r\n"


def test_messages_that_come_meanwhile_join_the_buffers_that_wait() -> None:
    node = Node(("fan-out-slice", "2"))
    crowd, bob = subscribers(node, 6), node.peer()
    before = [peer.wire.writes for peer in crowd]
    bob.asks("PUBLISH news x")
    node.turn()
    bob.asks("PUBLISH news y")
    node.settle()
    assert [peer.wire.writes - writes for peer, writes in zip(crowd, before, strict=True)] == [2, 2, 1, 1, 1, 1]
    assert all(peer.reads() == frame(b"x") + frame(b"y") for peer in crowd)


def test_a_subscriber_that_asks_something_gets_its_messages_with_the_reply() -> None:
    node = Node(("fan-out-slice", "1"))
    crowd, bob = subscribers(node, 5), node.peer()
    bob.asks("PUBLISH news x")
    crowd[4].asks("PING")
    node.turn()
    assert crowd[4].wire.data == frame(b"x") + b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"
    assert written(crowd) == [True, False, False, False, True]
    node.settle()
    assert crowd[4].reads().count(b"message") == 1


def test_every_write_is_one_for_many_messages() -> None:
    node = Node()
    (alice,), bob = subscribers(node, 1), node.peer()
    writes = alice.wire.writes, bob.wire.writes
    bob.sends(b"".join([packed(f"PUBLISH news {number}") for number in range(100)]))
    node.settle()
    assert (alice.wire.writes, bob.wire.writes) == (writes[0] + 1, writes[1] + 1)
    assert alice.reads() == b"".join([frame(b"%d" % number) for number in range(100)])


@pytest.mark.parametrize(
    ("name", "limit"),
    [("fan-out-backlog-messages", "25"), ("fan-out-backlog-bytes", "1000"), ("fan-out-backlog-ms", "50")],
)
def test_past_the_limit_of_the_backlog_slices_double_until_it_is_gone(name: str, limit: str) -> None:
    node = Node(("fan-out-slice", "1"), (name, limit))
    crowd, bob = subscribers(node, 10), node.peer()
    bob.asks("PUBLISH news x")
    node.turn()
    node.turn()
    assert sum(written(crowd)) == 2
    if name == "fan-out-backlog-ms":
        node.host.ns += 51_000_000
    else:
        for _ in range(3):
            bob.asks("PUBLISH news y")
    for flushed in (4, 8, 10):
        node.turn()
        assert sum(written(crowd)) == flushed
    node.settle()
    before = [len(peer.wire.data) for peer in crowd]
    bob.asks("PUBLISH news z")  # and then slices are small again
    node.turn()
    assert sum(len(peer.wire.data) > size for peer, size in zip(crowd, before, strict=True)) == 1


def test_a_backlog_within_its_limits_stays_in_slices() -> None:
    node = Node(("fan-out-slice", "1"), ("fan-out-backlog-messages", "1000"))
    crowd, bob = subscribers(node, 10), node.peer()
    for flushed in range(1, 6):
        bob.asks("PUBLISH news x")
        node.turn()
        assert sum(written(crowd)) == flushed


def test_the_slice_can_be_changed() -> None:
    node = Node(("fan-out-slice", "1"))
    crowd, bob = subscribers(node, 10), node.peer()
    bob.raw("CONFIG SET fan-out-slice 10")
    bob.asks("PUBLISH news x")
    node.turn()
    assert all(written(crowd))


def test_who_goes_while_waiting_for_its_slice_is_passed_over() -> None:
    node = Node(("fan-out-slice", "1"))
    crowd, bob = subscribers(node, 5), node.peer()
    bob.asks("PUBLISH news x")
    node.turn()
    for peer in crowd[1:4]:
        peer.close()
    node.settle()
    assert written(crowd) == [True, False, False, False, True]
    assert bob.raw("PUBLISH news y") == b":5\r\n:2\r\n"


def test_no_tick_is_asked_for_when_nothing_is_to_do() -> None:
    node = Node()
    (alice,) = subscribers(node, 1)
    assert not node.turn()
    alice.sends(b"*2\r\n")
    node.settle()
    assert not node.turn()


def test_everything_is_flushed_when_the_node_stops() -> None:
    node = Node(("fan-out-slice", "1"))
    crowd, bob = subscribers(node, 5), node.peer()
    bob.asks("PUBLISH news x")
    node.broker.tick()
    node.broker.flush_everything()
    assert all(written(crowd))


# --- CLIENT PAUSE and the clock ---------------------------------------------------------------------------------------


def test_a_pause_ends_though_its_timer_fires_early() -> None:
    """Event loops count in milliseconds: a timer may fire a little before its time."""
    node = Node()
    alice = node.peer()
    alice.raw("CLIENT PAUSE 10 ALL")
    alice.asks("PING")
    node.settle()
    node.host.ns += 9_900_000
    node.host.timers_ns.clear()
    node.broker.tick()
    node.settle()
    assert node.host.timers_ns, "nobody will end the pause"
    node.advance(0.001)
    assert alice.reads() == b"+PONG\r\n"


# --- timeout ----------------------------------------------------------------------------------------------------------


def test_idle_clients_are_closed_but_never_subscribers_and_monitors() -> None:
    node = Node(("timeout", "10"))
    kinds = {
        line: node.peer()
        for line in ("PING", "SUBSCRIBE a", "PSUBSCRIBE a", "SSUBSCRIBE a", "MONITOR", "MULTI", "ECHO x")
    }
    for line, peer in kinds.items():
        peer.raw(line)
    node.advance(9)
    assert not any(peer.wire.closed for peer in kinds.values())
    kinds["ECHO x"].raw("ECHO y")
    node.advance(1.5)
    assert [line for line, peer in kinds.items() if peer.wire.closed] == ["PING", "MULTI"]
    node.advance(10)
    assert [line for line, peer in kinds.items() if peer.wire.closed] == ["PING", "MULTI", "ECHO x"]
    assert len(node.broker.clients) == 4


def test_who_ceases_to_subscribe_may_time_out() -> None:
    node = Node(("timeout", "10"))
    alice = node.peer()
    alice.raw("SUBSCRIBE a")
    node.advance(100)
    alice.raw("UNSUBSCRIBE a")
    node.advance(9)
    assert not alice.wire.closed
    node.advance(2)
    assert alice.wire.closed


def test_without_a_timeout_nobody_is_closed() -> None:
    node = Node()
    alice = node.peer()
    node.advance(1_000_000)
    assert alice.raw("PING") == b"+PONG\r\n"


# --- rates ------------------------------------------------------------------------------------------------------------


def test_rates_are_sampled() -> None:
    node = Node()
    alice = node.peer()
    for _ in range(20):
        alice.raw("PING")
        alice.raw("PING")
        node.advance(0.1)
    rate = node.broker.stats.commands_of_rate.per_second
    assert 15 <= rate <= 25
    assert node.broker.stats.input_of_rate.per_second == pytest.approx(rate * len(packed("PING")))


MISCONF = b"-MISCONF Errors writing to the AOF file: No space left on device\r\n"


def test_a_turn_is_committed_once_before_anything_leaves() -> None:
    disk = Disk()
    node = Node(journal=disk)
    alice, bob = node.peer(), node.peer()
    alice.asks("SET a 1")
    bob.asks("SET b 2")
    assert disk.commits == 0
    node.turn()
    assert disk.commits == 1
    assert alice.wire.data == bob.wire.data == b"+OK\r\n"


def test_what_a_failed_commit_was_about_is_told_to_all_whom_it_concerns() -> None:
    disk = Disk()
    node = Node(journal=disk)
    node.host.quiet = False
    alice, bob, carol = node.peer(), node.peer(), node.peer()
    carol.raw("SUBSCRIBE news")
    disk.full = True
    alice.sends(b"PING\r\nSET a 1\r\nPUBLISH news x\r\nGET a\r\n")
    bob.sends(b"GET a\r\n")
    assert alice.reads() == b"+PONG\r\n" + MISCONF + b":1\r\n" + MISCONF
    assert bob.reads() == MISCONF  # it has seen what is no more
    assert carol.reads() == frame(b"x")


def test_of_a_transaction_whose_commit_failed_only_the_reply_becomes_an_error() -> None:
    disk = Disk()
    node = Node(("notify-keyspace-events", "K$"), journal=disk)
    node.host.quiet = False
    alice = node.peer()
    alice.sends(b"HELLO 3\r\nSUBSCRIBE __keyspace@0__:a __keyspace@0__:b\r\nMULTI\r\nSET a 1\r\nSET b 2\r\n")
    alice.reads()
    disk.full = True
    event = b">3\r\n$7\r\nmessage\r\n$16\r\n__keyspace@0__:%b\r\n$3\r\nset\r\n"
    assert alice.raw("EXEC") == MISCONF + event % b"a" + event % b"b"


def test_writes_are_refused_until_the_disk_works_again_while_all_else_goes_on() -> None:
    disk = Disk()
    node = Node(journal=disk)
    node.host.quiet = False
    alice, bob = node.peer(), node.peer()
    alice.sends(b"MULTI\r\nSET a 1\r\n")
    disk.full = True
    assert bob.raw("SET b 1") == MISCONF
    assert bob.raw("SET b 1") == MISCONF
    assert bob.raw("GET b") == b"$-1\r\n"
    assert bob.raw("PUBLISH news x") == b":0\r\n"
    alice.reads()
    assert alice.raw("EXEC") == b"-EXECABORT Transaction discarded because of: " + MISCONF[1:]
    assert node.peer().raw("SET c 1") == MISCONF
    disk.full = False
    node.advance(0.1)
    assert bob.raw("SET b 1") == b"+OK\r\n"
    assert alice.raw("GET b") == b"$1\r\n1\r\n"


def test_nothing_leaves_uncommitted_when_a_lagging_client_can_be_written_to_again() -> None:
    disk = Disk()
    node = Node(journal=disk)
    alice = node.peer()
    alice.session.pause_writing()
    alice.asks("SET a 1")
    alice.session.resume_writing()
    assert disk.commits == 1
    assert alice.wire.data == b"+OK\r\n"
