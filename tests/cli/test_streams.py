"""airwave streams."""

import importlib
import json
from datetime import datetime

import pytest

from .conftest import airwave, start_airwave
from .test_demo import Terminal

MODULE = importlib.import_module("airwave.cli.streams")  # airwave.cli.streams as an attribute is the command


@pytest.fixture
def filled(server):
    """A server with two streams, one of which has two groups."""
    for number in (1, 2, 3):
        server.client.xadd("orders", {"n": number}, id=f"{number}-0")
    server.client.xgroup_create("orders", "packers", "0")
    server.client.xgroup_create("orders", b"m\x1b[31m", "$")
    server.client.xreadgroup("packers", "anna", {"orders": ">"}, count=2)
    server.client.xadd(b"\xff\x1b", {"n": 1}, id="1-0")
    return server


def rows(text):
    return [line.split() for line in text.splitlines()]


@pytest.mark.usefixtures("filled")
def test_the_table(url):
    done = airwave("streams", "--interval", "0", "--url", url)
    heading, *lines = rows(done.stdout)
    assert heading == ["stream", "length", "entries/s", "group", "consumers", "lag", "pending", "oldest", "pending"]
    assert lines == [
        ["orders", "3", "–", r"m\x1b[31m", "0", "0", "0", "–"],
        ["packers", "1", "1", "2", "1-0"],
        [r"\xff\x1b", "1", "–", "–", "–", "–", "–", "–"],
    ]
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.usefixtures("filled")
def test_two_looks_give_a_rate(url):
    done = airwave("streams", "ord*", "--interval", "0.01", "--url", url)
    assert rows(done.stdout)[1][:3] == ["orders", "3", "0.0"]
    assert "xff" not in done.stdout


@pytest.mark.usefixtures("filled")
def test_json(url):
    first, second = map(json.loads, airwave("streams", "--json", "--interval", "0", "--url", url).stdout.splitlines())
    assert datetime.fromisoformat(first.pop("time")).tzinfo is not None
    nothing = {"oldest_pending": None, "oldest_pending_age_ms": None}
    assert first == {
        "stream": "orders",
        "length": 3,
        "entries_per_s": None,
        "entries_added": 3,
        "last_id": "3-0",
        "groups": [
            {"name": "m\x1b[31m", "consumers": 0, "pending": 0, "lag": 0, **nothing},
            {"name": "packers", "consumers": 1, "pending": 2, "lag": 1, **nothing, "oldest_pending": "1-0"},
        ],
    }
    assert second["stream_base64"] == "/xs="
    assert second["groups"] == []


@pytest.mark.parametrize("options", [[], ["--interval", "0"], ["nothing*"]])
def test_no_streams(server, url, options):
    server.client.set("text", "x")
    done = airwave("streams", *options, "--url", url)
    assert (done.stdout, done.stderr, done.returncode) == ("", "There are no such streams.\n", 0)


def test_watching_shows_how_fast_a_stream_grows(filled, url):
    with start_airwave("streams", "orders", "--watch", "--json", "--interval", "0.1", "--url", url) as watch:
        assert json.loads(watch.line())["entries_per_s"] is None
        filled.client.xadd("orders", {"n": 4})
        while not json.loads(watch.line())["entries_per_s"]:
            pass
        watch.interrupt()
        assert watch.wait() == 0
        assert watch.note() is None


def test_watching_on_a_terminal(filled, url):
    terminal = Terminal()
    try:
        streams = {"stdin": terminal.slave, "stdout": terminal.slave, "stderr": terminal.slave}
        with start_airwave("streams", "--watch", "--interval", "0.1", "--url", url, **streams) as watch:
            terminal.wait_for("packers")
            filled.client.xgroup_create("orders", "newcomers", "0")
            terminal.wait_for("newcomers")
            watch.interrupt()
            assert watch.wait() == 0
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (0, "0.0s"),
        (59_900, "59.9s"),
        (60_000, "1m 00s"),
        (3_599_999, "59m 59s"),
        (3_600_000, "1h 00m"),
        (90_000_000, "1d 01h"),
    ],
)
def test_spans_are_shown_in_two_units(ms, shown):
    assert MODULE.duration(ms) == shown
