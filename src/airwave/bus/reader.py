"""A connection for reads that wait, which can be told to stop waiting."""

import asyncio
import contextlib
from typing import Any

import redis

from airwave.bus.wire import RawClient

# How much longer than it asked to wait a read may take, in seconds, before the connection counts as lost.
LATE_MAX_S = 10.0
_AGAIN_S = 0.02  # between two attempts to interrupt


class Reader:
    """Sends one command at a time that may block.

    To cancel it instead would close the connection, with a delivery in it perhaps. CLIENT UNBLOCK makes the server
    answer, as if the time were over.

    Args:
        client: a raw client, whose connections are not shared with others that block.
    """

    def __init__(self, client: RawClient) -> None:
        self._client = client
        self._connection: Any = None
        self._id = 0
        self._reading: asyncio.Event | None = None  # set when the read that is under way has ended

    async def read(self, *command: Any, wait_s: float) -> Any:
        """Send a command and return its reply.

        Args:
            wait_s: how long the command itself waits; it is among its words as well.

        Raises:
            redis.RedisError: no connection, or the server refuses.
        """
        self._reading = asyncio.Event()
        try:
            if self._connection is None:
                await self._connect()
            await self._connection.send_command(*command)
            return await self._connection.read_response(timeout=wait_s + LATE_MAX_S)
        except redis.ResponseError:
            raise
        except BaseException:
            await self.close()
            raise
        finally:
            self._reading.set()
            self._reading = None

    async def _connect(self) -> None:
        self._connection = await self._client.connection_pool.get_connection()
        try:
            await self._connection.send_command("CLIENT", "ID")
            self._id = await self._connection.read_response()
        except redis.ResponseError:  # a user who may not; then reads end when their time is over
            self._id = 0
        except BaseException:
            await self.close()
            raise

    async def interrupt(self) -> None:
        """Have the read that is under way end soon, with what it has got. Returns when it has ended."""
        ended = self._reading
        while ended is not None and not ended.is_set():
            if self._id:  # more than once: the read may not have reached the server yet
                await self._client.execute_command("CLIENT", "UNBLOCK", self._id)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), _AGAIN_S)

    async def close(self) -> None:
        """Give up the connection."""
        connection, self._connection, self._id = self._connection, None, 0
        if connection is not None:
            try:
                await connection.disconnect(nowait=True)
            finally:
                await self._client.connection_pool.release(connection)
