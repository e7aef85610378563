"""airwave sub."""

import json
import os
import re
import signal
import sys
import threading
from datetime import UTC, datetime

import pytest

from .conftest import Process, airwave, client, start_airwave, wait_for


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


# --- since ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def remembering(make_server):
    return make_server("--remember", "news*", "--remember", "short maxlen 3", kind="airwave")


def lines(process, count):
    return [process.line().partition("\t")[2] for _ in range(count)]


@pytest.mark.parametrize(
    ("since", "expected"), [("0", 5), ("-2", 2), ("-0", 0), ("1h", 5), ("2020-01-01", 5), ("ID", 3), ("$", 0)]
)
def test_where_it_begins(remembering, since, expected):
    for number in range(5):
        remembering.client.publish("news", number)
    ids = [entry_id.decode() for entry_id, _ in remembering.client.xrange("news")]
    since = ids[1] if since == "ID" else since
    with subscribed(start_airwave("sub", "--since", since, "news", "--url", remembering.url)) as sub:
        remembering.client.publish("news", 5)
        assert lines(sub, expected + 1) == [str(number) for number in range(5 - expected, 6)]
        sub.interrupt()
        assert sub.wait() == 0
        assert sub.note() is None


def test_json_has_the_id_of_what_is_remembered(remembering):
    with (
        subscribed(start_airwave("sub", "--json", "news", "other", "--url", remembering.url)) as plain,
        subscribed(start_airwave("sub", "--json", "--since", "-0", "news", "--url", remembering.url)) as since,
    ):
        remembering.client.publish("other", "x")
        remembering.client.publish("news", "x")
        [(entry_id, _)] = remembering.client.xrange("news")
        assert "id" not in json.loads(plain.line())
        told = [json.loads(each.line()) for each in (plain, since)]
        assert [list(each) for each in told] == [["channel", "pattern", "data", "id", "time"]] * 2
        assert [each["id"].encode() for each in told] == [entry_id] * 2


def test_a_message_that_several_patterns_match_comes_once(remembering):
    remembering.client.publish("news", "past")
    command = ["sub", "--json", "--since", "0", "--pattern", "n*", "x*", "news*", "--url", remembering.url]
    with subscribed(start_airwave(*command)) as sub:
        remembering.client.publish("news", "live")
        remembering.client.publish("news", "last")
        told = [json.loads(sub.line()) for _ in range(3)]
        assert [(each["data"], each["pattern"]) for each in told] == [("past", "n*"), ("live", "n*"), ("last", "n*")]


class Publisher:
    """Publishes numbers as fast as it can, until it is told to stop."""

    def __init__(self, server, *channels):
        self.count = 0
        self._server, self._channels = server, channels
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        with client(self._server.port) as own:
            while not self._stop.is_set():
                pipeline = own.pipeline(transaction=False)
                for _ in range(10):
                    pipeline.publish(self._channels[self.count % len(self._channels)], self.count)
                    self.count += 1
                pipeline.execute()

    def stop(self):
        self._stop.set()
        self._thread.join()
        return self.count


@pytest.mark.parametrize("names", [["news1", "news2"], ["--pattern", "news*"]])
@pytest.mark.slow
def test_a_publisher_at_full_speed_and_connections_that_break(remembering, names):
    publisher = Publisher(remembering, "news1", "news2")
    try:
        wait_for(lambda: publisher.count > 2000, "messages of the past")
        with subscribed(start_airwave("sub", "--since", "0", *names, "--url", f"{remembering.url}/3")) as sub:
            seen = [int(number) for number in lines(sub, 2500)]
            for _ in range(2):
                wait_for(lambda: remembering.client.client_kill_filter(_type="pubsub"), "the connection")
                assert "lost" in sub.note()
                assert sub.note() == f"Reconnected to {remembering.url}/3: going on where it was"
            count = publisher.stop()
            seen += [int(number) for number in lines(sub, count - len(seen))]
            assert seen == list(range(count))
            sub.interrupt()
            assert sub.wait() == 0
            assert sub.line() is None
    finally:
        publisher.stop()


