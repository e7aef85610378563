"""Syncs and checkpoints beside the loop."""

import threading
from pathlib import Path

import pytest

from airwave.store import keeper, schema
from airwave.store.keeper import Keeper
from store.worlds import World, reader, world

DEADLINE_S = 30


def wal_bytes(made: World) -> int:
    return (made.folder / f"{schema.FILE}-wal").stat().st_size


def test_a_truncating_checkpoint_empties_the_wal(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.do("SET a 1")
        assert wal_bytes(made) > 0
        assert made.journal._keeper.checkpoint().wait(DEADLINE_S)
        assert wal_bytes(made) == 0
        assert made.on_disk() == made.contents()


def test_the_wal_is_begun_anew_when_it_has_grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "WAL_BYTES_MAX", 100_000)
    with world(tmp_path) as made:
        for number in range(300):
            made.do(f"SET key{number} {'v' * 5000}")
            if number % 10 == 0:
                made.journal._keeper.checkpoint(truncate=False).wait(DEADLINE_S)
        assert made.journal.facts()["checkpoints"] == 30
        assert wal_bytes(made) < 1_500_000
        assert made.on_disk() == made.contents()


def test_a_checkpoint_is_made_when_enough_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "CHECKPOINT_BYTES", 100_000)
    with world(tmp_path) as made:
        number = 0
        while not made.journal.facts()["checkpoints"]:
            number += 1
            assert number < 100_000
            made.do(f"SET key{number} {'v' * 5000}")


def test_who_reads_for_long_holds_nobody_up(tmp_path: Path) -> None:
    with world(tmp_path) as made, reader(tmp_path) as db:
        made.do("SET a 1")
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM journal").fetchone()
        made.do("SET a 2")
        assert made.journal._keeper.checkpoint().wait(DEADLINE_S)
        assert wal_bytes(made) > 0
        made.do("SET a 3")
        db.execute("ROLLBACK")
        assert made.journal._keeper.checkpoint().wait(DEADLINE_S)
        assert wal_bytes(made) == 0


def test_the_wal_is_synced_every_second_if_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = threading.Event()
    monkeypatch.setattr(keeper, "SYNC_S", 0.01)
    monkeypatch.setattr(keeper.os, "fdatasync", lambda _file: synced.set())
    with world(tmp_path) as made:
        made.do("SET a 1")
        assert synced.wait(DEADLINE_S)


def test_a_sync_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    failed = threading.Event()

    def broken(_file: int) -> None:
        raise OSError(5, "Input/output error")

    def note(reason: str) -> None:
        told.append(reason)
        failed.set()

    monkeypatch.setattr(keeper, "SYNC_S", 0.01)
    monkeypatch.setattr(keeper.os, "fdatasync", broken)
    (tmp_path / "x-wal").touch()
    kept = Keeper(tmp_path / "x", note)
    kept.syncs = kept.unsynced = True
    kept.start()
    assert failed.wait(DEADLINE_S)
    kept.close()
    assert told[0] == "Input/output error"


def test_a_wal_that_is_not_there_needs_no_sync(tmp_path: Path) -> None:
    Keeper(tmp_path / "x", print).sync()
