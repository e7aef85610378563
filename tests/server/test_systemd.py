"""A service of systemd: what the service manager is told, and sockets that it has opened. Its place takes a socket."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from live import DEADLINE_S, HOST, Peer, Start

from airwave.server import systemd
from airwave.settings import Settings


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(DEADLINE_S)
        self._socket.bind(address)

    def gets(self) -> dict[str, str]:
        """The next message."""
        lines = self._socket.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def gets_next(self, name: str) -> dict[str, str]:
        """The next message about something."""
        while name not in (facts := self.gets()):
            pass
        return facts

    def heard_nothing(self) -> bool:
        self._socket.setblocking(False)
        with suppress(BlockingIOError):
            self._socket.recv(4096)
            return False
        return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    manager = Manager(address)
    yield manager
    manager.close()


def supervised(how: str) -> Settings:
    settings = Settings()
    settings.apply("supervised", [how])
    return settings


def test_it_is_told_of_start_and_stop(start: Start, manager: Manager) -> None:
    node = start("--supervised", "systemd", "--bind", HOST)
    facts = manager.gets()
    assert facts == {"READY": "1", "MAINPID": str(node.pid), "STATUS": f"Serving on {HOST}:{node.port}"}
    with node.connect() as peer:  # it serves when it says so
        assert peer.do("PING") == b"PONG"
        assert peer.info("server")["process_supervised"] == "systemd"
    node.signal(signal.SIGTERM)
    assert manager.gets()["STOPPING"] == "1"
    assert node.wait() == 0


def test_shutdown_is_told_as_well(start: Start, manager: Manager) -> None:
    node = start("--supervised", "auto")
    manager.gets_next("READY")
    with node.connect() as peer:
        peer.send("SHUTDOWN")
        assert manager.gets()["STOPPING"] == "1"
    assert node.wait() == 0


def test_the_watchdog_is_fed_by_the_loop(start: Start, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    node = start("--supervised", "auto", "--enable-debug-command", "yes")
    manager.gets_next("READY")
    assert [manager.gets() for _ in range(3)] == [{"WATCHDOG": "1"}] * 3
    assert node.stop() == 0


def test_a_watchdog_of_another_process_is_not_fed(
    start: Start, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    node = start("--supervised", "auto")
    manager.gets_next("READY")
    assert node.stop() == 0
    assert manager.gets()["STOPPING"] == "1"


def test_by_default_nobody_is_told(start: Start, manager: Manager) -> None:
    node = start()
    with node.connect() as peer:
        assert peer.info("server")["process_supervised"] == "no"
    assert node.stop() == 0
    assert manager.heard_nothing()


def test_who_is_supervised_stays_in_the_foreground(start: Start, manager: Manager) -> None:
    node = start("--supervised", "auto", "--daemonize", "yes")
    assert manager.gets()["MAINPID"] == str(node.pid)
    assert node.stop() == 0


def test_supervision_without_a_socket_is_a_warning(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    node = start("--supervised", "systemd")
    assert node.lines("supervised systemd: there is no NOTIFY_SOCKET")
    with node.connect() as peer:
        assert peer.info("server")["process_supervised"] == "no"


def test_a_service_manager_that_is_gone_ends_no_server(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    node = start("--supervised", "systemd")
    assert node.wait_for_line("cannot tell systemd", "No such file")
    with node.connect() as peer:
        assert peer.do("PING") == b"PONG"


def test_an_address_may_be_abstract(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = Manager(f"\0airwave-test-{os.getpid()}")
    monkeypatch.setenv("NOTIFY_SOCKET", f"@airwave-test-{os.getpid()}")
    systemd.Notifier(supervised("auto")).tell(STATUS="hello")
    assert manager.gets() == {"STATUS": "hello"}
    manager.close()


@pytest.mark.parametrize(("value", "seconds"), [("3000000", 3.0), ("", 0.0), ("soon", 0.0), ("-5", 0.0)])
def test_the_time_of_the_watchdog(monkeypatch: pytest.MonkeyPatch, value: str, seconds: float) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", value)
    assert systemd._watchdog_s() == seconds


# --- socket activation ------------------------------------------------------------------------------------------------

# As systemd does it: the descriptors stand at 3 and above, and the variables name the process that execs.
_ACTIVATE = """
import os, sys
names, count = sys.argv[1], int(sys.argv[2])
given = [int(number) for number in sys.argv[3 : 3 + count]]
spare = [os.dup2(number, 100 + place, inheritable=False) for place, number in enumerate(given)]
for place, number in enumerate(spare):
    os.dup2(number, 3 + place)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(count), "LISTEN_FDNAMES": names}
os.execv(sys.executable, [sys.executable, "-m", "airwave", "serve", *sys.argv[3 + count :]])
"""


def listening(family: int = socket.AF_INET, address: str | tuple[str, int] = (HOST, 0)) -> socket.socket:
    sock = socket.socket(family)
    sock.bind(address)
    sock.listen(5)
    return sock


def activated(sockets: dict[str, socket.socket], *options: str) -> "subprocess.Popen[bytes]":
    numbers = [sock.fileno() for sock in sockets.values()]
    arguments = [":".join(sockets), str(len(numbers)), *map(str, numbers), *options]
    return subprocess.Popen(
        [sys.executable, "-c", _ACTIVATE, *arguments],
        pass_fds=numbers,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_it_serves_on_the_sockets_that_it_is_given(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with listening() as tcp, listening(socket.AF_UNIX, path) as unix:
        port = tcp.getsockname()[1]
        process = activated({"redis": tcp, "unix": unix}, "--port", "1")
        try:
            # These sockets listen from the beginning: who comes early waits, and is not refused.
            with Peer((HOST, port)) as peer, Peer(path) as other:
                assert peer.do("PING") == b"PONG"
                assert peer.info("server")["tcp_port"] == str(port)
                other.do("SUBSCRIBE", "news")
                assert peer.do("PUBLISH", "news", "hi") == 1
        finally:
            process.terminate()
            assert process.wait(DEADLINE_S) == 0
        assert Path(path).exists()  # it belongs to systemd, which goes on listening


def test_the_socket_named_http_is_for_browsers() -> None:
    with listening() as tcp, listening() as http:
        process = activated({"redis": tcp, "http": http})
        try:
            host, port = http.getsockname()
            with urllib.request.urlopen(f"http://{host}:{port}/readyz", timeout=DEADLINE_S) as answer:
                assert answer.status == 200
            with Peer(tcp.getsockname()) as peer:
                assert peer.do("CONFIG", "GET", "http-port") == [b"http-port", str(port).encode()]
        finally:
            process.terminate()
            assert process.wait(DEADLINE_S) == 0


def test_who_comes_while_it_starts_again_is_served() -> None:
    with listening() as tcp:
        for _ in range(2):
            process = activated({"redis": tcp})
            with Peer(tcp.getsockname()) as peer:
                assert peer.do("PING") == b"PONG"
            process.terminate()
            assert process.wait(DEADLINE_S) == 0


def test_sockets_of_another_process_are_left_alone() -> None:
    environment = {"LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}
    assert systemd.inherited_sockets(environment) == {}
    assert environment == {}


def test_without_activation_there_is_none() -> None:
    assert systemd.inherited_sockets({}) == {}
    assert systemd.inherited_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many"}) == {}
