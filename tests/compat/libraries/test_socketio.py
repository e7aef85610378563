"""python-socketio: two servers, each with a client of its own, that know of each other through Airwave only."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import socketio
from aiohttp import web
from live import DEADLINE_S

from airwave.embedded import AsyncEmbeddedConnection, EmbeddedConnection
from compat.libraries.loops import Place, run, until, website
from compat.libraries.table import library

pytestmark = library(
    "python-socketio",
    "`AsyncRedisManager` with two servers: broadcast, rooms, callbacks, disconnect; emit from outside, also with "
    "`RedisManager`",
)


@dataclass
class Side:
    """A server and the one client that is connected to it."""

    server: socketio.AsyncServer
    client: socketio.AsyncClient
    got: list[Any] = field(default_factory=list)

    @property
    def sid(self) -> str:
        """How the server knows the client."""
        return str(self.client.get_sid())


def asynchronous(place: Place, **options: Any) -> socketio.AsyncRedisManager:
    url = "redis://" if place.in_memory else place.url
    return socketio.AsyncRedisManager(url, redis_options=place.by_class(AsyncEmbeddedConnection), **options)


def synchronous(place: Place, **options: Any) -> socketio.RedisManager:
    url = "redis://" if place.in_memory else place.url
    return socketio.RedisManager(url, redis_options=place.by_class(EmbeddedConnection), **options)


@asynccontextmanager
async def side(place: Place, channel: str) -> AsyncIterator[Side]:
    manager = asynchronous(place, channel=channel)
    app = web.Application()
    server = socketio.AsyncServer(async_mode="aiohttp", client_manager=manager)
    server.attach(app)

    async def join(sid: str, room: str) -> str:
        await server.enter_room(sid, room)
        return f"in {room}"

    server.on("join", join)
    it = Side(server, socketio.AsyncClient(reconnection=False, request_timeout=DEADLINE_S))

    async def news(data: Any) -> str:
        it.got.append(data)
        return f"thanks for {data}"

    it.client.on("news", news)
    async with website(app) as site:
        await it.client.connect(site, transports=["websocket"], wait_timeout=DEADLINE_S)
        try:
            yield it
        finally:
            await it.client.disconnect()
            await server.shutdown()
            manager.thread.cancel()
            await asyncio.wait([manager.thread])
            await manager.pubsub.aclose()
            await manager.redis.aclose()


@asynccontextmanager
async def two_sides(place: Place, channel: str) -> AsyncIterator[tuple[Side, Side]]:
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(side(place, channel)) for _ in range(2)]
        await place.subscribers(channel, 2)
        yield one, other


def test_an_event_reaches_the_clients_of_both_servers(place: Place) -> None:
    async def body() -> None:
        async with two_sides(place, "sio:all") as (one, other):
            await one.server.emit("news", {"number": 1})
            await until(lambda: one.got == other.got == [{"number": 1}])
            await one.server.emit("news", b"\x00\xff", to=other.sid)
            await until(lambda: other.got[1:] == [b"\x00\xff"])
            assert len(one.got) == 1

    run(body())


def test_rooms_span_both_servers(place: Place) -> None:
    async def body() -> None:
        async with two_sides(place, "sio:rooms") as (one, other):
            assert await other.client.call("join", "blue") == "in blue"
            await one.server.emit("news", "to blue", room="blue")
            await one.server.emit("news", "to all")
            await until(lambda: other.got == ["to blue", "to all"])
            await until(lambda: one.got == ["to all"])
            await one.server.close_room("blue")
            await one.server.emit("news", "to nobody", room="blue")
            await one.server.emit("news", "last")
            await until(lambda: other.got[2:] == one.got[1:] == ["last"])

    run(body())


def test_an_answer_finds_the_server_that_asked(place: Place) -> None:
    async def body() -> None:
        async with two_sides(place, "sio:answer") as (one, other):
            assert await one.server.call("news", "this", to=other.sid) == "thanks for this"
            await one.server.disconnect(other.sid)
            await until(lambda: not other.client.connected)
            assert one.client.connected

    run(body())


def test_a_process_without_clients_can_emit(place: Place) -> None:
    async def body() -> None:
        async with two_sides(place, "sio:outside") as (one, other):
            outside = asynchronous(place, channel="sio:outside", write_only=True)
            await outside.emit("news", "from asyncio")
            await outside.redis.aclose()
            await until(lambda: one.got == other.got == ["from asyncio"])
            blocking = synchronous(place, channel="sio:outside", write_only=True)
            await asyncio.to_thread(blocking.emit, "news", "from a thread")
            blocking.redis.close()
            await until(lambda: one.got[1:] == other.got[1:] == ["from a thread"])

    run(body())
