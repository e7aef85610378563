"""A node under a lock: whose thread does what, what is posted, what happens by itself, and the end."""

import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from live import DEADLINE_S, wait_for

import airwave
from airwave.embedded.registry import opened


@contextmanager
def in_the_middle(call: Callable[[], object]) -> Iterator[list[object]]:
    """Have something called by this thread while a command of it is being run: a handler of the log does it.

    Gives what came of it, each time.
    """
    results: list[object] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            del record
            try:
                results.append(call())
            except Exception as error:
                results.append(error)

    handler = Handler()
    log = logging.getLogger("airwave")
    log.addHandler(handler)
    log.propagate = False
    try:
        yield results
    finally:
        log.removeHandler(handler)
        log.propagate = True


def log_something(engine: airwave.Engine) -> None:
    """Make a node log an event while it holds its lock."""
    with engine.subscribe("full", maxsize=1) as subscription:
        for _ in range(2):
            engine.publish("full", "x")
        assert subscription.dropped == 1


# --- from within a command --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["publish", "execute", "subscribe", "Engine", "connect", "close", "client"])
def test_a_command_from_within_a_command_is_refused(engine: airwave.Engine, what: str) -> None:
    client = airwave.connect(engine.url)
    client.ping()
    calls: dict[str, Callable[[], object]] = {
        "publish": lambda: engine.publish("news", "x"),
        "execute": lambda: engine.execute("PING"),
        "subscribe": lambda: engine.subscribe("news"),
        "Engine": lambda: airwave.Engine(engine.url),
        "connect": lambda: airwave.connect(engine.url).ping(),
        "close": lambda: airwave.close(engine.url),
        "client": client.ping,
    }
    with in_the_middle(calls[what]) as results:
        log_something(engine)
    (result,) = results
    assert isinstance(result, airwave.EmbeddedError | redis.ConnectionError)
    assert f"{engine.url} is in the middle of a command of this very thread" in str(result)
    assert engine.execute("PING") == b"PONG"
    assert client.ping()
    client.close()


def test_what_is_forgotten_within_a_command_is_closed_behind_it(engine: airwave.Engine) -> None:
    client = airwave.connect(engine.url, single_connection_client=True)
    client.ping()
    other = airwave.Engine(engine.url)
    other.execute("PING")
    forgotten = [client, client.pubsub(), other, other.subscribe("gone")]
    forgotten[1].subscribe("gone")
    gone = weakref.ref(other)
    assert engine.execute("PUBSUB", "NUMSUB", "gone") == [b"gone", 2]
    del client, other

    def forget() -> None:
        forgotten.clear()
        gc.collect()

    with in_the_middle(forget):
        log_something(engine)
    assert gone() is None
    assert engine.execute("PUBSUB", "NUMSUB", "gone") == [b"gone", 0]
    assert len(engine.execute("CLIENT", "LIST").splitlines()) == 1  # type: ignore[union-attr]


def test_a_collector_that_comes_at_any_time(url: str) -> None:
    """Clients are dropped in cycles, so that the collector closes them, in whatever thread and at whatever moment."""
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(30):
                client = airwave.connect(url)
                pubsub = client.pubsub()
                pubsub.subscribe(f"c{number}")
                client.publish(f"c{number}", "x" * 1000)
                cycle = [client, pubsub]
                cycle.append(cycle)  # type: ignore[arg-type]
                assert client.incr(f"n{number}") == turn + 1
        except BaseException as error:
            errors.append(error)

    old = gc.get_threshold()
    gc.set_threshold(50)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_S)
    finally:
        gc.set_threshold(*old)
    assert not any(thread.is_alive() for thread in threads)
    assert errors == []
    gc.collect()
    with airwave.connect(url) as client:
        wait_for(lambda: len(client.client_list()) == 1, "the others to be gone")


