"""`GET /ws`: WebSocket. Frames are in `frames`, what a client may ask for is in `conversation`."""

import asyncio
import base64
import binascii
import hashlib
from typing import cast

from aiohttp import web

from airwave.broker import Broker
from airwave.web.access import require
from airwave.web.answers import problem
from airwave.web.conversation import Conversation
from airwave.web.formats import WS
from airwave.web.frames import (
    BINARY,
    CLOSE,
    EXPIRED,
    GOING_AWAY,
    PING,
    PONG,
    TEXT,
    FrameError,
    Frames,
    Message,
    close_code,
    close_frame,
    control_frame,
)
from airwave.web.guard import client_of
from airwave.web.keys import BROKER
from airwave.web.limits import LIMITS, Limits
from airwave.web.lines import LINES, Lines
from airwave.web.subscriber import WebSession
from airwave.web.subscribers import SUBSCRIBERS, Subscribers
from airwave.web.takeover import Connection, as_protocol, head, left, take_over
from airwave.web.visitor import Visitor

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE_S = 5  # until a client that was told to close is cut off
_ANSWERS_MAX = 256  # that may wait before more is read
_PING = control_frame(PING)


class SocketSession(WebSession):
    """A browser with a WebSocket.

    Attributes:
        conversation: what it asks for.
        heard: it has sent something since the last heartbeat.
        left: it has said that it closes the connection.
    """

    __slots__ = ("_cut", "conversation", "frames", "heard", "left")

    wire = WS
    library = b"airwave-ws"

    def __init__(self, broker: Broker, connection: Connection, visitor: Visitor, subscribers: Subscribers) -> None:
        super().__init__(broker, connection, visitor, subscribers)
        self.frames = Frames(broker.settings.http_max_message_size)
        self.heard = True
        self.left = False
        self._cut: asyncio.TimerHandle | None = None

    def begin(self, lines: Lines, limits: Limits, client: str) -> None:
        """Listen to it."""
        self.conversation = Conversation(self, lines, limits, client)

    # --- input ------------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        broker = self.broker
        broker.stats.input_bytes += len(data)
        self.heard = True
        self.active_ns = broker.clock()
        if self.closing:
            return
        self.frames.size_max = broker.settings.http_max_message_size
        try:
            for message in self.frames.feed(data):
                self._take(message)
                if self.closing:
                    return
        except FrameError as error:
            self.close_after(close_frame(error.code, str(error)))
        if len(self.out) > _ANSWERS_MAX:  # a loop may read many times in one turn
            self.transport.pause_reading()
            self.step_soon()

    def go_on(self) -> None:
        """See `WebSession`; and what was put off is read."""
        super().go_on()
        if not self.lagging and not self.gone:
            self.transport.resume_reading()

    def _take(self, message: Message) -> None:
        if message.opcode == TEXT:
            self.conversation.take(message.payload)
        elif message.opcode == BINARY:
            self.conversation.refuse("send text frames: binary payloads go into data64, as base64")
        elif message.opcode == PING:
            self.say(control_frame(PONG, message.payload))
        elif message.opcode == CLOSE:
            self.left = True
            self.close_after(close_frame(close_code(message.payload)))

    def pause_writing(self) -> None:
        """See `Client`: who does not read what it is sent is not listened to either."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """See `Client`."""
        super().resume_writing()
        if not self.lagging and not self.gone:
            self.transport.resume_reading()

    # --- its end ----------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """See `Session`. If the client did not ask for it, the connection is closed by the client, or after a while: a
        connection that is closed while it has unread input is reset, and the reason would be lost."""
        if self.gone or self._cut is not None:
            return
        if self.left:
            super().finish()
            return
        self.broker.dismiss(self)
        if not self.out:
            cast(asyncio.Transport, self.transport).write_eof()
        self._cut = asyncio.get_running_loop().call_later(_CLOSE_S, self.disconnect)

    def eof_received(self) -> None:
        """See `asyncio.Protocol`: the transport closes itself."""

    def connection_lost(self, exc: Exception | None) -> None:
        """See `Session`."""
        super().connection_lost(exc)
        del self.conversation  # it refers to this: no cycle may stay (see server/memory.py)
        if self._cut is not None:
            self._cut.cancel()
            self._cut = None

    def token_expired(self) -> None:
        """See `WebSession`."""
        self.close_after(close_frame(EXPIRED, "the token has expired"))

    def server_stops(self) -> None:
        """See `WebSession`."""
        self.close_after(close_frame(GOING_AWAY, "the server stops"))

    def beat(self) -> None:
        """See `WebSession`: who has not answered since the last time is gone."""
        if not self.heard and not self.lagging:
            self.broker.host.log("verbose", "websocket does not answer", client=self.peer)
            self.disconnect()
            return
        self.heard = False
        if not self.lagging:
            self.say(_PING)


async def websocket(request: web.Request) -> web.StreamResponse:
    """Open a WebSocket; see docs/browsers.md."""
    visitor = require(request)
    if unknown := set(request.query) - {"token"}:
        raise problem(web.HTTPBadRequest, f"no such parameter: {min(unknown)}; subscribe by a message")
    accept = _accept(request)
    broker = request.app[BROKER]
    if len(broker.clients) >= broker.settings.maxclients:
        broker.stats.rejected_connections += 1
        raise problem(web.HTTPServiceUnavailable, "there are too many clients: see maxclients", **{"Retry-After": "5"})
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}
    first = head(request, "101 Switching Protocols", headers)
    connection = take_over(request)
    session = SocketSession(broker, connection, visitor, request.app[SUBSCRIBERS])
    session.begin(request.app[LINES], request.app[LIMITS], client_of(request, visitor))
    session.say(first)
    connection.transport.set_protocol(as_protocol(session))
    if connection.early:
        session.data_received(connection.early)
    return left()


def _accept(request: web.Request) -> str:
    """What proves that we have understood the handshake (RFC 6455, 4.2)."""
    headers = request.headers
    upgrades = {word.strip().lower() for word in headers.get("Connection", "").split(",")}
    if headers.get("Upgrade", "").lower() != "websocket" or "upgrade" not in upgrades:
        raise problem(web.HTTPUpgradeRequired, "this is for WebSocket", Upgrade="websocket", Connection="Upgrade")
    if headers.get("Sec-WebSocket-Version") != "13":
        raise problem(web.HTTPUpgradeRequired, "WebSocket version 13 only", **{"Sec-WebSocket-Version": "13"})
    key = headers.get("Sec-WebSocket-Key", "")
    try:
        valid = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        valid = False
    if not valid:
        raise problem(web.HTTPBadRequest, "Sec-WebSocket-Key is not 16 bytes in base64")
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()


def routes(app: web.Application) -> None:
    """Add it to an application."""
    app.router.add_get("/ws", websocket, allow_head=False)
