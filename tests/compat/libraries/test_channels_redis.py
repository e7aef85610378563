"""channels_redis: the Pub/Sub channel layer of two processes; its other layer needs sorted sets and scripts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from redis.exceptions import ResponseError

from compat.libraries.loops import Place, run
from compat.libraries.table import library

pytestmark = library(
    "channels_redis",
    "`RedisPubSubChannelLayer`, two of them: groups, and channels by name",
    missing="`RedisChannelLayer` (`channels_redis.core`): it keeps messages in sorted sets, with scripts",
)

EVENT = {"type": "chat.message", "text": "hello", "raw": b"\x00\xff"}


@asynccontextmanager
async def two_layers(url: str, prefix: str) -> AsyncIterator[list[RedisPubSubChannelLayer]]:
    layers = [RedisPubSubChannelLayer(hosts=[url], prefix=prefix) for _ in range(2)]
    try:
        yield layers
    finally:
        for layer in layers:
            await layer.flush()


def test_a_group_spans_two_layers(place: Place) -> None:
    async def body() -> None:
        async with two_layers(place.url, prefix="layer:groups") as (one, other):
            here, there, outside = await one.new_channel(), await other.new_channel(), await other.new_channel()
            await one.group_add("room", here)
            await other.group_add("room", there)
            await place.subscribers("layer:groups__group__room", 2)
            await one.group_send("room", EVENT)
            assert [await one.receive(here), await other.receive(there)] == [EVENT, EVENT]
            await one.group_discard("room", here)
            await place.subscribers("layer:groups__group__room", 1)
            await other.group_send("room", EVENT | {"text": "to the rest"})
            assert (await other.receive(there))["text"] == "to the rest"
            for layer, channel in (one, here), (other, outside):
                await one.send(channel, {"type": "last"})
                assert await layer.receive(channel) == {"type": "last"}

    run(body())


def test_a_channel_is_reached_from_the_other_layer(place: Place) -> None:
    async def body() -> None:
        async with two_layers(place.url, prefix="layer:one") as (one, other):
            channel = await one.new_channel()
            await other.send(channel, EVENT)
            assert await one.receive(channel) == EVENT

    run(body())


def test_the_layer_of_sorted_sets_gets_an_error_that_names_the_command(place: Place) -> None:
    async def body() -> None:
        layer = RedisChannelLayer(hosts=[place.url], prefix="layer:core")
        try:
            with pytest.raises(ResponseError, match="unknown command 'ZADD'"):
                await layer.group_add("room", "channel")
        finally:
            await layer.close_pools()

    run(body())
