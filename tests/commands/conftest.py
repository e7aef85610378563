"""Sessions in memory, with a clock that the test moves, and a redis-server to compare with."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hiredis
import pytest
from real_redis import real_redis

import airwave.commands
from airwave.broker import Broker
from airwave.errors import CommandError
from airwave.session import Session
from airwave.settings import Settings

assert airwave.commands.__all__  # imported: the table of commands is filled


def parsed(reply: bytes) -> Any:
    """What a client makes of one reply."""
    reader = hiredis.Reader(notEnoughData=...)
    reader.feed(reply)
    value = reader.gets()
    assert reader.gets() is ..., f"more than one reply: {reply!r}"
    return value


class FakeHost:
    """A host whose time moves only when told."""

    pid = 42
    run_id = "ab" * 20

    def __init__(self) -> None:
        self.ns = 5_000_000_000
        self.shutdowns: list[bool] = []
        self.rewrites = 0
        self.has_config_file = True

    def clock(self) -> int:
        return self.ns

    def wall(self) -> float:
        return 1_800_000_000.25 + self.ns / 1e9

    def wake(self) -> None: ...

    def wake_after(self, delay_s: float) -> None: ...

    def sleep(self, delay_s: float) -> None:
        self.ns += int(delay_s * 1e9)

    def log(self, level: str, message: str, /, *, exc_info: BaseException | None = None, **fields: object) -> None:
        assert level != "warning", (message, fields, exc_info)

    def shutdown(self, *, now: bool) -> None:
        self.shutdowns.append(now)

    def rewrite_config(self) -> None:
        if not self.has_config_file:
            raise CommandError("ERR The server is running without a config file")
        self.rewrites += 1

    def usage(self) -> dict[str, Any]:
        return {
            "rss_bytes": 20 << 20,
            "rss_peak_bytes": 21 << 20,
            "cpu_sys_s": 0.25,
            "cpu_user_s": 1.5,
            "os": "Linux 6.1 x86_64",
            "executable": "/usr/bin/python",
        }


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.data = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_extra_info(self, name: str) -> None: ...


class Peer:
    """A client: it sends a line or arguments and reads the bytes that come back."""

    def __init__(self, broker: Broker, address: str) -> None:
        self.broker = broker
        self.wire = Wire()
        self.session = Session(broker, self.wire, address, "127.0.0.1:6379")

    def raw(self, *command: str | bytes) -> bytes:
        """Send one command, a line or its arguments; give the bytes that were written."""
        if len(command) == 1 and isinstance(command[0], str):
            command = tuple(command[0].split())
        request: tuple[Any, ...] = command
        self.session.data_received(hiredis.pack_command(request))
        return self.reads()

    def do(self, *command: str | bytes) -> Any:
        """Send one command; give the parsed reply."""
        return parsed(self.raw(*command))

    def error(self, *command: str | bytes) -> str:
        """Send one command that must fail; give the error's text."""
        reply = self.do(*command)
        assert isinstance(reply, hiredis.ReplyError), reply
        return str(reply)

    def reads(self) -> bytes:
        while self.broker.fan_out or self.broker.replying:
            self.broker.tick()
        data, self.wire.data = self.wire.data, b""
        return data


class Node:
    """A server in memory."""

    def __init__(self, *directives: tuple[str, str]) -> None:
        settings = Settings()
        for name, value in directives:
            settings.apply(name, [value])
        self.host = FakeHost()
        self.broker = Broker(settings, self.host)

    def peer(self, address: str = "127.0.0.1:50001") -> Peer:
        return Peer(self.broker, address)


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def alice(node: Node) -> Peer:
    return node.peer()


Ask = Callable[..., bytes]


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Ask redis-server on a new connection: `oracle("MULTI", "EXEC", resp3=True)` gives the last reply's bytes."""
    folder = tmp_path_factory.mktemp("redis")
    with real_redis(folder, "--enable-debug-command", "yes"):

        def ask(*lines: str, resp3: bool = False) -> bytes:
            reply = b""
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(folder / Path("redis.sock")))
                for line in (*(("HELLO 3",) if resp3 else ()), *lines):
                    sock.sendall(hiredis.pack_command(tuple(line.split())))
                    reply = _whole_reply(sock)
            return reply

        yield ask


def _whole_reply(sock: socket.socket) -> bytes:
    reader = hiredis.Reader(notEnoughData=...)
    data = b""
    while reader.gets() is ...:
        part = sock.recv(1 << 16)
        assert part, "redis-server closed the connection"
        data += part
        reader.feed(part)
    return data
