"""The disk is full, broken or read-only: who writes is told why, everything else goes on, nothing answered is lost."""

import os
import random
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Protocol

import pytest
from crash.disk import FULL, IOERR_FSYNC, IOERR_WRITE, Disk
from crash.load import Script
from crash.power import DATABASES, EXACT, TURN_S, Client, States, hasty_keeper, opened
from crash.state import ask, difference, keys_of, look
from live import Node, Peer, Start, wait_for

FILE = "airwave.sqlite3"
pytestmark = pytest.mark.slow

REFUSAL = "MISCONF Errors writing to the AOF file: "
PAYLOAD = "x" * 4000
SUDO = [] if os.geteuid() == 0 else ["sudo", "-n"]


class Trouble(Protocol):
    """Something that keeps a server from writing.

    Attributes:
        folder: where the server has its data.
        reason: what writers are told.
    """

    folder: Path
    reason: str

    def begin(self, node: Node) -> None: ...

    def end(self, node: Node) -> None: ...


def mounted(folder: Path, options: str) -> bool:
    """Mount a small file system in memory; False where that is not allowed."""
    command = [*SUDO, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def unmount(folder: Path) -> None:
    """Also when somebody still uses it."""
    subprocess.run([*SUDO, "umount", "--lazy", str(folder)], check=True)


class FullDisk:
    """A disk of 32 MB on which somebody else takes all that is left."""

    reason = "No space left on device"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, _: Node) -> None:
        """Fill it."""
        with suppress(OSError), (self.folder / "ballast").open("wb", buffering=0) as ballast:
            while ballast.write(bytes(1 << 16)):
                pass

    def end(self, _: Node) -> None:
        """Give the space back."""
        (self.folder / "ballast").unlink()


class SizeLimit:
    """Files must not grow any more (`ulimit -f`); the system says EFBIG, SQLite calls it an I/O error."""

    reason = "Input/output error"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, node: Node) -> None:
        """No file may be larger than the largest is."""
        sizes = [path.stat().st_size for path in self.folder.iterdir()]
        resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (max(sizes), resource.RLIM_INFINITY))

    def end(self, node: Node) -> None:
        """As large as they like."""
        resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.fixture(params=["full disk", "size limit"])
def trouble(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trouble]:
    folder = tmp_path / "data"
    folder.mkdir()
    if request.param == "size limit":
        yield SizeLimit(folder)
        return
    if not mounted(folder, "size=32m,mode=777"):
        pytest.skip("mounting a tmpfs is not allowed")
    try:
        yield FullDisk(folder)
    finally:
        unmount(folder)


def durable(start: Start, folder: Path, appendfsync: str = "always") -> Node:
    return start("--dir", str(folder), "--appendonly", "yes", "--appendfsync", appendfsync)


def write_until_refused(peer: Peer, answered: list[bytes], trouble: Trouble) -> None:
    """Add entries until one is refused; `answered` gets the IDs of those that were not."""
    for _ in range(5000):
        reply = peer.do("XADD", "s", "*", "field", PAYLOAD)
        if isinstance(reply, Exception):
            assert str(reply) == REFUSAL + trouble.reason
            return
        answered.append(reply)
    raise AssertionError("it was never refused")


def ids(peer: Peer) -> list[bytes]:
    return [entry_id for entry_id, _ in peer.do("XRANGE", "s", "-", "+")]


def works(peer: Peer) -> bool:
    """Whether writes are accepted."""
    reply = peer.do("SET", "probe", "1")
    assert reply == b"OK" or str(reply).startswith(REFUSAL), reply
    return bool(reply == b"OK")


