"""Events: which handlers get a message, what becomes of it, and that no gap is silent."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis.asyncio

import airwave.asyncio
from airwave.bus.events import Events, EventStats
from airwave.bus.handler import FieldError
from airwave.bus.hooks import Failure, Gap, Hooks, Message
from airwave.bus.payload import PayloadError
from airwave.bus.template import Template
from bus.running import run, until


class World:
    """Events on an engine of their own, and what they told."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self.client = client
        self.failures: list[Failure] = []
        self.gaps: list[Gap] = []
        errors, gaps = Hooks("on_error"), Hooks("on_gap")
        errors.add(self._failed)
        gaps.add(self._gap)
        self.events = Events(errors, gaps)

    async def _failed(self, failure: Failure) -> None:
        self.failures.append(failure)

    async def _gap(self, gap: Gap) -> None:
        self.gaps.append(gap)

    def on(self, text: str, target: Any, **options: Any) -> None:
        options = {"concurrency": 1, "queue": 10, "when_full": "wait"} | options
        self.events.add(Template(text), f"{text}!", target, **options)

    def collect(self, text: str, **options: Any) -> list[Any]:
        got: list[Any] = []

        async def target(message: Message, fields: Mapping[str, str]) -> None:
            got.append((message.channel, message.data, dict(fields)))

        self.on(text, target, **options)
        return got

    async def kill(self) -> None:
        """Cut the subscription, and wait until it is back."""
        gaps = self.events.stats.gaps
        assert await self.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1
        await until(lambda: self.events.stats.gaps > gaps)


@asynccontextmanager
async def world(url: str) -> AsyncIterator[World]:
    async with airwave.asyncio.connect(url) as client:
        it = World(client)
        yield it
        await it.events.stop(asyncio.get_running_loop().time() + 1e6)


def stats(**counts: int) -> EventStats:
    return EventStats(**(dict.fromkeys(EventStats.__slots__, 0) | counts))


def test_each_handler_gets_its_messages_and_one_subscription_serves_many(memory_url: str) -> None:
    async def body() -> None:
        async with world(memory_url) as it:
            exact = it.collect("a:1"), it.collect("a:1")
            template = it.collect("a:{x}"), it.collect("a:{y}"), it.collect("a:{y...}")
            await it.events.start(it.client)
            assert await it.client.pubsub_numpat() == 1
            assert await it.client.publish("a:1", "x") == 2  # once as a channel, once as a pattern
            await it.client.publish("a:2:3", "y")
            await until(lambda: it.events.stats.handled == 6)
            assert exact == ([("a:1", b"x", {})],) * 2
            assert template[0] == [("a:1", b"x", {"x": "1"})]
            assert template[2] == [("a:1", b"x", {"y": "1"}), ("a:2:3", b"y", {"y": "2:3"})]
            assert it.events.stats == stats(received=6, handled=6, unmatched=2)

    run(body())


def test_without_handlers_there_is_no_connection(memory_url: str) -> None:
    async def body() -> None:
        async with world(memory_url) as it:
            await it.events.start(it.client)
            assert len(await it.client.client_list()) == 1

    run(body())


