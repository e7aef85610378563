"""airwave demo: the story, and how it begins and ends."""

import json
import os
import pty
import re
import signal
import socket
import sys
import threading
import urllib.request

import pytest
import redis
from live import wait_for

from airwave.cli.child import free_port as port_for

from .conftest import DEADLINE_S, HOST, Process, free_port, need_redis_server, redis_command, start_airwave
from .conftest import client as connected

# The command as the user calls it, but with another server, with less patience where a test says so,
# and with what `before` does first.
DEMO = """
import json, sys
import redis, airwave.cli
demo = sys.modules["airwave.cli.demo"]
options = json.loads(sys.argv.pop(1))
port_word = "PORT"
demo.run_demo.__kwdefaults__["server_command"] = lambda port, http_port: [
    word.replace(port_word, str(port)) for word in options["server"]
]
demo.run_demo.__kwdefaults__["patience_s"] = options["patience_s"]
exec(options["before"])
airwave.cli.main()
"""


def start_demo(*arguments, server=None, before="", patience_s=DEADLINE_S, **options):
    need_redis_server()
    given = {"server": server or redis_command("PORT"), "before": before, "patience_s": patience_s}
    return Process([sys.executable, "-c", DEMO, json.dumps(given), "demo", *arguments], **options)


def lines_of(demo):
    return list(iter(demo.line, None))


def notes_of(demo):
    return list(iter(demo.note, None))


def _has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def port_is_free(port):
    return port_for(port) == port


STORY = """
user 42 > SUBSCRIBE notifications:user:42
auditor > PSUBSCRIBE notifications:user:*
order desk > PSUBSCRIBE events:orders:*
worker thread > SUBSCRIBE notifications:global cache:invalidate
chat > PUBLISH notifications:user:42  {"type":"new_message"
chat < Delivered to 2 subscriber(s)
user 42 < notifications:user:42  {"type":"new_message"
auditor < notifications:user:42 (by notifications:user:*)  {"type":"new_message"
shop > PUBLISH events:orders:created
shop < Delivered to 1 subscriber(s)
order desk < events:orders:created (by events:orders:*)
shop > PUBLISH events:orders:shipped
order desk < events:orders:shipped (by events:orders:*)
shop > PUBLISH events:orders:cancelled
order desk < events:orders:cancelled (by events:orders:*)
operator > PUBLISH notifications:global
worker thread < notifications:global
app server 1 * loads product:42; cache: {"product:42":{"name":"Radio","price":19.9}}
app server 2 * loads product:42; cache: {"product:42":{"name":"Radio","price":19.9}}
price editor > PUBLISH cache:invalidate
price editor < Delivered to 3 subscriber(s)
worker thread < cache:invalidate
app server 1 * drops product:42; cache: {}
app server 1 * reloads product:42; cache: {"product:42":{"name":"Radio","price":17.5}}
app server 2 * drops product:42; cache: {}
app server 2 * reloads product:42; cache: {"product:42":{"name":"Radio","price":17.5}}
foreman > XGROUP CREATE parcels packers 0 MKSTREAM
shop > XADD parcels *  {"parcel":"1","item":"Radio"}
shop < Stored as entry 1
shop < Stored as entry 4
worker 1 > XREADGROUP GROUP packers 'worker 1' COUNT 1 STREAMS parcels >
worker 1 < entry 1  {"parcel":"1","item":"Radio"}
worker 2 < entry 2  {"parcel":"2","item":"Lamp"}
worker 1 > XACK parcels packers (entry 1)
worker 1 < entry 3  {"parcel":"3","item":"Clock"}
foreman < entry 2 is pending for worker 2
foreman < entry 3 is pending for worker 1
foreman > CLIENT KILL ID (worker 2's)
worker 2 * is gone
worker 1 > XACK parcels packers (entry 3)
worker 1 < entry 4  {"parcel":"4","item":"Map"}
foreman < entry 2 is pending for worker 2
worker 1 > XAUTOCLAIM parcels packers 'worker 1' 0 0-0
worker 1 < entry 2, a second time  {"parcel":"2","item":"Lamp"}
worker 1 > XACK parcels packers (entry 2)
foreman < nothing is pending
archivist > XRANGE parcels - +
archivist < entry 1  {"parcel":"1","item":"Radio"}
archivist < entry 2
archivist < entry 3
archivist < entry 4
chat < Delivered to 0 subscriber(s)
""".strip().splitlines()


