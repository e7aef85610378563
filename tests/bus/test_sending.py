"""Sending entries, once for each key."""

import asyncio

import pytest

from airwave.bus.delay import list_delayed
from airwave.bus.features import features_of
from airwave.bus.sending import send
from airwave.bus.wire import raw

from .running import run
from .working import connected, new_stream


def test_an_entry_has_the_payload_as_its_data(url):
    async def main():
        stream = new_stream()
        async with connected(url) as client:
            entry_id = await send(client, stream, b"\x00\xff")
            assert await client.xrange(stream) == [(entry_id.encode(), {b"data": b"\x00\xff"})]

    run(main())


def test_a_key_adds_once(url):
    async def main():
        stream = new_stream()
        async with connected(url) as client:
            first = await send(client, stream, b"one", key="order-1")
            assert await send(client, stream, b"other", key="order-1") == first
            assert await send(client, stream, b"two", key="order-2") != first
            assert [fields[b"data"] for _, fields in await client.xrange(stream)] == [b"one", b"two"]

    run(main())


def test_a_key_adds_once_whoever_sends_at_the_same_time(url):
    async def main():
        stream = new_stream()
        async with connected(url) as client:
            sent = await asyncio.gather(*[send(client, stream, b"one", key="k") for _ in range(20)])
            assert len(set(sent)) == 1
            assert await client.xlen(stream) == 1

    run(main())


def test_a_key_is_remembered_for_an_hour_whatever_the_stream_was_set_to(url):
    async def main():
        stream = new_stream()
        async with connected(url) as client:
            await send(client, stream, b"no key")
            await send(client, stream, b"one", key="k")
            if (await features_of(raw(client))).claim:
                about = await raw(client).execute_command("XINFO", "STREAM", stream)
                about = about if isinstance(about, dict) else dict(zip(about[::2], about[1::2], strict=True))
                assert (about[b"idmp-duration"], about[b"idmp-maxsize"]) == (3600, 10_000)
            else:
                assert 3500 < await client.ttl(f"{stream}:key:k") <= 3600

    run(main())


def test_the_stream_is_kept_to_a_length(url):
    async def main():
        stream = new_stream()
        async with connected(url) as client:
            for number in range(400):
                await send(client, stream, b"x", maxlen=100, key=str(number) if number % 2 else None)
            assert 100 <= await client.xlen(stream) < 300

    run(main())


def test_a_key_for_a_delayed_entry_is_its_token(url):
    async def main():
        stream = new_stream()
        async with connected(url) as client:
            assert await send(client, stream, b"one", key="k", delay=3600) == "k"
            assert await send(client, stream, b"other", key="k", delay=0) == "k"
            await send(client, stream, b"now", key="k")
            assert [(each.token, each.data) for each in await list_delayed(client, stream)] == [("k", b"one")]
            assert await client.xlen(stream) == 0

    run(main())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"key": ""}, "key must not be empty"),
        ({"delay": 1, "at": 1}, "either delay or at"),
        ({"delay": 1, "maxlen": 5}, "maxlen cannot be given together"),
        ({"delay": -1}, "delay must be a number of seconds from 0, not -1"),
        ({"at": float("inf")}, "at must be a number of seconds"),
    ],
    ids=str,
)
def test_arguments_that_make_no_sense(memory_url, options, error):
    async def main():
        async with connected(memory_url) as client:
            with pytest.raises(ValueError, match=error):
                await send(client, "orders", b"x", **options)
            assert not await client.exists("orders")

    run(main())


def test_a_client_that_decodes_is_refused(memory_url):
    async def main():
        async with connected(memory_url) as client:
            client.connection_pool.connection_kwargs["decode_responses"] = True
            with pytest.raises(ValueError, match="without decode_responses"):
                await send(client, "orders", b"x")

    run(main())
