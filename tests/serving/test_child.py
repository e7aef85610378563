"""A node in a child process: its log, its secrets, and its end. All else is in test_server.py."""

import os
import signal
import sys
from pathlib import Path

import pytest
import redis
from live import HOST, Peer, wait_for

from airwave.serving import Server, ServerError

from .conftest import running


def child_of(server: Server) -> int:
    with redis.Redis.from_url(server.url) as client:
        return int(client.info("server")["process_id"])


@pytest.mark.usefixtures("nothing_left")
def test_one_that_is_killed_is_logged_and_can_be_stopped(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(process=True)
    server.start()
    pid = child_of(server)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: "stopped" in repr(server), "its end")
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == f"the server process has ended by itself  pid={pid} code=-9"
    server.stop()


def test_its_warnings_come_with_their_fields(caplog: pytest.LogCaptureFixture) -> None:
    with (
        Server(process=True, client_output_buffer_limit="pubsub 1kb 0 0") as server,
        Peer((HOST, server.port)) as subscriber,
        Peer((HOST, server.port)) as publisher,
    ):
        subscriber.do("CLIENT", "SETNAME", "the-slow")
        subscriber.do("SUBSCRIBE", "x")
        publisher.do("PUBLISH", "x", bytes(5000))
        assert subscriber.is_closed()
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("airwave", "WARNING")
    assert record.getMessage().startswith("client over its output buffer limit is disconnected  ")
    assert record.fields["name"] == "the-slow"


def test_the_form_of_a_log_that_the_parent_reads_stays(tmp_path: Path) -> None:
    with Server(process=True) as server, redis.Redis.from_url(server.url) as client:
        assert client.config_set("loglevel", "verbose")
        with pytest.raises(redis.ResponseError, match="which configures the log"):
            client.config_set("log-format", "text")
    with Server(process=True, dir=tmp_path, logfile="log") as server, redis.Redis.from_url(server.url) as client:
        assert client.config_set("log-format", "json")


def test_a_log_file_and_a_pid_file_of_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "airwave")
    with Server(process=True, dir=tmp_path, logfile="log", pidfile="pid", loglevel="verbose") as server:
        assert (tmp_path / "pid").read_text() == f"{child_of(server)}\n"
    assert "* stopped\n" in (tmp_path / "log").read_text()
    assert not (tmp_path / "pid").exists()
    assert not caplog.records


def test_a_password_is_in_no_command_line() -> None:
    with Server(process=True, requirepass="hunter2") as server:
        pid = child_of(server)
        assert b"airwave.serving" in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert b"hunter2" not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert b"hunter2" not in Path(f"/proc/{pid}/environ").read_bytes()


@pytest.mark.usefixtures("nothing_left")
def test_what_the_interpreter_says_is_in_the_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho No module named airwave\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(ServerError, match="the server process ended while it started: No module named airwave"):
        Server(process=True).start()


@pytest.mark.usefixtures("nothing_left")
def test_without_an_interpreter_there_is_no_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(ServerError, match=r"cannot start .*/none: No such file or directory"):
        Server(process=True).start()
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(ServerError, match="needs a Python interpreter"):
        Server(process=True).start()


STOPPED_PARENT = """
import sys
from airwave.serving import Server

with Server(process=True, loglevel="debug") as server:
    print(server.port, flush=True)
    sys.stdin.read()
"""


def test_a_parent_that_does_not_read_the_log_stops_nothing() -> None:
    with running(STOPPED_PARENT) as (parent, port):
        address = HOST, port
        os.kill(parent.pid, signal.SIGSTOP)
        try:
            for _ in range(400):  # a hundred thousand bytes of log
                with Peer(address) as peer:
                    peer.do("CLIENT", "SETNAME", "x" * 100)
            with Peer(address) as peer:
                assert peer.do("PING") == b"PONG"
        finally:
            os.kill(parent.pid, signal.SIGCONT)
    assert parent.returncode == 0
