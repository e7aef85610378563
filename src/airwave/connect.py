"""`airwave.connect`: a redis-py client by URL."""

from typing import Any

import redis


def connect(url: str = "memory://", **options: Any) -> redis.Redis:
    """A redis-py client.

    Args:
        url: `redis://`, `rediss://` or `unix://`: a server, as redis-py has it.
        options: redis-py's, such as `decode_responses=True`.

    Raises:
        ValueError: a URL that nothing knows.
    """
    return redis.Redis.from_url(url, **options)
