"""The client of a bus: made in the event loop that first uses the bus, and bound to it until the bus is stopped."""

import asyncio
from typing import Any

import redis.asyncio

import airwave.asyncio


class LoopClient:
    """A client of redis-py's asyncio side, and the event loop that it belongs to.

    Args:
        url: as of `airwave.connect`; None: `memory://`.
        given: a client to use instead; it is never closed here.
        options: redis-py's, for the client that is made.

    Raises:
        TypeError: both a URL, or options, and a client.
    """

    def __init__(self, url: str | None, given: redis.asyncio.Redis | None, options: dict[str, Any]) -> None:
        if given is not None and (url is not None or options):
            raise TypeError("Bus takes a URL with options, or a client; not both")
        self._url, self._options = url or "memory://", options
        self._given = given
        self._made: redis.asyncio.Redis | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def get(self) -> redis.asyncio.Redis:
        """The client, made when it is first needed.

        Raises:
            RuntimeError: no event loop runs, or another one than that of the client.
            ValueError: a URL that nothing knows.
        """
        loop = self.check_loop()
        client = self._given or self._made
        if client is None:
            client = self._made = airwave.asyncio.connect(self._url, **self._options)
        self._loop = loop
        return client

    def check_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that runs.

        Raises:
            RuntimeError: none, or another one than that of the client.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("a bus is used inside a running event loop: await its methods in async code") from None
        if self._loop not in (None, loop):
            raise RuntimeError(
                "this bus has been used in another event loop: make one for each, or await its stop() there first"
            )
        return loop

    @property
    def is_orphaned(self) -> bool:
        """Whether its event loop was closed before it."""
        return self._loop is not None and self._loop.is_closed()

    async def close(self) -> None:
        """Close what was made. The next use makes another, in whatever event loop then runs."""
        client = self._made
        self.forget()
        if client is not None:
            await client.aclose()

    def forget(self) -> None:
        """As `close`, but the connections are left to themselves: their event loop is no more."""
        self._made = self._loop = None
