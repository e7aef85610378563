"""Removing consumers that are gone."""

from airwave.bus.consumers import remove, remove_gone
from airwave.bus.group import Group
from airwave.bus.sending import send
from airwave.bus.wire import raw

from .running import run, until
from .working import GROUP, Calls, connected, delivered_to, new_stream, pending, working


async def names(client, stream):
    return sorted(row["name"].decode() for row in await client.xinfo_consumers(stream, GROUP))


def test_those_without_entries_that_were_not_heard_of_are_removed(url):
    async def main():
        stream = new_stream()
        async with connected(url) as client:
            await send(client, stream, b"x")
            await delivered_to(client, stream, "holds")
            for name in ("empty", "me"):
                await client.xgroup_createconsumer(stream, GROUP, name)
            group = Group(raw(client), stream, GROUP, "me", claim_after_ms=1000)
            assert await remove_gone(group, 3_600_000) == []
            assert await remove_gone(group, 0) == ["empty"]
            assert await names(client, stream) == ["holds", "me"]
            assert await pending(client, stream) == [("holds", 1)]

    run(main())


def test_a_worker_does_it_by_itself(url):
    async def main():
        stream, calls = new_stream(), Calls()
        async with connected(url) as client:
            await send(client, stream, b"x")
            await delivered_to(client, stream, "ghost")
            async with working(client, stream, calls, claim_after=0.1, gone_after=0.1) as worker:
                await until(lambda: worker.stats.handled)
                while await names(client, stream) != [worker.consumer]:
                    pass

    run(main())


def test_what_one_had_nevertheless_stays_pending_with_its_attempts(url):
    async def main():
        stream, calls = new_stream(), Calls()
        async with connected(url) as client:
            await send(client, stream, b"x")
            await delivered_to(client, stream, "asleep", times=2)
            group = Group(raw(client), stream, GROUP, "me", claim_after_ms=100)
            await remove(group, "asleep")
            assert await names(client, stream) == ["me"]
            assert await pending(client, stream) == [("me", 2)]
            async with working(client, stream, calls, claim_after=0.1) as worker:
                await until(lambda: worker.stats.handled)
            assert calls.made == [("x", 3)]

    run(main())
