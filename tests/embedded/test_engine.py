"""`airwave.Engine`: the direct API."""

import asyncio
import gc
import os
import signal
import threading
from pathlib import Path

import pytest
from live import DEADLINE_S, wait_for
from mypy import api
from redis.exceptions import ResponseError

import airwave
from airwave import EmbeddedError, Engine, Entry
from airwave.embedded.call import Line


def clients(engine: Engine) -> int:
    found = engine.execute("CLIENT", "LIST")
    assert isinstance(found, bytes)
    return found.count(b"\n")


def blocked(engine: Engine) -> int:
    found = engine.execute("INFO", "clients")
    assert isinstance(found, bytes)
    return int(found.split(b"blocked_clients:")[1].split(b"\r\n")[0])


# --- commands ---------------------------------------------------------------------------------------------------------


def test_any_command(engine: Engine) -> None:
    assert engine.execute("SET", "a", 1) == b"OK"
    assert engine.execute(b"INCRBY", "a", 41) == 42
    assert engine.execute("MGET", "a", "none") == [b"42", None]
    with pytest.raises(ResponseError, match="value is not an integer"):
        engine.execute("INCRBY", "a", "x")
    assert asyncio.run(engine.aexecute("GET", "a")) == b"42"
    assert clients(engine) == 1  # one connection serves requests that come one by one


