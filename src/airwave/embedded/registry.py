"""The engines of this process, by URL.

    memory://            the one without a name
    memory://name        one of this name, shared by all who use the name in this process
    file:///path         the same on disk, in that directory; shared by all who use the directory

A query gives directives of the server (`?databases=32`) and options of redis-py (`?db=1`). An engine in memory lives
until `close` or the end of the process; one on disk is closed with its last client, and opened by the next.

A child made by fork has no engines: those of its parent stay where they are, and their names are refused.
"""

import atexit
import inspect
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from redis import connection as redis_connection
from redis.connection import parse_url

from airwave.embedded.node import EmbeddedError, LocalNode
from airwave.settings import Settings

# What speaks of listeners, of the log, of a process of its own. And `timeout`, which redis-py has as well: its meaning
# is that of the URLs of libraries.
_NOT_HERE = frozenset(
    (
        *("appendonly", "bind", "daemonize", "dir", "log-format", "logfile", "loglevel", "maxclients", "pidfile"),
        *("port", "protected-mode", "save", "shutdown-timeout", "tcp-backlog", "tcp-keepalive", "timeout"),
        *("unixsocket", "unixsocketperm"),
    )
)
_ON_DISK = frozenset(("appendfsync", "stream-memory"))

_lock = threading.RLock()  # re-entrant, because the log may be written to, by handlers that connect
_nodes: dict[str, LocalNode] = {}


@dataclass
class Address:
    """What a URL says.

    Attributes:
        name: by which the engine is known: `memory://name`, or `file://` with the real path.
        folder: None: in memory.
        directives: name and value of settings.
        options: redis-py's, with their types.
    """

    name: str
    folder: Path | None
    directives: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def settings(self) -> Settings:
        """Those of a new engine.

        Raises:
            ValueError: a directive is wrong.
        """
        settings = Settings()
        for name, value in self.directives.items():
            try:
                settings.apply(name, [value])
            except ValueError as error:
                raise ValueError(f"{self.name}: {name}={value}: {error}") from None
        return settings


def parse(url: str) -> Address:
    """Take a URL apart.

    Raises:
        ValueError: it is wrong; the message says what.
    """
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    if parts.scheme == "memory":
        if parts.path.strip("/"):
            raise ValueError(f"{url}: write memory://name, without a path; a database is ?db=1")
        address = Address(f"memory://{quote(unquote(host))}", None)
    elif parts.scheme == "file":
        if host or not parts.path.strip("/"):
            raise ValueError(f"{url}: write file:///path/to/directory, with three slashes")
        folder = Path(unquote(parts.path))
        address = Address(f"file://{quote(os.path.realpath(folder))}", folder)
    else:
        raise ValueError(f"{url}: the scheme must be memory:// or file://")
    options = []
    for piece in filter(None, parts.query.split("&")):
        name, _, value = piece.partition("=")
        directive = unquote_plus(name).replace("_", "-")
        if directive in _directives(on_disk=address.folder is not None):
            address.directives[directive] = unquote_plus(value)
        elif name in _options():
            options.append(piece)
        else:
            raise ValueError(f"{url}: an embedded engine has no option {unquote_plus(name)!r}")
    address.settings()
    address.options = parse_url(f"unix://{user}@/?{'&'.join(options)}")  # type: ignore[no-untyped-call]
    for unwanted in ("path", "connection_class"):
        address.options.pop(unwanted, None)
    return address


@cache
def _directives(*, on_disk: bool) -> frozenset[str]:
    """Those that mean something to an engine in this process."""
    return frozenset(row.name for row in Settings.describe()) - _NOT_HERE - (frozenset() if on_disk else _ON_DISK)


@cache
def _options() -> frozenset[str]:
    """What redis-py's pools and connections take, and a URL can say."""
    found: set[str] = set()
    for kind in (
        redis_connection.AbstractConnection,
        redis_connection.ConnectionPool,
        redis_connection.BlockingConnectionPool,
    ):
        found.update(inspect.signature(kind.__init__).parameters)
    return frozenset(found - {"self", "connection_class", "connection_kwargs"})


@contextmanager
def opened(url: str) -> Iterator[LocalNode]:
    """The engine of a URL, made if it is not there; its lock is held in the block, which enters it.

    Raises:
        EmbeddedError: it cannot be had.
        ValueError: the URL is wrong.
    """
    address = parse(url)
    while True:
        node = _find(address)
        if node.forked or node.held():
            node.check()
        try:
            with node.lock:
                node.catch_up()
                if node.closed:
                    continue  # somebody has ended it meanwhile
                _compare(node, address)
                yield node
                return
        finally:
            node.run_posted()


def _find(address: Address) -> LocalNode:
    with _lock:
        node = _nodes.get(address.name)
        if node is None:
            node = LocalNode(address.name, address.settings(), address.folder, _forget)
            _nodes[address.name] = node
        return node


def _forget(node: LocalNode) -> None:
    """An engine has ended. Its lock is held, so `_lock` must not be asked for: who has that may wait for the other."""
    if _nodes.get(node.url) is node:
        del _nodes[node.url]


def _compare(node: LocalNode, address: Address) -> None:
    """An engine that runs has its settings: those of a further URL must be the same."""
    wanted = address.settings()
    for name in address.directives:
        attribute = name.replace("-", "_")
        if getattr(wanted, attribute) != getattr(node.broker.settings, attribute):
            raise EmbeddedError(f"{node.url} runs already, with another {name}: leave it out, or use CONFIG SET")


def close(url: str) -> None:
    """End an engine: its clients are disconnected, what it had in memory is gone. Nothing happens if there is none."""
    node = _nodes.get(parse(url).name)
    if node is not None:
        node.close()


def _close_all() -> None:
    for node in [*_nodes.values()]:
        node.close_at_exit()


def _after_fork() -> None:
    """In the child: the threads of the engines are not here, and their locks may be held for ever."""
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()
    for node in _nodes.values():
        node.after_fork()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
