"""Handlers with `since`: they begin in the past, and nothing is missing or comes twice, whatever happens meanwhile."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
import redis.exceptions
from live import Node, free_port

import airwave.asyncio
from airwave.bus import Bus, Gap, Message
from airwave.bus.history import position_of, time_of
from airwave.bus.template import Template
from bus.running import run, until

RULES = "h:* trimmed:* maxlen 3"


class World:
    """A server that remembers, a name that nobody else uses there, and a bus."""

    def __init__(self, url: str, client: redis.asyncio.Redis) -> None:
        self.url, self.client = url, client
        self.name = f"h:{uuid.uuid4().hex}"
        self.bus = self.new_bus()

    def new_bus(self) -> Bus:
        self.bus, self.gaps = Bus(self.url), list[Gap]()
        self.bus.on_gap(self.gaps.append)
        return self.bus

    def collect(self, channel: str, **options: Any) -> list[Message]:
        """What a handler gets."""
        got: list[Message] = []

        @self.bus.on(channel, **options)
        async def handle(message: Message) -> None:
            got.append(message)

        return got

    async def publish(self, *data: Any, channel: str = "") -> None:
        async with self.client.pipeline(transaction=False) as pipeline:
            for each in data:
                pipeline.publish(channel or self.name, each)
            await pipeline.execute()

    async def subscribed(self) -> None:
        """Wait until the bus is."""
        while not await self.client.client_list(_type="pubsub"):
            await asyncio.sleep(0.001)

    async def cut(self, *data: Any, channel: str = "") -> None:
        """Cut the subscription, and publish something before it can be back."""
        await self.subscribed()
        async with self.client.pipeline(transaction=False) as pipeline:
            pipeline.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            for each in data:
                pipeline.publish(channel or self.name, each)
            killed, *receivers = await pipeline.execute()
        assert killed >= 1
        assert receivers == [0] * len(data)


@pytest.fixture(params=["memory", "airwave"])
def place(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}"
    return str(request.getfixturevalue("airwave_node").url)


@asynccontextmanager
async def world(url: str, rules: str = RULES) -> AsyncIterator[World]:
    async with airwave.asyncio.connect(url) as client:
        await client.config_set("remember", rules)
        yield World(url, client)


def data(messages: list[Message]) -> list[bytes]:
    return [each.data for each in messages]


def numbers(messages: list[Message]) -> list[int]:
    return [int(each.data) for each in messages]


# --- from the past on -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("0", 5),
        ("-2", 2),
        ("-9", 5),
        ("$", 0),
        ("1h", 5),
        (timedelta(hours=1), 5),
        (datetime(2020, 1, 1, tzinfo=UTC), 5),
        (datetime(2100, 1, 1, tzinfo=UTC), 0),
    ],
)
def test_where_it_begins(memory_url: str, since: Any, expected: int) -> None:
    async def body() -> None:
        async with world(memory_url) as it:
            await it.publish(0, 1, 2, 3, 4)
            got = it.collect(it.name, since=since)
            async with it.bus:
                if since == datetime(2100, 1, 1, tzinfo=UTC):
                    return  # what comes before is not wanted either
                await it.publish(5)
                await until(lambda: got and got[-1].data == b"5")
            assert numbers(got) == [0, 1, 2, 3, 4, 5][5 - expected :]

    run(body())


def test_the_id_of_a_message_is_where_another_process_goes_on(place: str) -> None:
    async def body() -> None:
        async with world(place) as it:
            got = it.collect(it.name, since="0")
            plain = it.collect(it.name)
            async with it.bus:
                await it.publish("a", "b", "c")
                await until(lambda: len(got) == len(plain) == 3)
            assert [each.id for each in got] == [each.id for each in plain]
            assert sorted(got, key=lambda each: each.id or "") == got
            it.new_bus()
            again = it.collect(it.name, since=got[0].id)
            async with it.bus:
                await until(lambda: len(again) == 2)
            assert again == got[1:]
            assert it.gaps == []

    run(body())


def test_messages_of_other_channels_have_no_id(place: str) -> None:
    async def body() -> None:
        async with world(place) as it:
            got = it.collect("forgotten")
            async with it.bus:
                await it.publish("a", channel="forgotten")
                await until(lambda: got)
            assert got == [Message("forgotten", b"a", "forgotten", None)]

    run(body())


def test_a_publisher_at_full_speed_and_connections_that_break(place: str) -> None:
    async def body() -> None:
        async with world(place) as it:
            it.name += ":all"
            count, stop = 0, False

            async def publish() -> None:
                nonlocal count
                async with airwave.asyncio.connect(place) as client:
                    while not stop:
                        async with client.pipeline(transaction=False) as pipeline:
                            for _ in range(20):
                                pipeline.publish(it.name, count)
                                count += 1
                            await pipeline.execute()

            publishing = asyncio.create_task(publish())
            await until(lambda: count > 1000)
            channel = it.collect(it.name, since="0")
            template = it.collect(f"{it.name.rpartition(':')[0]}:{{item}}", since="0", queue=5)
            async with it.bus:
                for _ in range(3):
                    seen = len(template)
                    await until(lambda seen=seen: len(template) > seen + 500)
                    await it.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
                stop = True
                await publishing
                await until(lambda: len(channel) >= count and len(template) >= count)
            assert numbers(channel) == numbers(template) == list(range(count))
            assert it.gaps == []

    run(body())


def test_handlers_get_their_turn_while_much_is_replayed(memory_url: str) -> None:
    async def body() -> None:
        async with world(memory_url) as it:
            await it.publish(*range(2000))
            got = it.collect(it.name, since="0", queue=64, when_full="drop-newest")
            async with it.bus:
                await until(lambda: got and got[-1].data == b"1999")
            assert numbers(got) == list(range(2000))

    run(body())


def test_the_database_does_not_matter(airwave_node: Node) -> None:
    async def body() -> None:
        async with world(f"{airwave_node.url}/3") as it:
            await it.publish("a")
            got = it.collect(it.name, since="0")
            async with it.bus:
                await it.cut("b")
                await until(lambda: len(got) == 2)
            assert data(got) == [b"a", b"b"]

    run(body())


# --- losses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("since", ["$", "-1", "0", "1m"])
def test_what_was_published_without_a_connection_is_made_up_for(memory_url: str, since: str) -> None:
    async def body() -> None:
        async with world(memory_url) as it:
            got = it.collect(it.name, since=since)
            async with it.bus:
                await it.cut("a", "b")
                await until(lambda: len(got) == 2)
                await it.publish("c")
                await it.cut()
                await until(lambda: len(got) == 3)
                await it.cut("d")
                await until(lambda: len(got) == 4)
            assert data(got) == [b"a", b"b", b"c", b"d"]
            assert it.gaps == []

    run(body())


def test_channels_of_a_template_that_are_new_meanwhile(place: str) -> None:
    async def body() -> None:
        async with world(place) as it:
            got = it.collect(f"{it.name}:{{item}}", since="$")
            async with it.bus:
                await it.publish("1", channel=f"{it.name}:a")
                await it.cut("2", channel=f"{it.name}:b")
                await until(lambda: len(got) == 2)
                await it.cut("3", channel=f"{it.name}:a")
                await until(lambda: len(got) == 3)
            assert [each.channel.removeprefix(it.name) for each in got] == [":a", ":b", ":a"]
            assert it.gaps == []

    run(body())


def test_only_handlers_without_since_are_told_of_a_lost_connection(memory_url: str) -> None:
    async def body() -> None:
        async with world(memory_url) as it:
            plain = it.collect(it.name)
            got = it.collect(it.name, since="$")
            async with it.bus:
                await it.cut("a")
                await until(lambda: got and it.gaps)
                await it.publish("b")
                await until(lambda: len(got) == 2 and plain)
            assert data(plain) == [b"b"]
            assert data(got) == [b"a", b"b"]
            [gap] = it.gaps
            assert (gap.reason, gap.channels) == ("connection", (it.name,))
            assert it.bus.stats.events.gaps == 1

    run(body())


def test_a_channel_of_the_template_that_no_rule_is_for_may_have_a_gap(memory_url: str) -> None:
    async def body() -> None:
        async with world(memory_url, "h:1") as it:
            got = it.collect("h:{item}", since="$")
            async with it.bus:
                await it.cut("a", channel="h:1")
                await until(lambda: len(got) == 1)
                assert it.gaps == []
                await it.subscribed()
                await it.publish("b", channel="h:2")
                await until(lambda: len(got) == 2)
                await it.cut("lost", channel="h:2")
                await until(lambda: it.gaps)
                await it.cut("c", channel="h:1")
                await until(lambda: len(got) == 3)
            assert data(got) == [b"a", b"b", b"c"]
            assert got[1].id is None
            assert {(gap.reason, gap.channels) for gap in it.gaps} == {("connection", ("h:{item}",))}

    run(body())


def test_history_that_does_not_reach_back_is_one_gap(place: str, caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        async with world(place) as it:
            it.name = f"trimmed:{it.name}"
            got = it.collect(it.name, since="0")
            order: list[Any] = got

            @it.bus.on_gap
            async def gap(gap: Gap) -> None:
                order.append(gap)

            async with it.bus:
                await it.publish("a")
                await until(lambda: got)
                before = datetime.now(UTC)
                await it.cut("b", "c", "d")
                await until(lambda: len(got) == 4)  # just so: a was the last that went
                assert it.gaps == []
                await it.cut("e", "f", "g", "h")
                await until(lambda: len(got) == 8)
                await it.cut()
                await it.publish("i")
                await until(lambda: len(got) == 9)
            told = order.pop(4)
            assert data(got) == [b"a", b"b", b"c", b"d", b"f", b"g", b"h", b"i"]
            assert (told.reason, told.channels, told.dropped) == ("history", (it.name,), None)
            assert before - timedelta(seconds=1) <= told.since <= datetime.now(UTC)
            assert it.gaps == [told]

    with caplog.at_level(logging.WARNING, "airwave.bus"):
        run(body())
    assert sum("messages may have been missed (history): trimmed:" in line for line in caplog.messages) == 1


def test_rules_that_are_gone_are_a_gap_and_live_messages_come(
    memory_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        async with world(memory_url) as it:
            got = it.collect(it.name, since="0")
            async with it.bus:
                await it.publish("a")
                await until(lambda: got)
                await it.client.config_set("remember", "")
                await it.cut("lost")
                await until(lambda: it.gaps)
                await it.publish("b")
                await until(lambda: len(got) == 2)
            assert data(got) == [b"a", b"b"]
            assert got[1].id is None
            assert [gap.reason for gap in it.gaps] == ["history"]

    with caplog.at_level(logging.WARNING, "airwave.bus"):
        run(body())
    assert any("history cannot be read any more: channel 'h:" in line for line in caplog.messages)


def test_a_bus_that_is_started_again_goes_on_where_it_stopped(memory_url: str) -> None:
    async def body() -> None:
        async with world(memory_url) as it:
            go = asyncio.Event()
            got: list[int] = []

            @it.bus.on(it.name, since="-1", queue=2)
            async def handle(number: int) -> None:
                await go.wait()
                got.append(number)

            await it.publish(0, 1)
            await it.bus.start()
            await it.publish(*range(2, 50))
            await until(lambda: it.bus.stats.events.queued == 2)
            stopping = asyncio.create_task(it.bus.stop())
            await until(lambda: it.bus._events._subscriber is None)
            go.set()
            await stopping
            assert got == [1, 2, 3]
            await it.publish(50)
            async with it.bus:
                await until(lambda: len(got) == 50)
            assert got == list(range(1, 51))

    run(body())


def test_what_the_server_drops_is_replayed() -> None:
    async def body(url: str) -> None:
        async with world(url, "h:*") as it:
            go, got = asyncio.Event(), list[int]()

            @it.bus.on(it.name, since="$", queue=1)
            async def handle(number: bytes) -> None:
                await go.wait()
                got.append(int(number[:4]))

            async with it.bus:
                for number in range(100):
                    await it.publish(b"%04d" % number + bytes(1 << 18))
                assert (await it.client.info("stats"))["dropped_messages"]
                go.set()
                await until(lambda: len(got) >= 100)
                assert got == list(range(100))
                await it.publish(b"0100")
                await until(lambda: len(got) == 101)
            assert it.gaps == []

    limit = ("--client-output-buffer-limit", "pubsub", "4mb", "0", "0")
    with Node(*limit, "--slow-subscriber-policy", "drop-oldest") as node:
        run(body(node.url))


@pytest.mark.slow
def test_a_durable_server_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    port = free_port()
    options = ("--dir", str(tmp_path), "--appendonly", "yes", "--remember", "h:*")

    async def body(start: Callable[[], Node]) -> None:
        node = start()
        it = World(node.url, airwave.asyncio.connect(node.url))
        got = it.collect(it.name, since="0")
        plain = it.collect(it.name)
        try:
            await it.publish("a")
            async with it.bus:
                await it.publish("b")
                await until(lambda: len(got) == 2)
                node.kill()
                node = start()
                await it.client.connection_pool.disconnect()
                await it.publish("c")
                await until(lambda: len(got) == 3)
                await until(lambda: it.gaps)
                await it.publish("d")
                await until(lambda: len(got) == 4)
            assert data(got) == [b"a", b"b", b"c", b"d"]
            assert data(plain) in ([b"b", b"c", b"d"], [b"b", b"d"])
            assert {gap.channels for gap in it.gaps} == {(it.name,)}
            assert {gap.reason for gap in it.gaps} == {"connection"}
        finally:
            await it.client.aclose()
            node.kill()

    run(body(lambda: Node(*options, port=port)))


@pytest.mark.slow
def test_a_server_without_a_memory_of_its_own_is_a_gap() -> None:
    port = free_port()

    async def body(start: Callable[[], Node]) -> None:
        node = start()
        it = World(node.url, airwave.asyncio.connect(node.url))
        got = it.collect(it.name, since="$")
        try:
            async with it.bus:
                node.kill()
                node = start()
                await it.client.connection_pool.disconnect()
                await until(lambda: it.gaps)
                await it.publish("a")
                await until(lambda: got)
            assert data(got) == [b"a"]
            assert [gap.reason for gap in it.gaps] == ["history"]
        finally:
            await it.client.aclose()
            node.kill()

    run(body(lambda: Node("--remember", "h:*", port=port)))


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("since", ["", "ten", "-10001", datetime(2026, 1, 1)])
def test_a_since_that_makes_no_sense(since: Any) -> None:
    with pytest.raises(ValueError, match=r"'news': since=.*: .+"):

        @Bus("memory://").on("news", since=since)
        async def news(text: str) -> None:
            del text


def start_fails(url: str, match: str) -> None:
    async def body() -> None:
        bus = Bus(url)

        @bus.on("forgotten", since="$")
        async def handle(text: str) -> None:
            del text

        with pytest.raises(redis.exceptions.ResponseError, match=match):
            await bus.start()
        assert bus._state == "made"

    run(body())


def test_plain_redis_remembers_nothing(redis_path: str) -> None:
    start_fails(f"unix://{redis_path}", "^since needs an Airwave server that remembers 'forgotten': .*REPLAY")


def test_a_channel_that_no_rule_is_for(place: str) -> None:
    start_fails(
        place, "^since needs an Airwave server that remembers 'forgotten': channel 'forgotten' is not remembered"
    )


# --- positions --------------------------------------------------------------------------------------------------------


def test_the_time_of_a_position_is_not_in_the_future() -> None:
    position = position_of(Template("a"), "0")
    position.last = 1_700_000_000_000 << 64
    assert time_of(position) == datetime.fromtimestamp(1_700_000_000, UTC)
    position.last = (1 << 128) - 1
    assert time_of(position) <= datetime.now(UTC)