def plain(line):
    return re.sub(r"  ([→←•])  ", lambda match: {"→": " > ", "←": " < ", "•": " * "}[match[1]], line).strip()


@pytest.mark.parametrize("arguments", [["--port", "0"], ["--port", "0", "--exit"]])
def test_the_whole_story(arguments):
    with start_demo(*arguments) as demo:
        lines = lines_of(demo)
        assert demo.wait() == 0
        assert notes_of(demo) == []
    rest = iter([plain(line) for line in lines])
    for expected in STORY:
        assert any(line.startswith(expected) for line in rest), f"missing or out of order: {expected}"
    assert any("All 10 messages arrived, in order; 4 parcels are packed, each once;" in line for line in rest)
    assert any("redis-cli -p 6379 PUBLISH" in line for line in rest)
    assert not any("\x1b" in line for line in lines)


@pytest.mark.slow
def test_airwave_plays_it_as_redis_does():
    with start_demo("--port", "0") as demo, start_airwave("demo", "--port", "0", "--exit") as own:
        assert demo.wait() == own.wait() == 0
        transcripts = [[line for line in lines_of(each) if "is running on" not in line] for each in (demo, own)]
    redis_says, airwave_says = ([line for line in lines if "airwave" not in line] for lines in transcripts)
    begin = next(place for place, line in enumerate(airwave_says) if line.startswith("10. But this channel remembers"))
    remembered = airwave_says[begin : begin + 4]
    del airwave_says[begin - 1 : begin + 4]  # with the empty line before it
    assert airwave_says == redis_says
    assert [plain(line) for line in remembered[1:]] == [
        "user 42 > XRANGE notifications:user:42 - +",
        'user 42 < notifications:user:42  {"type":"new_message","from":"Alice","text":"Lunch at noon?"}',
        'user 42 < notifications:user:42  {"type":"new_message","from":"Alice","text":"Anyone?"}',
    ]


@pytest.mark.slow
def test_the_transcript_has_one_possible_order():
    def transcript():
        with start_demo("--port", "0") as demo:
            return [line for line in lines_of(demo) if "is running on" not in line]

    assert transcript() == transcript()


@pytest.mark.slow
@pytest.mark.parametrize("host", [HOST, "::1"])
def test_a_taken_port_is_told_and_another_one_used(host):
    if host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    family = socket.AF_INET6 if host == "::1" else socket.AF_INET
    with (
        socket.create_server((host, 0), family=family) as taken,
        start_demo("--port", str(taken.getsockname()[1])) as demo,
    ):
        lines = lines_of(demo)
        assert demo.wait() == 0
        notice = f"Port {taken.getsockname()[1]} is not free: the demo takes port "
        assert any(line.startswith(notice) for line in lines)


@pytest.mark.slow
def test_the_wanted_port_is_used_and_free_afterwards():
    port = free_port()
    with start_demo("--port", str(port)) as demo:
        assert f"A server is running on {HOST}:{port}; the clients are redis-py." in lines_of(demo)
        assert demo.wait() == 0
    assert port_is_free(port)


