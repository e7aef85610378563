"""The bus as its users have it: the same code over all three kinds of servers, its life, and its types."""

import asyncio
import logging
import re
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis.asyncio
import redis.exceptions
from live import DEADLINE_S, Node, free_port
from mypy import api

import airwave.asyncio
from airwave.bus import Bus, Entry, Failure, Gap, Message, PayloadError, constant
from bus.running import run, until


class Notification(msgspec.Struct):
    text: str


class Order(msgspec.Struct):
    id: int


# --- the same code everywhere -----------------------------------------------------------------------------------------


def test_events_workers_and_requests(url: str) -> None:
    async def body() -> None:
        bus = Bus(url)
        stream = f"orders:{uuid.uuid4().hex}"
        seen: list[Any] = []
        failures: list[Failure] = []

        @bus.on("notifications:user:{user_id}")
        async def notify(event: Notification, user_id: int) -> None:
            seen.append((event.text, user_id))

        @bus.on("news")
        def news(text: str, message: Message) -> None:
            seen.append((text, message.channel))

        @bus.worker(stream, group="billing", retries=1, backoff=constant(0.0))
        async def bill(order: Order, entry: Entry) -> None:
            seen.append((order.id, entry.stream, entry.attempts))
            if entry.attempts == 1:
                raise LookupError("try again")

        @bus.reply("double")
        async def double(number: int) -> int:
            return number * 2

        bus.on_error(failures.append)
        async with bus:
            assert await bus.publish("notifications:user:42", Notification("hi")) == 1
            assert await bus.publish("notifications:user:42", "not JSON") == 1
            assert await bus.publish("notifications:user:nobody", Notification("hi")) == 1
            assert await bus.publish("news", "extra") == 1
            assert await bus.publish("nobody", b"x") == 0
            assert await bus.request("double", 21, result=int) == 42
            assert re.fullmatch(r"\d+-\d+", await bus.send(stream, Order(7)))
            await until(lambda: len(seen) == 4 and failures)
        assert sorted(map(str, seen)) == sorted(
            map(str, [("hi", 42), ("extra", "news"), (7, stream, 1), (7, stream, 2)])
        )
        assert isinstance(failures[0].error, PayloadError)
        stats = bus.stats
        assert (stats.events.received, stats.events.handled, stats.events.failed) == (4, 3, 1)
        assert stats.events.unmatched == 1
        assert (stats.workers.handled, stats.workers.failed) == (1, 1)

    run(body())


def test_what_is_sent_can_be_read_by_anybody(url: str) -> None:
    async def body() -> None:
        stream = f"orders:{uuid.uuid4().hex}"
        async with Bus(url) as bus:
            entry = await bus.send(stream, Order(1))
            assert await bus.redis.xrange(stream) == [(entry.encode(), {b"data": b'{"id":1}'})]
            same = [await bus.send(stream, Order(2), key="once") for _ in range(2)]
            assert same[0] == same[1]
            assert await bus.redis.xlen(stream) == 2

    run(body())


def test_a_killed_connection_is_a_gap_that_is_told(url: str) -> None:
    async def body() -> None:
        bus = Bus(url)
        gaps: list[Gap] = []
        seen: list[str] = []

        @bus.on("news")
        async def news(text: str) -> None:
            seen.append(text)

        @bus.on_gap
        async def gap(gap: Gap) -> None:
            gaps.append(gap)

        async with bus:
            await bus.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await until(lambda: gaps)
            assert await bus.publish("news", "again") == 1
            await until(lambda: seen)
        assert (seen, [gap.channels for gap in gaps], bus.stats.events.gaps) == (["again"], [("news",)], 1)

    run(body())


