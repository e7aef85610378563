"""The engine inside the caller's process: a node without sockets, and connections to it."""

from airwave.embedded.connections import AsyncEmbeddedConnection, EmbeddedConnection
from airwave.embedded.node import EmbeddedError
from airwave.embedded.registry import close, is_local, parse

__all__ = ["AsyncEmbeddedConnection", "EmbeddedConnection", "EmbeddedError", "close", "is_local", "parse"]
