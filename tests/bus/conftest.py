"""Where the bus runs in tests: the engine in this process, an `airwave serve`, a real redis-server."""

import uuid
from collections.abc import Iterator

import pytest
from live import Node
from servers import redis_server

PLACES = ["memory", "airwave", "redis"]


@pytest.fixture(scope="session")
def airwave_node() -> Iterator[Node]:
    with Node() as node:
        yield node


@pytest.fixture(scope="session")
def redis_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as path:
        yield path


@pytest.fixture(params=PLACES)
def url(request: pytest.FixtureRequest) -> str:
    """One of the three, by URL. What earlier tests left there is there still."""
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}"
    if request.param == "airwave":
        return str(request.getfixturevalue("airwave_node").url)
    return f"unix://{request.getfixturevalue('redis_path')}"


@pytest.fixture
def memory_url() -> str:
    """An engine in this process that is the test's own."""
    return f"memory://{uuid.uuid4().hex}"
