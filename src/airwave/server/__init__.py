"""The server: sockets, time, signals and files around the core."""

from airwave.server.node import run

__all__ = ["run"]
