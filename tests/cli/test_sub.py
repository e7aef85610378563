"""airwave sub."""

import json
import os
import re
import signal
import sys
from datetime import UTC, datetime

import pytest

from .conftest import Process, airwave, start_airwave, wait_for


def subscribed(process):
    """Wait until the subscription stands."""
    note = process.note()
    assert note.startswith("Subscribed to "), note
    return process


def test_a_conversation(server, url):
    with subscribed(start_airwave("sub", "news", "weather", "--url", url)) as sub:
        assert airwave("pub", "news", "hello", "--url", url).stdout == "Delivered to 1 subscriber(s)\n"
        assert sub.line() == "news\thello"
        server.client.publish("weather", "rain")
        assert sub.line() == "weather\train"
        sub.interrupt()
        assert sub.wait() == 0
        assert sub.line() is None
        assert sub.note() is None


def test_patterns_and_count(server, url):
    with subscribed(start_airwave("sub", "--pattern", "user:*", "--count", "2", "--url", url)) as sub:
        server.client.publish("user:1", "one")
        server.client.publish("order:1", "not this")
        server.client.publish("user:2", "two")
        assert [sub.line(), sub.line(), sub.line()] == ["user:1\tone", "user:2\ttwo", None]
        assert sub.wait() == 0


def test_nothing_foreign_reaches_the_terminal_raw(server, url):
    with subscribed(start_airwave("sub", "--pattern", "*", "--url", url)) as sub:
        server.client.publish(b"a\x1b[2Jb", b"\x1b]0;owned\x07\r\n\xff\x9b" + "\u202e\x85é".encode())
        assert sub.line() == r"a\x1b[2Jb" + "\t" + r"\x1b]0;owned\x07\r\n\xff\x9b\u202e\u0085é"


def test_json(server, url):
    with subscribed(start_airwave("sub", "news", "--json", "--url", url)) as sub:
        before = datetime.now(UTC)
        server.client.publish("news", '{"a": "é\x7f\u202e\n"}')
        line = sub.line()
        assert line.isascii()
        assert "\x7f" not in line
        event = json.loads(line)
        assert list(event) == ["channel", "pattern", "data", "time"]
        assert before <= datetime.fromisoformat(event.pop("time")) <= datetime.now(UTC)
        assert event == {"channel": "news", "pattern": None, "data": '{"a": "é\x7f\u202e\n"}'}


def test_json_of_what_is_not_utf8(server, url):
    with subscribed(start_airwave("sub", "--json", "--pattern", b"\xff*", "--url", url)) as sub:
        server.client.publish(b"\xff1", b"\x00\xff")
        event = json.loads(sub.line())
        event.pop("time")
        assert event == {"channel_base64": "/zE=", "pattern_base64": "/yo=", "data_base64": "AP8="}


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.slow
def test_it_reconnects_and_says_what_may_be_missing(server, url, options):
    with subscribed(start_airwave("sub", "news", *options, "--url", url)) as sub:
        server.client.publish("news", "before")
        assert "before" in sub.line()
        server.stop()
        assert sub.note() == f"Connection to {url} lost: reconnecting"
        server.start()
        assert sub.note() == f"Reconnected to {url}: messages published in between may have been missed"
        server.client.publish("news", "after")
        assert "after" in sub.line()
        server.client.client_kill_filter(_type="pubsub")
        assert "lost" in sub.note()
        assert "may have been missed" in sub.note()


@pytest.mark.slow
def test_what_the_server_dropped_is_told(make_server):
    limit = ("--client-output-buffer-limit", "pubsub", "4mb", "0", "0")
    server = make_server(*limit, "--slow-subscriber-policy", "drop-oldest", kind="airwave")
    with subscribed(start_airwave("sub", "news", "--url", server.url)) as sub:
        sub.popen.send_signal(signal.SIGSTOP)
        for number in range(200):
            server.client.publish("news", b"%d" % number + bytes(1 << 18))
        sub.popen.send_signal(signal.SIGCONT)
        seen = 1
        while "\t199" not in sub.line()[:8]:
            seen += 1
        notes = []
        while seen + sum(notes) < 200:
            notes.append(int(re.fullmatch(r"(\d+) message\(s\) are missing here: .*", sub.note())[1]))
        assert seen + sum(notes) == 200
        assert notes


@pytest.mark.slow
def test_a_password_that_is_asked_for_later_ends_it(server, url):
    with subscribed(start_airwave("sub", "news", "--url", url)) as sub:
        server.client.config_set("requirepass", "sesame")
        server.client.client_kill_filter(_type="pubsub")
        assert "lost" in sub.note()
        assert "refused access" in sub.note()
        assert sub.wait() == 1


def test_refused_by_the_access_rules(server):
    server.client.acl_setuser("default", enabled=True, channels=["open"], reset_channels=True)
    done = airwave("sub", "closed", "--url", server.url)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "permissions" in done.stderr


@pytest.mark.slow
def test_resp3_by_url(server, url):
    with subscribed(start_airwave("sub", "news", "--url", f"{url}?protocol=3&decode_responses=true")) as sub:
        server.client.publish("news", b"\xff")
        assert sub.line() == r"news" + "\t" + r"\xff"


@pytest.mark.slow
def test_a_closed_reader_ends_it_quietly(server, url):
    read, write = os.pipe()
    with subscribed(start_airwave("sub", "news", "--url", url, stdout=write)) as sub:
        os.close(write)
        server.client.publish("news", "one")
        assert os.read(read, 100) == b"news\tone\n"
        os.close(read)  # no further message comes: it must notice by itself
        assert sub.wait() == 0
        assert sub.note() is None


@pytest.mark.slow
def test_a_message_for_a_closed_reader_ends_it_quietly(server, url):
    read, write = os.pipe()
    with subscribed(start_airwave("sub", "news", "--url", url, stdout=write)) as sub:
        os.close(write)
        sub.popen.send_signal(signal.SIGSTOP)
        os.close(read)
        server.client.publish("news", "one")
        sub.popen.send_signal(signal.SIGCONT)
        assert sub.wait() == 0
        assert sub.note() is None


QUICK = """
import sys, airwave.cli
subscription = sys.modules["airwave.cli.subscription"]
subscription._TURN_S, subscription._PING_AFTER_S, subscription._DEAD_AFTER_S = 0.05, 0.05, float(sys.argv.pop())
airwave.cli.main()
"""


@pytest.mark.slow
def test_a_server_that_has_fallen_silent_is_left(server, url):
    """SIGSTOP is what a pulled cable looks like: no answer and no end of the connection."""
    with subscribed(Process([sys.executable, "-c", QUICK, "sub", "news", "--url", url, "0.5"])) as sub:
        server.signal(signal.SIGSTOP)
        assert "lost" in sub.note()
        server.signal(signal.SIGCONT)
        assert "may have been missed" in sub.note()


@pytest.mark.slow
def test_a_quiet_server_is_pinged_and_not_left(server, url):
    with subscribed(Process([sys.executable, "-c", QUICK, "sub", "news", "--url", url, "30"])) as sub:
        pings = lambda: server.client.info("commandstats").get("cmdstat_ping", {}).get("calls", 0)  # noqa: E731
        before = pings()
        wait_for(lambda: pings() > before + 2, "PING while nothing is published")
        server.client.publish("news", "still here")
        assert sub.line() == "news\tstill here"
