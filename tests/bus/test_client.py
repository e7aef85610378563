"""The client of a bus: one per event loop, made when needed, closed if it is the bus's own."""

import asyncio

import pytest

import airwave.asyncio
from airwave.bus.client import LoopClient
from bus.running import run


def test_it_is_made_once_and_again_after_it_was_closed(memory_url: str) -> None:
    async def body() -> None:
        own = LoopClient(memory_url, None, {"decode_responses": True})
        first = own.get()
        assert own.get() is first
        assert await first.echo("x") == "x"
        await own.close()
        second = own.get()
        assert second is not first
        await own.close()
        await own.close()

    run(body())


def test_it_belongs_to_one_event_loop_until_it_is_closed(memory_url: str) -> None:
    own = LoopClient(memory_url, None, {})
    with pytest.raises(RuntimeError, match="a bus is used inside a running event loop"):
        own.get()

    async def use() -> None:
        own.get()

    asyncio.run(use())
    assert own.is_orphaned
    with pytest.raises(RuntimeError, match="this bus has been used in another event loop"):
        asyncio.run(use())
    own.forget()
    assert not own.is_orphaned

    async def use_and_close() -> None:
        own.get()
        assert not own.is_orphaned
        await own.close()

    asyncio.run(use_and_close())
    asyncio.run(use_and_close())


def test_a_given_client_stays_open(memory_url: str) -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(memory_url) as given:
            own = LoopClient(None, given, {})
            assert own.get() is given
            await own.close()
            assert await given.ping()
            with pytest.raises(TypeError, match="a URL with options, or a client; not both"):
                LoopClient(None, given, {"db": 1})

    run(body())


def test_a_url_that_nothing_knows_is_an_error() -> None:
    async def body() -> None:
        with pytest.raises(ValueError, match="nats"):
            LoopClient("nats://x", None, {}).get()

    run(body())
