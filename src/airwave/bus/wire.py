"""Clients that send commands as they are given, and give replies as the server sends them."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast

import redis
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from airwave.bus.backoff import exponential

log = logging.getLogger("airwave.bus")

again_s = exponential(0.05, 5.0, jitter=0.5)
"""How long to wait before a server that did not take something is asked again."""


class RawClient(Protocol):
    """What is used of a client of redis-py, with types."""

    connection_pool: Any

    async def execute_command(self, *words: Any) -> Any:
        """Send a command; its reply."""

    def pipeline(self, transaction: bool) -> Any:
        """Commands to be sent together."""


def raw(client: "Redis | RawClient") -> RawClient:
    """The same client, giving replies as the server sends them: how redis-py rewrites them differs with its version.

    Raises:
        ValueError: the client decodes replies; payloads are bytes.
    """
    if client.connection_pool.connection_kwargs.get("decode_responses"):
        raise ValueError("the bus needs a client without decode_responses=True: payloads are bytes")
    made: Redis = Redis(connection_pool=client.connection_pool)
    made.response_callbacks.clear()
    return cast(RawClient, made)


def apart(client: "Redis | RawClient") -> RawClient:
    """A raw client with connections of its own, which fail at once.

    redis-py would send a read again whose reply was lost, and with it a delivery. A worker must know.
    """
    pool = client.connection_pool
    options = pool.connection_kwargs | {"retry": Retry(NoBackoff(), 0)}
    for handed_in_by_the_pool in ("maint_notifications_pool_handler", "oss_cluster_maint_notifications_handler"):
        options.pop(handed_in_by_the_pool, None)
    return raw(Redis(connection_pool=ConnectionPool(connection_class=pool.connection_class, **options)))


async def insist(action: Callable[[], Coroutine[Any, Any, None]], about: str) -> None:
    """Do something to a group on the server, until it has answered; not when the group is gone.

    Args:
        about: for the log.
    """
    failures = 0
    while True:
        try:
            await action()
            return
        except (redis.RedisError, OSError) as error:
            if "NOGROUP" in str(error):
                log.warning("group is gone, and with it what was pending: %s", about)
                return
            failures += 1
            if failures == 1:
                log.warning("the server does not take it, trying again: %s: %s", about, error)
            await asyncio.sleep(again_s(failures))


async def goes_on(seconds: float, ended: asyncio.Event) -> bool:
    """Sleep; whether the end did not come meanwhile.

    Tasks that use the server end this way rather than by being cancelled: in redis-py a cancellation can get lost.
    """
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), seconds)
    return not ended.is_set()
