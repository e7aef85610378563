"""Connections of one's own, made like those of a client.

The class and the arguments are those of the client's own, but they are none of its pool's: redis-py would connect again
by itself and say nothing, and then messages would be missed that nobody knows of. They speak RESP2, in which redis-py
reads messages faster (in RESP3 it formats each for its log).
"""

import contextlib
from typing import Any

import redis.asyncio
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

CONNECT_S = 10.0
"""How long connecting and subscribing may take, or a reply."""

LOST = (RedisError, OSError, EOFError, TimeoutError)
"""What says that a connection is of no use any more."""


def connection_like(client: redis.asyncio.Redis) -> Any:
    """A connection as the client's, but with bytes, without retries, and without a limit on how long it listens."""
    pool = client.connection_pool
    options = {
        name: value
        for name, value in pool.connection_kwargs.items()
        if not name.startswith(("maint_", "oss_cluster_maint_", "orig_", "retry_on_"))
    }
    options |= {
        "protocol": 2,
        "decode_responses": False,
        "socket_timeout": None,
        "health_check_interval": 0,
        "retry": Retry(NoBackoff(), 0),
    }
    return pool.connection_class(**options)


async def ask(connection: Any, *command: Any) -> Any:
    """Send a command; its reply.

    Raises:
        redis.ResponseError: it is an error.
        redis.RedisError, OSError: the connection is lost.
    """
    await connection.send_command(*command, check_health=False)
    return await connection.read_response(disconnect_on_error=False)


async def disconnect(connection: Any) -> None:
    """Close it, whatever state it is in."""
    with contextlib.suppress(*LOST):
        await connection.disconnect(nowait=True)
