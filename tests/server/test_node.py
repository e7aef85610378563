"""A node's life as its operator sees it: how it starts, where it listens, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from live import DEADLINE_S, HOST, Node, Peer, free_port, wait_for

Start = Callable[..., Node]


def refusal(node: Node) -> str:
    """The one line in which a server says why it does not start."""
    assert node.wait() == 1
    (line,) = node.log
    return line


# --- start ------------------------------------------------------------------------------------------------------------


def test_the_banner_says_where_it_listens_and_how_to_connect(start: Start) -> None:
    node = start("--bind", HOST)
    first, second = node.log[:2]
    assert re.search(rf"\* Airwave \S+ speaks Redis \S+  pid={node.pid} listening={HOST}:{node.port}$", first)
    assert second.endswith(f"* ready: redis-cli -p {node.port}")


@pytest.mark.slow
def test_the_banner_shows_no_password(start: Start) -> None:
    node = start("--requirepass", "hunter2", "--bind", HOST)
    assert node.log[1].endswith(f"ready: redis-cli -p {node.port} -a PASSWORD")
    assert not node.lines("hunter2")


def test_a_port_in_use_is_one_line_that_names_the_option(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        node = start("--bind", HOST, port=port, wait=False)
        assert refusal(node) == f"airwave: port {port} is in use: choose another with --port"


def test_it_listens_on_each_address_and_forgives_a_missing_optional_one(start: Start) -> None:
    node = start("--bind", HOST, "127.0.0.2", "-192.0.2.77", "-2001:db8::77")
    for host in (HOST, "127.0.0.2"):
        with Peer((host, node.port)) as peer:
            assert peer.do("PING") == b"PONG"
    assert node.lines(f"listening={HOST}:{node.port},127.0.0.2:{node.port}")


@pytest.mark.slow
def test_a_missing_address_that_is_wanted_is_an_error(start: Start) -> None:
    node = start("--bind", "192.0.2.77", wait=False)
    assert refusal(node) == (f"airwave: cannot listen on 192.0.2.77:{node.port}: Cannot assign requested address")


@pytest.mark.slow
def test_the_default_is_every_address(start: Start) -> None:
    node = start()
    with Peer((HOST, node.port)) as peer:
        assert peer.do("PING")
    if node.lines(f"[::]:{node.port}"):  # this machine has IPv6
        with Peer(("::1", node.port)) as peer:
            assert peer.do("CLIENT", "INFO").startswith(b"id=2 addr=[::1]:")


@pytest.mark.slow
def test_nothing_to_listen_on_is_an_error(start: Start) -> None:
    node = start(port=0, wait=False)
    assert refusal(node) == "airwave: nothing to listen on: give --port, --bind or --unixsocket"


@pytest.mark.slow
def test_a_config_file_and_options_that_win_over_it(start: Start, tmp_path: Path) -> None:
    config = tmp_path / "airwave.conf"
    config.write_text("# mine\nmaxclients 7\ntimeout 5\nrepl-backlog-size 1mb\n")
    node = start(str(config), "--timeout", "9")
    with node.connect() as peer:
        assert peer.do("CONFIG", "GET", "maxclients", "timeout") == [b"timeout", b"9", b"maxclients", b"7"]
    assert node.lines(f"config={config}")
    assert node.lines("directives of Redis that Airwave does not have are ignored", "directives=repl-backlog-size")


@pytest.mark.slow
def test_a_config_from_standard_input(start: Start) -> None:
    node = start("-", stdin=b"maxclients 5\n")
    with node.connect() as peer:
        assert peer.do("CONFIG", "GET", "maxclients")[1] == b"5"


@pytest.mark.slow
def test_config_rewrite_keeps_the_comments_and_is_read_again(start: Start, tmp_path: Path) -> None:
    config = tmp_path / "airwave.conf"
    config.write_text("# mine\nmaxclients 7\n")
    config.chmod(0o640)
    with start(str(config)) as node, node.connect() as peer:
        assert peer.do("CONFIG", "SET", "maxclients", "8", "requirepass", "s3cret") == b"OK"
        assert peer.do("CONFIG", "REWRITE") == b"OK"
    text = config.read_text()
    assert text.startswith("# mine\nmaxclients 8\n")
    assert config.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["airwave.conf"]
    again = start(str(config))
    with again.connect() as peer:
        assert peer.do("AUTH", "s3cret") == b"OK"
        assert peer.do("CONFIG", "GET", "maxclients")[1] == b"8"


@pytest.mark.slow
def test_config_rewrite_without_a_file_or_room_is_an_error(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "conf"
    folder.mkdir()
    config = folder / "airwave.conf"
    config.write_text("")
    node, other = start(), start(str(config))
    with node.connect() as peer:
        assert str(peer.do("CONFIG", "REWRITE")) == "ERR The server is running without a config file"
    config.unlink()
    folder.rmdir()
    with other.connect() as peer:
        assert str(peer.do("CONFIG", "REWRITE")) == "ERR Rewriting config file: No such file or directory"
        assert peer.do("PING")


@pytest.mark.slow
def test_log_file_and_json(start: Start, tmp_path: Path) -> None:
    node = start("--dir", str(tmp_path), "--logfile", "node.log", "--log-format", "json", wait=False)
    path = tmp_path / "node.log"
    wait_for(lambda: path.exists() and "ready:" in path.read_text(), "the log")
    assert node.stop() == 0
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert entries[0]["listening"]
    assert {entry["level"] for entry in entries} == {"notice"}
    assert entries[-1]["event"] == "stopped"
    assert node.log == []


@pytest.mark.slow
def test_a_log_file_that_cannot_be_is_one_line(start: Start, tmp_path: Path) -> None:
    assert refusal(start("--logfile", str(tmp_path), wait=False)) == f"airwave: logfile {tmp_path}: Is a directory"


# --- the Unix socket --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_unix_socket_with_permissions_alone(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    node = start("--unixsocket", str(path), "--unixsocketperm", "700", port=0)
    assert path.stat().st_mode & 0o777 == 0o700
    assert node.lines(f"ready: redis-cli -s {path}")
    with Peer(str(path)) as peer:
        assert peer.do("CLIENT", "INFO").startswith(b"id=1 addr=%b:0 laddr=%b:0 " % ((bytes(path),) * 2))
    assert node.stop() == 0
    assert not path.exists()


def test_a_socket_that_a_killed_server_left_is_replaced(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    start("--unixsocket", str(path), port=0).kill()
    assert path.exists()
    start("--unixsocket", str(path), port=0)
    with Peer(str(path)) as peer:
        assert peer.do("PING")


@pytest.mark.slow
def test_a_living_servers_socket_is_not_taken(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    start("--unixsocket", str(path), port=0)
    second = start("--unixsocket", str(path), port=0, wait=False)
    assert refusal(second) == f"airwave: cannot listen on unix socket {path}: Address already in use"
    with Peer(str(path)) as peer:
        assert peer.do("PING")


@pytest.mark.slow
def test_a_file_in_the_way_is_left_alone(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    node = start("--unixsocket", str(path), port=0, wait=False)
    assert refusal(node) == f"airwave: cannot listen on unix socket {path}: Address already in use"
    assert path.read_text() == "data"


@pytest.mark.slow
def test_a_path_too_long_for_a_socket_is_one_line(start: Start, tmp_path: Path) -> None:
    path = tmp_path / ("x" * 200)
    node = start("--unixsocket", str(path), port=0, wait=False)
    assert refusal(node) == f"airwave: cannot listen on unix socket {path}: AF_UNIX path too long"


# --- in the background ------------------------------------------------------------------------------------------------


def daemonize(*options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "airwave", "serve", "--daemonize", "yes", *options],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_daemonize_returns_when_clients_can_connect(tmp_path: Path) -> None:
    port, pidfile = free_port(), tmp_path / "airwave.pid"
    done = daemonize("--port", str(port), "--pidfile", str(pidfile), "--logfile", str(tmp_path / "log"))
    pid = int(pidfile.read_text())
    try:
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        with Peer((HOST, port)) as peer:
            assert peer.info("server")["process_id"] == str(pid)
            assert os.getsid(pid) == pid
            os.kill(pid, signal.SIGTERM)
            assert peer.is_closed()
        wait_for(lambda: not pidfile.exists(), "the end of the pid file")
        wait_for(lambda: _ended(pid), "the end of the process")
        assert "stopped" in (tmp_path / "log").read_text()
    finally:
        if not _ended(pid):
            os.kill(pid, signal.SIGKILL)


def _ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.slow
def test_daemonize_tells_what_was_wrong(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = daemonize("--port", str(port), "--logfile", str(tmp_path / "log"), "--pidfile", str(tmp_path / "pid"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"airwave: port {port} is in use: choose another with --port\n"
    assert f"cannot start: port {port} is in use" in (tmp_path / "log").read_text()
    assert not (tmp_path / "pid").exists()


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_ends_it_with_0(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    pidfile = tmp_path / "airwave.pid"
    node = start("--pidfile", str(pidfile))
    assert pidfile.read_text() == f"{node.pid}\n"
    with node.connect() as idle, node.connect() as subscriber:
        subscriber.do("SUBSCRIBE", "x")
        node.signal(number)
        assert idle.is_closed()
        assert subscriber.is_closed()
    assert node.wait() == 0
    assert node.lines(f"{number.name} received: stopping")
    assert node.log[-1].endswith("* stopped")
    assert not pidfile.exists()


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["NOSAVE"], ["NOW"], ["SAVE", "FORCE"]])
def test_shutdown_ends_it_with_0(start: Start, options: list[str]) -> None:
    node = start()
    with node.connect() as peer:
        peer.do("CLIENT", "SETNAME", "the-operator")
        peer.send("SHUTDOWN", *options)
        assert peer.read_raw() == b""
        assert node.wait_for_line("shutdown requested by a client", f"client={peer.name}", "name=the-operator")
    assert node.wait() == 0


@pytest.mark.slow
def test_after_kill_9_the_port_is_free_at_once(start: Start) -> None:
    node = start()
    with node.connect() as peer:
        peer.do("SUBSCRIBE", "x")
        node.kill()
        assert peer.is_closed()
        again = start(port=node.port)
        with again.connect() as second:
            assert second.do("PING")


MESSAGE = b"m" * 10_000
COUNT = 1000  # 10 MB: more than kernel and transport take


def test_a_stopping_server_first_sends_what_waits(start: Start) -> None:
    node = start("--client-output-buffer-limit", "pubsub 0 0 0")
    with node.connect(receive_bytes=4096) as subscriber, node.connect() as publisher:
        subscriber.do("SUBSCRIBE", "x")
        for _ in range(COUNT):
            publisher.send("PUBLISH", "x", MESSAGE)
        assert [publisher.read() for _ in range(COUNT)] == [1] * COUNT
        node.signal(signal.SIGTERM)
        with pytest.raises(OSError, match="refused"):
            wait_for(lambda: node.connect().close(), "it to refuse connections")
        # Input that nobody reads would make the kernel reset the connection and drop what it still has to send.
        subscriber.send("PING")
        assert [subscriber.read()[2] for _ in range(COUNT)] == [MESSAGE] * COUNT
        assert subscriber.read_raw() == b""
    assert node.wait() == 0
    assert not node.lines("clients did not take all that was sent to them")


@pytest.mark.slow
def test_a_stopping_server_takes_no_more_connections_and_commands(start: Start) -> None:
    node = start("--client-output-buffer-limit", "pubsub 0 0 0", "--shutdown-timeout", "1000")
    with node.connect(receive_bytes=4096) as stuck, node.connect() as publisher:
        stuck.do("SUBSCRIBE", "x")
        for _ in range(COUNT):
            publisher.do("PUBLISH", "x", MESSAGE)
        node.signal(signal.SIGTERM)
        node.wait_for_line("SIGTERM received: stopping")
        with pytest.raises(OSError, match="refused"):
            wait_for(lambda: node.connect().close(), "it to refuse connections")
        publisher.send("PING")
        node.signal(signal.SIGTERM)
        assert publisher.read_raw() == b""
        assert node.wait() == 0
        assert node.lines("second SIGTERM: stopping at once")
        assert node.lines("clients did not take all that was sent to them", "clients=1")


@pytest.mark.slow
def test_a_stuck_client_is_cut_after_shutdown_timeout(start: Start) -> None:
    node = start("--client-output-buffer-limit", "pubsub 0 0 0", "--shutdown-timeout", "0")
    with node.connect(receive_bytes=4096) as stuck, node.connect() as publisher:
        stuck.do("SUBSCRIBE", "x")
        for _ in range(COUNT):
            publisher.do("PUBLISH", "x", MESSAGE)
        node.signal(signal.SIGTERM)
        assert node.wait() == 0
        line = node.wait_for_line("clients did not take all that was sent to them")
        assert int(re.search(r"bytes=(\d+)", line)[1]) > 1_000_000


@pytest.mark.slow
def test_shutdown_now_waits_for_nobody(start: Start) -> None:
    node = start("--client-output-buffer-limit", "pubsub 0 0 0", "--shutdown-timeout", "1000")
    with node.connect(receive_bytes=4096) as stuck, node.connect() as publisher:
        stuck.do("SUBSCRIBE", "x")
        for _ in range(COUNT):
            publisher.do("PUBLISH", "x", MESSAGE)
        publisher.send("SHUTDOWN", "NOW")
        assert node.wait() == 0


# --- the loop ---------------------------------------------------------------------------------------------------------


def test_what_holds_the_loop_is_seen_and_forgotten_with_the_other_counters(start: Start) -> None:
    node = start("--enable-debug-command", "yes", "--hz", "10")
    with node.connect() as peer:
        peer.do("DEBUG", "SLEEP", "0.3")  # three times as long as the timer's period: it must be late by 200 ms
        wait_for(lambda: float(peer.info("stats")["loop_lag_max_ms"]) > 190, "the timer to have been late")
        peer.do("CONFIG", "RESETSTAT")
        wait_for(lambda: float(peer.info("stats")["loop_lag_ms"]) < 100, "the timer to be in time")
