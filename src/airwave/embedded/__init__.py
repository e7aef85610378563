"""The engine inside the caller's process: a node without sockets, connections of redis-py to it, and a direct API.

Read `node` first: how commands run without a loop of their own. `registry` finds the engine of a URL; `pipe`,
`sync_pipe` and `async_pipe` carry bytes for redis-py's `connections`; `engine` is the direct API, with `subscription`,
`call` and `entries` behind it.
"""

from airwave.embedded.connections import AsyncEmbeddedConnection, EmbeddedConnection, pool_options
from airwave.embedded.engine import Engine
from airwave.embedded.message import Entry, Message
from airwave.embedded.node import EmbeddedError
from airwave.embedded.registry import close
from airwave.embedded.subscription import SlowSubscriberError, Subscription

__all__ = [
    "AsyncEmbeddedConnection",
    "EmbeddedConnection",
    "EmbeddedError",
    "Engine",
    "Entry",
    "Message",
    "SlowSubscriberError",
    "Subscription",
    "close",
    "pool_options",
]
