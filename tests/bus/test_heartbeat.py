"""The heartbeat."""

import asyncio
import time

from airwave.bus.backoff import constant
from airwave.bus.group import Group
from airwave.bus.heartbeat import Heartbeat
from airwave.bus.retries import Retries
from airwave.bus.sending import send
from airwave.bus.wire import raw

from .running import run, until
from .working import GROUP, Calls, connected, delivered_to, new_stream, pending, working


async def idle_ms(client, stream):
    [row] = await client.xpending_range(stream, GROUP, "-", "+", 10)
    return row["time_since_delivered"]


def test_a_long_handler_keeps_its_entry(url):
    async def main():
        stream, go = new_stream(), asyncio.Event()
        calls = Calls(long=go.wait)
        # There is no place for another entry, so that it cannot be claimed from ourselves, should the machine be slow.
        async with (
            connected(url) as client,
            working(client, stream, calls, claim_after=0.15, gone_after=3600, concurrency=1) as worker,
        ):
            await send(client, stream, b"long")
            await until(lambda: calls.made)
            resets, before = 0, 0
            while resets < 4:  # more than one time after which it could have been claimed
                now = await idle_ms(client, stream)
                resets += now < before
                before = now
                await asyncio.sleep(0.001)
            assert await pending(client, stream) == [(worker.consumer, 1)]
            go.set()
            await until(lambda: worker.stats.handled)
            assert calls.made == [("long", 1)]

    run(main())


def test_what_waits_for_longer_than_the_server_can_be_told(url):
    async def main():
        stream, retries, lost = new_stream(), Retries(10), []
        async with connected(url) as client:
            group = Group(raw(client), stream, GROUP, "me", claim_after_ms=100_000)
            for payload in (b"far", b"near", b"stolen"):
                await send(client, stream, payload)
            far, near, stolen = await delivered_to(client, stream, "me")
            now_s = time.monotonic()
            retries.add(far, now_s + 250, far=True)
            retries.add(near, now_s + 60, far=True)
            retries.add(stolen, now_s + 250, far=True)
            await client.xclaim(stream, GROUP, "thief", 0, [stolen], justid=True)
            await Heartbeat(group, list, retries, lost.append).beat()

            rows = await client.xpending_range(stream, GROUP, "-", "+", 10)
            idle = {row["message_id"].decode(): row["time_since_delivered"] for row in rows}
            assert idle[far] < 30_000  # it was just heard of
            assert 40_000 <= idle[near] < 70_000  # it can be claimed when it is due, in a minute
            assert retries.far == {far, stolen}
            assert lost == [stolen]
            assert await pending(client, stream) == [("me", 1), ("me", 1), ("thief", 1)]

    run(main())


def test_what_has_failed_and_is_still_on_its_way_out_comes_back_when_it_is_due(url):
    async def main():
        stream, calls = new_stream(), Calls(bad=ValueError())
        async with (
            connected(url) as client,
            working(client, stream, calls, backoff=constant(1800), claim_after=3600) as worker,
        ):
            postpone = worker._group.postpone

            async def postpone_and_beat(entry_id, wait_ms):
                await postpone(entry_id, wait_ms)
                await worker._heartbeat.beat()

            worker._group.postpone = postpone_and_beat
            await send(client, stream, b"bad")
            await until(lambda: worker.stats.waiting)
            assert await idle_ms(client, stream) >= 1_800_000  # not as if it was just heard of

    run(main())


def test_an_error_does_not_end_it(memory_url, monkeypatch):
    async def main():
        async with connected(memory_url) as client:
            group = Group(raw(client), "orders", GROUP, "me", claim_after_ms=3)
            ended, beats = asyncio.Event(), []

            async def beat():
                beats.append(len(beats))
                raise ConnectionError

            heartbeat = Heartbeat(group, list, Retries(1), print)
            monkeypatch.setattr(heartbeat, "beat", beat)
            beating = asyncio.create_task(heartbeat.run(ended))
            await until(lambda: len(beats) > 2)
            ended.set()
            await beating

    run(main())
