"""Clients that read slowly: output limits, hard and soft, and dropping the oldest messages."""

import pytest
from memory import MemoryPeer, Node
from peers import fields, frame_end, meaning

MESSAGE = 100  # bytes of a payload


def make(*directives: tuple[str, str]) -> tuple[Node, MemoryPeer, MemoryPeer]:
    node = Node(*directives)
    node.host.quiet = False
    alice, bob = node.peer("127.0.0.1:1"), node.peer("127.0.0.1:2")
    alice.raw("HELLO 3")
    alice.raw("SUBSCRIBE a")
    return node, alice, bob


def publish(bob: MemoryPeer, numbers: range, size: int = MESSAGE) -> None:
    for number in numbers:
        assert bob.raw("PUBLISH", "a", b"%d" % number + b"." * (size - len(str(number)))).startswith(b":")


def heard(peer: MemoryPeer) -> list[str]:
    """What came, as short as possible: the number of a message, or the reply."""
    data, result = peer.reads(), []
    while data:
        end = frame_end(data)
        assert end > 0, f"half a frame: {data!r}"
        value = meaning(data[:end])
        if isinstance(value, list):
            value = value[2].rstrip(".") if value[0] == "message" else " ".join(value[:2])
        result.append(value)
        data = data[end:]
    return result


def logged(node: Node, level: str) -> list[str]:
    return [message for each, message, _ in node.host.logs if each == level]


def test_a_slow_subscriber_over_the_hard_limit_is_cut_off() -> None:
    node, alice, bob = make(("client-output-buffer-limit", "pubsub 2000 0 0"))
    carol = node.peer("127.0.0.1:3")
    carol.raw("SUBSCRIBE a")
    alice.raw("CLIENT SETNAME alice")
    alice.wire.stuck = True
    publish(bob, range(10))
    assert not alice.wire.closed
    publish(bob, range(10, 60))
    assert alice.wire.aborted
    assert alice.session.gone
    assert bob.raw("PUBLISH a x") == b":1\r\n"
    assert len(heard(carol)) == 61
    assert node.broker.stats.output_limit_disconnections == 1
    assert b"client_output_buffer_limit_disconnections:1\r\n" in bob.ask("INFO stats")
    ((_, message, about),) = [entry for entry in node.host.logs if entry[0] == "warning"]
    assert "output buffer limit" in message
    assert about["client"] == "127.0.0.1:1"
    assert about["name"] == b"alice"
    assert about["waiting_bytes"] > about["limit_bytes"] == 2000
    assert not node.broker.lagging


def test_what_waits_is_shared_by_all_slow_subscribers() -> None:
    node = Node()
    crowd = [node.peer(f"127.0.0.1:{number}") for number in range(1, 20)]
    bob = node.peer()
    for peer in crowd:
        peer.raw("SUBSCRIBE a")
        peer.wire.stuck = True
    bob.raw("PUBLISH", "a", b"x" * 70_000)
    bob.raw("PUBLISH", "a", b"x" * 70_000)
    waiting = [peer.session.out for peer in crowd]
    assert all(len(out) == 1 for out in waiting)
    assert len({id(out[0]) for out in waiting}) == 1


def test_a_flush_over_the_hard_limit_cuts_off_as_well() -> None:
    node, alice, bob = make(("client-output-buffer-limit", "pubsub 2000 0 0"))
    bob.sends(b"PUBLISH a %b\r\n" % (b"x" * MESSAGE) * 30)
    node.settle()
    assert alice.wire.aborted
    assert node.broker.stats.output_limit_disconnections == 1


def test_the_soft_limit_gives_time() -> None:
    node, alice, bob = make(("client-output-buffer-limit", "pubsub 100000 1000 10"))
    alice.wire.stuck = True
    publish(bob, range(20))
    node.advance(9)
    assert not alice.wire.closed
    node.advance(2)
    assert alice.wire.aborted
    assert node.broker.stats.output_limit_disconnections == 1


