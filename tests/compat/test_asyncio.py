"""redis-py and valkey-py on asyncio, protocols 2 and 3; redis-py also on an engine in this process."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
import valkey.asyncio
from live import DEADLINE_S, HOST, Node

import airwave.asyncio
from compat.conftest import ENGINE, PASSWORD

SERVED = [
    pytest.param((redis.asyncio.Redis, 2), id="redis-py-2"),
    pytest.param((redis.asyncio.Redis, 3), id="redis-py-3"),
    pytest.param((valkey.asyncio.Valkey, 2), id="valkey-py-2", marks=pytest.mark.slow),
    pytest.param((valkey.asyncio.Valkey, 3), id="valkey-py-3", marks=pytest.mark.slow),
]
EMBEDDED = [
    pytest.param((None, 2), id="memory-2"),
    pytest.param((None, 3), id="memory-3"),
]
NOT_EMBEDDED = {
    "test_unix_socket_and_password": "there is no socket; passwords are in tests/test_connecting.py",
    "test_a_subscriber_comes_back_after_kill_and_restart": "there is nothing to kill",
}
Make = Callable[..., Any]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        both = metafunc.function.__name__ not in NOT_EMBEDDED
        metafunc.parametrize("kind", [*SERVED, *EMBEDDED] if both else SERVED, indirect=True)


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> tuple[type, int]:
    return request.param


@pytest.fixture
def run(kind: tuple[Any, int], shared: Node) -> Callable[[Callable[[Make], Coroutine[Any, Any, None]]], None]:
    """Run `body(make)` on a loop of its own; `make` makes clients, which are closed at the end."""
    library, protocol = kind

    def run_body(body: Callable[[Make], Coroutine[Any, Any, None]]) -> None:
        async def bounded() -> None:
            clients: list[Any] = []

            def make(**options: Any) -> Any:
                options = {"protocol": protocol, "decode_responses": True} | options
                if library is None:
                    clients.append(airwave.asyncio.connect(ENGINE, **options))
                else:
                    where = {} if "unix_socket_path" in options else {"host": HOST, "port": shared.port}
                    clients.append(library(**(where | options)))
                return clients[-1]

            try:
                async with asyncio.timeout(DEADLINE_S):
                    await body(make)
            finally:
                for client in clients:
                    await client.aclose()

        asyncio.run(bounded())

    return run_body


async def until(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Ask until it is true; the deadline is that of the whole body."""
    while not (value := await ask()):
        await asyncio.sleep(0.005)
    return value


async def next_message(pubsub: Any) -> dict[str, Any]:
    return await until(lambda: pubsub.get_message(ignore_subscribe_messages=True, timeout=DEADLINE_S))


def test_messages_over_channel_pattern_and_shard(run: Callable[..., None]) -> None:
    async def body(make: Make) -> None:
        client = make()
        async with client.pubsub() as pubsub:
            await pubsub.subscribe("aio:1")
            await pubsub.psubscribe("aio:*")
            assert [(await pubsub.get_message(timeout=DEADLINE_S))["data"] for _ in range(2)] == [1, 2]
            assert await client.publish("aio:1", "x") == 2
            kinds = [(await next_message(pubsub))["type"] for _ in range(2)]
            assert kinds == ["message", "pmessage"]
            await pubsub.execute_command("SSUBSCRIBE", "aio:s")
            await until(lambda: client.execute_command("SPUBLISH", "aio:s", "y"))
            shards = await client.execute_command("PUBSUB", "SHARDNUMSUB", "aio:s")
            assert shards == ["aio:s", 1]

    run(body)


def test_listen_while_another_task_publishes(run: Callable[..., None]) -> None:
    async def body(make: Make) -> None:
        client = make()
        heard: list[str] = []
        async with client.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe("aio:listen")

            async def publish() -> None:
                await until(lambda: client.publish("aio:listen", "first"))
                for number in range(100):
                    await client.publish("aio:listen", str(number))
                await client.publish("aio:listen", "stop")

            publishing = asyncio.create_task(publish())
            async for message in pubsub.listen():
                heard.append(message["data"])
                if message["data"] == "stop":
                    break
            await publishing
        assert heard == ["first", *map(str, range(100)), "stop"]

    run(body)


def test_pipelines_and_transactions(run: Callable[..., None]) -> None:
    async def body(make: Make) -> None:
        client = make()
        async with client.pipeline(transaction=True) as pipe:
            assert await pipe.publish("aio:none", "x").ping().execute() == [0, True]
        async with client.pipeline(transaction=False) as pipe:
            for _ in range(500):
                pipe.echo("y")
            assert await pipe.execute() == ["y"] * 500

    run(body)


def test_health_checks_while_subscribed(run: Callable[..., None]) -> None:
    async def body(make: Make) -> None:
        client = make()
        async with client.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe("aio:health")
            await until(lambda: client.publish("aio:health", "x"))
            assert (await next_message(pubsub))["data"] == "x"
            pubsub.connection.health_check_interval = 1e-9  # due from now on
            await pubsub.check_health()
            await client.publish("aio:health", "y")
            assert (await next_message(pubsub))["data"] == "y"

    run(body)


def test_many_clients_at_once(run: Callable[..., None]) -> None:
    async def body(make: Make) -> None:
        client = make(max_connections=100)
        assert await asyncio.gather(*[client.echo(str(number)) for number in range(100)]) == [*map(str, range(100))]
        assert (await client.info("clients"))["connected_clients"] >= 1
        assert await client.config_get("port")

    run(body)


def test_a_cancelled_command_harms_nobody(run: Callable[..., None]) -> None:
    async def body(make: Make) -> None:
        client, other = make(single_connection_client=True), make()
        await client.ping()
        waiting = asyncio.create_task(client.xread({"nothing-comes-here": "$"}, block=0))

        async def blocked() -> bool:
            return bool((await other.info("clients"))["blocked_clients"])

        await until(blocked)  # else redis-py may swallow it while it sends (asyncio.wait_for of Python 3.11)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await other.echo("well") == "well"

    run(body)


def test_unix_socket_and_password(run: Callable[..., None], unix_path: Path, guarded: Node) -> None:
    async def body(make: Make) -> None:
        assert await make(unix_socket_path=str(unix_path)).ping()
        assert await make(port=guarded.port, password=PASSWORD).ping()

    run(body)


@pytest.mark.slow
def test_a_subscriber_comes_back_after_kill_and_restart(run: Callable[..., None], start: Callable[..., Node]) -> None:
    async def body(make: Make) -> None:
        node = start()
        client = make(port=node.port)
        async with client.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe("news")
            await until(lambda: client.publish("news", "before"))
            assert (await next_message(pubsub))["data"] == "before"
            node.kill()
            start(port=node.port)

            async def listen() -> None:
                while True:
                    try:
                        if (await next_message(pubsub))["data"] == "after":
                            return
                    except (redis.ConnectionError, valkey.ConnectionError):
                        continue

            listening = asyncio.create_task(listen())
            publisher = make(port=node.port)
            await until(lambda: publisher.publish("news", "after"))
            await listening

    run(body)
