"""The engines of this process, by URL.

    memory://            the one without a name
    memory://name        one of this name, shared by all who use the name in this process
    file:///path         the same on disk, in that directory; shared by all who use the directory

A query gives directives of the server (`?appendfsync=always`) and options of redis-py (`?db=1`). An engine in memory
lives until `close` or the end of the process; one on disk is closed with its last client, and opened by the next.

A child made by fork has no engines: those of its parent stay where they are, and their names are refused.
"""

import atexit
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.connection import parse_url

from airwave.embedded.node import EXIT_WAIT_S, EmbeddedError, LocalNode
from airwave.settings import Settings, SettingsError

SCHEMES = ("memory://", "file://")

_lock = threading.Lock()
_nodes: dict[str, LocalNode] = {}
_DIRECTIVES_OF_LISTENERS = {"bind", "port", "unixsocket", "unixsocketperm", "tcp-backlog", "dir", "appendonly"}


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


def is_local(url: str) -> bool:
    """Whether a URL is one of an embedded engine."""
    return url.startswith(SCHEMES)


def parse(url: str) -> Address:
    """Take a URL apart.

    Raises:
        ValueError: it is wrong; the message says what.
    """
    parts = urlsplit(url)
    _, _, host = parts.netloc.rpartition("@")
    if parts.scheme == "memory":
        if parts.path.strip("/"):
            raise ValueError(f"{url}: write memory://name, without a path")
        address = Address(f"memory://{unquote(host)}", None)
    elif parts.scheme == "file":
        if host or not parts.path.strip("/"):
            raise ValueError(f"{url}: write file:///path/to/directory, with three slashes")
        folder = Path(unquote(parts.path))
        address = Address(f"file://{os.path.realpath(folder)}", folder)
    else:
        raise ValueError(f"{url}: the scheme must be memory:// or file://")
    options: list[str] = []
    known = {row.name for row in Settings.describe()} - _DIRECTIVES_OF_LISTENERS
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name.replace("_", "-") in known:
            address.directives[name.replace("_", "-")] = value
        else:
            options.append(f"{name}={value}")
    user, _, _ = parts.netloc.rpartition("@")
    credentials = f"{user}@" if user else ""
    address.options = parse_url(f"unix://{credentials}/?{'&'.join(options)}")  # type: ignore[no-untyped-call]
    for unwanted in ("path", "connection_class"):
        address.options.pop(unwanted, None)
    return address


def open_node(url: str) -> LocalNode:
    """The engine of a URL, made if it is not there. The caller enters it before anybody else can end it.

    Returns:
        An engine with its lock held; call `enter`, and let go of the lock.

    Raises:
        EmbeddedError: it cannot be had.
        ValueError: the URL is wrong.
    """
    address = parse(url)
    with _lock:
        node = _nodes.get(address.name)
        if node is not None:
            if node.forked:
                node.check()
            node.lock.acquire()
            if not node.closed:
                _compare(node, address)
                return node
            node.lock.release()
        node = _nodes[address.name] = LocalNode(address.name, _settings(address), address.folder, _forget)
        node.lock.acquire()
        return node


def _forget(node: LocalNode) -> None:
    """An engine has ended. Its lock is held, so that `_lock` cannot be asked for: `open_node` has it while it waits."""
    if _nodes.get(node.url) is node:
        del _nodes[node.url]


def _settings(address: Address) -> Settings:
    settings = Settings()
    try:
        for name, value in address.directives.items():
            settings.apply(name, value.split())
    except SettingsError as error:
        raise ValueError(f"{address.name}: {error}") from None
    return settings


def _compare(node: LocalNode, address: Address) -> None:
    """An engine that runs has its settings: those of a further URL must be the same."""
    wanted = _settings(address)
    for name in address.directives:
        attribute = name.replace("-", "_")
        if getattr(wanted, attribute) != getattr(node.broker.settings, attribute):
            node.lock.release()
            raise EmbeddedError(f"{node.url} runs already, with another {name}: leave it out, or use CONFIG SET")


def close(url: str) -> None:
    """End an engine: its clients are disconnected, what it had in memory is gone. Nothing happens if there is none."""
    with _lock:
        node = _nodes.pop(parse(url).name, None)
    if node is not None:
        node.close()


def _close_all() -> None:
    nodes = [*_nodes.values()]
    _nodes.clear()
    for node in nodes:
        node.close(wait_s=EXIT_WAIT_S)


def _after_fork() -> None:
    """In the child: the threads of the engines are not here, and their locks may be held for ever."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    for node in _nodes.values():
        node.forked = True


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
