"""broadcaster: two processes on its backends for Pub/Sub and for streams."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from broadcaster import Broadcast, Event
from live import Node
from redis.exceptions import ConnectionError as ConnectionLost

from compat.libraries.loops import Place, run
from compat.libraries.table import library

pytestmark = library(
    "broadcaster",
    "`redis-stream://` and `redis://`, two processes of each: several channels and subscribers",
    missing="`redis://` hears nothing until a second channel is subscribed: so it is on Redis too, with redis-py 8",
)


@asynccontextmanager
async def broadcast(url: str) -> AsyncIterator[Broadcast]:
    async with Broadcast(url) as it:
        yield it
    # It cancels its listener and closes the connection under it: one of the two is how the listener ends.
    await asyncio.wait([it._listener_task])
    if not it._listener_task.cancelled():
        assert isinstance(it._listener_task.exception(), ConnectionLost)


def test_two_processes_on_channels(shared: Node) -> None:
    place = Place(shared.url)

    async def body() -> None:
        async with (
            broadcast(shared.url) as one,
            broadcast(shared.url) as other,
            one.subscribe("bc:all") as first,
            one.subscribe("bc:first"),
            one.subscribe("bc:all") as again,
            other.subscribe("bc:all") as second,
        ):
            async with other.subscribe("bc:second") as only:
                for channel, count in (("bc:all", 2), ("bc:second", 1)):
                    await place.subscribers(channel, count)
                await one.publish("bc:second", "for one")
                await other.publish("bc:all", "for all")
                assert await only.get() == Event("bc:second", "for one")
                for subscriber in first, again, second:
                    assert await subscriber.get() == Event("bc:all", "for all")
            await place.subscribers("bc:second", 0)

    run(body())


def test_two_processes_on_streams(shared: Node) -> None:
    url = shared.url.replace("redis:", "redis-stream:")

    async def body() -> None:
        async with broadcast(url) as one, broadcast(url) as other:
            await one.publish("bc:stream", "before anybody came")
            async with one.subscribe("bc:stream") as first, other.subscribe("bc:stream") as second:
                for number in range(10):
                    await other.publish("bc:stream", f"entry {number}")
                for subscriber in first, second:
                    got = [await subscriber.get() for _ in range(10)]
                    assert got == [Event("bc:stream", f"entry {number}") for number in range(10)]

    run(body())
