"""Litestar's channels plugin: two applications, of which one publishes and the other has subscribers."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
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
from redis.exceptions import ResponseError

import airwave.asyncio
from compat.libraries.loops import Place, run
from compat.libraries.table import library

pytestmark = library(
    "Litestar",
    "`ChannelsPlugin` gets messages and history: `RedisChannelsPubSubBackend`, `RedisChannelsStreamBackend`; and "
    "publishes with a `publish` of one's own, a pipeline of PUBLISH or XADD",
    missing="`publish` and `flush_all` of these backends: scripts",
    package="litestar",
)


class PlainPubSub(RedisChannelsPubSubBackend):
    """Publishes without a script."""

    async def publish(self, data: bytes, channels: Iterable[str]) -> None:
        async with self._redis.pipeline(transaction=True) as pipeline:
            for channel in set(channels):
                pipeline.publish(channel, data)
            await pipeline.execute()


class PlainStream(RedisChannelsStreamBackend):
    """Publishes without a script."""

    async def publish(self, data: bytes, channels: Iterable[str]) -> None:
        async with self._redis.pipeline(transaction=True) as pipeline:
            for channel in set(channels):
                key = self._make_key(channel)
                pipeline.xadd(key, {"data": data, "channel": channel}, maxlen=self._history_limit)
                pipeline.pexpire(key, self._stream_ttl)
            await pipeline.execute()


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
        return PlainPubSub(redis=redis, key_prefix="ls")

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
        return PlainStream(history=3, redis=redis, key_prefix="ls:stream", stream_sleep_no_subscriptions=5)

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


def test_their_own_scripts_get_an_error_that_names_the_command(place: Place) -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(place.url) as redis:
            stream = RedisChannelsStreamBackend(history=3, redis=redis)
            for attempt in (
                RedisChannelsPubSubBackend(redis=redis).publish(b"x", ["ls:script"]),
                stream.publish(b"x", ["ls:script"]),
                stream.flush_all(),
            ):
                with pytest.raises(ResponseError, match="unknown command 'EVALSHA'"):
                    await attempt

    run(body())