@pytest.mark.slow
def test_a_durable_server_that_is_killed_and_comes_back(make_server):
    server = make_server("--remember", "news*", "--appendonly", "yes", kind="airwave")
    with subscribed(start_airwave("sub", "--since", "-0", "--pattern", "news:*", "--url", server.url)) as sub:
        server.client.publish("news:1", "one")
        assert lines(sub, 1) == ["one"]
        sub.popen.send_signal(signal.SIGSTOP)
        server.client.publish("news:1", "two")
        server.signal(signal.SIGKILL)
        server.stop()
        server.start()
        server.client.publish("news:2", "three")
        sub.popen.send_signal(signal.SIGCONT)
        assert lines(sub, 2) == ["two", "three"]
        assert "lost" in sub.note()
        assert "going on where it was" in sub.note()
        sub.interrupt()
        assert sub.note() is None


@pytest.mark.slow
def test_history_that_does_not_reach_back_is_told_once(remembering):
    def cut_and_publish(*numbers):
        sub.popen.send_signal(signal.SIGSTOP)
        wait_for(lambda: remembering.client.client_kill_filter(_type="pubsub"), "the connection")
        for number in numbers:
            remembering.client.publish("short", number)
        sub.popen.send_signal(signal.SIGCONT)

    with subscribed(start_airwave("sub", "--since", "0", "short", "--url", remembering.url)) as sub:
        remembering.client.publish("short", 0)
        assert lines(sub, 1) == ["0"]
        cut_and_publish(1, 2, 3)
        assert lines(sub, 3) == ["1", "2", "3"]
        cut_and_publish(4, 5, 6, 7)
        assert lines(sub, 3) == ["5", "6", "7"]
        cut_and_publish(8)
        assert lines(sub, 1) == ["8"]
        sub.interrupt()
        assert sub.wait() == 0
        notes = []
        while (note := sub.note()) is not None:
            notes.append(note)
        assert [note.partition(" ")[0] for note in notes] == [
            *("Connection", "Reconnected"),
            *("Connection", "Reconnected", "Messages"),
            *("Connection", "Reconnected"),
        ]


@pytest.mark.slow
def test_what_the_server_dropped_is_replayed(make_server):
    limit = ("--client-output-buffer-limit", "pubsub", "4mb", "0", "0")
    options = (*limit, "--slow-subscriber-policy", "drop-oldest", "--remember", "news")
    server = make_server(*options, kind="airwave")
    with subscribed(start_airwave("sub", "--since", "-0", "news", "--url", server.url)) as sub:
        sub.popen.send_signal(signal.SIGSTOP)
        for number in range(100):
            server.client.publish("news", b"%03d" % number + bytes(1 << 18))
        assert server.client.info("stats")["dropped_messages"]
        sub.popen.send_signal(signal.SIGCONT)
        assert [line[:3] for line in lines(sub, 100)] == [f"{number:03}" for number in range(100)]
        sub.interrupt()
        assert sub.wait() == 0
        assert sub.note() is None


@pytest.mark.slow
def test_channels_that_no_rule_is_for_may_lose_messages(remembering):
    with subscribed(start_airwave("sub", "--since", "-0", "-p", "*", "--url", remembering.url)) as sub:
        remembering.client.publish("other", 1)
        assert lines(sub, 1) == ["1"]
        remembering.client.client_kill_filter(_type="pubsub")
        assert "lost" in sub.note()
        assert sub.note().endswith(
            "going on where it was; messages of channels that are not remembered may have been missed"
        )


@pytest.mark.slow
def test_it_ends_when_nothing_is_remembered(server, remembering):
    for each, why in (server, "REPLAY"), (remembering, "channel 'other' is not remembered"):
        done = airwave("sub", "--since", "10m", "other", "--url", each.url)
        assert done.returncode == 1
        assert done.stderr.startswith("airwave: --since needs an Airwave server that remembers the channel: ")
        assert why in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("since", ["ten", "-10001", ""])
def test_a_since_that_makes_no_sense(since):
    done = airwave("sub", "--since", since, "news")
    assert done.returncode == 2
    assert done.stderr.startswith("airwave: --since")


@pytest.mark.slow
def test_who_it_is_may_be_told(server, remembering):
    for each in server, remembering:
        with subscribed(start_airwave("sub", "--name", "ada", "news", "--url", each.url)):
            assert [one["name"] for one in each.client.client_list(_type="pubsub")] == ["ada"]
    with subscribed(start_airwave("sub", "--name", "ada", "--since", "0", "news", "--url", remembering.url)):
        [presence] = remembering.client.execute_command("PUBSUB", "SUBSCRIBERS", "news")
        assert dict(presence)[b"name"] == b"ada"
    done = airwave("sub", "--name", "a b", "news", "--url", server.url)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
