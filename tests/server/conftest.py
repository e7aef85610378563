"""Servers that a test starts as it likes, and one that tests of limits share."""

from collections.abc import Iterator

import pytest
from live import Node


@pytest.fixture(scope="session")
def common() -> Iterator[Node]:
    with Node() as node:
        yield node
        node.assert_no_fault()


@pytest.fixture
def node(common: Node) -> Iterator[Node]:
    """A shared server whose settings are put back behind the test; its clients leave with the test."""
    with common.connect(resp3=True) as peer:
        peer.do("SUBSCRIBE", "nothing")  # so that no timeout applies
        before = peer.do("CONFIG", "GET", "*")
        yield common
        after = peer.do("CONFIG", "GET", "*")
        for name in [name for name in before if before[name] != after[name]]:
            assert peer.do("CONFIG", "SET", name, before[name]) == b"OK"
