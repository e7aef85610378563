"""A subscriber: it hears everything, notices that it does not, and comes back."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import hiredis
import pytest
import redis.asyncio
import redis.exceptions

import airwave.asyncio
from airwave.bus import subscriber as module
from airwave.bus.subscriber import Subscriber
from bus.running import run, until


class Told:
    """What a subscriber told, in order."""

    def __init__(self, client: redis.asyncio.Redis, channels: list[bytes], patterns: list[bytes], **hooks: Any) -> None:
        self.events: list[Any] = []
        self.since: list[datetime] = []
        self.subscriber = Subscriber(
            client,
            "test",
            channels,
            patterns,
            deliver=self.deliver,
            lost=lambda why: self.events.append(why.removeprefix("was ")),
            **{"missed": self.missed} | hooks,
        )

    async def deliver(self, pattern: bytes | None, channel: bytes, data: bytes, entry_id: bytes | None) -> None:
        self.events.append((pattern, channel, data) if entry_id is None else (pattern, channel, data, entry_id))

    async def missed(self, since: datetime, dropped: int | None) -> None:
        self.since.append(since)
        self.events.append("missed" if dropped is None else dropped)


def test_it_hears_channels_and_patterns_in_order(url: str) -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(url, decode_responses=True) as client:
            told = Told(client, [b"a", b"b"], [b"p:*"])
            await told.subscriber.start()
            for channel, data in ("a", "1"), ("p:x", b"\xff"), ("b", "2"), ("a", "3"):
                assert await client.publish(channel, data) == 1
            await until(lambda: len(told.events) == 4)
            assert told.events == [
                (None, b"a", b"1"),
                (b"p:*", b"p:x", b"\xff"),
                (None, b"b", b"2"),
                (None, b"a", b"3"),
            ]
            await told.subscriber.stop()
            while await client.publish("a", "4"):  # the server may not have seen yet that it is gone
                await asyncio.sleep(0)
            assert len(told.events) == 4

    run(body())


def test_a_connection_that_is_killed_comes_back_and_a_gap_is_told(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        begin = datetime.now(UTC)
        async with airwave.asyncio.connect(url) as client:
            told = Told(client, [b"a"], [b"p:*"])
            await told.subscriber.start()
            await client.publish("a", "1")
            await until(lambda: told.events)
            heard = datetime.now(UTC)
            for _ in range(2):
                told.events.clear()
                assert await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
                await until(lambda: "missed" in told.events)
                await client.publish("a", "2")
                await client.publish("p:", "3")
                await until(lambda: len(told.events) == 4)
                assert told.events == ["lost", "missed", (None, b"a", b"2"), (b"p:*", b"p:", b"3")]
            assert begin <= told.since[0] <= heard
            await told.subscriber.stop()

    with caplog.at_level(logging.WARNING, "airwave.bus"):
        run(body())
    assert sum("test: connection lost: " in line for line in caplog.messages) == 2
    assert caplog.messages.count("test: connected again") == 2


def test_a_server_that_cannot_be_reached_at_the_start_is_an_error() -> None:
    async def body() -> None:
        async with redis.asyncio.Redis.from_url("unix:///nowhere/at.all") as client:
            told = Told(client, [b"a"], [])
            with pytest.raises(redis.exceptions.ConnectionError):
                await told.subscriber.start()
            await told.subscriber.stop()
            assert told.events == []

    run(body())


# --- a server that does what the test says ----------------------------------------------------------------------------


class Scripted:
    """Answers each command with what `answer` gives: bytes, None for nothing, or ... to close the connection."""

    def __init__(self, answer: Callable[[int, list[bytes]], Any]) -> None:
        self.commands: list[tuple[int, list[bytes]]] = []
        self._answer = answer
        self._connections = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> "Scripted":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        await until(lambda: not self._writers)

    def hang_up(self) -> None:
        """Close all connections."""
        for writer in self._writers:
            writer.close()

    @property
    def client(self) -> redis.asyncio.Redis:
        host, port = self._server.sockets[0].getsockname()[:2]
        return redis.asyncio.Redis(host=host, port=port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        self._writers.add(writer)
        number, parser = self._connections, hiredis.Reader(notEnoughData=...)
        try:
            while data := await reader.read(1 << 16):
                parser.feed(data)
                while (command := parser.gets()) is not ...:
                    self.commands.append((number, command))
                    answer = self._answer(number, command)
                    if answer is ...:
                        return
                    writer.write(answer or b"")
        except ConnectionError:
            pass
        finally:
            writer.close()
            self._writers.discard(writer)


CONFIRMED = b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
PATTERN_CONFIRMED = b"*3\r\n$10\r\npsubscribe\r\n$3\r\np:*\r\n:2\r\n"


def message(data: bytes) -> bytes:
    return b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$%d\r\n%b\r\n" % (len(data), data)


class Clock:
    """The sleeps of a subscriber's watch: each ends when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asleep = self._ticks = 0
        self._wake = asyncio.Semaphore(0)
        self._sleep = asyncio.sleep
        monkeypatch.setattr(module.asyncio, "sleep", self.sleep)

    async def sleep(self, delay: float) -> None:
        if delay != module.SILENCE_S:
            await self._sleep(delay)
            return
        self.asleep += 1
        try:
            await self._wake.acquire()
            self._ticks += 1
        finally:
            self.asleep -= 1

    async def tick(self) -> None:
        """Let one end, and what it leads to happen."""
        await until(lambda: self.asleep)
        ticks = self._ticks
        self._wake.release()
        await until(lambda: self._ticks > ticks)
        for _ in range(10):
            await self._sleep(0)


