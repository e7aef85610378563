"""The plugin in test suites of somebody else: warnings are errors there as well."""

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _a_suite(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = -p no:cacheprovider\n")


def passes(pytester: pytest.Pytester, suite: str, count: int, *options: str) -> pytest.RunResult:
    pytester.makepyfile(test_suite=suite)
    result = pytester.runpytest_inprocess(*options)
    result.assert_outcomes(passed=count)
    return result


def test_it_loads_nothing_heavy() -> None:
    program = """
import sys
import pytest
before = set(sys.modules)
import airwave.testing.plugin
print(*sorted({name.split(".")[0] for name in set(sys.modules) - before} - {"airwave"}))
print(*sorted(name for name in sys.modules if name.startswith("airwave")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules, own = done.stdout.splitlines()
    assert not set(modules.split()) & {"redis", "asyncio", "uvloop", "sqlite3", "hiredis", "typer", "rich"}
    assert own.split() == ["airwave", "airwave.testing", "airwave.testing.plugin", "airwave.version"]


def test_a_server_for_the_run_and_a_client_that_finds_it_empty(pytester: pytest.Pytester) -> None:
    suite = """
import pytest, redis

seen = []

@pytest.mark.parametrize("turn", [1, 2])
def test_client(airwave_client, airwave_server, turn):
    assert airwave_client.keys() == []
    assert airwave_client.execute_command("PUBSUB", "CHANNELS") == []
    assert airwave_client.set("k", "v")
    assert airwave_client.get("k") == b"v"
    left = redis.Redis.from_url(airwave_server.url).pubsub()
    left.subscribe("news")
    assert left.get_message(timeout=30)["type"] == "subscribe"
    own = airwave_client.pubsub()
    own.subscribe("news")
    assert own.get_message(timeout=30)["type"] == "subscribe"
    seen.append(left)                           # neither is closed
    assert airwave_server.url == f"redis://127.0.0.1:{airwave_server.port}"
    with redis.Redis(port=airwave_server.port, db=3) as client:
        client.set("other", 1)

def test_the_server_stays(airwave_server):
    with redis.Redis.from_url(airwave_server.url) as client:
        assert client.get("k") == b"v"
    for each in seen:
        each.close()
        each.connection_pool.disconnect()
"""
    passes(pytester, suite, 3)


def test_what_one_fixture_puts_in_no_other_takes_away(pytester: pytest.Pytester) -> None:
    suite = """
import asyncio, pytest

@pytest.fixture
def seeded(airwave_client):
    airwave_client.set("k", "v")

def test_both(seeded, airwave_async_client):
    async def main():
        assert await airwave_async_client.get("k") == b"v"
    asyncio.run(main())
"""
    passes(pytester, suite, 1)


def test_memory_url(pytester: pytest.Pytester) -> None:
    suite = """
import threading
import pytest, redis, airwave

urls = []

@pytest.mark.parametrize("turn", [1, 2])
def test_memory(airwave_memory_url, turn):
    urls.append(airwave_memory_url)
    client = airwave.connect(airwave_memory_url)
    client.set("k", "v")
    only_a_url = redis.Redis.from_url(airwave_memory_url, decode_responses=True)
    assert only_a_url.get("k") == "v"
    client.close()
    only_a_url.close()

def test_it_is_undone():
    assert len(set(urls)) == 2
    with pytest.raises(ValueError):
        redis.Redis.from_url(urls[0])
    with airwave.connect(urls[0]) as client:
        assert client.get("k") is None
    airwave.close(urls[0])
    assert not [thread for thread in threading.enumerate() if "memory" in thread.name]
"""
    passes(pytester, suite, 3)


@pytest.fixture
def only_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other plugins of this environment: they take seconds to load in each process."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.mark.usefixtures("only_ours")
def test_each_worker_has_a_server_of_its_own(pytester: pytest.Pytester) -> None:
    suite = """
import pytest

@pytest.mark.parametrize("turn", range(4))
def test_alone(airwave_client, airwave_server, turn, worker_id):
    assert airwave_client.keys() == []
    airwave_client.set(worker_id, turn)
    assert airwave_client.keys() == [worker_id.encode()]
    with open(f"{worker_id}.port", "w") as file:
        file.write(str(airwave_server.port))
"""
    passes(pytester, suite, 4, "-p", "airwave.testing.plugin", "-p", "xdist", "-n", "2")
    ports = [path.read_text() for path in pytester.path.glob("*.port")]
    assert len(set(ports)) == len(ports) == 2


@pytest.mark.usefixtures("only_ours")
def test_nothing_is_started_for_who_asks_for_nothing(pytester: pytest.Pytester) -> None:
    suite = """
import sys, threading

def test_plain():
    assert threading.active_count() == 1
    assert "airwave.serving" not in sys.modules
"""
    pytester.makepyfile(test_suite=suite)
    pytester.runpytest_subprocess("-p", "airwave.testing.plugin").assert_outcomes(passed=1)


def test_fixtures_tell_what_they_are(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("")
    result = pytester.runpytest_inprocess("--fixtures", "-q")
    for name in ("airwave_server", "airwave_client", "airwave_async_client", "airwave_memory_url", "airwave_empty"):
        result.stdout.fnmatch_lines([f"{name}*"])
