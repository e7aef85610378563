"""`airwave.connect`: a redis-py client by URL. (A module of that name would hide the function.)"""

from collections.abc import Callable
from typing import Any

import redis
import redis.asyncio
import redis.asyncio.connection
import redis.connection

from airwave.embedded import AsyncEmbeddedConnection, EmbeddedConnection, is_local, parse


def connect(url: str = "memory://", **options: Any) -> redis.Redis:
    """A redis-py client.

    Args:
        url: `memory://[name]`: an engine in this process, shared by all who use the name. `file:///path`: the same,
            kept in that directory. `redis://`, `rediss://`, `unix://`: a server, as redis-py has it. A query gives
            options, and for an engine directives: `file:///data?appendfsync=always&db=1`.
        options: redis-py's, such as `decode_responses=True`.

    Raises:
        ValueError: the URL is wrong.
    """
    if not is_local(url):
        return redis.Redis.from_url(url, **options)
    options = _embedded(url, EmbeddedConnection, options)
    client = redis.Redis(connection_pool=redis.ConnectionPool(**options))
    client.auto_close_connection_pool = True
    return client


def _embedded(url: str, connection_class: type, options: dict[str, Any]) -> dict[str, Any]:
    """What a connection pool is to be given for an engine; as with redis-py, the URL's options win."""
    return {**options, **parse(url).options, "connection_class": connection_class, "engine": url}


def register_url_schemes() -> Callable[[], None]:
    """Teach redis-py `memory://` and `file://`, for libraries that take nothing but a URL.

    It changes redis-py for this process: `redis.from_url("memory://")` then is what `connect("memory://")` is.

    Returns:
        A function that undoes it.
    """
    undo = []
    for module, connection_class in (
        (redis.connection, EmbeddedConnection),
        (redis.asyncio.connection, AsyncEmbeddedConnection),
    ):
        undo.append(_teach(module, connection_class))

    def unregister() -> None:
        for each in undo:
            each()

    return unregister


def _teach(module: Any, connection_class: type) -> Callable[[], None]:
    original = module.parse_url

    def parse_url(url: str) -> Any:
        return _embedded(url, connection_class, {}) if is_local(url) else original(url)

    module.parse_url = parse_url

    def undo() -> None:
        if module.parse_url is parse_url:
            module.parse_url = original

    return undo