def test_a_server_that_is_gone_without_a_word_is_found_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(connection: int, command: list[bytes]) -> Any:
        if command[0] == b"SUBSCRIBE":
            return CONFIRMED
        if command[0] == b"PING":
            return b"*2\r\n$4\r\npong\r\n$0\r\n\r\n" if connection > 1 else None
        return b"+OK\r\n"

    async def body() -> None:
        clock = Clock(monkeypatch)
        async with Scripted(answer) as server, server.client as client:
            told = Told(client, [b"a"], [])
            await told.subscriber.start()
            await clock.tick()
            await until(lambda: (1, [b"PING"]) in server.commands)
            assert told.events == []
            await clock.tick()
            await until(lambda: told.events == ["lost", "missed"])
            for count in range(1, 4):  # this one answers, and is kept
                heard_s = told.subscriber._heard_s
                await clock.tick()
                await until(lambda heard_s=heard_s: told.subscriber._heard_s != heard_s)
                assert server.commands.count((2, [b"PING"])) == count
                await clock.tick()
            assert told.events == ["lost", "missed"]
            await told.subscriber.stop()

    with caplog.at_level(logging.WARNING, "airwave.bus"):
        run(body())
    assert "test: connection lost: the server does not answer" in caplog.messages


def test_who_waits_for_room_is_not_taken_for_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(connection: int, command: list[bytes]) -> Any:
        del connection
        return CONFIRMED + message(b"1") if command[0] == b"SUBSCRIBE" else b"+OK\r\n"

    async def body() -> None:
        clock = Clock(monkeypatch)
        async with Scripted(answer) as server, server.client as client:
            told = Told(client, [b"a"], [])
            begun = asyncio.Event()
            go = asyncio.Event()

            async def deliver(pattern: bytes | None, channel: bytes, data: bytes, entry_id: bytes | None) -> None:
                begun.set()
                await go.wait()
                await told.deliver(pattern, channel, data, entry_id)

            told.subscriber._deliver = deliver
            await told.subscriber.start()
            await begun.wait()
            for _ in range(5):
                await clock.tick()
            assert (1, [b"PING"]) not in server.commands
            go.set()
            await until(lambda: told.events == [(None, b"a", b"1")])
            await told.subscriber.stop()

    run(body())


