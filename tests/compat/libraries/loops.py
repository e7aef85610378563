"""What the tests share: where Airwave is, an end to waiting, and a server for a web application."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import redis
from aiohttp import web
from live import DEADLINE_S, HOST

from airwave.connecting import connect


@dataclass
class Place:
    """Where Airwave is.

    Args:
        url: for the library.
    """

    url: str

    @property
    def in_memory(self) -> bool:
        return self.url.startswith("memory:")

    def by_class(self, connection_class: type) -> dict[str, Any]:
        """For a library that takes no URL with memory://, but redis-py's `connection_class`."""
        return {"connection_class": connection_class, "engine": self.url} if self.in_memory else {}

    @contextmanager
    def client(self) -> Iterator[redis.Redis]:
        """A client beside the library, to see what it did."""
        with connect(self.url, decode_responses=True) as client:
            yield client

    async def subscribers(self, channel: str, count: int) -> None:
        """Wait until a channel has so many."""
        with self.client() as client:
            await until(lambda: client.pubsub_numsub(channel) == [(channel, count)])


def run(body: Coroutine[Any, Any, None]) -> None:
    """Run it on a loop of its own; nothing in it may wait for more than the deadline."""

    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await body

    asyncio.run(bounded())


async def until(condition: Callable[[], Any]) -> Any:
    """Ask until it is true, and return what it gave; the deadline is that of `run`."""
    while not (value := condition()):
        await asyncio.sleep(0.005)
    return value


@asynccontextmanager
async def website(app: web.Application) -> AsyncIterator[str]:
    """The application of aiohttp on a free port; gives its URL."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        _, port = runner.addresses[0][:2]
        yield f"http://{HOST}:{port}"
    finally:
        await runner.cleanup()
