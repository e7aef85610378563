"""A redis-server of our own for the tests of the load generator."""

import os
import shutil
from collections.abc import Iterator

import pytest

from airwave.bench.program import Cores, redis_argv
from airwave.bench.servers import Server, started

# Tests share the machine: nothing is pinned.
UNPINNED = Cores(None, None)


@pytest.fixture
def redis_installed() -> None:
    """Skip where there is no redis-server; on CI there must be one."""
    if shutil.which("redis-server") is None and os.environ.get("CI") != "true":
        pytest.skip("redis-server is not installed")


@pytest.fixture
def redis(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A fresh redis-server."""
    request.getfixturevalue("redis_installed")
    with started("redis-server", redis_argv, UNPINNED) as server:
        yield server