def test_what_comes_between_confirmations_is_delivered_behind_the_gap() -> None:
    def answer(connection: int, command: list[bytes]) -> Any:
        if command[0] == b"SUBSCRIBE":
            return CONFIRMED + message(b"%d" % connection)
        if command[0] == b"PSUBSCRIBE":
            return PATTERN_CONFIRMED + message(b"last")
        return b"+OK\r\n"

    async def body() -> None:
        async with Scripted(answer) as server, server.client as client:
            told = Told(client, [b"a"], [b"p:*"])
            await told.subscriber.start()
            await until(lambda: len(told.events) == 2)
            assert told.events == [(None, b"a", b"1"), (None, b"a", b"last")]
            server.hang_up()
            await until(lambda: len(told.events) == 6)
            assert told.events[2:] == ["lost", "missed", (None, b"a", b"2"), (None, b"a", b"last")]
            await told.subscriber.stop()

    run(body())


def test_what_the_server_has_dropped_is_told_where_it_is_missing() -> None:
    def notice(payload: bytes) -> bytes:
        return b"*3\r\n$7\r\nmessage\r\n$19\r\n__airwave__:dropped\r\n$%d\r\n%b\r\n" % (len(payload), payload)

    def answer(connection: int, command: list[bytes]) -> Any:
        if command[0] == b"COMMAND":
            return b"*1\r\n*1\r\n$9\r\nxschedule\r\n"
        if command[0] == b"SUBSCRIBE":
            assert command[1:] == [b"a", b"__airwave__:dropped"]
            told = (
                (b"1", notice(b"2"), b"4", notice(b"junk"), notice(b"5"), b"8") if connection == 1 else (notice(b"1"),)
            )
            frames = [each if each.startswith(b"*") else message(each) for each in told]
            return CONFIRMED + CONFIRMED.replace(b"$1\r\na", b"$19\r\n__airwave__:dropped") + b"".join(frames)
        return b"+OK\r\n"

    async def body() -> None:
        async with Scripted(answer) as server, server.client as client:
            told = Told(client, [b"a"], [])
            await told.subscriber.start()
            await until(lambda: len(told.events) == 7)
            one, four, eight = [(None, b"a", each) for each in (b"1", b"4", b"8")]
            assert told.events == [one, "too slow", 2, four, "too slow", 3, eight]
            server.hang_up()
            await until(lambda: len(told.events) == 11)
            assert told.events[7:] == ["lost", "missed", "too slow", 1]
            assert told.since == sorted(told.since)
            await told.subscriber.stop()

    run(body())


def test_a_server_that_remembers_is_asked_for_ids() -> None:
    def answer(connection: int, command: list[bytes]) -> Any:
        del connection
        if command[0] == b"COMMAND":
            return b"*1\r\n*1\r\n$9\r\nxschedule\r\n"
        if command[0] == b"CLIENT" and command[1] == b"CAPA":
            return b"-ERR an Airwave from before\r\n"
        if command[0] == b"SUBSCRIBE":
            frames = [message(b"1").replace(b"*3", b"*4") + b"$3\r\n7-0\r\n", message(b"2")]
            frames.append(b"*5\r\n$8\r\npmessage\r\n$3\r\np:*\r\n$3\r\np:x\r\n$1\r\n3\r\n$3\r\n8-0\r\n")
            return CONFIRMED * 2 + b"".join(frames)
        return PATTERN_CONFIRMED if command[0] == b"PSUBSCRIBE" else b"+OK\r\n"

    async def body() -> None:
        async with Scripted(answer) as server, server.client as client:
            told = Told(client, [b"a"], [b"p:*"])
            await told.subscriber.start()
            await until(lambda: len(told.events) == 3)
            assert (1, [b"CLIENT", b"CAPA", b"ids"]) in server.commands
            assert told.events == [(None, b"a", b"1", b"7-0"), (None, b"a", b"2"), (b"p:*", b"p:x", b"3", b"8-0")]
            await told.subscriber.stop()

    run(body())


