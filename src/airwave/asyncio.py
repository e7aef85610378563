"""`airwave.asyncio.connect`: a client of redis-py's asyncio side by URL."""

from typing import Any

import redis.asyncio


def connect(url: str = "memory://", **options: Any) -> redis.asyncio.Redis:
    """A client of redis-py's asyncio side; otherwise as `airwave.connect`."""
    return redis.asyncio.Redis.from_url(url, **options)
