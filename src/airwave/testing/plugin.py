"""The pytest plugin: a server, clients that find it empty, and an engine without sockets.

Every run of pytest in an environment with Airwave loads this module, also one that never uses it. So it imports nothing
but pytest, and fixtures import what they need.
"""

# ruff: noqa: PLC0415 (see above)

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import redis
    import redis.asyncio

    from airwave.serving import Server


@pytest.fixture(scope="session")
def airwave_server() -> "Iterator[Server]":
    """An `airwave.Server` on a free TCP port, for all tests of the run: `.url`, `.host`, `.port`.

    It is a process of its own, so that neither frozen clocks nor patched sockets of a test reach it. With pytest-xdist
    each worker has its own.
    """
    from airwave.serving import Server

    with Server(process=True) as server:
        yield server


@pytest.fixture
def airwave_empty(airwave_server: "Server") -> "Server":
    """`airwave_server` with no keys in it, and no subscribers that an earlier test has left; once for each test."""
    import redis

    with redis.Redis.from_url(airwave_server.url) as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        client.flushall()
    return airwave_server


@pytest.fixture
def airwave_client(airwave_empty: "Server") -> "Iterator[redis.Redis]":
    """A client of redis-py on `airwave_server`, which is empty at first. Replies are bytes. It is closed at the end."""
    import redis

    with redis.Redis.from_url(airwave_empty.url) as client:
        yield client


@pytest.fixture
def airwave_async_client(airwave_empty: "Server") -> "Iterator[redis.asyncio.Redis]":
    """As `airwave_client`, a client of redis-py's asyncio side.

    The fixture is not asynchronous itself: it connects in whatever event loop first uses it, be it that of
    `asyncio.run`, of pytest-asyncio or of anyio, and is closed with that loop, or at the end of the test.
    """
    from airwave.testing.loops import LoopClient

    client = LoopClient(airwave_empty.url)
    yield client.redis
    client.close()


@pytest.fixture
def airwave_memory_url() -> Iterator[str]:
    """The URL of an engine in this process, without sockets: `memory://...`, of this test alone.

    For `airwave.connect`; and during the test redis-py knows the scheme as well, so that what takes only a URL works.
    """
    from airwave.connecting import register_url_schemes
    from airwave.embedded import close

    url = f"memory://test-{uuid.uuid4().hex}"
    unregister = register_url_schemes()
    yield url
    unregister()
    close(url)