def test_a_subscriber_that_is_too_slow_for_the_server_is_a_gap_that_is_told(url: str) -> None:
    async def body() -> None:
        bus = Bus(url)
        gaps: list[Gap] = []
        seen: list[bytes] = []
        go = asyncio.Event()

        @bus.on("news", queue=1)
        async def news(data: bytes) -> None:
            await go.wait()
            seen.append(data[:5])

        @bus.on_gap
        async def gap(gap: Gap) -> None:
            gaps.append(gap)

        async with bus:
            limits = (await bus.redis.config_get("client-output-buffer-limit"))["client-output-buffer-limit"]
            await bus.redis.config_set("client-output-buffer-limit", "pubsub 1mb 0 0")
            try:
                for _ in range(200):
                    if not await bus.publish("news", bytes(1 << 20)):
                        break
                else:
                    pytest.fail("the server did not cut it off")
                assert gaps == []
                go.set()
                await until(lambda: gaps)
                assert await bus.publish("news", b"after") == 1
                await until(lambda: b"after" in seen)
            finally:
                await bus.redis.config_set("client-output-buffer-limit", limits)
        assert [gap.reason for gap in gaps] == ["connection"]

    run(body())


@pytest.mark.parametrize("url", ["memory", "airwave"], indirect=True)
def test_what_a_server_drops_without_cutting_it_off_is_a_gap_that_is_told(url: str) -> None:
    async def body() -> None:
        bus = Bus(url)
        gaps: list[Gap] = []
        seen: list[int] = []
        go = asyncio.Event()

        @bus.on("news", queue=1)
        async def news(data: bytes) -> None:
            await go.wait()
            seen.append(int(data[:5]))

        @bus.on_gap
        async def gap(gap: Gap) -> None:
            gaps.append(gap)

        async with bus:
            settings = {"client-output-buffer-limit": "pubsub 4mb 0 0", "slow-subscriber-policy": "drop-oldest"}
            before = {name: (await bus.redis.config_get(name))[name] for name in settings}
            for name, value in settings.items():
                await bus.redis.config_set(name, value)
            try:
                for number in range(100):
                    assert await bus.publish("news", b"%05d" % number + bytes(1 << 20)) == 1
                go.set()
                await until(lambda: 99 in seen)
            finally:
                for name, value in before.items():
                    await bus.redis.config_set(name, value)
        assert {gap.reason for gap in gaps} == {"server"}
        assert len(seen) + sum(gap.dropped or 0 for gap in gaps) == 100
        assert seen == sorted(seen)

    run(body())


def test_a_server_that_was_away_is_found_again() -> None:
    async def body() -> None:
        port = free_port()
        told: asyncio.Queue[str] = asyncio.Queue()
        first = await asyncio.to_thread(Node, port=port)
        bus = Bus(first.url)

        @bus.on("news")
        async def news(text: str) -> None:
            await told.put(text)

        @bus.on_gap
        async def gap(gap: Gap) -> None:
            await told.put(gap.reason)

        with first:
            await bus.start()
            await bus.publish("news", "before")
            assert await told.get() == "before"
            await asyncio.to_thread(first.kill)
        with pytest.raises(redis.exceptions.ConnectionError):
            await bus.publish("news", "nobody is there")
        with await asyncio.to_thread(Node, port=port):
            assert await told.get() == "connection"
            assert await bus.publish("news", "after") == 1
            assert await told.get() == "after"
            await bus.stop()

    run(body())


@pytest.mark.parametrize(("when_full", "handled"), [("drop-oldest", [0, 1, 2, 8, 9]), ("drop-newest", [0, 1, 2, 3, 4])])
def test_concurrency_queue_and_what_happens_when_it_is_full(url: str, when_full: Any, handled: list[int]) -> None:
    async def body() -> None:
        bus = Bus(url)
        begun: list[int] = []
        gaps: list[Gap] = []
        go = asyncio.Event()

        @bus.on("numbers", concurrency=3, queue=2, when_full=when_full)
        async def number(value: int) -> None:
            begun.append(value)
            await go.wait()

        bus.on_gap(gaps.append)
        async with bus:
            for value in range(3):
                await bus.publish("numbers", value)
            await until(lambda: len(begun) == 3)
            for value in range(3, 10):
                await bus.publish("numbers", value)
            await until(lambda: bus.stats.events.received == 10)
            stats = bus.stats.events
            assert (stats.running, stats.queued, stats.dropped, stats.handled) == (3, 2, 5, 0)
            go.set()
            await until(lambda: gaps)
        assert begun == handled
        assert [(gap.reason, gap.channels, gap.dropped) for gap in gaps] == [("queue", ("numbers",), 5)]

    run(body())