def test_nothing_is_done_any_more_while_modules_are_taken_apart(
    engine: airwave.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[bool] = []
    with opened(engine.url) as node:
        pass
    monkeypatch.setattr(type(node), "_is_finalizing", lambda _: True)
    node.post(lambda: called.append(True))
    assert not called
    assert not node.posted


def test_a_fault_of_what_was_posted_is_logged_and_harms_nobody(
    engine: airwave.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(engine.url) as node:
        node.post(lambda: 1 / 0)  # type: ignore[arg-type]
        node.post(lambda: None)
    assert engine.execute("PING") == b"PONG"
    assert "division by zero" in caplog.text


@pytest.mark.parametrize("way", ["publish", "execute", "client"])
def test_who_was_closed_while_the_lock_was_held_is_closed_for_the_next_command(
    engine: airwave.Engine, way: str
) -> None:
    with opened(engine.url) as node:
        pass
    client = airwave.connect(engine.url)
    client.ping()
    subscription = engine.subscribe("news")
    node.posted.append(subscription._mailbox.leave)  # as `post` leaves it, if somebody else has the lock
    commands: dict[str, Callable[[], object]] = {
        "publish": lambda: engine.publish("news", "x"),
        "execute": lambda: engine.execute("PUBLISH", "news", "x"),
        "client": lambda: client.publish("news", "x"),
    }
    assert commands[way]() == 0
    client.close()


# --- what happens by itself -------------------------------------------------------------------------------------------


def test_a_blocked_command_ends_by_itself(url: str) -> None:
    with airwave.connect(url) as client:
        started = time.monotonic()
        assert client.xread({"none": "$"}, block=30) in ([], {})
        assert time.monotonic() - started >= 0.03
        client.client_pause(30, all=True)
        assert client.ping()  # the pause ends while nobody else is there


def test_a_key_expires_and_an_idle_client_is_closed_by_the_cron(url: str) -> None:
    with airwave.connect(url) as client, airwave.connect(url) as idle:
        idle.ping()
        client.config_set("timeout", 1)
        with client.pubsub() as pubsub:  # subscribers are exempt
            client.config_set("notify-keyspace-events", "KEx")
            pubsub.subscribe("__keyevent@0__:expired")
            client.set("a", "1", px=1)
            wait_for(
                lambda: (pubsub.get_message(timeout=DEADLINE_S) or {}).get("type") == "message", "the notification"
            )
        wait_for(lambda: client.ping() and len(client.client_list()) == 1, "the idle client to be closed")


def test_a_scheduled_entry_comes_by_itself(engine: airwave.Engine) -> None:
    engine.execute("XSCHEDULE", "s", "IN", 20, "f", "v")
    (entry,) = engine.xread({"s": "0"}, block_ms=0)
    assert entry.fields == {b"f": b"v"}


# --- who uses it ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("kind", ["memory", "file"])
def test_nothing_is_left(url: str, tmp_path: Path, kind: str) -> None:
    where = url if kind == "memory" else f"file://{tmp_path}/data"
    client = airwave.connect(where)
    client.set("a", "1")
    with client.pubsub() as pubsub:
        pubsub.subscribe("a")
    engine = airwave.Engine(where)
    subscription = engine.subscribe("a")
    assert [each for each in threading.enumerate() if each.name.startswith(f"airwave {kind}://")]
    engine.execute("PING")
    client.close()
    engine.close()
    subscription.close()


def test_data_on_disk_is_closed_with_the_last_and_opened_by_the_next(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/data?appendfsync=always"
    with airwave.connect(url) as one:
        one.set("a", "1")
        assert one.config_get("appendfsync")["appendfsync"] == "always"
        with airwave.connect(url) as two:
            assert two.incr("a") == 2
        assert one.info("persistence")["loading"] == 0
        run_id = one.info("server")["run_id"]
    with airwave.connect(url) as three:
        assert three.get("a") == b"2"
        assert three.info("server")["run_id"] != run_id
    assert one.get("a") == b"2"  # a client that was closed connects again, as with a server
    one.close()


def test_shutdown_ends_it_for_all(url: str) -> None:
    with airwave.Engine(url) as engine, airwave.connect(url) as client, airwave.connect(url) as other:
        other.ping()
        blocked = airwave.connect(url, socket_timeout=None)
        errors: list[Exception] = []

        def read() -> None:
            try:
                blocked.xread({"s": "$"}, block=0)
            except redis.ConnectionError as error:
                errors.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        wait_for(lambda: client.info("clients")["blocked_clients"] == 1, "the reader to block")
        subscription = engine.subscribe("news")
        client.set("a", "1")
        client.shutdown()
        thread.join(DEADLINE_S)
        assert len(errors) == 1
        assert subscription.get() is None
        with pytest.raises(airwave.EmbeddedError, match=f"{url} was shut down: connect again for a new one"):
            engine.publish("news", "x")
        with pytest.raises(airwave.EmbeddedError, match="was shut down"):
            engine.execute("PING")
        assert other.get("a") is None  # of a new one
        blocked.close()


def test_a_closed_client_gets_what_waits_for_it(url: str) -> None:
    with airwave.connect(url) as client, client.pubsub() as pubsub:
        pubsub.subscribe("news")
        size = 100_000
        for number in range(5):  # more than a pipe takes
            client.publish("news", f"{number}" * size)
        airwave.close(url)
        found = [pubsub.get_message(timeout=DEADLINE_S) for _ in range(6)]
        assert [message["data"] for message in found if message][1:] == [f"{n}".encode() * size for n in range(5)]


# --- many at once -----------------------------------------------------------------------------------------------------


def test_threads_share_a_client_and_a_pool(url: str) -> None:
    client = airwave.connect(url, decode_responses=True)
    counts: list[int] = []

    def work() -> None:
        for _ in range(100):
            counts.append(client.incr("n"))
            client.xadd("s", {"n": counts[-1]})
        with client.pipeline() as pipe:
            pipe.incr("n").incr("n")
            pipe.execute()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert len(set(counts)) == 800
    assert client.get("n") == "816"
    assert client.xlen("s") == 800
    client.close()
