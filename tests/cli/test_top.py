"""airwave top, as its user sees it."""

import json
import os
from datetime import datetime

import pytest

from .conftest import airwave, free_port, start_airwave
from .test_demo import Terminal

LITTLE = ("--interval", "0.1")


@pytest.fixture
def busy(make_server):
    """An Airwave on which something has happened."""
    server = make_server(kind="airwave")
    server.client.publish("news", "hi")
    server.client.xadd("orders", {"n": 1})
    server.client.xgroup_create("orders", "packers", "0")
    return server


def test_one_picture(busy):
    done = airwave("top", "--once", *LITTLE, "--url", busy.url)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0][0] == "airwave"
    assert lines[0][2] == busy.url
    assert {"published", "delivered", "clients", "lost"} <= {line[0] for line in lines if line}
    assert ["orders", "1", "packers", "0", "1", "0", "–"] in lines
    assert "\x1b" not in done.stdout
    assert (done.stderr, done.returncode) == ("", 0)


def test_streams_may_be_left_out(busy):
    assert "orders" not in airwave("top", "--once", "--no-streams", *LITTLE, "--url", busy.url).stdout


def test_a_redis_server_is_shown_with_what_it_tells(server):
    done = airwave("top", "--once", *LITTLE, "--url", server.url)
    assert done.stdout.startswith("redis ")
    assert any(line.split() == ["delivered", "–/s"] for line in done.stdout.splitlines())
    assert done.returncode == 0


def test_json(busy):
    done = airwave("top", "--once", "--json", *LITTLE, "--url", busy.url)
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert datetime.fromisoformat(found["time"]).tzinfo is not None
    assert (found["published"], found["delivered"], found["keys"]) == (1, 0, 1)
    assert found["published_per_s"] == 0
    assert found["commands_per_s"] > 0
    assert found["cpu"] >= 0
    assert "at_s" not in found


def test_json_goes_on_until_nobody_reads(busy):
    with start_airwave("top", "--json", *LITTLE, "--url", busy.url) as top:
        assert json.loads(top.line())["published"] == 1
        busy.client.publish("news", "again")
        while json.loads(top.line())["published"] == 1:
            pass
        top.interrupt()
        assert top.wait() == 0
        assert top.note() is None


def test_without_a_terminal_pictures_follow_each_other(busy):
    with start_airwave("top", *LITTLE, "--url", busy.url) as top:
        for _ in range(2):
            assert top.line().startswith("airwave ")
            while top.line():
                pass  # to the empty line behind the heading
            while top.line():
                pass
            while top.line():
                pass
        top.interrupt()
        assert top.wait() == 0


@pytest.mark.parametrize("options", [[], ["--once"], ["--json"]])
def test_a_server_that_is_not_there_is_one_line(options):
    url = f"redis://127.0.0.1:{free_port()}"
    done = airwave("top", *options, "--url", url)
    assert done.returncode == 1
    assert done.stderr.startswith(f"airwave: cannot reach {url} (connection refused)")
    assert done.stdout == ""


def test_a_wrong_password_is_one_line(make_server):
    server = make_server(password="secret", kind="airwave")
    done = airwave("top", "--once", *LITTLE, "--url", server.url)
    assert done.returncode == 1
    assert "refused access" in done.stderr


class Keyboard(Terminal):
    """A terminal that somebody types on."""

    def type(self, text):
        os.write(self._master, text.encode())


@pytest.fixture
def terminal():
    made = Keyboard()
    yield made
    made.close()


def on(terminal):
    return {"stdin": terminal.slave, "stdout": terminal.slave, "stderr": terminal.slave}


def test_on_a_terminal_it_is_live_until_q(busy, terminal):
    with start_airwave("top", *LITTLE, "--url", busy.url, **on(terminal)) as top:
        terminal.wait_for("packers")
        busy.client.config_set("maxclients", "4321")
        terminal.wait_for("4,321")
        terminal.type("q")
        assert top.wait() == 0


def test_ctrl_c_ends_it_as_well(busy, terminal):
    with start_airwave("top", *LITTLE, "--url", busy.url, **on(terminal)) as top:
        terminal.wait_for("subscribers")
        top.interrupt()
        assert top.wait() == 0


@pytest.mark.slow
def test_a_lost_connection_is_shown_and_comes_back(busy, terminal):
    with start_airwave("top", *LITTLE, "--url", busy.url, **on(terminal)) as top:
        terminal.wait_for("subscribers")
        busy.stop()
        terminal.wait_for("trying")
        busy.start()
        busy.client.config_set("maxclients", "4321")
        terminal.wait_for("4,321")
        terminal.wait_for("reconnects 1")
        terminal.type("q")
        assert top.wait() == 0