def test_who_catches_up_in_time_begins_anew() -> None:
    node, alice, bob = make(("client-output-buffer-limit", "pubsub 100000 1000 10"))
    alice.wire.stuck = True
    publish(bob, range(20))
    node.advance(9)
    alice.wire.unstick()
    assert heard(alice) == [str(number) for number in range(20)]
    alice.wire.stuck = True
    publish(bob, range(20, 40))
    node.advance(9)
    assert not alice.wire.closed
    node.advance(2)
    assert alice.wire.aborted


def test_without_a_limit_everything_waits_and_comes_in_order() -> None:
    node, alice, bob = make(("client-output-buffer-limit", "pubsub 0 0 0"))
    alice.wire.stuck = True
    publish(bob, range(3000))
    assert alice.session.lagging
    assert node.broker.lagging == {alice.session}
    alice.wire.unstick()
    assert heard(alice) == [str(number) for number in range(3000)]
    assert not node.broker.lagging


def test_a_slow_reader_of_replies_has_the_limit_of_normal_clients() -> None:
    node, _, bob = make(("client-output-buffer-limit", "normal 2000 0 0"))
    bob.wire.stuck = True
    for _ in range(40):
        bob.asks(["ECHO", "x" * MESSAGE])
        node.settle()
    assert bob.wire.aborted
    assert logged(node, "warning")


def test_limits_follow_the_class_of_the_client_and_config_set() -> None:
    node, alice, bob = make(("client-output-buffer-limit", "pubsub 2000 0 0"))
    alice.raw("UNSUBSCRIBE a")
    alice.raw("PUBLISH", "a", b"x")
    alice.sends(b"ECHO %b\r\n" % (b"x" * MESSAGE) * 30)
    node.settle()
    assert not alice.wire.closed
    alice.reads()
    alice.raw("SUBSCRIBE a")
    bob.raw("CONFIG", "SET", "client-output-buffer-limit", "pubsub 100000 0 0")
    alice.wire.stuck = True
    publish(bob, range(60))
    assert not alice.wire.closed
    bob.raw("CONFIG", "SET", "client-output-buffer-limit", "pubsub 3000 0 0")
    publish(bob, range(1))
    assert alice.wire.aborted


def test_a_stuck_monitor_is_bounded() -> None:
    node, alice, bob = make(("client-output-buffer-limit", "pubsub 2000 0 0"))
    alice.raw("UNSUBSCRIBE a")
    alice.raw("MONITOR")
    alice.wire.stuck = True
    for _ in range(100):
        bob.raw("PING")
    assert alice.wire.aborted
    assert node.broker.monitors == []
    assert bob.raw("PING") == b"+PONG\r\n"


def test_a_stranger_may_not_let_replies_pile_up() -> None:
    node = Node(("requirepass", "secret"))
    node.host.quiet = False
    alice = node.peer()
    alice.wire.stuck = True
    for _ in range(1000):
        alice.asks("PING")
        node.settle()
    assert alice.wire.aborted


# --- drop-oldest ------------------------------------------------------------------------------------------------------

BIG = 2000  # bytes of a payload: the transport takes 64 KiB before anything waits here
DROP = ("slow-subscriber-policy", "drop-oldest")


