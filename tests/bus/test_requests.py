"""Requests: a reply, or an error that says why there is none; and the format, which others can speak."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import redis.asyncio
from live import DEADLINE_S

import airwave.asyncio
from airwave.bus import Bus, Failure, Message, RequestError
from airwave.bus import requests as module
from airwave.bus.subscriber import Subscriber
from bus.running import run, until


class Sum(msgspec.Struct):
    total: int


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on how fast a reply is."""
    monkeypatch.setitem(Bus.request.__kwdefaults__, "timeout", DEADLINE_S)


@asynccontextmanager
async def buses(url: str) -> AsyncIterator[tuple[Bus, Bus]]:
    """One that answers, and one that asks."""
    answering, asking = Bus(url), Bus(url)

    @answering.reply("echo")
    async def echo(value: Any) -> Any:
        return value

    @answering.reply("add:{left}")
    def add(right: int, left: int, message: Message) -> Sum:
        assert message.channel == f"add:{left}"
        return Sum(left + right)

    @answering.reply("fail")
    async def fail() -> None:
        raise LookupError("no such user")

    @answering.reply("odd")
    async def odd() -> object:
        return object()

    async with answering, asking:
        yield answering, asking


def test_a_value_comes_back_as_it_was_written(url: str) -> None:
    async def body() -> None:
        async with buses(url) as (_, asking):
            values = [1, None, [1, {"a": 2.5}], "text", "1", b"\x00\n\xff", ""]
            assert await asyncio.gather(*[asking.request("echo", value) for value in values]) == values
            assert await asking.request("add:1", 2) == {"total": 3}
            assert await asking.request("add:1", 2, result=Sum) == Sum(3)
            assert await asking.request("echo", [3], result=list[int]) == [3]

    run(body())


