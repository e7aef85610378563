"""A server with a database, as its operator sees it."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from live import Node, Peer

Start = Callable[..., Node]


def test_what_was_answered_survives_kill_9(start: Start, tmp_path: Path) -> None:
    options = ("--appendonly", "yes", "--dir", str(tmp_path))
    node = start(*options)
    with node.connect() as peer:
        entry_id = peer.do("XADD", "s", "*", "f", "v")
        peer.do("SET", "k", "v")
    node.process.kill()
    node.process.wait()
    again = start(*options)
    assert "keys=2" in again.wait_for_line("database opened")
    with again.connect() as peer:
        assert peer.do("XRANGE", "s", "-", "+") == [[entry_id, [b"f", b"v"]]]
        assert peer.do("GET", "k") == b"v"


def test_a_server_that_stops_leaves_one_file_and_its_lock(start: Start, tmp_path: Path) -> None:
    node = start("--appendonly", "yes", "--dir", str(tmp_path))
    with node.connect() as peer:
        peer.do("SET", "k", "v")
    os.kill(node.pid, signal.SIGTERM)
    assert node.wait() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["airwave.lock", "airwave.sqlite3"]


def test_a_second_server_is_refused_in_one_line(start: Start, tmp_path: Path) -> None:
    options = ("--appendonly", "yes", "--dir", str(tmp_path))
    node = start(*options)
    other = start(*options, wait=False)
    assert other.wait() == 1
    assert other.log == [f"airwave: --dir {tmp_path}: in use by another Airwave (pid {node.pid})"]


def test_a_server_that_cannot_listen_gives_the_database_back(start: Start, tmp_path: Path) -> None:
    node = start()
    failed = start("--appendonly", "yes", "--dir", str(tmp_path), port=node.port, wait=False)
    assert failed.wait() == 1
    start("--appendonly", "yes", "--dir", str(tmp_path))


def test_a_database_that_is_not_used_is_told_of(start: Start, tmp_path: Path) -> None:
    (tmp_path / "airwave.sqlite3").touch()
    node = start("--dir", str(tmp_path))
    assert node.lines("airwave.sqlite3 is here, but is not used: appendonly is no")


def test_settings_at_run_time(start: Start, tmp_path: Path) -> None:
    node = start("--appendonly", "yes", "--dir", str(tmp_path))

    def error(peer: Peer, *words: str) -> str:
        return str(peer.do(*words))

    with node.connect() as peer:
        for value in ("always", "no", "everysec"):
            assert peer.do("CONFIG", "SET", "appendfsync", value) == b"OK"
            assert peer.do("SET", "k", value) == b"OK"
        assert peer.do("CONFIG", "SET", "stream-memory", "1mb") == b"OK"
        assert peer.info("persistence")["entries_in_memory_bytes_max"] == str(1 << 20)
        assert peer.do("CONFIG", "SET", "appendonly", "yes") == b"OK"
        assert error(peer, "CONFIG", "SET", "appendonly", "no") == (
            "ERR CONFIG SET failed (possibly related to argument 'appendonly') - it cannot change while the server "
            "runs: restart with appendonly no"
        )
        assert peer.do("CONFIG", "GET", "appendonly") == [b"appendonly", b"yes"]
