"""The core in memory: a node without sockets, with a clock that the test moves and transports that can be stuck."""

from typing import Any

from peers import Peer

import airwave.commands
from airwave.broker import Broker
from airwave.errors import CommandError
from airwave.journal import Effect, Journal, JournalError
from airwave.keyspace import Keyspace
from airwave.session import Session
from airwave.settings import Settings

assert airwave.commands.__all__  # imported: the table of commands is filled


class FakeHost:
    """A host whose time moves only when told, and with each look at the clock by `step_ns`.

    Attributes:
        quiet: a warning or an error in the log fails the test.
        logs: what was logged: level, message, fields.
    """

    pid = 42
    run_id = "ab" * 20

    def __init__(self) -> None:
        self.ns = 5_000_000_000
        self.step_ns = 0
        self.shutdowns: list[bool] = []
        self.rewrites = 0
        self.has_config_file = True
        self.quiet = True
        self.logs: list[tuple[str, str, dict[str, object]]] = []
        self.awake = False  # a tick is due
        self.timers_ns: list[int] = []

    def clock(self) -> int:
        self.ns += self.step_ns
        return self.ns

    def wall(self) -> float:
        return 1_800_000_000.25 + self.ns / 1e9

    def wall_ms(self) -> int:
        return int(self.wall() * 1000)

    def wake(self) -> None:
        self.awake = True

    def wake_after(self, delay_s: float) -> None:
        self.timers_ns.append(self.ns + round(delay_s * 1e9))

    def sleep(self, delay_s: float) -> None:
        self.ns += int(delay_s * 1e9)

    def log(self, level: str, message: str, /, **fields: object) -> None:
        assert not self.quiet or level not in ("warning", "error"), (message, fields)
        self.logs.append((level, message, fields))

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
            "supervised": "no",
        }


class Wire:
    """A transport that keeps what is written; like asyncio's it asks to pause above its high-water mark when `stuck`.

    Attributes:
        data: what the client got and has not read.
        writes: how often something was written.
        reading: the session has not asked it to stop reading.
    """

    def __init__(self) -> None:
        self.session: Session | None = None
        self.data = b""
        self.writes = 0
        self.closed = False
        self.aborted = False
        self.reading = True
        self.stuck = False
        self._buffer = b""
        self._high_bytes = 64 * 1024
        self._paused = False

    def write(self, data: bytes) -> None:
        assert data
        assert not self.closed
        self.writes += 1
        if not self.stuck:
            self.data += data
            return
        self._buffer += data
        self._maybe_pause()

    def _maybe_pause(self) -> None:
        if len(self._buffer) > self._high_bytes and not self._paused:
            self._paused = True
            assert self.session is not None
            self.session.pause_writing()

    def unstick(self) -> None:
        """The client reads again."""
        self.stuck = False
        self.data += self._buffer
        self._buffer = b""
        if self._paused:
            self._paused = False
            assert self.session is not None
            self.session.resume_writing()

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True
        self._buffer = b""

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return len(self._buffer)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del low
        assert high is not None
        self._high_bytes = high
        self._maybe_pause()

    def get_extra_info(self, name: str) -> None: ...


class Disk(Journal):
    """A journal that can be made to fail; after a failure it has nothing."""

    durable = True

    def __init__(self) -> None:
        self.commits = 0
        self.full = False
        self.told: list[Effect] = []

    def record(self, effect: Effect) -> None:
        self.told.append(effect)

    def commit(self) -> None:
        if not self.told:
            return
        self.told.clear()
        if self.full:
            raise JournalError("No space left on device")
        self.commits += 1

    def reload(self, keyspace: Keyspace) -> None:
        for database in keyspace.databases:
            database.values.clear()

    def probe(self) -> bool:
        return not self.full


class Node:
    """A server in memory."""

    def __init__(self, *directives: tuple[str, str], journal: Journal | None = None) -> None:
        settings = Settings()
        for name, value in directives:
            settings.apply(name, [value])
        self.host = FakeHost()
        self.broker = Broker(settings, self.host, journal)

    def peer(self, address: str = "127.0.0.1:50001") -> "MemoryPeer":
        """A new client."""
        return MemoryPeer(self, address)

    def turn(self) -> bool:
        """One turn of the loop: the tick that was asked for. False: none was."""
        due, self.host.awake = self.host.awake, False
        if due:
            self.broker.tick()
        return due

    def settle(self) -> None:
        """Turn until nothing is left to do."""
        for _ in range(100_000):
            if not self.turn():
                return
        raise AssertionError("the node asks for ticks without end")

    def advance(self, seconds: float) -> None:
        """Let time go by, with what is due then."""
        self.host.ns += round(seconds * 1e9)
        due = [timer for timer in self.host.timers_ns if timer <= self.host.ns]
        self.host.timers_ns = [timer for timer in self.host.timers_ns if timer > self.host.ns]
        for _ in due:
            self.broker.tick()
        self.broker.cron()
        self.settle()


class MemoryPeer(Peer):
    """A client of the core in memory."""

    def __init__(self, node: "Node", address: str) -> None:
        super().__init__()
        self.node = node
        self.wire = Wire()
        self.wire.session = self.session = Session(node.broker, self.wire, address, "127.0.0.1:6379")

    def sends(self, data: bytes) -> None:
        if not self.wire.closed:
            self.session.data_received(data)

    def _listen(self) -> bool:
        self.node.settle()
        data, self.wire.data = self.wire.data, b""
        self._heard += data
        assert data or self.wire.closed, f"nothing comes any more; heard {self._heard!r}"
        return bool(data)

    def close(self) -> None:
        self.wire.close()
        self.session.connection_lost(None)

    def raw(self, *words: str | bytes) -> bytes:
        """Send one command, a line or its words; give all the bytes that were written."""
        self.asks(words[0] if len(words) == 1 and isinstance(words[0], str) else words)
        return self.reads()

    def reads(self) -> bytes:
        """All that has come."""
        self.node.settle()
        data, self.wire.data, self._heard = self._heard + self.wire.data, b"", b""
        return data
