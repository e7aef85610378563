"""A client of redis-py's asyncio side that any event loop may use, and that leaves nothing open when the loop ends.

A connection belongs to the loop that has opened it, and must be closed there. A fixture cannot know that loop: it may
begin after the fixture and end before it (`asyncio.run` in a test), or outlive it. What every runner of loops does at
the end is to close the asynchronous generators of the loop. So when a loop first uses the client, a generator is begun
there which closes the connections when it is closed.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import redis.asyncio

CLOSE_WAIT_S = 10.0


class LoopClient:
    """The client.

    Args:
        url: of the server.

    Attributes:
        redis: redis-py's client. It may be used in one loop after the other.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.redis = redis.asyncio.Redis.from_pool(self._new_pool())

    def _new_pool(self) -> "_Pool":
        pool = _Pool.from_url(self._url)
        pool.on_end = self._renew
        return pool

    def _renew(self) -> None:
        """A loop has ended: its locks and connections are of no use to the next one."""
        self.redis.connection_pool = self._new_pool()

    def close(self) -> None:
        """Close the connections, if a loop has them that has not ended."""
        pool = self.redis.connection_pool
        assert isinstance(pool, _Pool)
        pool.close()


class _Pool(redis.asyncio.ConnectionPool):
    """A pool that is closed with the loop that first asks it for a connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.on_end: Any = lambda: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: AsyncGenerator[None, None] | None = None

    async def get_connection(self, *arguments: Any, **options: Any) -> Any:
        if self._end is None:
            self._loop = asyncio.get_running_loop()
            self._end = self._until_the_end()
            await anext(self._end)
        get_connection: Any = super().get_connection  # redis-py has no types for it
        return await get_connection(*arguments, **options)

    async def _until_the_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            try:
                await self.disconnect()
            finally:
                self.on_end()

    async def _close(self) -> None:
        if self._end is not None:
            await self._end.aclose()

    def close(self) -> None:
        """Close the connections; from outside of the loop, unless that is impossible."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        if not loop.is_running():
            loop.run_until_complete(self._close())
            return
        closing = asyncio.run_coroutine_threadsafe(self._close(), loop)
        if not _runs_here(loop):  # otherwise it is this very thread that does it, later
            closing.result(CLOSE_WAIT_S)


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