def test_functions_that_hang_keep_nobody_else_from_being_called(memory_url: str) -> None:
    async def body() -> None:
        bus = Bus(memory_url, grace=0.0)
        go = threading.Event()
        hanging, done = [], asyncio.Event()

        @bus.on("hang", concurrency=40)  # more than asyncio has threads, on any machine
        def hang(number: int) -> None:
            hanging.append(number)
            go.wait(DEADLINE_S)

        loop = asyncio.get_running_loop()

        @bus.worker("orders", group="billing", retries=0)
        def bill() -> None:
            loop.call_soon_threadsafe(done.set)

        async with bus:
            for number in range(40):
                await bus.publish("hang", number)
            await until(lambda: len(hanging) == 40)
            await bus.send("orders", Order(1))
            await done.wait()
            go.set()
        await until(lambda: not [each for each in threading.enumerate() if each.name.startswith("airwave.bus")])

    run(body())


def test_what_workers_did_counts_over_all_starts(memory_url: str) -> None:
    bus = Bus(memory_url)

    @bus.worker("orders", group="billing")
    async def bill(order: Order) -> None:
        del order

    async def body(handled: int) -> None:
        async with bus:
            await bus.send("orders", Order(1))
            await until(lambda: bus.stats.workers.handled == handled)
        assert bus.stats.workers.handled == handled

    run(body(1))
    run(body(2))


# --- its life ---------------------------------------------------------------------------------------------------------


def listening(bus: Bus, seen: list[str]) -> Bus:
    @bus.on("news", queue=1)
    async def news(text: str) -> None:
        await asyncio.sleep(0)
        seen.append(text)

    return bus


def test_it_can_be_used_without_a_start(memory_url: str) -> None:
    async def body() -> None:
        bus = Bus(memory_url)
        assert await bus.publish("news", "x") == 0
        assert bus.redis is bus.redis
        await bus.stop()
        await bus.stop()

    run(body())


def test_a_start_twice_is_refused_and_after_a_stop_it_starts_again_in_any_loop(memory_url: str) -> None:
    seen: list[str] = []
    bus = listening(Bus(memory_url), seen)

    async def body(expected: int) -> None:
        async with bus:
            with pytest.raises(RuntimeError, match="the bus is running already: stop it first"):
                await bus.start()
            for number in range(50):
                await bus.publish("news", str(number))
            await until(lambda: len(seen) == expected)
            with pytest.raises(RuntimeError, match="cannot register a handler for 'late' while the bus is running"):
                bus.on("late")(print)

    run(body(50))
    run(body(100))
    assert seen == [str(number) for number in range(50)] * 2


def test_two_event_loops_are_refused(memory_url: str) -> None:
    bus = listening(Bus(memory_url), [])

    async def use() -> None:
        await bus.publish("news", "x")

    async def use_in_another() -> None:
        await use()
        with pytest.raises(RuntimeError, match="used in another event loop: make one for each"):
            await asyncio.to_thread(asyncio.run, use())
        with pytest.raises(RuntimeError, match="used in another event loop"):
            await asyncio.to_thread(asyncio.run, bus.stop())
        await bus.stop()

    run(use_in_another())
    with pytest.raises(RuntimeError, match="a bus is used inside a running event loop"):
        _ = bus.redis


