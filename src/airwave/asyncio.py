"""`airwave.asyncio.connect`: a client of redis-py's asyncio side by URL."""

from typing import Any

import redis.asyncio

from airwave.urls import is_embedded, of_server


def connect(url: str = "memory://", **options: Any) -> redis.asyncio.Redis:
    """A client of redis-py's asyncio side; otherwise as `airwave.connect`."""
    if not is_embedded(url):
        return redis.asyncio.Redis.from_url(of_server(url), **options)
    from airwave.embedded import AsyncEmbeddedConnection, pool_options  # noqa: PLC0415  (see `connecting`)

    single = options.pop("single_connection_client", False)
    pool = redis.asyncio.ConnectionPool(**pool_options(url, AsyncEmbeddedConnection, options))
    client = redis.asyncio.Redis(connection_pool=pool, single_connection_client=single)
    client.auto_close_connection_pool = True
    return client