# The server counts as it should, but the message goes nowhere.
LOSE = """
publish = redis.Redis.publish
def lose(self, channel, message):
    return 2 if channel == "notifications:user:42" else publish(self, channel, message)
redis.Redis.publish = lose
"""
# In the background thread.
LOSE_LATER = LOSE.replace("2 if", "1 if").replace("notifications:user:42", "notifications:global")
TWICE = """
publish = redis.Redis.publish
def twice(self, channel, message):
    publish(self, channel, message)
    return publish(self, channel, message)
redis.Redis.publish = twice
"""
ALTER = """
publish = redis.Redis.publish
redis.Redis.publish = lambda self, channel, message: publish(self, channel, message.replace("noon", "one"))
"""
MISCOUNT = """
publish = redis.Redis.publish
redis.Redis.publish = lambda self, channel, message: publish(self, channel, message) + 1
"""
# A stream that forgets, deals out twice, alters, takes no acknowledgement, finds nothing to claim, kills nobody.
FORGET = """
redis.Redis.xrange = lambda self, key: []
"""
GIVE_NOTHING = """
redis.Redis.xreadgroup = lambda *_, **__: []
"""
DEAL_TWICE = """
read = redis.Redis.xreadgroup
redis.Redis.xreadgroup = lambda self, group, name, streams, **more: read(self, group + "2", name, streams, **more)
create = redis.Redis.xgroup_create
def both(self, *args, **options):
    create(self, *args, **options)
    create(self, args[0], args[1] + "2", **options)
redis.Redis.xgroup_create = both
"""
ALTER_ENTRY = """
add = redis.Redis.xadd
redis.Redis.xadd = lambda self, key, fields: add(self, key, fields | {"item": "Brick"})
"""
TAKE_NO_ACK = """
redis.Redis.xack = lambda *_: 0
"""
CLAIM_NOTHING = """
redis.Redis.xautoclaim = lambda *_, **__: [b"0-0", [], []]
"""
KILL_NOBODY = """
redis.Redis.client_kill_filter = lambda *_, **__: 0
"""


@pytest.mark.parametrize(
    ("before", "patience_s", "text"),
    [
        (LOSE, 0.2, "user 42 did not get a message on notifications:user:42 within 0.2 s"),
        (LOSE_LATER, 0.5, "worker thread did not get a message on notifications:global within 0.5 s"),
        (TWICE, DEADLINE_S, "auditor did not get a message on notifications:user:7 but pmessage notifications:user:42"),
        (ALTER, DEADLINE_S, "user 42 did not get a message on notifications:user:42 but message"),
        (MISCOUNT, DEADLINE_S, "expected 2 deliveries, the server says 3"),
        (FORGET, DEADLINE_S, "archivist did not get entry 1, 2, 3, 4 of parcels but nothing"),
        (GIVE_NOTHING, DEADLINE_S, "worker 1 did not get entry 1 of parcels but nothing"),
        (DEAL_TWICE, DEADLINE_S, "the server says it was not pending"),
        (ALTER_ENTRY, DEADLINE_S, "worker 1 did not get entry 1 of parcels but [(b'"),
        (TAKE_NO_ACK, DEADLINE_S, "worker 1 acknowledged entry 1, and the server says it was not pending"),
        (CLAIM_NOTHING, DEADLINE_S, "worker 1 did not get entry 2 of parcels but nothing"),
        (KILL_NOBODY, DEADLINE_S, "worker 2 was to be killed, and the server did not find it"),
    ],
    ids=[
        *("lost", "lost in the thread", "twice", "altered", "miscounted"),
        *("forgotten", "not given", "other group", "altered entry", "no ack", "nothing to claim", "not killed"),
    ],
)
@pytest.mark.slow
def test_what_does_not_arrive_as_it_should_is_told(before, patience_s, text):
    port = free_port()
    with start_demo("--port", str(port), before=before, patience_s=patience_s) as demo:
        lines = lines_of(demo)
        (note,) = notes_of(demo)
        assert demo.wait() == 1
    assert note.startswith("airwave: ")
    assert text in note
    assert not any("messages arrived" in line for line in lines)
    assert port_is_free(port)


@pytest.mark.slow
def test_a_server_that_refuses_publish_is_told():
    with start_demo("--port", "0", server=redis_command("PORT", "--rename-command", "PUBLISH", "")) as demo:
        (note,) = notes_of(demo)
        assert demo.wait() == 1
    assert "unknown command" in note


def test_a_server_that_does_not_start_is_told():
    server = [sys.executable, "-c", r"print('one\nout of \x1b[31mpaper\n'); raise SystemExit(3)"]
    with start_demo("--port", "0", server=server) as demo:
        assert notes_of(demo) == [r"airwave: the server ended with code 3; its last words: out of \x1b[31mpaper"]
        assert demo.wait() == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.slow