def test_errors_say_what_was_wrong(memory_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        async with buses(memory_url) as (answering, asking):
            failures: list[Failure] = []
            answering.on_error(failures.append)
            for channel, value, options, reason in [
                ("nobody", 1, {}, "nobody listens on 'nobody': is there a bus with a @bus.reply for it?"),
                ("fail", 1, {}, "the responder on 'fail' failed: LookupError: no such user"),
                ("odd", 1, {}, "the responder on 'odd' failed: TypeError: a payload of type object cannot be"),
                ("add:1", "x", {}, "the responder on 'add:1' failed: PayloadError: not int: "),
                ("add:x", 1, {}, "the responder on 'add:x' failed: FieldError: field 'left': "),
                ("echo", 1, {"result": Sum}, "the reply on 'echo' is not Sum: Expected `object`, got `int`"),
            ]:
                with pytest.raises(RequestError, match=reason.replace("?", r"\?")):
                    await asking.request(channel, value, **options)
            await until(lambda: len(failures) == 3)  # told in threads, behind the replies
            assert {type(failure.error).__name__ for failure in failures} == {
                "LookupError",
                "TypeError",
                "PayloadError",
            }
            with pytest.raises(TypeError, match="cannot be written as JSON"):
                await asking.request("echo", object())
            with pytest.raises(TypeError, match="a payload cannot be"):
                await asking.request("echo", 1, result=str | None)

    with caplog.at_level(logging.CRITICAL, "airwave.bus"):
        run(body())


def test_no_reply_in_time(memory_url: str) -> None:
    async def body() -> None:
        async with Bus(memory_url) as bus, bus.redis.pubsub() as pubsub:
            await pubsub.subscribe("silent")
            await pubsub.get_message(timeout=None)
            with pytest.raises(RequestError, match="nobody listens"):
                await bus.request("nobody", 1)  # so that it is connected
            with pytest.raises(TimeoutError, match=r"no reply on 'silent' within 0.2 s; [01] got the request"):
                await bus.request("silent", 1, timeout=0.2)
            with pytest.raises(TimeoutError, match="no reply on 'silent' within 1e-06 s"):
                await bus.request("silent", 1, timeout=1e-6)
            assert not bus._requests._pending

    run(body())


def test_the_bound_of_waiting_requests(memory_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PENDING_MAX", 2)

    async def body() -> None:
        async with Bus(memory_url) as bus, bus.redis.pubsub() as pubsub:
            await pubsub.subscribe("silent")
            await pubsub.get_message(timeout=None)
            waiting = [asyncio.create_task(bus.request("silent", 1, timeout=1e6)) for _ in range(2)]
            for _ in waiting:
                await pubsub.get_message(timeout=None)
            with pytest.raises(RequestError, match="2 requests wait for their replies already"):
                await bus.request("silent", 1)
            waiting[0].cancel()
            await until(lambda: len(bus._requests._pending) == 1)
            await bus.stop()
            with pytest.raises(RequestError, match="the bus was stopped before a reply came"):
                await waiting[1]

    run(body())


def test_a_lost_connection_fails_what_waits_and_the_next_works(url: str) -> None:
    async def body() -> None:
        async with Bus(url) as asking, airwave.asyncio.connect(url, client_name="mine") as client:
            silent = client.pubsub()
            await silent.subscribe("slow")
            await silent.get_message(timeout=None)
            waiting = asyncio.create_task(asking.request("slow", 1, timeout=1e6))
            request = await silent.get_message(ignore_subscribe_messages=True, timeout=None)
            channel = json.loads(request["data"].partition(b"\n")[0])["reply"]
            await kill_other_subscribers(client)
            with pytest.raises(RequestError, match="the connection for replies was lost before a reply came"):
                await waiting
            again = asyncio.create_task(asking.request("slow", 2, timeout=1e6))
            request = await silent.get_message(ignore_subscribe_messages=True, timeout=None)
            number = json.loads(request["data"].partition(b"\n")[0])["id"]
            assert await client.publish(channel, f'{{"id":"{number}"}}\n"done"') == 1
            assert await again == "done"
            await silent.aclose()

    run(body())


async def kill_other_subscribers(client: redis.asyncio.Redis) -> None:
    """Kill the connections that listen, but those of this client."""
    for row in await client.client_list(_type="pubsub"):
        if row["name"] != "mine":
            await client.execute_command("CLIENT", "KILL", "ID", row["id"])


@pytest.mark.parametrize("lost", [False, True])
def test_a_stop_while_a_request_waits_for_the_connection(
    memory_url: str, lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    connecting, go = asyncio.Event(), asyncio.Event()
    connect = Subscriber._connect

    async def slow(self: Subscriber) -> Any:
        connecting.set()
        await go.wait()
        return await connect(self)

    async def body() -> None:
        async with Bus(memory_url) as bus, airwave.asyncio.connect(memory_url) as client:
            if lost:
                with pytest.raises(RequestError, match="nobody listens"):
                    await bus.request("nobody", 1)  # so that it is connected
            monkeypatch.setattr(Subscriber, "_connect", slow)
            if lost:
                await kill_other_subscribers(client)
                await connecting.wait()
            waiting = [asyncio.create_task(bus.request("nobody", 1, timeout=1e6)) for _ in range(2)]
            await connecting.wait()
            stopping, requests = asyncio.create_task(bus.stop()), bus._requests
            await until(lambda: requests._stopped)
            go.set()
            await stopping
            for each in waiting:
                with pytest.raises(RequestError, match="the bus was stopped before a reply came"):
                    await each

    run(body())


def test_the_first_reply_counts(memory_url: str) -> None:
    async def body() -> None:
        first, second = Bus(memory_url), Bus(memory_url)
        go = asyncio.Event()

        @first.reply("who")
        async def quick() -> str:
            return "first"

        @second.reply("who")
        async def slow() -> str:
            await go.wait()
            return "second"

        async with first, second, Bus(memory_url) as asking:
            assert await asking.request("who", None) == "first"
            go.set()
            await until(lambda: second.stats.events.handled)
            assert await asking.request("who", None) in ("first", "second")

    run(body())


# --- the format -------------------------------------------------------------------------------------------------------


def test_anybody_can_ask(memory_url: str) -> None:
    async def body() -> None:
        async with buses(memory_url), airwave.asyncio.connect(memory_url) as client, client.pubsub() as pubsub:
            await pubsub.subscribe("airwave:reply:mine")
            await pubsub.get_message(timeout=None)
            for request, reply in [
                (b'{"id":"1","reply":"airwave:reply:mine"}\n[1]', b'{"id":"1"}\n[1]'),
                (b'{"id":"2","reply":"airwave:reply:mine","type":"text"}\nhi', b'{"id":"2","type":"text"}\nhi'),
                (
                    b'{"id":"3","reply":"airwave:reply:mine","type":"json"}\n{',
                    b'{"id":"3","error":"PayloadError: not JSON: ',
                ),
            ]:
                assert await client.publish("echo", request) == 1
                message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=None)
                assert message["data"].startswith(reply)

    run(body())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"hello", "it has no header line"),
        (b"hello\n1", "malformed"),
        (b'{"id":"1"}\n1', "missing required field `reply`"),
        (b'{"id":"1","reply":"orders"}\n1', "the channel for the reply must begin with 'airwave:reply:'"),
    ],
)
def test_what_is_no_request_goes_to_the_error_hook(memory_url: str, data: bytes, reason: str) -> None:
    async def body() -> None:
        async with buses(memory_url) as (answering, asking):
            failures: list[Failure] = []
            answering.on_error(failures.append)
            await asking.publish("echo", data)
            await until(lambda: failures)
            assert reason in str(failures[0].error)

    run(body())


def test_what_is_no_reply_is_logged_and_ignored(memory_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        async with buses(memory_url) as (_, asking):
            assert await asking.request("echo", 1) == 1
            for data in b"garbage", b'{"id":"nobody waits for this"}\n1':
                assert await asking.publish(asking._requests._channel, data) == 1
            assert await asking.request("echo", 2) == 2

    with caplog.at_level(logging.WARNING, "airwave.bus"):
        run(body())
    assert [line for line in caplog.messages if "is no reply" in line] == caplog.messages
    assert len(caplog.messages) == 1
