"""Reads that wait, and are interrupted."""

import asyncio
import contextlib

import pytest
import redis

from airwave.bus.reader import Reader
from airwave.bus.wire import apart

from .running import run, until
from .working import connected, new_stream


def command(stream):
    return ("XREAD", "BLOCK", 3_600_000, "STREAMS", stream, "$")


@contextlib.asynccontextmanager
async def reading_from(url):
    async with connected(url) as client:
        wire = apart(client)
        reader = Reader(wire)
        yield client, reader
        await reader.close()
        await wire.connection_pool.disconnect()


def test_a_read_gets_what_comes(url):
    async def main():
        stream = new_stream()
        async with reading_from(url) as (client, reader):
            reading = asyncio.create_task(reader.read(*command(stream), wait_s=3600))
            while not reading.done():
                await client.xadd(stream, {"data": "x"})
                await asyncio.sleep(0.001)
            assert await reading

    run(main())


def test_an_interrupted_read_ends_without_a_reply_and_the_next_one_works(url):
    async def main():
        stream = new_stream()
        async with reading_from(url) as (_, reader):
            for _ in range(3):
                reading = asyncio.create_task(reader.read(*command(stream), wait_s=3600))
                await asyncio.sleep(0)
                await reader.interrupt()
                assert not await reading
            await reader.interrupt()  # there is none

    run(main())


def test_a_lost_connection_is_an_error_and_the_next_read_has_a_new_one(url):
    async def main():
        stream = new_stream()
        async with reading_from(url) as (client, reader):
            reading = asyncio.create_task(reader.read(*command(stream), wait_s=3600))
            await until(lambda: reader._id)
            await client.execute_command("CLIENT", "KILL", "ID", reader._id)
            with pytest.raises((redis.ConnectionError, OSError)):
                await reading
            assert await reader.read("PING", wait_s=0) in (b"PONG", "PONG")

    run(main())


def test_an_error_reply_leaves_the_connection(url):
    async def main():
        async with reading_from(url) as (_, reader):
            with pytest.raises(redis.ResponseError):
                await reader.read("NOSUCH", wait_s=0)
            number = reader._id
            await reader.read("PING", wait_s=0)
            assert reader._id == number != 0

    run(main())