def test_a_database_of_its_own(engine: Engine) -> None:
    with Engine(f"{engine.url}?db=3") as other:
        other.execute("SET", "a", "1")
        assert engine.execute("GET", "a") is None
        assert other.execute("DBSIZE") == 1


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("memory://x?decode_responses=true", "decode_responses is for airwave.connect, not for Engine"),
        ("redis://localhost", "the scheme must be memory:// or file://"),
    ],
)
def test_wrong_urls(url: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Engine(url)


def test_many_at_once(engine: Engine) -> None:
    def work() -> None:
        for _ in range(200):
            engine.execute("INCR", "n")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert engine.execute("GET", "n") == b"1600"
    assert clients(engine) <= 8


def test_a_hundred_tasks_wait_and_a_bounded_number_of_connections_is_kept(engine: Engine) -> None:
    async def body() -> None:
        async with asyncio.timeout(DEADLINE_S):
            tasks = [asyncio.create_task(engine.axread({"s": "$"}, block_ms=0)) for _ in range(100)]
            while blocked(engine) < 100:
                await asyncio.sleep(0)
            engine.xadd("s", {"f": "v"})
            assert [len(read) for read in await asyncio.gather(*tasks)] == [1] * 100

    asyncio.run(body())
    assert clients(engine) == 64


def test_a_connection_that_was_killed_is_not_used_again(engine: Engine) -> None:
    with airwave.connect(engine.url) as client:
        for _ in range(3):
            engine.execute("PING")
            client.client_kill_filter(_type="normal", skipme=True)
            assert engine.execute("PING") == b"PONG"


@pytest.mark.parametrize("way", ["interrupt", "cancel"])
def test_who_gives_up_swallows_no_entry(engine: Engine, way: str) -> None:
    engine.xgroup_create("s", "g")

    def interrupt() -> None:
        wait_for(lambda: blocked(engine) == 1, "the reader to block")
        os.kill(os.getpid(), signal.SIGINT)

    async def cancel() -> None:
        task = asyncio.create_task(engine.axreadgroup("g", "alice", "s", block_ms=0))
        await asyncio.sleep(0)
        assert blocked(engine) == 1
        task.cancel()
        await task

    if way == "interrupt":
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            engine.xreadgroup("g", "alice", "s", block_ms=0)
        thread.join(DEADLINE_S)
    else:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(cancel())
    assert blocked(engine) == 0
    entry = engine.xadd("s", {"f": "v"})
    assert engine.execute("XPENDING", "s", "g") == [0, None, None, None]
    assert [each.id for each in engine.xreadgroup("g", "alice", "s", block_ms=1000)] == [entry]


@pytest.mark.parametrize("way", ["blocking", "task"])
def test_who_is_interrupted_before_the_reply_leaves_it_to_nobody(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    def interrupted(_: Line) -> None:
        raise KeyboardInterrupt

    def ask() -> object:
        return engine.execute("GET", "a") if way == "blocking" else asyncio.run(engine.aexecute("GET", "a"))

    engine.execute("SET", "a", "1")
    with monkeypatch.context() as patch:
        patch.setattr(Line, "take", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ask()
    assert engine.execute("PING") == b"PONG"
    assert ask() == b"1"
    assert clients(engine) == 1


def test_a_request_that_ends_while_the_engine_is_closed_keeps_no_connection(engine: Engine) -> None:
    other = Engine(engine.url)

    async def body() -> None:
        reading = asyncio.create_task(other.axread({"s": "$"}, block_ms=0))
        while blocked(engine) < 1:
            await asyncio.sleep(0)
        other.close()
        engine.xadd("s", {"f": "v"})
        assert len(await reading) == 1

    asyncio.run(body())
    assert clients(engine) == 1


# --- streams ----------------------------------------------------------------------------------------------------------


def test_streams(engine: Engine) -> None:
    first = engine.xadd("s", {"f": "v", b"n": 1})
    second = engine.xadd(b"s", {"f": 1.5})
    assert engine.xlen("s") == 2
    assert engine.xrange("s") == [Entry(b"s", first, {b"f": b"v", b"n": b"1"}), Entry(b"s", second, {b"f": b"1.5"})]
    assert [each.id for each in engine.xrange("s", first=second)] == [second]
    assert [each.id for each in engine.xrange("s", last=first, count=5)] == [first]
    assert engine.xadd("t", {"f": "v"}, id="5-1") == b"5-1"
    assert [(each.stream, each.id) for each in engine.xread({"s": first, "t": "0"}, count=1)] == [
        (b"s", second),
        (b"t", b"5-1"),
    ]
    assert engine.xread({"s": "$"}) == []
    assert engine.xread({"s": "$"}, block_ms=1) == []
    for _ in range(10):
        engine.xadd("u", {"f": "v"}, maxlen=3, approximate=False)
    assert engine.xlen("u") == 3
    assert engine.xadd("u", {"f": "v"}, maxlen=1000)
    assert engine.last_id("t") == b"5-1"
    assert engine.last_id("none") == b"0-0"
    engine.execute("SET", "text", "x")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        engine.last_id("text")


def test_groups(engine: Engine) -> None:
    assert engine.xgroup_create("s", "g", since="0")
    assert not engine.xgroup_create("s", "g")
    ids = [engine.xadd("s", {"n": number}) for number in range(4)]
    read = engine.xreadgroup("g", "alice", "s", count=3)
    assert [each.id for each in read] == ids[:3]
    assert read[0].delivery_count is None
    assert engine.xack("s", "g", ids[0], "9-9") == 1
    claimed = asyncio.run(engine.axreadgroup("g", "bob", "s", claim_ms=0))
    assert [(each.id, each.delivery_count) for each in claimed] == [(ids[1], 1), (ids[2], 1), (ids[3], 0)]
    assert engine.xreadgroup("g", "bob", "s") == []
    with pytest.raises(ResponseError, match="NOGROUP"):
        engine.xreadgroup("none", "bob", "s")
    engine.execute("SET", "text", "x")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        engine.xgroup_create("text", "g")


# --- the end ----------------------------------------------------------------------------------------------------------


def test_a_closed_one_is_refused(engine: Engine) -> None:
    other = Engine(engine.url)
    with other.subscribe("news") as subscription:
        other.close()
        other.close()
        for use in (
            lambda: other.publish("news", "x"),
            lambda: other.subscribe("news"),
            lambda: other.execute("PING"),
            lambda: asyncio.run(other.aexecute("PING")),
            lambda: other.xadd("s", {"f": "v"}),
        ):
            with pytest.raises(EmbeddedError, match=rf"this Engine\('{engine.url}'\) was closed: make another one"):
                use()
        assert engine.publish("news", "x") == 1  # subscriptions go on
        assert subscription.get().data == b"x"  # type: ignore[union-attr]


def test_the_end_of_the_engine_is_told(url: str) -> None:
    with Engine(url) as engine:
        waiting = threading.Thread(target=lambda: airwave.close(url) if wait_for(lambda: blocked(engine), "") else None)
        waiting.start()
        with pytest.raises(EmbeddedError, match=f"{url} was closed"):
            engine.xread({"s": "$"}, block_ms=0)
        waiting.join(DEADLINE_S)
        for use in (lambda: engine.publish("a", "b"), lambda: engine.execute("PING"), lambda: engine.subscribe("a")):
            with pytest.raises(EmbeddedError, match=f"{url} was closed"):
                use()


@pytest.mark.usefixtures("nothing_left")
def test_a_forgotten_one_is_closed(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/data"

    def use() -> None:
        engine = Engine(url)
        engine.execute("SET", "a", "1")
        engine.subscribe("news")

    use()
    gc.collect()


def test_wrong_arguments(engine: Engine) -> None:
    with pytest.raises(ValueError, match="maxsize must be at least 1, not 0"):
        engine.subscribe("news", maxsize=0)
    with pytest.raises(ValueError, match="overflow must be one of drop-oldest, drop-newest, close, not 'wait'"):
        engine.subscribe("news", overflow="wait")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="patterns must be a list, not 'news"):
        engine.subscribe(patterns="news.*")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not NoneType"):
        engine.subscribe("news", None)  # type: ignore[arg-type]
    assert engine.execute("PUBSUB", "CHANNELS") == []


@pytest.mark.slow
def test_types_of_a_users_program() -> None:
    program = Path(__file__).parent / "typed_user.py"
    shown, errors, code = api.run(["--strict", "--no-incremental", "--cache-dir", os.devnull, str(program)])
    assert (code, errors) == (0, ""), shown
