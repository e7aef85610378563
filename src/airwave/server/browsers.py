"""A node's HTTP side: its listeners, and the server behind them, which is `airwave.web`.

`airwave.web` needs aiohttp, which plain users do not have: it is imported only if there is an `http-port`.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airwave.broker import Broker
from airwave.server import log
from airwave.server.listeners import Listeners
from airwave.server.sockets import open_http_sockets
from airwave.settings import SettingsError

if TYPE_CHECKING:
    from airwave.web.server import WebServer

_OF_THE_EXTRA = ("aiohttp", "jwt", "cryptography", "prometheus_client")


class Browsers:
    """What a node has for browsers; nothing without `http-port`.

    Args:
        broker: the node.
        loop: the event loop.
        sockets: where to listen; None: where the settings say.
    """

    def __init__(
        self, broker: Broker, loop: asyncio.AbstractEventLoop, sockets: Sequence[socket.socket] | None = None
    ) -> None:
        self._broker = broker
        self._sockets = sockets
        self._loop = loop
        self._server: WebServer | None = None
        self._listeners: Listeners | None = None

    @property
    def descriptors(self) -> list[int]:
        """The file descriptors of listeners, and of connections that are no clients of the broker."""
        if self._listeners is None or self._server is None:
            return []
        return [*self._listeners.descriptors, *self._server.descriptors]

    async def start(self) -> None:
        """Serve browsers if the settings say so.

        Raises:
            SettingsError: it cannot: the extra is not installed, the port is in use, a key cannot be read.
        """
        if not self._broker.settings.http_port and self._sockets is None:
            return
        try:
            from airwave.web.server import WebServer  # noqa: PLC0415  (see the top)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in _OF_THE_EXTRA:
                raise
            raise SettingsError(
                f"http-port needs {missing}, which is not installed: pip install 'airwave[web]'"
            ) from None
        server = WebServer(self._broker)
        sockets = open_http_sockets(self._broker.settings) if self._sockets is None else self._sockets
        try:
            await server.start()
        except BaseException:
            for sock in sockets:
                sock.close()
            raise
        self._server = server
        self._listeners = Listeners(self._broker, self._loop, sockets, server)
        self._listeners.open()
        log.event("notice", "browsers are served", listening=self._listeners.addresses)

    async def close(self) -> None:
        """Serve nobody more: who is subscribed is told, and remains a client until the node has sent all it has."""
        if self._listeners is not None:
            await self._listeners.close()
        if self._server is not None:
            await self._server.close()
