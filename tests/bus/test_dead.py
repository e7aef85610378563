"""Dead letters."""

import asyncio

import pytest
import redis

from airwave.bus.dead import (
    ERROR_CHARS_MAX,
    TRACEBACK_CHARS_MAX,
    dead_key,
    drop_dead,
    letter_of,
    list_dead,
    retry_dead,
)
from airwave.bus.entry import Entry

from .running import run
from .working import connected, new_stream


def an_entry(stream, number, **fields):
    data = {b"data": b"order-%d" % number}
    return Entry(stream, "g", f"{number}-1", 3, data | {name.encode(): value for name, value in fields.items()})


async def bury(client, stream, count, **fields):
    """Dead letters 1 to `count`; their IDs."""
    ids = []
    for number in range(1, count + 1):
        letter = letter_of(an_entry(stream, number, **fields), ValueError(f"no {number}"), number)
        ids.append((await client.execute_command("XADD", dead_key(stream), "*", *letter)).decode())
    return ids


def test_they_are_listed_oldest_first(url):
    async def main():
        stream = new_stream()
        async with connected(url) as client:
            assert await list_dead(client, stream) == []
            ids = await bury(client, stream, 3, trace=b"\xff")
            letters = await list_dead(client, stream)
            assert [letter.id for letter in letters] == ids
            assert [letter.data for letter in letters] == [b"order-1", b"order-2", b"order-3"]
            second = letters[1]
            assert (second.entry_id, second.group, second.attempts) == ("2-1", "g", 2)
            assert (second.error, second.traceback, second.fields) == ("ValueError: no 2", "", {b"trace": b"\xff"})
            assert second.at_ms > 1_600_000_000_000
            assert [letter.id for letter in await list_dead(client, stream, count=2)] == ids[:2]
            assert [letter.id for letter in await list_dead(client, stream, after=ids[1])] == ids[2:]

    run(main())


def test_they_go_back_to_the_stream_as_they_came(url):
    async def main():
        stream = new_stream()
        async with connected(url) as client:
            ids = await bury(client, stream, 3, trace=b"\xff")
            assert await retry_dead(client, stream, [ids[0], ids[2], "1-1"]) == 2
            entries = [fields for _, fields in await client.xrange(stream)]
            assert entries == [
                {b"data": b"order-1", b"trace": b"\xff", b"for_group": b"g"},
                {b"data": b"order-3", b"trace": b"\xff", b"for_group": b"g"},
            ]
            assert [letter.id for letter in await list_dead(client, stream)] == [ids[1]]

    run(main())


def test_all_of_them_more_than_go_at_once(url):
    async def main():
        stream = new_stream()
        async with connected(url) as client:
            await bury(client, stream, 230)
            assert await retry_dead(client, stream) == 230
            assert await list_dead(client, stream) == []
            assert [fields[b"data"] for _, fields in await client.xrange(stream)] == [
                b"order-%d" % number for number in range(1, 231)
            ]
            await bury(client, stream, 120)
            assert await drop_dead(client, stream) == 120
            assert await client.xlen(stream) == 230

    run(main())


def test_some_are_dropped(url):
    async def main():
        stream = new_stream()
        async with connected(url) as client:
            ids = await bury(client, stream, 3)
            assert await drop_dead(client, stream, [ids[1], ids[1], "7-7"]) == 1
            assert [letter.id for letter in await list_dead(client, stream)] == [ids[0], ids[2]]
            assert not await client.exists(stream)
            assert await drop_dead(client, stream, []) == 0

    run(main())


def test_those_who_retry_at_the_same_time_retry_each_once(url):
    async def main():
        stream = new_stream()
        async with connected(url) as client:
            await bury(client, stream, 150)
            done = await asyncio.gather(*[retry_dead(client, stream) for _ in range(4)])
            assert sum(done) == 150
            assert await client.xlen(stream) == 150

    run(main())


def test_it_gives_up_when_others_write_all_the_time(memory_url, monkeypatch):
    monkeypatch.setattr("airwave.bus.dead._TRIES_MAX", 2)

    async def main():
        async with connected(memory_url) as client, connected(memory_url) as other:
            await bury(client, "orders", 1)

            # Somebody writes between WATCH and EXEC, each time.
            monkeypatch.setattr("redis.asyncio.client.Pipeline.execute", _conflict(other))
            with pytest.raises(redis.RedisError, match="orders:dead is being written all the time"):
                await retry_dead(client, "orders")
            monkeypatch.undo()
            assert len(await list_dead(client, "orders")) == 3
            assert not await client.exists("orders")

    run(main())


def _conflict(other):
    """`Pipeline.execute`, but another client adds a dead letter first."""
    execute = redis.asyncio.client.Pipeline.execute

    async def conflicting(self, *args, **options):
        await bury(other, "orders", 1)
        return await execute(self, *args, **options)

    return conflicting


def test_errors_are_kept_to_a_length():
    def deep(levels):
        if levels:
            deep(levels - 1)
        else:
            raise ValueError("x" * 10_000 + "\udcff")

    try:
        deep(3)
    except ValueError as caught:
        error = caught
    letter = letter_of(an_entry("orders", 1), error, 1)
    fields = dict(zip(letter[::2], letter[1::2], strict=True))
    assert len(fields[b"error"]) == ERROR_CHARS_MAX
    assert len(fields[b"traceback"]) <= TRACEBACK_CHARS_MAX + 10
    assert fields[b"error"].startswith(b"ValueError: xxx")
    assert b"deep(levels - 1)" in fields[b"traceback"]
