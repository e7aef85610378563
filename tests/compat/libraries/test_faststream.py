"""FastStream: a service with subscribers, and another broker that publishes to it."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest
from faststream import AckPolicy, Path
from faststream.redis import RedisBroker, RedisStreamMessage, StreamSub
from live import DEADLINE_S
from pydantic import BaseModel
from redis.exceptions import ResponseError

from airwave.embedded import AsyncEmbeddedConnection
from compat.libraries.loops import Place, run, until
from compat.libraries.table import library

pytestmark = library(
    "FastStream",
    "`RedisBroker`: channels, patterns with path parameters, requests and replies; streams with and without groups, "
    "batches, acknowledgement, XAUTOCLAIM, CLAIM, pipelines",
    missing="lists (`list=`, `ListSub`)",
    package="faststream",
)


class Order(BaseModel):
    number: int


def broker(place: Place) -> RedisBroker:
    url = "redis://" if place.in_memory else place.url
    return RedisBroker(url, logger=None, **place.by_class(AsyncEmbeddedConnection))


@asynccontextmanager
async def sending(place: Place) -> AsyncIterator[RedisBroker]:
    """A broker that only publishes."""
    sender = broker(place)
    await sender.connect()
    try:
        yield sender
    finally:
        await sender.stop()


def test_channels_and_patterns(place: Place) -> None:
    async def body() -> None:
        got: list[Any] = []
        service = broker(place)

        @service.subscriber("fs:orders")
        @service.publisher("fs:done:7")
        async def order(body: Order) -> Order:
            got.append(body)
            return Order(number=body.number + 1)

        @service.subscriber("fs:done:{user_id}")
        async def done(body: Order, user_id: Annotated[int, Path()]) -> None:
            got.append((body, user_id))

        async with service, sending(place) as sender:
            await service.start()
            assert await sender.publish(Order(number=1), "fs:orders") == 1
            await until(lambda: len(got) == 2)
            assert got == [Order(number=1), (Order(number=2), 7)]

    run(body())


def test_a_request_has_its_reply(place: Place) -> None:
    async def body() -> None:
        service = broker(place)

        @service.subscriber("fs:echo")
        async def echo(text: str) -> str:
            return text.upper()

        @service.subscriber(stream=StreamSub("fs:echo:stream", group="echo", consumer="one"))
        async def echo_stream(text: str) -> str:
            return text[::-1]

        async with service, sending(place) as sender:
            await service.start()
            reply = await sender.request("hello", "fs:echo", timeout=DEADLINE_S)
            assert await reply.decode() == "HELLO"
            reply = await sender.request("hello", stream="fs:echo:stream", timeout=DEADLINE_S)
            assert await reply.decode() == "olleh"

    run(body())


def consumer(place: Place, name: str, numbers: list[int]) -> RedisBroker:
    service = broker(place)

    @service.subscriber(stream=StreamSub("fs:stream", group="billing", consumer=name, max_records=1))
    async def bill(order: Order) -> None:
        numbers.append(order.number)

    return service


def test_a_group_shares_a_stream_and_acknowledges(place: Place) -> None:
    async def body() -> None:
        got: list[int] = []
        async with (
            consumer(place, "one", got) as one,
            consumer(place, "other", got) as other,
            sending(place) as sender,
        ):
            for service in one, other:
                await service.start()
            async with sender._connection.pipeline() as pipeline:
                for number in range(20):
                    await sender.publish(Order(number=number), stream="fs:stream", maxlen=100, pipeline=pipeline)
                entries = await pipeline.execute()
            await until(lambda: len(got) >= 20)
            assert sorted(got) == [*range(20)]
            with place.client() as client:
                await until(lambda: client.xpending("fs:stream", "billing")["pending"] == 0)
                (group,) = client.xinfo_groups("fs:stream")
                assert (group["last-delivered-id"], group["consumers"]) == (entries[-1].decode(), 2)

    run(body())


@pytest.mark.parametrize("how", ["min_idle_time", "claim_min_idle_time"])
def test_what_failed_is_claimed(place: Place, how: str) -> None:
    stream = f"fs:{how}"

    async def fail(sender: RedisBroker) -> None:
        tried: list[int] = []
        failing = broker(place)

        @failing.subscriber(stream=StreamSub(stream, group="g", consumer="failing"), ack_policy=AckPolicy.NACK_ON_ERROR)
        async def handle(order: Order) -> None:
            tried.append(order.number)
            raise ValueError("no")

        async with failing:
            await failing.start()
            for number in range(3):
                await sender.publish(Order(number=number), stream=stream)
            await until(lambda: tried == [0, 1, 2])

    async def body() -> None:
        got: list[tuple[int, list[int] | None]] = []
        service = broker(place)

        @service.subscriber(stream=StreamSub(stream, group="g", consumer="heir", polling_interval=5, **{how: 1}))
        async def handle(order: Order, message: RedisStreamMessage) -> None:
            got.append((order.number, message.raw_message.get("delivery_counts")))

        async with sending(place) as sender:
            await fail(sender)
            with place.client() as client:
                assert client.xpending(stream, "g")["consumers"] == [{"name": "failing", "pending": 3}]
                async with service:
                    await service.start()
                    await until(lambda: len(got) == 3)
                    await until(lambda: client.xpending(stream, "g")["pending"] == 0)
        counts = [1] if how == "claim_min_idle_time" else None
        assert got == [(number, counts) for number in range(3)]

    run(body())


def test_streams_without_a_group_and_in_batches(place: Place) -> None:
    async def body() -> None:
        batches: list[list[int]] = []
        service = broker(place)
        reader = service.subscriber(stream=StreamSub("fs:plain", last_id="0"))

        @service.subscriber(stream=StreamSub("fs:plain", last_id="0", batch=True, max_records=2))
        async def batch(numbers: list[int]) -> None:
            batches.append(numbers)

        async with sending(place) as sender, service:
            for number in range(4):
                await sender.publish(number, stream="fs:plain")
            await service.start()
            await until(lambda: batches == [[0, 1], [2, 3]])
            for number in range(4):
                message = await reader.get_one(timeout=DEADLINE_S)
                assert await message.decode() == number

    run(body())


def test_lists_get_an_error_that_names_the_command(place: Place) -> None:
    async def body() -> None:
        async with sending(place) as sender:
            with pytest.raises(ResponseError, match="unknown command 'RPUSH'"):
                await sender.publish("x", list="fs:list")

    run(body())


def test_the_url_of_an_engine_is_enough_when_it_is_known_before_the_import() -> None:
    program = """
import asyncio, airwave
airwave.register_url_schemes()
from faststream.redis import RedisBroker

async def main():
    broker, got = RedisBroker("memory://", logger=None), asyncio.Event()

    @broker.subscriber("greetings")
    async def greet(text: str):
        print(text)
        got.set()

    async with broker:
        await broker.start()
        await broker.publish("hello", "greetings")
        await got.wait()

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("hello\n", "", 0)
