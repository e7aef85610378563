"""Litestar's channels plugin: two applications, of which one publishes and the other has subscribers."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from litestar import Litestar, post
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.redis import (
    RedisChannelsBackend,
    RedisChannelsPubSubBackend,
    RedisChannelsStreamBackend,
)
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from redis.asyncio import Redis

import airwave.asyncio
from compat.libraries.loops import Place, run
from compat.libraries.table import library

pytestmark = library(
    "Litestar",
    "`ChannelsPlugin` publishes, gets messages and history, `flush_all`: `RedisChannelsPubSubBackend`, "
    "`RedisChannelsStreamBackend`",
    package="litestar",
)


@asynccontextmanager
async def application(place: Place, make: Callable[[Redis], RedisChannelsBackend]) -> AsyncIterator[Any]:
    """Gives a client of the application, and its plugin."""

    @post("/say/{channel:str}", status_code=204)
    async def say(
        channel: FromPath[str], data: JSONBody[dict[str, str]], channels: NamedDependency[ChannelsPlugin]
    ) -> None:
        await channels.wait_published(data, channel)

    # With a timeout redis-py writes under asyncio.wait_for, which on Python 3.11 may lose the cancel() of the shutdown.
    async with airwave.asyncio.connect(place.url, socket_timeout=None) as redis:
        plugin = ChannelsPlugin(backend=make(redis), arbitrary_channels_allowed=True)
        app = Litestar([say], plugins=[plugin])
        transport = httpx.ASGITransport(app)
        async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            yield client, plugin


def test_channels_over_pubsub(place: Place) -> None:
    def backend(redis: Redis) -> RedisChannelsBackend:
        return RedisChannelsPubSubBackend(redis=redis, key_prefix="ls")

    async def body() -> None:
        async with application(place, backend) as (client, _), application(place, backend) as (_, plugin):
            async with plugin.start_subscription(["ls:one", "ls:other"]) as subscriber:
                events = subscriber.iter_events()
                await place.subscribers("ls:other", 1)
                for channel in "one", "other":
                    assert (await client.post(f"/say/ls:{channel}", json={"to": channel})).status_code == 204
                    assert await anext(events) == b'{"to":"%s"}' % channel.encode()
                await events.aclose()
            await place.subscribers("ls:one", 0)

    run(body())


def test_channels_over_streams_with_history(place: Place) -> None:
    def backend(redis: Redis) -> RedisChannelsBackend:
        return RedisChannelsStreamBackend(
            history=3, redis=redis, key_prefix="ls:stream", stream_sleep_no_subscriptions=5
        )

    async def body() -> None:
        async with application(place, backend) as (client, _), application(place, backend) as (_, plugin):
            for number in range(5):
                await client.post("/say/news", json={"number": str(number)})
            assert await plugin._backend.get_history("news", 2) == [b'{"number":"3"}', b'{"number":"4"}']
            async with plugin.start_subscription("news") as subscriber:
                events = subscriber.iter_events()
                await client.post("/say/news", json={"number": "5"})
                got = [await anext(events)]
                while got[-1] != b'{"number":"5"}':
                    got.append(await anext(events))
                await events.aclose()

    run(body())


def test_streams_are_flushed(place: Place) -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(place.url) as redis:
            backend = RedisChannelsStreamBackend(history=3, redis=redis, key_prefix="ls:flush")
            await backend.publish(b"x", ["one", "other"])
            with place.client() as client:
                assert 0 < client.pttl("ls:flush_ONE") <= 60_000
            assert await backend.flush_all() == 2
            assert await backend.get_history("one") == []

    run(body())
