"""Servers that a test starts as it likes, and one that tests of limits share."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from live import Node

Start = Callable[..., Node]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers; those that still run at the end of the test are killed, and none may have logged a fault."""
    nodes: list[Node] = []

    def start_node(*options: str, **about: Any) -> Node:
        nodes.append(Node(*options, **about))
        return nodes[-1]

    yield start_node
    for node in nodes:
        node.kill()
        node.assert_no_fault()


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
