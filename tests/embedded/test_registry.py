"""The engines of a process: what URLs mean, who shares them, forks, the end of the interpreter."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from live import DEADLINE_S

import airwave
from airwave.embedded.registry import parse
from airwave.urls import is_embedded
from embedded.conftest import Run

# --- URLs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("memory://", "memory://"),
        ("memory:///", "memory://"),
        ("memory://a", "memory://a"),
        ("memory://a%20b", "memory://a%20b"),
        ("memory://user:pw@a", "memory://a"),
        ("file:///nowhere/here", "file:///nowhere/here"),
        ("file:///nowhere/../elsewhere/", "file:///elsewhere"),
        ("file:///with%20space", "file:///with%20space"),
    ],
)
def test_names(url: str, name: str) -> None:
    assert is_embedded(url)
    assert parse(url).name == name


def test_a_link_to_a_directory_is_that_directory(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert parse(f"file://{tmp_path}/link").name == parse(f"file://{tmp_path}/real").name


def test_options_and_directives_of_a_query() -> None:
    address = parse(
        "memory://u%3A:p%40@x?db=2&client_name=a%26b&socket_timeout=1&databases=32&notify-keyspace-events=KEA"
        "&client_output_buffer_limit=normal+1mb+1mb+10"
    )
    assert address.directives == {
        "databases": "32",
        "notify-keyspace-events": "KEA",
        "client-output-buffer-limit": "normal 1mb 1mb 10",
    }
    assert address.options == {
        "db": 2,
        "client_name": "a&b",
        "socket_timeout": 1.0,
        "username": "u:",
        "password": "p@",
    }
    assert parse("file:///x?appendfsync=always").directives == {"appendfsync": "always"}
    assert parse("memory://?timeout=3").options == {"timeout": 3.0}  # of a pool, as in any URL for redis-py


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("memory://a/b", "write memory://name, without a path; a database is"),
        ("memory:///0", "without a path"),
        ("file://relative/path", "with three slashes"),
        ("file:///", "with three slashes"),
        ("file://", "with three slashes"),
        ("http://x", "the scheme must be memory:// or file://"),
        ("memory://?apendfsync=always", "no option 'apendfsync'"),
        ("memory://?appendfsync=always", "no option 'appendfsync'"),  # nothing is kept
        ("memory://?port=6380", "no option 'port'"),
        ("memory://?maxclients=3", "no option 'maxclients'"),
        ("memory://?databases=none", "databases"),
        ("memory://?db=one", "Invalid value for 'db'"),
        ("file:///x?appendfsync=maybe", "appendfsync"),
    ],
)
def test_wrong_urls(url: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        parse(url)


# --- who shares -------------------------------------------------------------------------------------------------------


def test_a_name_is_one_engine(url: str) -> None:
    with airwave.connect(url) as one, airwave.connect(url) as two, airwave.connect(f"{url}-other") as other:
        one.set("a", "1")
        assert two.get("a") == b"1"
        assert other.get("a") is None
    with airwave.connect(url) as again:
        assert again.get("a") == b"1"  # it lives without clients
    airwave.close(f"{url}-other")


def test_close_ends_it(url: str) -> None:
    airwave.close(url)  # there is none: nothing happens
    client = airwave.connect(url, single_connection_client=True)
    client.set("a", "1")
    airwave.close(url)
    with pytest.raises(redis.ConnectionError, match=f"{url} was closed"):
        client.get("a")
    assert client.get("a") is None  # of a new engine of that name
    client.close()


def test_directives_must_be_those_of_the_engine_that_runs(url: str) -> None:
    with airwave.connect(f"{url}?databases=4") as client, airwave.connect(f"{url}?databases=4") as same:
        assert client.config_get("databases")["databases"] == "4"
        assert same.ping()
        with airwave.connect(f"{url}?databases=5") as other, pytest.raises(redis.ConnectionError) as caught:
            other.ping()
        assert f"{url} runs already, with another databases: leave it out, or use CONFIG SET" in str(caught.value)
        with airwave.connect(url) as plain:
            assert plain.ping()


def test_a_directory_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(airwave.EmbeddedError, match=r"file://.*/file/sub: Not a directory"):
        airwave.Engine(f"file://{tmp_path}/file/sub")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "airwave.sqlite3").write_text("this is no database, " * 100)
    with pytest.raises(airwave.EmbeddedError, match=r"file://.*/bad: "):
        airwave.Engine(f"file://{tmp_path}/bad")
    with airwave.connect(f"file://{tmp_path}/bad") as client, pytest.raises(redis.ConnectionError, match="/bad: "):
        client.ping()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    program = "import sys, airwave\ntry: airwave.Engine(sys.argv[1])\nexcept airwave.EmbeddedError as e: print(e)"
    with airwave.Engine(f"file://{tmp_path}/data") as engine:
        done = subprocess.run(
            [sys.executable, "-c", program, engine.url], capture_output=True, text=True, timeout=DEADLINE_S, check=True
        )
    assert done.stdout == f"{engine.url}: in use by another Airwave (pid {os.getpid()})\n"


# --- forks ------------------------------------------------------------------------------------------------------------

FORKED = """
import multiprocessing, os, sys
import redis, airwave, airwave.asyncio

client = airwave.connect("memory://shared")
client.set("a", "1")
pubsub = client.pubsub()
pubsub.subscribe("news")
engine = airwave.Engine("memory://shared")
subscription = engine.subscribe("news")
stored = airwave.connect(f"file://{os.getcwd()}/data")
stored.set("a", "1")

