"""`airwave.asyncio.connect`."""

import asyncio
from collections.abc import Iterator

import pytest
import redis
import redis.asyncio

import airwave
import airwave.asyncio

URL = "memory://test-asyncio"


@pytest.fixture(autouse=True)
def _no_engine_stays() -> Iterator[None]:
    yield
    airwave.close(URL)


def test_servers_are_left_to_redis_py() -> None:
    client = airwave.asyncio.connect("redis://example.test:7000/3", decode_responses=True)
    options = client.connection_pool.connection_kwargs
    assert (options["host"], options["port"], options["db"], options["decode_responses"]) == (
        "example.test",
        7000,
        3,
        True,
    )


@pytest.mark.parametrize("url", ["http://x", "file:relative"])
def test_wrong_urls(url: str) -> None:
    with pytest.raises(ValueError, match=f"^{url}: a URL begins with one of memory://, file://, redis://"):
        airwave.asyncio.connect(url)


def test_options_are_those_of_redis_py() -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(f"{URL}?db=2", decode_responses=True, client_name="me") as client:
            await client.set("a", "é")
            assert await client.get("a") == "é"
            assert await client.client_getname() == "me"
        async with airwave.asyncio.connect(f"{URL}?db=2", single_connection_client=True) as client:
            assert await client.client_id() == await client.client_id()
            assert await client.get("a") == "é".encode()
        with airwave.connect(URL) as watcher:
            assert len(watcher.client_list()) == 1  # all closed

    asyncio.run(body())


def test_passwords() -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(f"{URL}?requirepass=secret", password="secret") as client:
            assert await client.ping()
        async with airwave.asyncio.connect(URL) as client:
            with pytest.raises(redis.AuthenticationError):
                await client.ping()

    asyncio.run(body())


def test_redis_py_taught_the_schemes() -> None:
    async def body() -> None:
        undo = airwave.register_url_schemes()
        try:
            async with redis.asyncio.from_url(URL) as client:
                assert await client.ping()
        finally:
            undo()

    asyncio.run(body())
