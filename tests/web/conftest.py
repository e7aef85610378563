"""Servers with an HTTP port."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from live import Node, Start

from .site import Site

MakeSite = Callable[..., Site]


@pytest.fixture
def serve(start: Start) -> MakeSite:
    """Start a server of the test's own: `serve("--requirepass", "x")`."""

    def serve_site(*options: str, **about: Any) -> Site:
        return Site(start, *options, **about)

    return serve_site


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A server that the tests of a file share: channels that begin with `kept` are remembered."""
    nodes: list[Node] = []

    def start(*options: str, **about: Any) -> Node:
        nodes.append(Node(*options, **about))
        return nodes[-1]

    found = Site(start, "--http-rate-limit", "0", "--remember", "kept* maxlen 1000")
    with found.node as node:
        yield found
        node.assert_no_fault()