@pytest.mark.parametrize(
    ("trouble", "appendfsync"), [("full disk", "always"), ("size limit", "everysec")], indirect=["trouble"]
)
def test_writers_are_told_and_the_others_go_on(start: Start, trouble: Trouble, appendfsync: str) -> None:
    node = durable(start, trouble.folder, appendfsync)
    with node.connect() as writer, node.connect() as other, node.connect() as subscriber:
        subscriber.do("SUBSCRIBE", "news")
        assert other.do("SET", "greeting", "hello") == b"OK"
        assert other.do("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM") == b"OK"
        answered = [writer.do("XADD", "s", "*", "field", PAYLOAD) for _ in range(200)]
        assert len(other.do("XREADGROUP", "GROUP", "g", "c", "COUNT", 5, "STREAMS", "s", ">")[0][1]) == 5
        pending = other.do("XPENDING", "s", "g")

        trouble.begin(node)
        write_until_refused(writer, answered, trouble)
        # Everybody who writes is told, whatever it is.
        for request in (
            ("SET", "greeting", "goodbye"),
            ("DEL", "greeting"),
            ("XREADGROUP", "GROUP", "g", "c", "COUNT", 5, "STREAMS", "s", ">"),
            ("XACK", "s", "g", answered[0]),
            ("FLUSHALL",),
        ):
            assert str(other.do(*request)) == REFUSAL + trouble.reason, request
        assert other.do("MULTI") == b"OK"
        assert str(other.do("INCR", "counter")) == REFUSAL + trouble.reason
        assert str(other.do("EXEC")).startswith("EXECABORT")
        # The others go on, and see what was answered and nothing else.
        assert other.do("PUBLISH", "news", "hello") == 1
        assert subscriber.read()[2] == b"hello"
        assert other.do("GET", "greeting") == b"hello"
        assert other.do("EXISTS", "counter") == 0
        assert other.do("XPENDING", "s", "g") == pending
        assert ids(other) == answered
        assert node.lines("cannot write to the database: writes are refused until it works again", trouble.reason)

        trouble.end(node)
        wait_for(lambda: works(other), "writes to be accepted again")
        node.wait_for_line("writing to the database works again: writes are accepted")
        answered.append(writer.do("XADD", "s", "*", "field", "again"))
        assert ids(other) == answered
    node.kill()
    with durable(start, trouble.folder).connect() as peer:
        assert ids(peer) == answered
        assert peer.do("GET", "greeting") == b"hello"
        assert peer.do("XPENDING", "s", "g") == pending


@pytest.mark.parametrize("trouble", ["size limit"], indirect=True)
@pytest.mark.parametrize("reader", [["XREADGROUP", "GROUP", "g", "c"], ["XREAD"]], ids=["XREADGROUP", "XREAD"])
def test_who_is_blocked_goes_on_waiting(start: Start, trouble: Trouble, reader: list[str]) -> None:
    node = durable(start, trouble.folder)
    position = ">" if "GROUP" in reader else "$"
    with node.connect() as writer, node.connect() as other, node.connect() as blocked:
        assert other.do("XGROUP", "CREATE", "later", "g", "$", "MKSTREAM") == b"OK"
        blocked.send(*reader, "BLOCK", 0, "STREAMS", "later", position)
        wait_for(lambda: other.info("clients")["blocked_clients"] == "1", "a client to be blocked")
        trouble.begin(node)
        write_until_refused(writer, [], trouble)
        assert str(other.do("XADD", "later", "1-1", "field", "value")) == REFUSAL + trouble.reason
        assert other.info("clients")["blocked_clients"] == "1"
        trouble.end(node)
        wait_for(lambda: works(other), "writes to be accepted again")
        assert other.do("XADD", "later", "2-1", "field", "value") == b"2-1"
        assert blocked.read() == [[b"later", [[b"2-1", [b"field", b"value"]]]]]


def test_nothing_answered_is_lost_by_a_kill_in_between(start: Start, trouble: Trouble) -> None:
    node = durable(start, trouble.folder)
    answered: list[bytes] = []
    with node.connect() as writer:
        answered += [writer.do("XADD", "s", "*", "field", PAYLOAD) for _ in range(100)]
        trouble.begin(node)
        write_until_refused(writer, answered, trouble)
    node.kill()
    node = durable(start, trouble.folder)  # a full disk does not keep it from starting
    with node.connect() as peer:
        # What was refused may have reached the disk; it is whole then, and the last.
        found = ids(peer)
        assert found[: len(answered)] == answered
        assert len(found) <= len(answered) + 1
        trouble.end(node)
        wait_for(lambda: works(peer), "writes to be accepted")
        assert ids(peer) == found