def test_what_fails_is_told_and_the_rest_goes_on(memory_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        async with world(memory_url) as it:

            async def target(message: Message, fields: Mapping[str, str]) -> None:
                del fields
                match message.data:
                    case b"raise":
                        raise LookupError("of the handler")
                    case b"payload":
                        raise PayloadError("not Order: no id")
                    case b"field":
                        raise FieldError("field 'x': Expected `int`")
                    case b"cancel":
                        raise asyncio.CancelledError

            it.on("a:{x}", target)
            await it.events.start(it.client)
            for data in "raise", "payload", "field", "cancel", "good":
                await it.client.publish("a:1", data)
            await until(lambda: it.events.stats.handled)
            assert it.events.stats == stats(received=4, handled=1, failed=3, unmatched=1)
            assert [type(failure.error) for failure in it.failures] == [LookupError, PayloadError, RuntimeError]
            assert it.failures[0].message == Message("a:1", b"raise", "a:{x}")
            assert it.failures[0].handler == "a:{x}!"

    with caplog.at_level(logging.WARNING, "airwave.bus"):
        run(body())
    assert caplog.messages == [
        "handler a:{x}! failed with a message on 'a:1': of the handler",
        "handler a:{x}! failed with a message on 'a:1': not Order: no id",
        "handler a:{x}! failed with a message on 'a:1': the handler cancelled itself",
    ]
    assert [record.exc_info is not None for record in caplog.records] == [True, False, True]


def test_a_channel_that_is_no_text_is_escaped(memory_url: str) -> None:
    async def body() -> None:
        async with world(memory_url) as it:
            got = it.collect("a:{x}")
            await it.events.start(it.client)
            await it.client.publish(b"a:\xff", "x")
            await until(lambda: it.events.stats.unmatched)
            assert got == []

    run(body())


def test_after_a_lost_connection_all_is_subscribed_again_and_the_gap_is_told_first(memory_url: str) -> None:
    async def body() -> None:
        async with world(memory_url) as it:
            order: list[str] = []

            async def target(message: Message, fields: Mapping[str, str]) -> None:
                del fields
                order.append(message.channel)

            async def gap(gap: Gap) -> None:
                await it.client.publish("a", "seen: all is subscribed again")
                order.append(gap.reason)

            it.on("a", target)
            it.on("b:{x}", target)
            it.events._gaps.add(gap)
            await it.events.start(it.client)
            await it.kill()
            await it.client.publish("b:1", "y")
            await until(lambda: len(order) == 3)
            assert order == ["connection", "a", "b:1"]
            [told] = it.gaps
            assert (told.reason, told.channels, told.dropped) == ("connection", ("a", "b:{x}"), None)
            await it.kill()
            assert it.events.stats.gaps == len(it.gaps) == 2

    run(body())


def test_what_a_full_queue_drops_is_a_gap_of_that_handler(memory_url: str) -> None:
    async def body() -> None:
        async with world(memory_url) as it:
            go = asyncio.Event()

            async def slow(message: Message, fields: Mapping[str, str]) -> None:
                del message, fields
                await go.wait()

            it.on("a", slow, queue=2, when_full="drop-oldest")
            quick = it.collect("a")
            await it.events.start(it.client)
            for number in range(20):
                await it.client.publish("a", number)
            await until(lambda: len(quick) == 20)
            assert it.events.stats == stats(received=40, handled=20, dropped=17, queued=2, running=1)
            assert it.gaps == []
            go.set()
            await until(lambda: it.gaps)
            [told] = it.gaps
            assert (told.reason, told.channels, told.dropped) == ("queue", ("a",), 17)

    run(body())


def test_a_burst_fits_into_a_small_queue_if_the_handler_is_quick(memory_url: str) -> None:
    """What the connection has read comes without waiting; handlers must get their turn in between."""

    async def body() -> None:
        async with world(memory_url) as it:
            got = it.collect("a", queue=64, when_full="drop-newest")
            await it.events.start(it.client)
            async with it.client.pipeline(transaction=False) as pipeline:
                for number in range(2000):
                    pipeline.publish("a", number)
                await pipeline.execute()
            await until(lambda: len(got) == 2000)
            assert it.events.stats.dropped == 0

    run(body())


def test_who_waits_slows_the_reader_and_loses_nothing(memory_url: str) -> None:
    async def body() -> None:
        async with world(memory_url) as it:
            go = asyncio.Event()
            got: list[bytes] = []

            async def slow(message: Message, fields: Mapping[str, str]) -> None:
                del fields
                await go.wait()
                got.append(message.data)

            it.on("a", slow, queue=3)
            await it.events.start(it.client)
            for number in range(200):
                await it.client.publish("a", number)
            await until(lambda: it.events.stats.queued == 3)
            assert it.events.stats.received < 10
            go.set()
            await until(lambda: len(got) == 200)
            assert got == [b"%d" % number for number in range(200)]

    run(body())


def test_stopping_finishes_what_is_there(memory_url: str) -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(memory_url) as client:
            it = World(client)
            go = asyncio.Event()
            got: list[bytes] = []

            async def slow(message: Message, fields: Mapping[str, str]) -> None:
                del fields
                await go.wait()
                got.append(message.data)

            it.on("a", slow)
            await it.events.start(client)
            for number in range(3):
                await client.publish("a", number)
            await until(lambda: it.events.stats.received == 3)
            stopping = asyncio.create_task(it.events.stop(asyncio.get_running_loop().time() + 1e6))
            await until(lambda: it.events._subscriber is None)
            go.set()
            await stopping
            assert got == [b"0", b"1", b"2"]
            assert it.events.stats == stats(received=3, handled=3)

    run(body())
