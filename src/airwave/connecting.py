"""`airwave.connect`: a redis-py client by URL. (A module of that name would hide the function.)"""

# ruff: noqa: PLC0415 (the engine is imported when it is used: a client of a server does without)

from collections.abc import Callable
from typing import Any

import redis
import redis.asyncio
import redis.asyncio.connection
import redis.connection

from airwave.urls import is_embedded, of_server


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
    if not is_embedded(url):
        return redis.Redis.from_url(of_server(url), **options)
    from airwave.embedded import EmbeddedConnection, pool_options

    single = options.pop("single_connection_client", False)
    pool = redis.ConnectionPool(**pool_options(url, EmbeddedConnection, options))
    client = redis.Redis(connection_pool=pool, single_connection_client=single)
    client.auto_close_connection_pool = True
    return client


def register_url_schemes() -> Callable[[], None]:
    """Teach redis-py `memory://` and `file://`, for libraries that take nothing but a URL.

    It changes redis-py for this process: `redis.from_url("memory://")` then is what `connect("memory://")` is. Who is
    done calls what this returned; the last one undoes it.

    Returns:
        A function that undoes it.
    """
    from airwave.embedded import AsyncEmbeddedConnection, EmbeddedConnection

    lessons = [
        _Lesson.of(redis.connection, EmbeddedConnection),
        _Lesson.of(redis.asyncio.connection, AsyncEmbeddedConnection),
    ]

    def unregister() -> None:
        while lessons:
            lessons.pop().forget()

    return unregister


class _Lesson:
    """What a module of redis-py was taught, and by how many."""

    _all: "dict[Any, _Lesson]" = {}  # noqa: RUF012

    def __init__(self, module: Any, connection_class: type) -> None:
        self._module = module
        self._teachers = 0
        self._original = original = module.parse_url
        from airwave.embedded import pool_options

        def parse_url(url: str) -> Any:
            return pool_options(url, connection_class, {}) if is_embedded(url) else original(url)

        self._taught = module.parse_url = parse_url

    @classmethod
    def of(cls, module: Any, connection_class: type) -> "_Lesson":
        """Teach it, unless somebody has."""
        lesson = cls._all.get(module)
        if lesson is None:
            lesson = cls._all[module] = cls(module, connection_class)
        lesson._teachers += 1
        return lesson

    def forget(self) -> None:
        """One of those who taught it no longer wants it."""
        self._teachers -= 1
        if not self._teachers:
            del self._all[self._module]
            if self._module.parse_url is self._taught:  # else somebody else has changed it since
                self._module.parse_url = self._original
