"""Servers that tests do harm to."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from live import Node

Start = Callable[..., Node]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers; they are killed at the end of the test, and none may have logged a fault of its own."""
    nodes: list[Node] = []

    def start_node(*options: str, **about: Any) -> Node:
        nodes.append(Node(*options, **about))
        return nodes[-1]

    yield start_node
    for node in nodes:
        node.kill()
        node.assert_no_fault()