def test_what_is_to_be_done_before_anything_is_delivered_may_fail_with_the_connection() -> None:
    def answer(connection: int, command: list[bytes]) -> Any:
        return CONFIRMED + message(b"%d" % connection) if command[0] == b"SUBSCRIBE" else b"+OK\r\n"

    async def body() -> None:
        async with Scripted(answer) as server, server.client as client:
            begin_s = time.time()

            async def begin() -> None:
                told.events.append("begin")
                raise redis.exceptions.ConnectionError("the other connection is lost")

            async def missed(since: datetime, dropped: int | None) -> None:
                assert since.timestamp() >= begin_s
                await told.missed(since, dropped)
                if len(told.since) == 1:
                    raise TimeoutError

            told = Told(client, [b"a"], [], begin=begin, missed=missed)
            waits: list[int] = []
            told.subscriber._backoff = lambda attempt: waits.append(attempt) or 0.0  # type: ignore[func-returns-value]
            await told.subscriber.start()
            await until(lambda: len(told.events) == 6)
            assert told.events == ["begin", "lost", "missed", "lost", "missed", (None, b"a", b"3")]
            server.hang_up()
            await until(lambda: len(told.events) == 9)
            assert waits == [1, 2, 1]
            await told.subscriber.stop()

    run(body())


def test_it_tries_again_until_the_server_takes_it(caplog: pytest.LogCaptureFixture) -> None:
    def answer(connection: int, command: list[bytes]) -> Any:
        if connection == 3:
            return ...
        if command[0] != b"SUBSCRIBE":
            return b"+OK\r\n"
        return b"-NOPERM no channels for you\r\n" if connection == 2 else CONFIRMED

    async def body() -> None:
        async with Scripted(answer) as server, server.client as client:
            told = Told(client, [b"a"], [])
            await told.subscriber.start()
            server.hang_up()
            await until(lambda: told.events == ["lost", "missed"])
            await told.subscriber.stop()

    with caplog.at_level(logging.WARNING, "airwave.bus"):
        run(body())
    assert "test: attempt 1 to connect again failed: no channels for you" in caplog.messages
    assert any(line.startswith("test: attempt 2 to connect again failed: ") for line in caplog.messages)


def test_a_refusal_at_the_start_is_an_error() -> None:
    def answer(connection: int, command: list[bytes]) -> bytes:
        del connection
        return b"-NOPERM no channels for you\r\n" if command[0] == b"SUBSCRIBE" else b"+OK\r\n"

    async def body() -> None:
        async with Scripted(answer) as server, server.client as client:
            with pytest.raises(redis.exceptions.NoPermissionError, match="no channels for you"):
                await Told(client, [b"a"], []).subscriber.start()

    run(body())


def test_stopping_at_once_leaves_no_connection(url: str) -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(url, client_name="mine") as client:
            told = Told(client, [b"a"], [])
            await told.subscriber.start()
            await told.subscriber.stop()
            while await client.pubsub_numsub("a") != [(b"a", 0)]:
                await asyncio.sleep(0)

    run(body())


def test_stopping_while_it_tries_to_come_back(memory_url: str) -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(memory_url) as client:
            told = Told(client, [b"a"], [])
            await told.subscriber.start()
            await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await until(lambda: told.events == ["lost"])
            await told.subscriber.stop()
            assert told.events == ["lost"]

    run(body())


def test_a_fault_in_what_is_called_is_logged_and_costs_the_connection_only(
    memory_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(memory_url) as client:
            told = Told(client, [b"a"], [])

            async def deliver(pattern: bytes | None, channel: bytes, data: bytes, entry_id: bytes | None) -> None:
                if data == b"bad":
                    raise LookupError("a fault")
                await Told.deliver(told, pattern, channel, data, entry_id)

            told.subscriber._deliver = deliver
            await told.subscriber.start()
            await client.publish("a", "bad")
            await until(lambda: "missed" in told.events)
            await client.publish("a", "good")
            await until(lambda: (None, b"a", b"good") in told.events)
            await told.subscriber.stop()

    with caplog.at_level(logging.WARNING, "airwave.bus"):
        run(body())
    assert "test: internal error; connecting anew" in caplog.messages
    assert "a fault" in caplog.text
