"""Workers in tests: a client, a stream of the test's own, and handlers that remember how they were called."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

import airwave.asyncio
from airwave.bus.backoff import constant
from airwave.bus.entry import Entry
from airwave.bus.options import Options
from airwave.bus.wire import raw
from airwave.bus.worker import Worker

from .running import until

GROUP = "g"


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Redis]:
    client = airwave.asyncio.connect(url)
    try:
        yield client
    finally:
        await client.aclose()


def new_stream() -> str:
    return f"orders-{uuid.uuid4().hex}"


class Calls:
    """A handler: notes each call as (payload, attempts), then does what is to be done for that payload.

    Args:
        doing: by payload, an exception to raise, or an async function to await.
    """

    def __init__(self, **doing: Exception | Callable[[], Awaitable[Any]]) -> None:
        self.doing = doing
        self.made: list[tuple[str, int]] = []
        self.entries: list[Entry] = []

    async def __call__(self, data: bytes, entry: Entry) -> None:
        self.made.append((data.decode(), entry.attempts))
        self.entries.append(entry)
        what = self.doing.get(data.decode())
        if isinstance(what, Exception):
            raise what
        if what is not None:
            await what()

    @property
    def payloads(self) -> list[str]:
        return [payload for payload, _ in self.made]


async def forever() -> None:
    await asyncio.Event().wait()


def make(client: Redis, stream: str, handler: Any, *, group: str = GROUP, **options: Any) -> Worker:
    """A worker that is not started. It claims nothing of others unless told to, and tries again at once."""
    usual = {"backoff": constant(0.0), "claim_after": 600.0, "gone_after": 3600.0}
    return Worker(client, stream=stream, group=group, handler=handler, options=Options(**(usual | options)))


@contextlib.asynccontextmanager
async def working(client: Redis, stream: str, handler: Any, **options: Any) -> AsyncIterator[Worker]:
    worker = make(client, stream, handler, **options)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop(0)


async def pending(client: Redis, stream: str, group: str = GROUP) -> list[tuple[str, int]]:
    """Consumer and number of deliveries of each pending entry."""
    rows = await client.xpending_range(stream, group, "-", "+", 100)
    return [(row["consumer"].decode(), row["times_delivered"]) for row in rows]


async def nothing_pending(client: Redis, stream: str, group: str = GROUP) -> None:
    while await pending(client, stream, group):
        await asyncio.sleep(0.001)


async def idle_worker(worker: Worker) -> None:
    """It has begun and ended what it was given."""
    await until(lambda: not worker.stats.running)


async def delivered_to(client: Redis, stream: str, consumer: str, *, times: int = 1) -> list[str]:
    """Make the group, have a consumer read all there is, and do nothing with it; IDs."""
    wire = raw(client)
    await wire.execute_command("XGROUP", "CREATE", stream, GROUP, "0", "MKSTREAM")
    reply = await wire.execute_command("XREADGROUP", "GROUP", GROUP, consumer, "STREAMS", stream, ">")
    rows = next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]
    ids = [row[0].decode() for row in rows]
    await wire.execute_command("XCLAIM", stream, GROUP, consumer, 0, *ids, "RETRYCOUNT", times, "JUSTID")
    return ids
