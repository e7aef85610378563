"""A node in memory, and a redis-server to compare its replies with."""

import contextlib
from collections.abc import Callable

import pytest
from memory import MemoryPeer as Peer
from memory import Node
from peers import SocketPeer, parsed
from servers import Address

__all__ = ["Ask", "Node", "Peer", "parsed"]

Ask = Callable[..., bytes]


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def alice(node: Node) -> Peer:
    return node.peer()


@pytest.fixture(scope="session")
def oracle(redis_address: Address) -> Ask:
    """Ask redis-server on a new connection: `oracle("MULTI", "EXEC", resp3=True)` gives the last reply's bytes."""

    def ask(*lines: str, resp3: bool = False) -> bytes:
        reply = b""
        with contextlib.closing(SocketPeer(redis_address)) as peer:
            for line in (*(("HELLO 3",) if resp3 else ()), *lines):
                peer.asks(line.split())
                reply = peer.hears()
        return reply

    return ask
