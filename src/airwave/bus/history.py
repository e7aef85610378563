"""What handlers with `since` have missed: asked for on a connection of its own, while the subscription waits.

How that leaves no hole and no double is told in `airwave.position`.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

import redis.asyncio
from redis.exceptions import ResponseError

from airwave.bus.connection import CONNECT_S, ask, connection_like, disconnect
from airwave.bus.template import Template
from airwave.position import Page, Position, Steps
from airwave.since import SEQ_BITS, Since, start_of

T = TypeVar("T")


def position_of(template: Template, since: Since) -> Position:
    """A position in the channels of a template.

    Raises:
        ValueError: `since` makes no sense.
    """
    channels = [] if template.channel is None else [template.channel]
    patterns = [] if template.pattern is None else [template.pattern]
    try:
        return Position(channels, patterns, start_of(since))
    except ValueError as error:
        raise ValueError(f"{template.text!r}: since={since!r}: {error}") from None


def time_of(position: Position) -> datetime:
    """When the message at a position was published, by the server's clock; not later than now."""
    now = datetime.now(UTC)
    ms = position.last >> SEQ_BITS
    return min(now, datetime.fromtimestamp(ms / 1000, UTC)) if ms < now.timestamp() * 1000 else now


class History:
    """A connection for questions about the past.

    Args:
        client: what to connect like.

    Raises:
        redis.RedisError, OSError, TimeoutError: from all methods: the server cannot be reached, or does not answer.
        redis.ResponseError: from all methods: it refuses.
    """

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._connection = connection_like(client)

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._connection.connect()
        except BaseException:
            await disconnect(self._connection)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await disconnect(self._connection)

    async def find(self, position: Position, template: str) -> None:
        """Find where a handler begins.

        Args:
            template: its channels, for the error.

        Raises:
            redis.ResponseError: the server remembers nothing of them.
        """
        try:
            await self._go(position.find())
        except ResponseError as error:
            raise ResponseError(f"since needs an Airwave server that remembers {template!r}: {error}") from error

    async def aim(self, position: Position) -> None:
        """Let pages end with what is the newest message now."""
        await self._go(position.aim())

    async def page(self, position: Position) -> Page:
        """The next messages."""
        return await self._go(position.page())

    async def _go(self, steps: Steps[T]) -> T:
        """As `position.answered`."""
        try:
            command = next(steps)
            while True:
                command = steps.send(await self._ask(command))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _ask(self, command: tuple[Any, ...]) -> Any:
        async with asyncio.timeout(CONNECT_S):
            return await ask(self._connection, *command)