def test_a_pipeline_is_answered_as_far_as_it_was_done(start: Start, trouble: Trouble) -> None:
    """Many requests come at once while the disk becomes full: each has its reply, and the replies tell the truth."""
    node = durable(start, trouble.folder)
    with node.connect() as writer, node.connect() as reader:
        writer.do("SET", "a", "b")
        trouble.begin(node)
        answered = []
        for begin in range(0, 5000, 100):
            for number in range(begin, begin + 100):
                writer.send("XADD", "s", f"{number + 1}-1", "field", PAYLOAD)
            replies = [writer.read() for _ in range(100)]
            answered += [reply for reply in replies if not isinstance(reply, Exception)]
            assert {str(reply) for reply in replies if isinstance(reply, Exception)} <= {REFUSAL + trouble.reason}
            if len(answered) != begin + 100:
                break
        assert len(answered) < 5000
        assert ids(reader) == answered
        trouble.end(node)
        wait_for(lambda: works(reader), "writes to be accepted again")
        assert ids(reader) == answered
    node.kill()
    with durable(start, trouble.folder).connect() as peer:
        assert ids(peer) == answered


# --- a server that must not start -------------------------------------------------------------------------------------


def refused(folder: Path) -> str:
    """What a server says that does not start in a folder: one line, and the exit code 1."""
    with Node("--dir", str(folder), "--appendonly", "yes", wait=False) as node:
        assert node.wait() == 1, node.log
        assert len(node.log) == 1, node.log
        assert node.log[0].startswith("airwave: "), node.log
        return node.log[0]


@pytest.fixture
def with_data(start: Start, tmp_path: Path) -> Path:
    """A directory with a database."""
    folder = tmp_path / "data"
    folder.mkdir()
    node = durable(start, folder)
    with node.connect() as peer:
        assert peer.do("XADD", "s", "1-1", "field", "value") == b"1-1"
    assert node.stop() == 0
    return folder


@pytest.fixture(params=["empty", "with data"])
def read_only(request: pytest.FixtureRequest, with_data: Path, tmp_path: Path) -> Iterator[Path]:
    """A directory in which nothing can be written, not even by root where that can be had."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    is_mounted = mounted(folder, "size=4m,mode=777")
    if not is_mounted and os.geteuid() == 0:
        pytest.skip("mounting a tmpfs is not allowed, and root may write everywhere")
    if request.param == "with data":
        for path in with_data.iterdir():
            shutil.copy(path, folder)
    if is_mounted:
        subprocess.run([*SUDO, "mount", "-o", "remount,ro", str(folder)], check=True)
    else:
        for path in (*folder.iterdir(), folder):
            path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield folder
    finally:
        if is_mounted:
            unmount(folder)
        else:
            folder.chmod(0o755)


def test_a_read_only_directory_is_refused(read_only: Path) -> None:
    line = refused(read_only)
    assert str(read_only) in line
    assert any(reason in line for reason in ("Read-only file system", "Permission denied")), line


def test_a_second_process_is_refused(start: Start, with_data: Path) -> None:
    first = durable(start, with_data)
    line = refused(with_data)
    assert str(with_data) in line
    assert f"pid {first.pid}" in line
    with first.connect() as peer:
        assert peer.do("XADD", "s", "2-1", "field", "value") == b"2-1"
    first.kill()
    with durable(start, with_data).connect() as peer:
        assert ids(peer) == [b"1-1", b"2-1"]


def test_a_newer_format_is_refused_and_left_as_it_is(with_data: Path) -> None:
    with closing(sqlite3.connect(with_data / FILE)) as db:
        db.execute("PRAGMA journal_mode=DELETE")
        db.execute("PRAGMA user_version=9999")
    before = (with_data / FILE).read_bytes()
    line = refused(with_data)
    assert str(with_data) in line
    assert "newer" in line
    assert "9999" in line
    assert (with_data / FILE).read_bytes() == before


def test_a_database_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("CREATE TABLE bookmarks (address TEXT)")
    before = (tmp_path / FILE).read_bytes()
    assert "not a database of Airwave" in refused(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    assert str(tmp_path) in refused(tmp_path)
    assert (tmp_path / FILE).read_bytes() == b"no database" * 1000


# --- errors where we like them ----------------------------------------------------------------------------------------


class Fuse:
    """Lets writes or syncs of SQLite fail, from one on, until it is mended. Give it to `Disk.fails`."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.blown = False
        self._left = -1
        self._kind, self._code = "", 0

    def arm(self) -> None:
        """The next write or sync, or one a little later, fails."""
        self._kind, self._code = self._rng.choice((("write", FULL), ("write", IOERR_WRITE), ("sync", IOERR_FSYNC)))
        self._left = self._rng.choice((0, 0, 1, 3))

    def mend(self) -> None:
        """All goes well again."""
        self._left, self.blown = -1, False

    def __call__(self, kind: str, _: str) -> int:
        if self._left < 0 or kind != self._kind:
            return 0
        if self._left:
            self._left -= 1
            return 0
        self.blown = True
        return self._code


