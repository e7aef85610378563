"""Entries that are added later."""

import asyncio
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import redis
from live import Node, free_port
from servers import redis_server

from airwave.bus.delay import cancel_delayed, keep_moving, list_delayed, move_due, way_of
from airwave.bus.sending import send
from airwave.bus.wire import raw

from .running import run, until
from .working import Calls, connected, new_stream, working


def test_it_is_handled_when_its_time_has_come(url):
    async def main():
        stream, calls = new_stream(), Calls()
        async with connected(url) as client, working(client, stream, calls):
            began = time.time()
            await send(client, stream, b"late", delay=0.3)
            await send(client, stream, b"soon", at=datetime.now(UTC) + timedelta(milliseconds=50))
            await send(client, stream, b"past", at=time.time() - 60)
            await send(client, stream, b"never", delay=3600)
            await until(lambda: len(calls.made) == 3)
            added_ms = {
                data: int(each.id.partition("-")[0]) for data, each in zip(calls.payloads, calls.entries, strict=True)
            }
            assert added_ms["past"] >= began * 1000 - 1
            assert added_ms["soon"] >= (began + 0.05) * 1000 - 1
            assert added_ms["late"] >= (began + 0.3) * 1000 - 1
            assert [each.data for each in await list_delayed(client, stream)] == [b"never"]

    run(main())


def test_what_waits_is_listed_and_cancelled(url):
    async def main():
        stream = new_stream()
        async with connected(url) as client:
            assert await list_delayed(client, stream) == []
            later = await send(client, stream, b"later", at=4_000_000_000.5)
            sooner = await send(client, stream, b"sooner", at=3_000_000_000, key="named")
            waiting = await list_delayed(client, stream)
            assert [(each.token, each.due_ms, each.data) for each in waiting] == [
                ("named", 3_000_000_000_000, b"sooner"),
                (later, 4_000_000_000_500, b"later"),
            ]
            assert sooner == "named"
            assert [each.token for each in await list_delayed(client, stream, count=1)] == ["named"]
            assert await cancel_delayed(client, stream, []) == 0
            assert await cancel_delayed(client, stream, ["named", "unknown"]) == 1
            assert [each.token for each in await list_delayed(client, stream)] == [later]
            # The key is free again.
            await send(client, stream, b"again", delay=3600, key="named")
            assert len(await list_delayed(client, stream)) == 2

    run(main())


def test_a_key_stays_remembered_when_it_is_too_late_to_cancel(url):
    async def main():
        stream, calls = new_stream(), Calls()
        async with connected(url) as client, working(client, stream, calls):
            await send(client, stream, b"once", key="k", delay=0)
            await until(lambda: calls.made)
            assert await cancel_delayed(client, stream, ["k"]) == 0
            await send(client, stream, b"twice", key="k", delay=0)
            assert await list_delayed(client, stream) == []
            assert await client.xlen(stream) == 1

    run(main())


@contextmanager
def airwave_server(folder, port):
    with Node("--appendonly", "yes", "--dir", str(folder), port=port) as node:
        yield node.url
        node.kill()


@contextmanager
def real_redis(folder, _port):
    with redis_server(folder, "--appendonly", "yes", "--appendfsync", "always") as path:
        yield f"unix://{path}"


@pytest.mark.parametrize("server", [airwave_server, real_redis])
def test_it_survives_a_restart_of_the_server(server, tmp_path):
    async def send_two(url):
        async with connected(url) as client:
            await send(client, "orders", b"late", delay=0.5)
            await send(client, "orders", b"far", delay=3600)

    async def receive(url):
        calls = Calls()
        async with connected(url) as client, working(client, "orders", calls):
            await until(lambda: calls.payloads == ["late"])
            assert [each.data for each in await list_delayed(client, "orders")] == [b"far"]

    port = free_port()
    for step in (send_two, receive):
        with server(tmp_path, port) as url:
            run(step(url))


def test_several_move_each_entry_once(redis_path):
    async def main():
        stream = new_stream()
        async with connected(f"unix://{redis_path}") as client:
            for number in range(250):
                await send(client, stream, b"%d" % number, at=number)
            workers = [Calls() for _ in range(3)]
            async with (
                working(client, stream, workers[0]) as first,
                working(client, stream, workers[1]) as second,
                working(client, stream, workers[2]) as third,
            ):
                await until(lambda: sum(len(calls.made) for calls in workers) >= 250)
                assert sum(worker.stats.delayed for worker in (first, second, third)) == 250
            assert [fields[b"data"] for _, fields in await client.xrange(stream)] == [b"%d" % n for n in range(250)]

    run(main())


def test_moving_tells_when_the_next_is_due(redis_path):
    async def main():
        stream = new_stream()
        async with connected(f"unix://{redis_path}") as client:
            assert await move_due(raw(client), stream) == (0, None)
            await send(client, stream, b"x", delay=1000)
            moved, wait_s = await move_due(raw(client), stream)
            assert moved == 0
            assert wait_s is not None
            assert 900 < wait_s <= 1000

    run(main())


def test_an_entry_that_cannot_be_moved_stays(redis_path, caplog):
    async def main():
        stream, moved = new_stream(), []
        async with connected(f"unix://{redis_path}") as client:
            await send(client, stream, b"x", delay=0)
            await client.set(stream, "no stream")
            ended = asyncio.Event()
            moving = asyncio.create_task(keep_moving(raw(client), stream, moved.append, ended))
            await until(lambda: "cannot move delayed entries" in caplog.text)
            assert len(await list_delayed(client, stream)) == 1
            await client.delete(stream)
            await until(lambda: sum(moved) == 1)
            ended.set()
            await moving
            assert await client.xlen(stream) == 1

    run(main())


def test_no_more_may_wait_than_a_million(redis_path, monkeypatch):
    monkeypatch.setattr("airwave.bus.delay.DELAYED_MAX", 2)

    async def main():
        stream = new_stream()
        async with connected(f"unix://{redis_path}") as client:
            for _ in range(2):
                await send(client, stream, b"x", delay=3600)
            with pytest.raises(redis.ResponseError, match="2 entries are delayed for this stream, which is the most"):
                await send(client, stream, b"x", delay=3600)

    run(main())


def test_times_that_make_no_sense():
    with pytest.raises(ValueError, match="needs a time zone"):
        way_of(None, datetime(2030, 1, 1))
    assert way_of(None, datetime(2030, 1, 1, tzinfo=UTC)) == ("AT", 1_893_456_000_000)
    assert way_of(1.5, None) == ("IN", 1500)
