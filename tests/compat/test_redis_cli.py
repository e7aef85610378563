"""redis-cli and redis-benchmark as people use them: on a terminal, in pipes, and for measuring."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest
from live import DEADLINE_S, HOST, Node, wait_for

from compat.conftest import PASSWORD, need

PROMPT = re.compile(r":\d+(?:\(TX\))?> ")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def redis_cli(*arguments: str, stdin: bytes = b"", **options: object) -> str:
    """Run redis-cli to its end; what it printed."""
    done = subprocess.run(
        [need("redis-cli"), *arguments],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=DEADLINE_S,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    return done.stdout.decode()


class Terminal:
    """A program on a pseudo-terminal: what it shows, and keys for it."""

    def __init__(self, *command: str) -> None:
        self._screen = ""
        self._seen = 0  # characters of the screen that were waited for already
        self._main, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))  # rows and columns
        environment = os.environ | {"TERM": "xterm", "HOME": "/nonexistent"}
        self.process = subprocess.Popen(
            command, stdin=other, stdout=other, stderr=other, env=environment, start_new_session=True
        )
        os.close(other)

    def enter(self, text: str) -> None:
        """Type at the prompt, which must come after what was waited for last: the editor drops what is typed before."""
        self._wait(PROMPT)
        self.type(text + "\r")

    def type(self, text: str) -> None:
        os.write(self._main, text.encode())

    def shows(self, text: str) -> str:
        """Wait until it has shown the text since the last time; returns what it showed up to there, without colours."""
        return self._wait(re.compile(re.escape(text)))

    def _wait(self, wanted: re.Pattern[str]) -> str:
        deadline = time.monotonic() + DEADLINE_S
        while (found := wanted.search(self._screen, self._seen)) is None:
            ready, _, _ = select.select([self._main], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{wanted.pattern!r} did not come; the screen:\n{self._screen[self._seen :]}"
            try:
                data = os.read(self._main, 1 << 16)
            except OSError:  # EIO: nobody has the other end open
                raise AssertionError(f"it ended before {wanted.pattern!r}:\n{self._screen[self._seen :]}") from None
            self._screen += ESCAPES.sub("", data.decode("utf-8", "replace"))
        begin, self._seen = self._seen, found.end()
        return self._screen[begin : self._seen]

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        with suppress(OSError):
            os.close(self._main)


@pytest.fixture
def terminal(shared: Node) -> Callable[..., Terminal]:
    return lambda *options: Terminal(need("redis-cli"), "-h", HOST, "-p", str(shared.port), *options)


# --- on a terminal ----------------------------------------------------------------------------------------------------


def test_hints_and_help_come_from_command_docs(terminal: Callable[..., Terminal], shared: Node) -> None:
    with terminal() as cli:
        cli.shows(f"{HOST}:{shared.port}> ")
        cli.type("publish ")
        cli.shows("channel message")  # the hint behind the cursor
        cli.type("somewhere hi\r")
        cli.shows("(integer) 0")
        cli.enter("help publish")
        shown = cli.shows("group: pubsub")
        assert "PUBLISH channel message" in shown
        assert "since: 2.0.0" in shown
        cli.enter("help @server")
        cli.shows("SHUTDOWN")
        cli.enter("nonsense")
        cli.shows("(error) ERR unknown command 'nonsense'")


def test_subscribing_on_a_terminal_until_ctrl_c(terminal: Callable[..., Terminal], shared: Node) -> None:
    with terminal() as cli, shared.connect() as peer:
        cli.enter("SUBSCRIBE term:a term:b")
        cli.shows("(integer) 2")
        assert peer.do("PUBLISH", "term:b", "good morning") == 1
        assert '"term:b"' in cli.shows('"good morning"')
        cli.interrupt()
        wait_for(lambda: peer.do("PUBLISH", "term:b", "gone?") == 0, "the server to notice")
        cli.enter("ECHO back")
        cli.shows('"back"')


def test_hello_3_shows_pushes_while_commands_go_on(terminal: Callable[..., Terminal], shared: Node) -> None:
    with terminal("-3") as cli, shared.connect() as peer:
        cli.enter("HELLO 3")
        cli.shows('"airwave_version"')
        cli.enter("CONFIG GET maxclients")
        cli.shows('1# "maxclients" => "10000"')
        cli.enter("CLIENT GETNAME")
        cli.shows("(nil)")
        cli.enter("SUBSCRIBE term:push")
        cli.shows("1) ")
        wait_for(lambda: peer.do("PUBLISH", "term:push", "pushed") == 1, "the subscription")
        cli.shows('"pushed"')


def test_a_transaction_on_a_terminal(terminal: Callable[..., Terminal]) -> None:
    with terminal() as cli:
        cli.enter("MULTI")
        cli.shows("OK")
        cli.enter("PUBLISH nobody x")
        cli.shows("QUEUED")
        cli.enter("EXEC")
        cli.shows("1) (integer) 0")


def test_monitor_on_a_terminal(terminal: Callable[..., Terminal], shared: Node) -> None:
    with terminal("MONITOR") as cli, shared.connect() as peer:
        cli.shows("OK")
        peer.do("ECHO", b"\x1b[31mred\x07\n")
        shown = cli.shows(r'"ECHO" "\x1b[31mred\a\n"')
        assert peer.name in shown
        cli.interrupt()
        cli.process.wait(DEADLINE_S)


# --- in pipes ---------------------------------------------------------------------------------------------------------


def test_commands_from_standard_input(shared: Node) -> None:
    given = b"PING\nECHO 'two words'\nPUBLISH nobody x\nNOSUCH\nCOMMAND COUNT\n"
    lines = redis_cli("-p", str(shared.port), stdin=given).splitlines()
    assert lines[:3] == ["PONG", "two words", "0"]
    assert lines[3].startswith("ERR unknown command 'NOSUCH'")
    assert int(lines[-1]) > 30


def test_one_command_with_either_protocol(shared: Node) -> None:
    port = str(shared.port)
    assert redis_cli("-p", port, "-2", "CONFIG", "GET", "maxclients").split() == ["maxclients", "10000"]
    assert redis_cli("-p", port, "-3", "CONFIG", "GET", "maxclients").split() == ["maxclients", "10000"]
    assert "# Server\n" in redis_cli("-p", port, "INFO", "server").replace("\r", "")


def test_the_argument_from_standard_input_is_binary_safe(shared: Node) -> None:
    payload = bytes(range(256)) * 1000
    done = subprocess.run(
        [need("redis-cli"), "-p", str(shared.port), "-x", "ECHO"],
        input=payload,
        capture_output=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert done.stdout == payload + b"\n"


def test_over_a_unix_socket_and_with_a_password(unix_path: Path, guarded: Node) -> None:
    assert redis_cli("-s", str(unix_path), "PING") == "PONG\n"
    port = str(guarded.port)
    assert redis_cli("-p", port, "--no-auth-warning", "-a", PASSWORD, "PING") == "PONG\n"
    assert redis_cli("-p", port, "-u", f"redis://{HOST}:{port}", "PING") == "NOAUTH Authentication required.\n\n"


def test_mass_insertion(shared: Node) -> None:
    given = b"".join(b"*3\r\n$7\r\nPUBLISH\r\n$4\r\nmass\r\n$6\r\n%06d\r\n" % number for number in range(20_000))
    with shared.connect() as peer:
        peer.do("SUBSCRIBE", "mass")
        assert "errors: 0, replies: 20000" in redis_cli("-p", str(shared.port), "--pipe", stdin=given)
        assert [peer.read()[2] for _ in range(20_000)] == [b"%06d" % number for number in range(20_000)]


@pytest.mark.slow
def test_stat_prints_a_line(shared: Node) -> None:
    command = [need("redis-cli"), "-p", str(shared.port), "--stat", "-i", "0.01"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stat:
        assert stat.stdout is not None
        lines = [stat.stdout.readline() for _ in range(4)]
        stat.kill()
    assert lines[1].split()[:3] == ["keys", "mem", "clients"]
    for line in lines[2:]:
        assert re.fullmatch(r"0\s+[\d.]+[KMG]\s+\d+\s+\d+\s+\d+ \(\+\d+\)\s+\d+\s*", line)


@pytest.mark.slow
def test_latency_counts_pings(shared: Node) -> None:
    shown = redis_cli("-p", str(shared.port), "--latency", "--raw", "-i", "0.2")
    _, _, _, samples = shown.split()[:4]
    assert int(samples) > 0


@pytest.mark.slow
def test_bigkeys_and_memkeys_find_nothing(shared: Node) -> None:
    for option in ("--bigkeys", "--memkeys"):
        shown = redis_cli("-p", str(shared.port), option)
        assert "Sampled 0 keys" in shown or "unknown command 'SCAN'" in shown


# --- redis-benchmark --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["-t", "ping"], id="ping"),
        pytest.param(["-t", "ping", "-3", "-P", "16"], id="ping-resp3-pipelined"),
        pytest.param(["PUBLISH", "bench", "0123456789"], id="publish"),
        pytest.param(["-P", "16", "-3", "PUBLISH", "bench", "0123456789"], id="publish-resp3-pipelined"),
        pytest.param(["-c", "200", "-P", "4", "PUBLISH", "bench", "x"], id="publish-200-clients"),
    ],
)
def test_redis_benchmark(options: list[str], shared: Node) -> None:
    done = subprocess.run(
        [need("redis-benchmark"), "-p", str(shared.port), "-n", "4000", "-q", *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0
    assert "requests per second" in done.stdout
    assert "rror" not in done.stdout + done.stderr.replace("ERROR: failed to fetch CONFIG", "rror")