@pytest.mark.parametrize("seed", [1, 2])
def test_a_commit_that_fails_leaves_no_trace(seed: int, tmp_path: Path) -> None:
    """Random load, in which commits fail now and then: each turn is there as a whole, or answered with errors."""
    rng, states = random.Random(seed), States()
    script = Script(rng, b"c", DATABASES, alone=True, newer=True)
    fuse = Fuse(rng)
    failures = 0
    with hasty_keeper(), Disk(tmp_path) as disk:
        disk.fails = fuse
        with opened(tmp_path, quiet=False) as node:
            client = Client(node)
            for number in range(120):
                units = script.pipeline() if number else script.connected()
                if number and rng.random() < 0.2:
                    fuse.arm()
                replies = ask(client, [request for unit in units for request in unit.requests])
                if any(str(reply).startswith(REFUSAL) for reply in replies):
                    failures += 1
                    units = [unit for unit in units if unit.requests[0][0] == "SELECT"]
                states.do(units)
                found = look(client, keys_of(client, range(16)), EXACT)
                ask(client, [("SELECT", script.database)])
                assert not difference(states.now, found), difference(states.now, found)
                fuse.mend()
                for each in (node, states.node):
                    each.advance(TURN_S)
                assert node.broker.refusal is None
        with opened(tmp_path, at_ns=states.node.host.ns) as node:
            client = Client(node)
            found = look(client, keys_of(client, range(16)), EXACT)
            assert not difference(states.now, found), difference(states.now, found)
    assert failures > 5


def test_a_sync_that_fails_is_told_by_the_next_write(tmp_path: Path) -> None:
    """`everysec`: what was answered may be lost by a power cut then, so that nothing more may be promised."""
    with hasty_keeper(), Disk(tmp_path) as disk, ExitStack() as stack:
        node = stack.enter_context(opened(tmp_path, "everysec", quiet=False))
        client = Client(node)
        assert ask(client, [("SET", "a", "1")]) == [b"OK"]
        disk.fails = lambda kind, _: IOERR_FSYNC if kind == "sync" else 0

        def refused_yet() -> bool:
            return str(ask(client, [("INCR", "a")])[0]) == REFUSAL + "Input/output error"

        wait_for(refused_yet, "a write to be refused")
        (before,) = ask(client, [("GET", "a")])
        node.advance(1)
        assert refused_yet()
        disk.fails = lambda _kind, _name: 0
        node.advance(1)
        assert ask(client, [("INCR", "a")]) == [int(before) + 1]
