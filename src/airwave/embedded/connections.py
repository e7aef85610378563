"""Connections of redis-py to an embedded engine: only how they connect is ours, and little else.

Pools, pipelines, Pub/Sub, timeouts, retries and parsers are redis-py's, and see no difference. They can be used
wherever a `connection_class` is taken:

    redis.Redis(connection_pool=redis.ConnectionPool(connection_class=EmbeddedConnection, engine="memory://"))
"""

from collections.abc import Iterable
from typing import Any

from redis import exceptions
from redis._parsers import _HiredisParser
from redis.asyncio.connection import AbstractConnection as AbstractAsyncConnection
from redis.connection import AbstractConnection

from airwave.embedded.async_pipe import AsyncPipe
from airwave.embedded.registry import parse
from airwave.embedded.sync_pipe import PipeSocket

# What a library may give that has a server in mind; there is no address here.
_OF_SOCKETS = ("host", "port", "path", "socket_keepalive", "socket_keepalive_options", "socket_type")

_CLOSED = "Connection closed by server."  # redis-py's words


def pool_options(url: str, connection_class: type, options: dict[str, Any]) -> dict[str, Any]:
    """What a connection pool is to be given for an engine; as with redis-py, the URL's options win.

    Raises:
        ValueError: the URL is wrong.
    """
    return {**options, **parse(url).options, "connection_class": connection_class, "engine": url}


class _Embedded:
    """What both kinds have in common: an engine for an address. In front of a connection class of redis-py.

    Args:
        engine: the engine's URL.
        options: redis-py's; those about addresses are left aside.
    """

    db: Any
    client_name: Any

    def __init__(self, engine: str = "memory://", **options: Any) -> None:
        self.engine = engine
        for name in _OF_SOCKETS:
            options.pop(name, None)
        super().__init__(**options)

    def repr_pieces(self) -> list[tuple[str, Any]]:
        """See redis-py."""
        pieces = [("engine", self.engine), ("db", self.db)]
        if self.client_name:
            pieces.append(("client_name", self.client_name))
        return pieces

    def _host_error(self) -> str:
        return self.engine


class EmbeddedConnection(_Embedded, AbstractConnection):
    """A synchronous connection."""

    def _connect(self) -> PipeSocket:
        return PipeSocket(self.engine, self.socket_timeout)

    def activate_maint_notifications_handling_if_enabled(self, check_health: bool = True) -> None:
        """See redis-py, which from version 7 on lets clouds tell that an address is going to move; 7 insists."""

    def can_read(self, timeout: float = 0) -> bool:
        """See redis-py, whose parser with hiredis would poll a file descriptor."""
        parser = self._parser
        if not isinstance(parser, _HiredisParser) or hasattr(parser, "_next_response"):  # of redis-py 6: it reads
            return bool(super().can_read(timeout))
        if not self._sock:
            self.connect()  # type: ignore[no-untyped-call]
        sock: Any = self._sock
        if parser._reader.has_data():
            return True
        if not sock.poll(timeout):
            return False
        if sock.at_end:
            self.disconnect()  # type: ignore[no-untyped-call]
            raise exceptions.ConnectionError(_CLOSED)
        return True


class AsyncEmbeddedConnection(_Embedded, AbstractAsyncConnection):
    """A connection for asyncio; otherwise as `EmbeddedConnection`."""

    async def _connect(self) -> None:
        pipe = AsyncPipe(self.engine)
        self._reader = pipe.reader
        self._writer = pipe.writer  # type: ignore[assignment]

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        """See redis-py, which sends under a time limit, by `asyncio.wait_for`.

        Here sending runs the commands and waits for nobody. The limit would cost a task for each, and with Python 3.11
        it may swallow a cancellation: in an engine, where nothing else waits, every second one.
        """
        if not self.is_connected:
            await self.connect()  # type: ignore[no-untyped-call]
        if check_health:
            await self.check_health()  # type: ignore[no-untyped-call]
        if isinstance(command, str):
            command = command.encode()
        writer: Any = self._writer
        try:
            writer.writelines([command] if isinstance(command, bytes) else command)
            await writer.drain()
        except OSError as error:
            await self.disconnect(nowait=True)
            raise exceptions.ConnectionError(f"Error while writing to {self.engine}: {error.strerror}") from error
        except BaseException:  # a reply is left that belongs to nobody
            await self.disconnect(nowait=True)
            raise

    async def can_read(self) -> bool:
        """See redis-py; its pools mistake the end for something to read, and hand out a dead connection."""
        if self._reader is not None and self._reader.at_eof():
            await self.disconnect(nowait=True)
            raise exceptions.ConnectionError(_CLOSED)
        return await super().can_read()
