"""The HTTP server of a node: aiohttp on the node's own loop, behind listeners that the node opens."""

import asyncio
import logging
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from airwave.broker import Broker
from airwave.web.answers import json_answer
from airwave.web.app import make_app
from airwave.web.guard import HEADERS
from airwave.web.lines import LINES
from airwave.web.subscribers import SUBSCRIBERS

KEEPALIVE_S = 30  # also how long a connection may take to send the head of its first request
STOP_S = 1.0  # how long requests that are under way may take when the server stops
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 5\r\nConnection: close\r\n\r\n"


class WebServer:
    """The door for browsers: see `airwave.server.listeners.Door`.

    Args:
        broker: the node.

    Raises:
        SettingsError: a key is none.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.app = make_app(broker)
        self._runner = web.AppRunner(
            self.app,
            handle_signals=False,
            access_log=None,
            shutdown_timeout=STOP_S,
        )
        self._log = _Log(broker)

    async def start(self) -> None:
        """Be ready for connections."""
        await self._runner.setup()
        self.app[SUBSCRIBERS].start()

    async def close(self) -> None:
        """End what is under way; tell subscribers, whose connections are left to the node."""
        self.app[SUBSCRIBERS].stop()
        await self._runner.cleanup()
        self.app[LINES].close()

    @property
    def descriptors(self) -> list[int]:
        """The file descriptors of connections that are no subscribers."""
        found = [connection.transport for connection in self._server.connections]
        sockets = [each.get_extra_info("socket") for each in found if each is not None]
        return [each.fileno() for each in sockets if each is not None]

    @property
    def connections(self) -> int:
        """All connections, subscribers among them."""
        return len(self._server.connections) + len(self.app[SUBSCRIBERS])

    @property
    def _server(self) -> web.Server:
        server = self._runner.server
        assert server is not None
        return server

    def refusal(self, peer: object, coming: int) -> bytes | None:
        """See `Door`."""
        del peer
        return _FULL if self.connections + coming >= self._broker.settings.http_max_connections else None

    def welcome(self, transport: asyncio.Transport, peer: str, local: str) -> asyncio.Protocol:
        """See `Door`."""
        del peer, local
        handler = _Handler(
            self._server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEPALIVE_S,
            logger=self._log,
            access_log=cast(logging.Logger, None),  # none is kept: URLs may have tokens in them
        )
        handler.connection_made(transport)
        return handler


class _Handler(RequestHandler):
    """aiohttp's side of a connection, with our answer to what is no HTTP."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """See `RequestHandler`."""
        self.log_exception(message or "a request failed", exc_info=exc)
        if request.writer.output_size:
            raise ConnectionError
        error = "this is not HTTP, or too long a header" if status == 400 else "internal error"
        response = json_answer({"error": error}, status)
        response.headers.update(HEADERS)
        response.force_close()
        return response


class _Log(logging.Logger):
    """What aiohttp has to say, as events of ours. That a client sends something else than HTTP is no fault."""

    def __init__(self, broker: Broker) -> None:
        super().__init__("airwave.web")
        self._host = broker.host

    def handle(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError) or record.levelno < logging.WARNING:
            reason = getattr(error, "message", None) or record.getMessage()
            self._host.log("verbose", "bad HTTP request", reason=str(reason)[:200])
        else:
            self._host.log("error", "internal error", request=record.getMessage(), exc_info=error)
