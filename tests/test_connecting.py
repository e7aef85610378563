"""`airwave.connect`: what a URL gives, and what redis-py may be taught."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio
from live import DEADLINE_S

import airwave
from airwave.embedded import EmbeddedConnection

URL = "memory://test-connecting"


@pytest.fixture(autouse=True)
def _no_engine_stays() -> Iterator[None]:
    yield
    airwave.close(URL)


def test_servers_are_left_to_redis_py() -> None:
    client = airwave.connect("redis://user:pw@example.test:7000/3", decode_responses=True)
    options = client.connection_pool.connection_kwargs
    assert (options["host"], options["port"], options["db"], options["decode_responses"]) == (
        "example.test",
        7000,
        3,
        True,
    )
    assert airwave.connect("rediss://x").connection_pool.connection_class is redis.SSLConnection
    assert airwave.connect("unix:///x").connection_pool.connection_class is redis.UnixDomainSocketConnection


@pytest.mark.parametrize("url", ["http://x", "", "memory", "file:relative", "localhost:6379", "MEMORY://x"])
def test_wrong_urls(url: str) -> None:
    with pytest.raises(
        ValueError, match=rf"^{url}: a URL begins with one of memory://, file://, redis://, rediss://, uni"
    ):
        airwave.connect(url)


def test_what_is_wrong_in_a_url_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="no option 'apendfsync'"):
        airwave.connect("memory://?apendfsync=always")


def test_options_are_those_of_redis_py() -> None:
    with airwave.connect(f"{URL}?db=2&client_name=me", db=5, decode_responses=True, protocol=2) as client:
        assert client.client_getname() == "me"
        assert client.client_info()["db"] in ("2", 2)  # the URL wins, as in redis-py
        client.set("a", "é")
        assert client.get("a") == "é"
    with airwave.connect(URL, single_connection_client=True) as client:
        assert client.connection is not None
        assert client.client_id() == client.client_id()
    with pytest.raises(TypeError, match="no_such_option"):
        airwave.connect(URL, no_such_option=1).ping()


def test_passwords() -> None:
    guarded = f"{URL}?requirepass=se%20cret"
    for credentials in (":se%20cret@", "default:se%20cret@"):
        for protocol in (2, 3):
            with airwave.connect(guarded.replace("://", f"://{credentials}"), protocol=protocol) as client:
                assert client.ping()
    with airwave.connect(URL, password="se cret") as client:
        assert client.ping()
    for options in ({}, {"password": "wrong"}):
        with airwave.connect(URL, **options) as client, pytest.raises(redis.AuthenticationError):
            client.ping()


def test_closing_a_client_closes_its_connections() -> None:
    with airwave.connect(URL) as watcher:
        client = airwave.connect(URL)
        pubsub = client.pubsub()
        pubsub.subscribe("news")
        client.ping()
        assert len(watcher.client_list()) == 3
        client.close()
        assert len(watcher.client_list()) == 1
        assert client.ping()  # it connects again, as with a server
        client.close()


def test_redis_py_is_taught_the_schemes_until_the_last_one_is_done() -> None:
    with pytest.raises(ValueError, match="following schemes"):
        redis.from_url(URL)
    first = airwave.register_url_schemes()
    second = airwave.register_url_schemes()
    with redis.from_url(f"{URL}?db=1", decode_responses=True) as client:
        client.set("a", "1")
        assert client.connection_pool.connection_class is EmbeddedConnection
    first()
    first()
    pool = redis.BlockingConnectionPool.from_url(f"{URL}?timeout=0.05&max_connections=1&db=1")
    with redis.Redis.from_pool(pool) as client:
        assert client.get("a") == b"1"
        taken = pool.get_connection()
        with pytest.raises(redis.ConnectionError, match="No connection available"):
            client.get("a")
        pool.release(taken)
    assert redis.from_url("redis://example.test").connection_pool.connection_kwargs["host"] == "example.test"
    second()
    for library in (redis, redis.asyncio):
        with pytest.raises(ValueError, match="following schemes"):
            library.from_url(URL)


def test_files(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/with%20space"
    with airwave.connect(url, decode_responses=True) as client:
        client.set("a", "1")
        assert client.client_info()["addr"].startswith(f"file://{tmp_path}/with%20space:")
    assert (tmp_path / "with space").is_dir()
    with airwave.connect(url, decode_responses=True) as client:
        assert client.get("a") == "1"


def test_importing_airwave_costs_nothing() -> None:
    program = "import sys, airwave; print(sorted({'redis', 'asyncio', 'sqlite3'} & {*sys.modules})); airwave.connect"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )
    assert done.stdout == "[]\n"
    with pytest.raises(AttributeError, match="module 'airwave' has no attribute 'nothing'"):
        airwave.nothing  # noqa: B018
    assert {*airwave.__all__} <= {*dir(airwave)}
