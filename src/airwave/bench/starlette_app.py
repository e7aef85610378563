"""The same fan-out as one would write it with Starlette: `python -m airwave.bench.starlette_app PORT`.

    GET /events     Server-Sent Events, by sse-starlette
    WS  /ws         WebSocket
    POST /publish   a message to all of them; the answer says how many there are

A message is encoded once, and put into the queue of each client; a client's own task sends it, so that one who is slow
holds up nobody else. uvicorn serves it as `uvicorn[standard]` does: uvloop, httptools, websockets. Pings are off: they
would only be bytes to tell apart.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator

import uvicorn
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

CHANNEL = "news:today"


class Hub:
    """Who is there, each with the queue of what is to be sent."""

    def __init__(self) -> None:
        self._events: set[asyncio.Queue[bytes]] = set()
        self._sockets: set[asyncio.Queue[str]] = set()

    def publish(self, message: str) -> int:
        """Put a message into all queues; gives how many there are."""
        text = json.dumps({"channel": CHANNEL, "data": message}, separators=(",", ":"))
        if self._events:
            event = ServerSentEvent(text, sep="\n").encode()
            for queue in self._events:
                queue.put_nowait(event)
        for waiting in self._sockets:
            waiting.put_nowait(text)
        return len(self._events) + len(self._sockets)

    async def events(self) -> AsyncIterator[bytes]:
        """What one client of `/events` gets."""
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._events.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._events.discard(queue)

    async def serve(self, websocket: WebSocket) -> None:
        """One client of `/ws`, until it goes."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        await websocket.accept()
        self._sockets.add(queue)
        sender = asyncio.create_task(_send(websocket, queue))
        try:
            async for _ in websocket.iter_text():
                pass
        finally:
            self._sockets.discard(queue)
            sender.cancel()


async def _send(websocket: WebSocket, queue: "asyncio.Queue[str]") -> None:
    while True:
        await websocket.send_text(await queue.get())


def make_app() -> Starlette:
    """The application."""
    hub = Hub()

    async def events(_: Request) -> EventSourceResponse:
        return EventSourceResponse(hub.events(), ping=0)

    async def publish(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(hub.publish((await request.body()).decode())))

    return Starlette(
        routes=[
            Route("/events", events),
            Route("/publish", publish, methods=["POST"]),
            WebSocketRoute("/ws", hub.serve),
        ]
    )


def serve(port: int) -> None:
    """Serve it on a port of 127.0.0.1 until the process is ended."""
    uvicorn.run(
        make_app(),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_ping_interval=None,
        timeout_keep_alive=3600,  # publishers have nothing to do while others are measured
        access_log=False,
        log_level="warning",
        backlog=4096,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    serve(int(sys.argv[1]))