def test_a_signal_in_the_middle_stops_the_server_as_well(number, code):
    port = free_port()
    with start_demo("--port", str(port), before=LOSE) as demo:
        while "Delivered to 2" not in demo.line():
            pass
        demo.popen.send_signal(number)
        assert demo.wait() == code
        assert notes_of(demo) == []
    assert port_is_free(port)


class Terminal:
    """A pseudo-terminal, and what has been printed on it."""

    def __init__(self):
        self._master, self.slave = pty.openpty()
        self.text = ""
        self._more = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # Linux says EIO when the last process has closed the terminal
                return
            with self._more:
                self.text += data.decode(errors="replace")  # a read may end within a character
                self._more.notify_all()

    def wait_for(self, text):
        with self._more:
            assert self._more.wait_for(lambda: text in self.text, DEADLINE_S), self.text

    def close(self):
        os.close(self.slave)
        self._thread.join(DEADLINE_S)
        os.close(self._master)


@pytest.fixture
def terminal():
    terminal = Terminal()
    yield terminal
    terminal.close()


@pytest.mark.slow
def test_on_a_terminal_it_is_coloured_and_serves_until_ctrl_c(terminal):
    port = free_port()
    streams = {"stdin": terminal.slave, "stdout": terminal.slave, "stderr": terminal.slave}
    with start_demo("--port", str(port), **streams) as demo:
        terminal.wait_for("Ctrl-C stops it.")
        with connected(port) as client:
            assert client.publish("notifications:user:42", "anyone?") == 0
        assert "\x1b[" in terminal.text
        assert f"--url redis://{HOST}:{port}" in terminal.text
        demo.interrupt()
        assert demo.wait() == 0
    terminal.wait_for("Goodbye!")
    assert port_is_free(port)


@pytest.mark.slow
def test_there_is_traffic_to_look_at_and_the_address_of_the_dashboard(terminal):
    streams = {"stdin": terminal.slave, "stdout": terminal.slave, "stderr": terminal.slave}
    with start_airwave("demo", "--port", "0", "--http-port", "0", **streams) as demo:
        terminal.wait_for("Ctrl-C stops it.")
        address = re.search(r"Dashboard, with live traffic to look at: (http://127\.0\.0\.1:\d+/)", terminal.text)
        with urllib.request.urlopen(address[1], timeout=DEADLINE_S) as page:
            assert page.status == 200
        port = int(re.search(r"A server is running on 127\.0\.0\.1:(\d+)", terminal.text)[1])
        with connected(port) as client:
            wait_for(lambda: client.xlen("orders:new") > 2, "orders")
            wait_for(lambda: client.xinfo_groups("orders:new")[0]["entries-read"], "packers")
            wait_for(lambda: client.exists("notifications:user:100"), "a remembered message")
            names = {one["name"] for one in client.client_list()}
        assert {"shop", "packer-1", "packer-2", "phone-of-user-100"} <= names
        demo.interrupt()
        assert demo.wait() == 0


@pytest.mark.slow
def test_exit_on_a_terminal_ends_after_the_story(terminal):
    streams = {"stdin": terminal.slave, "stdout": terminal.slave, "stderr": terminal.slave}
    with start_demo("--port", "0", "--exit", **streams) as demo:
        assert demo.wait() == 0
    terminal.wait_for("messages arrived")


@pytest.mark.slow
def test_a_server_that_ends_while_it_should_serve_is_told(terminal):
    port = free_port()
    streams = {"stdin": terminal.slave, "stdout": terminal.slave}
    with start_demo("--port", str(port), **streams) as demo:
        terminal.wait_for("Ctrl-C stops it.")
        with connected(port) as client, pytest.raises(redis.ConnectionError):
            client.execute_command("SHUTDOWN", "NOSAVE")
        assert demo.wait() == 1
        assert demo.note().startswith("airwave: the server ended with code 0; its last words: ")
