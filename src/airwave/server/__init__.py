"""The server: sockets, time, signals and files around the core."""

from airwave.server.process import run

__all__ = ["run"]
