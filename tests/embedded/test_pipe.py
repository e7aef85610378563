"""The transport of a session: it pauses who writes, loses nothing, and is forgotten."""

import threading

import pytest
import redis
from live import DEADLINE_S, wait_for

import airwave
from airwave.client import HIGH_WATER_BYTES
from airwave.embedded.pipe import Pipe
from airwave.embedded.registry import opened

SUBSCRIBE = b"*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n"


class Reader(Pipe):
    """A client's end that a test reads when it likes."""

    def __init__(self, url: str) -> None:
        self.wakes = 0
        with opened(url) as node:
            super().__init__(node)

    def _wake(self) -> None:
        self.wakes += 1

    def read(self) -> bytes:
        parts = []
        while (data := self.take()) is not None:
            parts.append(data)
            self.taken(len(data))
        return b"".join(parts)


def test_what_is_sent_has_been_done_when_send_returns(url: str) -> None:
    pipe = Reader(url)
    pipe.send(b"PING\r\nSET a 1\r\n")
    assert pipe.read() == b"+PONG\r\n+OK\r\n"
    pipe.send(b"GE")
    assert pipe.read() == b""
    pipe.send(b"T a\r\n")
    assert pipe.read() == b"$1\r\n1\r\n"
    pipe.hang_up()


def test_a_backlog_stays_in_the_session_as_shared_bytes_and_comes_in_order(engine: airwave.Engine) -> None:
    pipe = Reader(engine.url)
    pipe.send(SUBSCRIBE)
    pipe.read()
    count = 5000
    for number in range(count):
        engine.publish("news", b"%d " % number + b"x" * 1000)
    assert pipe.get_write_buffer_size() <= HIGH_WATER_BYTES + 2000
    read = bytearray()

    def numbers() -> list[int]:
        read.extend(pipe.read())
        return [int(part.split(b" ")[0]) for part in read.split(b"\r\n") if part.endswith(b"xxx")]

    wait_for(lambda: len(numbers()) == count, "all messages")
    assert numbers() == [*range(count)]
    engine.publish("news", b"after")
    assert b"after" in pipe.read()
    pipe.hang_up()


def test_who_reads_while_somebody_publishes_never_stands_still(engine: airwave.Engine) -> None:
    """Pausing and reading meet in every way: a resumption that is missed would stop the reader for ever."""
    pipe = Reader(engine.url)
    pipe.send(SUBSCRIBE)
    pipe.read()
    size, count = HIGH_WATER_BYTES // 2, 3000  # each second message pauses the session

    def publish() -> None:
        for _ in range(count):
            engine.publish("news", b"x" * size)

    engine.execute("CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 0 0")
    publisher = threading.Thread(target=publish)
    publisher.start()
    seen = 0

    def read() -> bool:
        nonlocal seen
        seen += pipe.read().count(b"message")
        return seen == count

    wait_for(read, "all messages")
    publisher.join(DEADLINE_S)
    pipe.hang_up()


def test_who_is_over_the_limit_is_cut_off(engine: airwave.Engine, caplog: pytest.LogCaptureFixture) -> None:
    engine.execute("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
    with airwave.connect(engine.url) as client, client.pubsub() as pubsub:
        pubsub.subscribe("news")
        assert client.publish("news", "x") == 1
        published = 0
        while client.publish("news", b"x" * 100_000):
            published += 1
        assert 9 <= published <= 11
        assert client.info("stats")["client_output_buffer_limit_disconnections"] == 1
        assert "client over its output buffer limit is disconnected" in caplog.text
        with pytest.raises(redis.ConnectionError):
            list(iter(lambda: pubsub.get_message(timeout=DEADLINE_S), ...))


def test_nothing_comes_behind_the_end(engine: airwave.Engine) -> None:
    pipe = Reader(engine.url)
    pipe.send(b"PING\r\nQUIT\r\n")
    assert pipe.ended
    with pipe.node.use():
        pipe.write(b"late")
    assert pipe.read() == b"+PONG\r\n+OK\r\n"
    with pytest.raises(BrokenPipeError, match="the engine has closed the connection"):
        pipe.send(b"PING\r\n")
    assert engine.execute("CLIENT", "LIST").count(b"\n") == 1  # type: ignore[union-attr]


def test_hanging_up_forgets_the_session(engine: airwave.Engine) -> None:
    pipe = Reader(engine.url)
    pipe.send(SUBSCRIBE)
    assert engine.publish("news", "x") == 1
    pipe.hang_up()
    pipe.hang_up()
    assert engine.publish("news", "x") == 0
    assert pipe.ended
    assert pipe.read() == b""


def test_an_engine_that_has_ended_says_so(url: str) -> None:
    pipe = Reader(url)
    airwave.close(url)
    with pytest.raises(airwave.EmbeddedError, match=f"{url} was closed"):
        pipe.send(b"PING\r\n")
    pipe.hang_up()
