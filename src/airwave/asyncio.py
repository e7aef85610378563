"""`airwave.asyncio.connect`: a client of redis-py's asyncio side by URL."""

from typing import Any

import redis.asyncio

from airwave.embedded import AsyncEmbeddedConnection, is_local, parse


def connect(url: str = "memory://", **options: Any) -> redis.asyncio.Redis:
    """A client of redis-py's asyncio side; otherwise as `airwave.connect`."""
    if not is_local(url):
        return redis.asyncio.Redis.from_url(url, **options)
    pool = redis.asyncio.ConnectionPool(
        **{**options, **parse(url).options, "connection_class": AsyncEmbeddedConnection, "engine": url}
    )
    return redis.asyncio.Redis.from_pool(pool)
