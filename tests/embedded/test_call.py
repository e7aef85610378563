"""Requests without redis-py in between."""

import pytest
import redis
from redis.exceptions import ResponseError

import airwave
from airwave.embedded.call import Line, LineCutError, stateless
from airwave.embedded.registry import opened


@pytest.fixture
def line(url: str) -> Line:
    with opened(url) as node:
        pass
    return Line(node, 0)


def test_a_request_and_its_reply(line: Line) -> None:
    assert line.start([b"SET", b"a", b"x" * 200_000])
    assert line.reply() == b"OK"
    assert line.start([b"GET", b"a"])
    line.wait()
    assert line.reply() == b"x" * 200_000
    assert line.start([b"config", b"get", b"databases"])
    assert line.reply() == [b"databases", b"16"]
    assert line.start([b"GET", b"none"])
    assert line.reply() is None
    line.hang_up()


@pytest.mark.parametrize(
    ("request_", "kind", "text"),
    [
        ([b"NOSUCH"], ResponseError, "unknown command"),
        ([b"GET"], ResponseError, "^wrong number of arguments for 'get' command"),
        ([b"XLEN", b"text"], ResponseError, "^WRONGTYPE Operation against a key"),
        ([b"XREADGROUP", b"GROUP", b"g", b"c", b"STREAMS", b"s", b">"], ResponseError, "^NOGROUP No such key"),
        ([b"RESTORE", b"x", b"0", b"bad"], ResponseError, "DUMP payload"),
    ],
)
def test_errors_are_those_of_redis_py(line: Line, request_: list[bytes], kind: type[Exception], text: str) -> None:
    line.start([b"SET", b"text", b"x"])
    line.reply()
    line.start(request_)
    with pytest.raises(kind, match=text) as ours:
        line.reply()
    with airwave.connect(line.node.url) as client, pytest.raises(kind) as theirs:
        client.execute_command(*request_)
    assert (type(ours.value), str(ours.value)) == (type(theirs.value), str(theirs.value))
    line.hang_up()


def test_it_needs_no_password(url: str) -> None:
    with airwave.Engine(f"{url}?requirepass=secret") as engine, airwave.connect(url) as client:
        assert engine.execute("PING") == b"PONG"
        with pytest.raises(redis.AuthenticationError):
            client.ping()


def test_one_that_was_cut_says_so(engine: airwave.Engine) -> None:
    with opened(engine.url) as node:
        pass
    line = Line(node, 0)
    line.start([b"CLIENT", b"ID"])
    number = line.reply()
    line.start([b"XREAD", b"BLOCK", b"0", b"STREAMS", b"s", b"$"])
    assert engine.execute("CLIENT", "KILL", "ID", number) == 1  # type: ignore[arg-type]
    line.wait()
    with pytest.raises(LineCutError, match=f"{engine.url}: the connection was cut"):
        line.reply()
    assert not line.start([b"SET", b"a", b"1"])
    assert engine.execute("GET", "a") is None
    airwave.close(engine.url)
    with pytest.raises(airwave.EmbeddedError, match="was closed"):
        line.reply()
    with pytest.raises(airwave.EmbeddedError, match="was closed"):
        line.start([b"PING"])


def test_there_must_be_such_a_database(engine: airwave.Engine) -> None:
    with opened(engine.url) as node:
        pass
    with pytest.raises(airwave.EmbeddedError, match="has 16 databases, and no database 16"):
        Line(node, 16)
    assert engine.execute("CLIENT", "LIST").count(b"\n") == 1  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "words",
    ["subscribe x", "PSUBSCRIBE x", "ssubscribe x", "unsubscribe", "MONITOR", "MULTI", "exec", "discard", "watch k",
     "unwatch", "select 1", "hello 3", "auth x", "reset", "quit", "client reply off", ""],
)  # fmt: skip
def test_what_changes_a_connection_is_refused(words: str, engine: airwave.Engine) -> None:
    name = words.split(" ", maxsplit=1)[0].upper() or "nothing"
    with pytest.raises(ValueError, match=f"{name} is not for execute, which has no connection of its own: use airwave"):
        engine.execute(*words.split(" ")) if words else engine.execute()
    assert stateless([b"client", b"id"]) == [b"client", b"id"]