def refused(call):
    try:
        call()
    except (redis.ConnectionError, airwave.EmbeddedError) as error:
        assert f"is in the process this one was forked from (pid {os.getppid()}), and cannot be shared" in str(error)
        return
    raise AssertionError(call)

def child():
    refused(lambda: client.get("a"))
    refused(lambda: airwave.connect("memory://shared").get("a"))
    refused(lambda: stored.get("a"))
    refused(lambda: pubsub.get_message(timeout=1))
    refused(lambda: engine.publish("news", "x"))
    refused(lambda: engine.execute("PING"))
    refused(lambda: engine.subscribe("x"))
    refused(lambda: subscription.subscribe("x"))
    refused(lambda: subscription.get(timeout=1))
    refused(lambda: airwave.Engine("memory://shared"))
    refused(lambda: airwave.Engine(f"file://{os.getcwd()}/data"))
    own = airwave.connect("memory://own")
    own.set("b", "2")
    assert own.get("b") == b"2" and own.get("a") is None
    kept = airwave.connect(f"file://{os.getcwd()}/own")
    kept.set("b", "2")
    kept.close()
    subscription.close()
    engine.close()
    client.close()
    stored.close()

if WAY == "fork":
    if not os.fork():
        child()
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
else:
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
assert client.get("a") == b"1" and stored.get("a") == b"1"
stored.set("b", "2")
assert client.publish("news", "x") == 2
assert subscription.get().data == b"x"
stored.close()
with airwave.connect(f"file://{os.getcwd()}/data") as again:
    assert again.mget("a", "b") == [b"1", b"2"]
    # Ours again, so that no warning is due.
for each in (pubsub, client, subscription, engine):
    each.close()
print("well")
"""


@pytest.mark.parametrize("way", ["fork", "multiprocessing"])
def test_a_child_has_no_engine_of_its_parent(run: Run, way: str) -> None:
    assert run(FORKED.replace("WAY", repr(way))) == "well\n"


def test_a_directory_is_free_when_the_parent_is_gone_though_a_child_lives(run: Run, tmp_path: Path) -> None:
    pid = run(f"""
import os, signal, airwave
engine = airwave.Engine("file://{tmp_path}/data")
engine.execute("SET", "a", "1")
if not (pid := os.fork()):
    for descriptor in range(3):
        os.close(descriptor)
    signal.pause()
print(pid, flush=True)
os._exit(0)
""")
    try:
        with airwave.Engine(f"file://{tmp_path}/data") as engine:
            assert engine.execute("GET", "a") == b"1"
    finally:
        os.kill(int(pid), signal.SIGKILL)


# --- the end of the interpreter ---------------------------------------------------------------------------------------


def test_the_interpreter_ends_with_everything_open(run: Run, tmp_path: Path) -> None:
    program = f"""
import atexit
@atexit.register
def still_there():  # behind the end of the engines on disk
    try:
        engine.execute("PING")
    except airwave.EmbeddedError as error:
        assert str(error).endswith("/more was closed: the interpreter ends")
        client.publish("news", "in memory all goes on")
        print("well")
import threading, airwave
client = airwave.connect("memory://x")
stored = airwave.connect("file://{tmp_path}/data")
engine = airwave.Engine("file://{tmp_path}/more")
pubsub = client.pubsub()
pubsub.subscribe("news")
subscription = engine.subscribe("news")
blocked = airwave.connect("file://{tmp_path}/data", socket_timeout=None)
for read in (
    lambda: list(pubsub.listen()),
    lambda: list(subscription),
    lambda: blocked.xread({{"none": "$"}}, block=0),
    lambda: list(engine.follow("s")),
):
    threading.Thread(target=read, daemon=True).start()
while not client.publish("news", "x") or stored.info("clients")["blocked_clients"] != 1:
    pass
for number in range(1000):
    stored.set(f"k{{number}}", number)
    engine.xadd("s", {{"n": number}})
def go_on():
    while True:
        engine.publish("news", "x")
        airwave.connect(engine.url).incr("n")
threading.Thread(target=go_on, daemon=True).start()
while not engine.execute("GET", "n"):
    pass
"""
    assert run(program) == "well\n"
    with airwave.connect(f"file://{tmp_path}/data") as client:
        assert client.dbsize() == 1000
    with airwave.Engine(f"file://{tmp_path}/more") as engine:
        assert engine.xlen("s") == 1000


def test_threads_go_on_when_the_main_one_has_ended(run: Run, tmp_path: Path) -> None:
    program = f"""
import threading, airwave
engine = airwave.Engine("file://{tmp_path}/data?stream-memory=1")
def work():
    threading.main_thread().join()
    for number in range(3000):
        engine.xadd("s", {{"n": number}})
    assert len(engine.xrange("s")) == 3000  # read from disk, in a thread of the storage
    print("well", flush=True)
threading.Thread(target=work).start()
"""
    assert run(program) == "well\n"
    with airwave.Engine(f"file://{tmp_path}/data") as engine:
        assert engine.xlen("s") == 3000


def test_what_was_answered_is_there_after_a_kill(tmp_path: Path) -> None:
    program = f"""
import airwave
client = airwave.connect("file://{tmp_path}/data")
number = 0
while True:
    client.set("n", number)
    client.xadd("s", {{"n": number}})
    print(number, flush=True)
    number += 1
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(50)]
        process.kill()
        lines += process.stdout.readlines()
        last = int([line for line in lines if line.endswith("\n")][-1])
    with airwave.Engine(f"file://{tmp_path}/data") as engine:
        found = engine.execute("GET", "n")
        assert isinstance(found, bytes)
        assert int(found) >= last
        assert [entry.fields[b"n"] for entry in engine.xrange("s")][: last + 1] == [b"%d" % n for n in range(last + 1)]
