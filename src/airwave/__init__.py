"""Real-time messaging in pure Python that speaks Redis.

    airwave.connect(url)            a redis-py client: memory://, file:///path, redis://...
    airwave.asyncio.connect(url)    the same for asyncio
    airwave.Engine(url)             an engine in this process, without redis-py in between
    airwave.Server()                an engine with listeners
    airwave.Bus(url)                events and workers
    airwave.Cache(url)              local caches that stay right

Names are imported when they are first used, so that `import airwave` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from airwave.version import __version__

if TYPE_CHECKING:
    from airwave import asyncio
    from airwave.bus import Bus, exponential
    from airwave.cache import Cache
    from airwave.connecting import connect, register_url_schemes
    from airwave.embedded import EmbeddedError, Engine, Entry, Message, SlowSubscriberError, Subscription, close
    from airwave.serving import Server

_HOME = {
    "Bus": "bus",
    "Cache": "cache",
    "EmbeddedError": "embedded",
    "Engine": "embedded",
    "Entry": "embedded",
    "Message": "embedded",
    "Server": "serving",
    "SlowSubscriberError": "embedded",
    "Subscription": "embedded",
    "close": "embedded",
    "connect": "connecting",
    "exponential": "bus",
    "register_url_schemes": "connecting",
}

__all__ = [
    "Bus",
    "Cache",
    "EmbeddedError",
    "Engine",
    "Entry",
    "Message",
    "Server",
    "SlowSubscriberError",
    "Subscription",
    "__version__",
    "asyncio",
    "close",
    "connect",
    "exponential",
    "register_url_schemes",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    if name == "asyncio":
        return import_module("airwave.asyncio")
    if name not in _HOME:
        raise AttributeError(f"module 'airwave' has no attribute {name!r}")
    value = getattr(import_module(f"airwave.{_HOME[name]}"), name)
    globals()[name] = value  # next time it is found at once
    return value
