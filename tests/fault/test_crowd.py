"""10,000 subscribers in one process, and a garbage collector that never stops for them."""

import resource
import selectors
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from live import DEADLINE_S, Node, descriptors_for_test, wait_for

Start = Callable[..., Node]
SUBSCRIBERS = 10_000
MESSAGE = b"*3\r\n$7\r\nmessage\r\n$5\r\ncrowd\r\n$5\r\nhello\r\n"


@pytest.mark.slow
def test_ten_thousand_subscribers_come_hear_and_leave(start: Start) -> None:
    wanted = SUBSCRIBERS + 200
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"only {hard} file descriptors are allowed")
    node = start("--maxclients", str(SUBSCRIBERS + 2))
    with node.connect() as admin, descriptors_for_test(wanted):
        admin.do("PING")
        for _ in range(2):  # the second time it must not need more
            first_rss_bytes, base = node.rss_bytes, node.descriptors
            _come_hear_and_leave(node, SUBSCRIBERS)
            wait_for(lambda: admin.info("clients")["connected_clients"] == "1", "all to have left")
        info = admin.info()
        assert node.rss_bytes - first_rss_bytes < 8 << 20
        assert node.descriptors == base
        assert (info["pubsub_channels"], info["pubsub_patterns"]) == ("0", "0")
        assert info["gc_collections_full"] == "1"  # that of the start
        assert info["rejected_connections"] == "0"
        assert not node.lines("accepting connections pauses")


def _come_hear_and_leave(node: Node, count: int) -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(node.connect()) for _ in range(count)]
        for peer in peers:
            peer.send_raw(b"SUBSCRIBE crowd\r\n")
        for peer in peers:
            assert peer.read() == [b"subscribe", b"crowd", 1]
        with node.connect() as publisher:
            assert publisher.do("PUBLISH", "crowd", "hello") == count
            assert publisher.do("PING")
            assert publisher.info("clients")["pubsub_clients"] == str(count)
        with selectors.DefaultSelector() as selector:
            for peer in peers:
                selector.register(peer.socket, selectors.EVENT_READ, peer)
            left = count
            while left:
                ready = selector.select(DEADLINE_S)
                assert ready, f"{left} subscribers have heard nothing"
                for key, _ in ready:
                    assert key.data.socket.recv(1000) == MESSAGE
                    selector.unregister(key.fileobj)
                    left -= 1