@pytest.mark.parametrize("kind", ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"])
def test_the_oldest_messages_go_and_the_newest_come(kind: str) -> None:
    node, alice, bob = make(("client-output-buffer-limit", "pubsub 200000 0 0"), DROP)
    alice.raw("UNSUBSCRIBE a")
    alice.raw(f"{kind} a")
    alice.wire.stuck = True
    for number in range(200):
        bob.raw("SPUBLISH" if kind == "SSUBSCRIBE" else "PUBLISH", "a", b"%d" % number + b"." * BIG)
    assert not alice.wire.closed
    assert alice.session.waiting_bytes <= 200_000
    dropped = alice.session.dropped
    alice.wire.unstick()
    data, numbers = alice.reads(), []
    while data:
        end = frame_end(data)
        numbers.append(int(meaning(data[:end])[-1].rstrip(".")))
        data = data[end:]
    assert len(numbers) + dropped == 200
    assert numbers == sorted(numbers)
    assert numbers[-10:] == list(range(190, 200))
    assert node.broker.stats.dropped_messages == dropped > 50


def test_what_was_dropped_is_counted_and_told() -> None:
    node, alice, bob = make(("client-output-buffer-limit", "pubsub 200000 0 0"), DROP)
    alice.raw("CLIENT SETNAME alice")
    alice.wire.stuck = True
    publish(bob, range(200), BIG)
    dropped = alice.session.dropped
    assert fields(dropped=dropped, name="alice")(bob.ask("CLIENT LIST TYPE pubsub").decode())
    assert b"dropped_messages:%d\r\n" % dropped in bob.ask("INFO stats")
    assert b"client_output_buffer_limit_disconnections:0\r\n" in bob.ask("INFO stats")
    (warning,) = logged(node, "warning")  # told once, not for each message
    assert "loses its oldest messages" in warning
    publish(bob, range(200), BIG)
    assert len(logged(node, "warning")) == 1


@pytest.mark.parametrize("version", [2, 3])
def test_who_asks_for_it_is_told_where_messages_were_dropped_and_how_many(version: int) -> None:
    node, alice, bob = make(("client-output-buffer-limit", "pubsub 200000 0 0"), DROP)
    alice.raw(f"HELLO {version}")
    alice.raw("SUBSCRIBE __airwave__:dropped")
    expected = dropped = 0
    for round_ in range(3):
        alice.wire.stuck = True
        for start in range(0, 200, 50):  # more is dropped again and again, also the notice of what was before
            publish(bob, range(round_ * 200 + start, round_ * 200 + start + 50), BIG)
        assert alice.session.waiting_bytes <= 200_000
        alice.wire.unstick()
        data, notices = alice.reads(), 0
        while data:
            end = frame_end(data)
            _, channel, payload = meaning(data[:end])
            data = data[end:]
            if channel == "__airwave__:dropped":
                notices += 1
                expected += int(payload) - dropped  # so many are missing here
                dropped = int(payload)
            else:
                assert int(payload.rstrip(".")) == expected
                expected += 1
        assert expected == (round_ + 1) * 200
        assert (notices, alice.session.dropped) == (1, dropped)
    assert node.broker.stats.dropped_messages == dropped


def test_replies_and_confirmations_are_never_dropped() -> None:
    node, alice, bob = make(("client-output-buffer-limit", "pubsub 200000 0 0"), DROP)
    alice.wire.stuck = True
    for number in range(20):
        publish(bob, range(number * 10, number * 10 + 10), BIG)
        alice.asks(f"ECHO reply-{number}")
        node.settle()
    alice.asks("SUBSCRIBE b")
    node.settle()
    publish(bob, range(200, 230), BIG)
    alice.wire.unstick()
    got = heard(alice)
    assert [each for each in got if str(each).startswith("reply")] == [f"reply-{number}" for number in range(20)]
    numbers = [int(each) for each in got if each.isdigit()]
    assert "subscribe b" in got
    assert numbers == sorted(numbers)
    assert numbers[-1] == 229


def test_under_the_soft_limit_messages_go_after_its_time() -> None:
    node, alice, bob = make(("client-output-buffer-limit", "pubsub 0 100000 10"), DROP)
    alice.wire.stuck = True
    publish(bob, range(100), BIG)
    assert alice.session.dropped == 0
    node.advance(5)
    node.advance(6)
    assert alice.session.dropped > 0
    assert not alice.wire.closed
    assert alice.session.waiting_bytes <= 100_000


def test_a_client_that_is_no_subscriber_is_cut_off_all_the_same() -> None:
    node, _, bob = make(("client-output-buffer-limit", "normal 2000 0 0"), DROP)
    bob.wire.stuck = True
    for _ in range(40):
        bob.asks(["ECHO", "x" * MESSAGE])
        node.settle()
    assert bob.wire.aborted


def test_what_a_burst_drops_is_not_sent() -> None:
    node, alice, bob = make(
        ("client-output-buffer-limit", "pubsub 2000 0 0"), ("slow-subscriber-policy", "drop-oldest")
    )
    bob.sends(b"".join([b"PUBLISH a %04d%b\r\n" % (number, b"." * MESSAGE) for number in range(60)]))
    node.settle()
    numbers = [int(number) for number in heard(alice)]
    dropped = node.broker.stats.dropped_messages
    assert dropped
    assert numbers == list(range(dropped, 60))
