"""Connections of redis-py to an engine, wherever a `connection_class` is taken, with any of its parsers."""

import asyncio
import threading
from typing import Any

import pytest
import redis
import redis.asyncio
from live import DEADLINE_S, wait_for
from redis._parsers import _RESP2Parser, _RESP3Parser
from redis.backoff import NoBackoff
from redis.retry import Retry

import airwave
from airwave.embedded import AsyncEmbeddedConnection, EmbeddedConnection


def test_a_pool_of_them(url: str) -> None:
    for kind in (redis.ConnectionPool, redis.BlockingConnectionPool):
        pool = kind(connection_class=EmbeddedConnection, engine=url, max_connections=2, decode_responses=True)
        with redis.Redis.from_pool(pool) as client:
            client.set("a", "1")
            assert client.get("a") == "1"
            assert repr(pool.get_connection()).endswith(f"EmbeddedConnection(engine={url},db=0)>")


def test_what_speaks_of_sockets_is_left_aside(url: str) -> None:
    pool = redis.ConnectionPool(
        connection_class=EmbeddedConnection,
        engine=url,
        host="nowhere",
        port=1,
        socket_keepalive=True,
        socket_connect_timeout=1,
        client_name="me",
    )
    with redis.Redis(connection_pool=pool) as client:
        assert client.client_getname() in (b"me", "me")
        assert "client_name=me" in repr(pool.get_connection())


@pytest.mark.parametrize(("parser", "version"), [(_RESP2Parser, 2), (_RESP3Parser, 3), (None, 2), (None, 3)])
def test_parsers(url: str, parser: Any, version: int) -> None:
    options = {"protocol": version} | ({"parser_class": parser} if parser else {})
    with airwave.connect(url, **options) as client, client.pubsub() as pubsub:
        pubsub.subscribe("news")
        assert client.publish("news", b"x" * 200_000) == 1
        client.publish("news", b"y")
        found = [pubsub.get_message(timeout=DEADLINE_S) for _ in range(3)]
        assert [message["data"] for message in found if message] == [1, b"x" * 200_000, b"y"]
        assert pubsub.get_message(timeout=0) is None
        assert pubsub.get_message(timeout=0.001) is None
        assert client.xread({"s": "$"}, block=1) in ([], {}, None)


def test_a_pool_finds_out_that_a_connection_is_closed(url: str) -> None:
    with airwave.connect(url) as client, airwave.connect(url) as other:
        number = client.client_id()
        assert other.client_kill_filter(_id=number) == 1
        assert client.client_id() > number  # no error: it was idle
        blocked = airwave.connect(url, socket_timeout=None)
        errors: list[Exception] = []

        def read() -> None:
            try:
                blocked.xread({"s": "$"}, block=0)
            except redis.ConnectionError as error:
                errors.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        wait_for(lambda: other.info("clients")["blocked_clients"] == 1, "it to block")
        other.client_kill_filter(_type="normal", skipme=True)
        thread.join(DEADLINE_S)
        assert "Connection closed by server" in str(errors[0])
        blocked.close()


def test_a_client_that_retries_goes_on_with_the_next_engine(url: str) -> None:
    with airwave.connect(url, single_connection_client=True, retry=Retry(NoBackoff(), 1)) as client:
        assert client.incr("n") == 1
        airwave.close(url)
        assert client.incr("n") == 1


def test_health_checks_that_fail(url: str) -> None:
    with airwave.connect(url, health_check_interval=1e-9, single_connection_client=True) as client:
        client.ping()
        airwave.close(url)
        with pytest.raises(redis.ConnectionError, match="was closed"):
            client.ping()
        assert client.ping()


def test_commands_are_held_back_by_a_pause(url: str) -> None:
    with airwave.connect(url) as client, airwave.connect(url) as other:
        client.client_pause(600_000, all=False)
        assert other.ping()
        publisher = threading.Thread(target=other.publish, args=("paused", "x"))
        publisher.start()
        wait_for(lambda: client.info("clients")["blocked_clients"] == 1, "the publisher to be held back")
        client.client_unpause()
        publisher.join(DEADLINE_S)
        assert not publisher.is_alive()


def test_addresses(url: str) -> None:
    with airwave.connect(f"{url}?db=1") as client, airwave.Engine(url) as engine, client.monitor() as monitor:
        mine = client.client_info()
        assert mine["addr"].startswith(f"{url}:")
        assert mine["laddr"] == url
        assert int(mine["db"]) == 1
        engine.execute("ECHO", "x")
        shown = wait_for(
            lambda: next(each for each in iter(monitor.next_command, None) if "ECHO" in each["command"]), ""
        )
        assert f"{shown['client_address']}:{shown['client_port']}".startswith(f"{url}:")
        assert client.client_kill(mine["addr"])
        assert client.client_info()["addr"] != mine["addr"]


def test_who_does_nothing_but_ask_can_be_cancelled_at_any_moment(url: str) -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(url) as client:

            async def ask() -> None:
                while True:
                    await client.ping()

            for turns in range(20):
                task = asyncio.create_task(ask())
                for _ in range(20 + turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task], timeout=DEADLINE_S)
                assert task.cancelled()

    asyncio.run(body())


@pytest.mark.parametrize("command", ["PING\r\n", b"PING\r\n", [b"PI", b"NG\r\n"]])
def test_what_redis_py_may_send(url: str, command: str | bytes | list[bytes]) -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(url) as client:
            connection = await client.connection_pool.get_connection()
            await connection.send_packed_command(command)
            assert await connection.read_response() in {b"PONG", "PONG"}
            connection._writer.close()
            with pytest.raises(redis.ConnectionError, match="while writing to memory://"):
                await connection.send_packed_command(command)
            assert not connection.is_connected
            await connection.send_packed_command(command)  # which connects again
            assert await connection.read_response() in {b"PONG", "PONG"}
            await client.connection_pool.release(connection)

    asyncio.run(body())


def test_asyncio_pools(url: str) -> None:
    async def body() -> None:
        for kind in (redis.asyncio.ConnectionPool, redis.asyncio.BlockingConnectionPool):
            pool = kind(connection_class=AsyncEmbeddedConnection, engine=url, host="nowhere", decode_responses=True)
            async with redis.asyncio.Redis.from_pool(pool) as client:
                await client.set("a", "1")
                assert await client.get("a") == "1"
                assert f"engine={url}" in repr(pool)
                number = await client.client_id()
                async with airwave.asyncio.connect(url) as other:
                    await other.client_kill_filter(_id=number)
                assert await client.client_id() > number

    asyncio.run(body())
