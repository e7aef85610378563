"""File descriptors run out: accepting pauses, those who are in go on, and others come in when there are some again."""

import resource
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from live import Node, wait_for

Start = Callable[..., Node]
PAUSED = "accepting connections pauses: out of file descriptors"


def take_away(node: Node, left: int) -> None:
    """Leave the running server so many descriptors beyond those it has open."""
    resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (node.descriptors + left, 4096))


def test_accepting_pauses_and_goes_on(start: Start) -> None:
    node = start("--maxclients", "1000")
    with ExitStack() as stack:
        old, publisher = stack.enter_context(node.connect()), stack.enter_context(node.connect())
        old.do("SUBSCRIBE", "x")
        publisher.do("PING")
        take_away(node, left=2)
        others = [stack.enter_context(node.connect()) for _ in range(6)]  # the kernel connects them all
        node.wait_for_line(PAUSED)
        for other in others[:2]:
            assert other.do("PING")
        for other in others[2:]:
            other.send("PING")  # not answered yet
        pauses = wait_for(lambda: int(publisher.info("stats")["accept_pauses"]), "a pause")
        # Those who are in go on, while the server tries again and again, a bounded number of times.
        wait_for(lambda: int(publisher.info("stats")["accept_pauses"]) > pauses, "another try")
        assert publisher.do("PUBLISH", "x", "hello") == 1
        assert old.read() == [b"message", b"x", b"hello"]
        assert publisher.do("CONFIG", "GET", "port") == [b"port", b"%d" % node.port]

        for other in others[:2]:
            other.close()
        for other in others[2:4]:  # have their descriptors now
            assert other.read() == b"PONG"
        resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (1024, 4096))
        for other in others[4:]:
            assert other.read() == b"PONG"
        assert len(node.lines(PAUSED)) <= 2


@pytest.mark.slow
def test_waiting_for_descriptors_is_not_busy(start: Start) -> None:
    node = start("--maxclients", "1000")
    with node.connect() as peer:
        peer.do("PING")
        take_away(node, left=0)
        with node.connect() as waiting:
            waiting.send("PING")
            node.wait_for_line(PAUSED)
            before = int(peer.info("stats")["accept_pauses"])
            for _ in range(500):
                peer.do("PING")
            # Each request is at least one turn of the loop: trying in each of them would be 500 tries.
            assert int(peer.info("stats")["accept_pauses"]) < before + 100
            assert len(node.lines(PAUSED)) == 1
            resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (1024, 4096))
            assert waiting.read() == b"PONG"


@pytest.mark.slow
def test_maxclients_is_lowered_to_what_the_descriptors_allow(start: Start) -> None:
    node = start("--maxclients", "5000", descriptors=(100, 200))
    assert node.lines("maxclients is lowered to what the file descriptors allow", "maxclients=168")
    with ExitStack() as stack:
        peers = [stack.enter_context(node.connect()) for _ in range(168)]
        assert [peer.do("PING") for peer in peers] == [b"PONG"] * 168
        assert str(peers[0].do("CONFIG", "SET", "maxclients", "169")).endswith("try with 168")
        assert stack.enter_context(node.connect()).read_raw() == b"-ERR max number of clients reached\r\n"
        assert not node.lines(PAUSED)


@pytest.mark.slow
def test_the_soft_limit_is_raised_as_far_as_needed(start: Start) -> None:
    node = start("--maxclients", "500", descriptors=(100, 4096))
    assert resource.prlimit(node.pid, resource.RLIMIT_NOFILE) == (532, 4096)