def test_a_loop_that_was_closed_without_a_stop_is_got_over(memory_url: str, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []
    bus = listening(Bus(memory_url), seen)
    asyncio.run(bus.start())

    async def body() -> None:
        with pytest.raises(RuntimeError, match="the bus is running already"):
            await bus.start()
        await bus.stop()
        async with bus:
            await bus.publish("news", "x")
            await until(lambda: seen)

    with caplog.at_level(logging.WARNING, "airwave.bus"):
        run(body())
    assert "the event loop of the bus was closed before the bus was stopped" in caplog.messages


def test_a_start_that_fails_leaves_nothing() -> None:
    async def body() -> None:
        bus = listening(Bus("unix:///nowhere/at.all"), [])
        for _ in range(2):
            with pytest.raises(redis.exceptions.ConnectionError):
                await bus.start()

    run(body())


def test_a_client_that_is_given_is_used_and_not_closed(memory_url: str) -> None:
    async def body() -> None:
        seen: list[str] = []
        async with airwave.asyncio.connect(memory_url, decode_responses=True) as client:
            async with listening(Bus(client=client), seen) as bus:
                assert bus.redis is client
                await bus.publish("news", "x")
                await until(lambda: seen)
            assert await client.ping()
        with pytest.raises(TypeError, match="a URL with options, or a client; not both"):
            Bus(memory_url, client=client)

    run(body())


def test_stop_gives_handlers_their_grace_and_then_cancels(memory_url: str) -> None:
    async def body() -> None:
        bus = Bus(memory_url, grace=0.0)
        begun, ended = asyncio.Event(), []

        @bus.on("slow")
        async def slow(text: str) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(text)

        async with bus:
            await bus.publish("slow", "x")
            await begun.wait()
        assert ended == ["x"]
        assert bus.stats.events.dropped == 1

    run(body())


def test_a_handler_may_stop_the_bus(memory_url: str) -> None:
    async def body() -> None:
        bus = Bus(memory_url)
        stopped = asyncio.Event()

        @bus.on("stop")
        async def stop() -> None:
            await bus.stop()
            stopped.set()

        await bus.start()
        await bus.publish("stop", "")
        await stopped.wait()
        await until(lambda: not bus.stats.events.running)

    run(body())


PROGRAM = """
import asyncio, sys
from airwave.bus import Bus

bus = Bus(sys.argv[1])

@bus.on("work")
async def work(text: str) -> None:
    print("begun", text, flush=True)
    await asyncio.sleep(0.05)
    print("ended", text, flush=True)

bus.run()
print("left")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_ends_with_a_signal_and_finishes_its_work(airwave_node: Node, number: int, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with (
        airwave_node.connect() as peer,
        subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", str(program), airwave_node.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            while not peer.do("PUBLISH", "work", "x"):
                assert process.poll() is None
            assert process.stdout.readline() == "begun x\n"
            process.send_signal(number)
            output, errors = process.communicate(timeout=DEADLINE_S)
        finally:
            process.kill()
    assert (process.returncode, output, errors) == (0, "ended x\nleft\n", "")


def test_run_belongs_into_the_main_thread(memory_url: str) -> None:
    caught: list[BaseException] = []

    def target() -> None:
        try:
            Bus(memory_url).run()
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    assert "belongs into the main thread" in str(caught[0])


# --- registration and types -------------------------------------------------------------------------------------------


def test_what_cannot_work_is_refused_when_it_is_registered(memory_url: str) -> None:
    bus = Bus(memory_url)
    with pytest.raises(ValueError, match=re.escape("* is no wildcard here")):
        bus.on("news:*")(print)
    with pytest.raises(ValueError, match="concurrency and queue must be at least 1"):
        bus.on("news", queue=0)(print)

    def two(order: Order, other: Order) -> None:
        del order, other

    for register in bus.on("news"), bus.reply("news"), bus.worker("news", group="g"):
        with pytest.raises(TypeError, match="nothing is given to the parameter 'other'"):
            register(two)


@pytest.mark.slow
def test_user_code_is_typed() -> None:
    program = Path(__file__).parent / "typed_user.py"
    output, errors, _ = api.run(["--strict", str(program)])
    assert errors == ""
    found = re.findall(r"typed_user.py:(\d+): error: .*\[([\w-]+)\]", output)
    lines = program.read_text().splitlines()
    marked = [(str(number), line.partition("# error: ")[2]) for number, line in enumerate(lines, 1)]
    assert found == [(number, code) for number, code in marked if code], output
