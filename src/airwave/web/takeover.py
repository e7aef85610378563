"""A connection leaves aiohttp: after the handshake its transport is ours alone, and aiohttp keeps nothing of it.

So a subscriber costs no task, no request object and no parser; and what the transport says (that it cannot take more,
that it is lost) goes straight to its session.
"""

import asyncio
from typing import NamedTuple, cast

from aiohttp import web

from airwave.web.guard import headers_of


class Connection(NamedTuple):
    """A connection that is ours.

    Attributes:
        peer, local: the addresses as Redis prints them.
        early: what the client has sent behind its request, without waiting for the answer.
    """

    transport: asyncio.Transport
    peer: str
    local: str
    early: bytes


def take_over(request: web.Request) -> Connection:
    """Take the connection of a request; the handler must return `left()` and write nothing more.

    Raises:
        ConnectionResetError: the client has gone.
    """
    protocol, transport = request.protocol, request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError
    peer, local = (_shown(transport.get_extra_info(name)) for name in ("peername", "sockname"))
    early = bytes(getattr(protocol, "_message_tail", b""))
    protocol.transport = None  # else it would be closed in the next line
    protocol.connection_lost(None)
    transport.resume_reading()
    return Connection(transport, peer, local, early)


def _shown(name: object) -> str:
    if not isinstance(name, tuple):
        return "?:0"
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def left() -> web.Response:
    """What a handler returns whose connection was taken: aiohttp finds that it has gone, and writes nothing."""
    return web.Response()


def head(request: web.Request, status: str, headers: dict[str, str]) -> bytes:
    """The beginning of an answer that aiohttp has no part in."""
    lines = [f"{name}: {value}\r\n" for name, value in (headers_of(request) | headers).items()]
    return f"HTTP/1.1 {status}\r\n{''.join(lines)}\r\n".encode("latin-1", "replace")


def as_protocol(session: object) -> asyncio.Protocol:
    """A session is its transport's protocol in all but name."""
    return cast(asyncio.Protocol, session)
