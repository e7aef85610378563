"""Power cuts, see power.py; and whether the recording disk forgets what a real one forgets."""

import dataclasses
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from live import wait_for

from crash.disk import Disk, restored
from crash.power import Client, cut_often, cut_power, hasty_keeper, opened, record
from crash.state import ask


@pytest.mark.slow
@pytest.mark.parametrize("fsync", ["always", "everysec", "no"])
def test_a_power_cut_loses_nothing_that_was_synced(fsync: str, tmp_path: Path) -> None:
    with hasty_keeper():
        cut_often(tmp_path, seed=1, turns=120, cuts=30, fsync=fsync)


def test_everysec_syncs_what_was_written_without_being_asked(tmp_path: Path) -> None:
    with hasty_keeper(), Disk(tmp_path) as disk, opened(tmp_path, "everysec") as node:
        client = Client(node)
        for number in range(3):
            assert ask(client, [("SET", "key", number)]) == [b"OK"]
            written = len(disk.events)

            def is_synced(written: int = written) -> bool:
                return any(event.kind == "sync" and event.at >= written for event in disk.events[written:])

            wait_for(is_synced, "a sync")


# --- is the disk right? -----------------------------------------------------------------------------------------------


def rows_after_cuts(folder: Path, base: Path, synchronous: str, cuts: int) -> list[tuple[int, int]]:
    """Rows whose commit had ended when the power went, and rows that are there afterwards; -1: damaged."""
    marks = []
    with Disk(folder) as disk, closing(sqlite3.connect(folder / "db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA wal_autocheckpoint=20")
        db.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, data BLOB)")
        db.execute(f"PRAGMA synchronous={synchronous}")
        begun = len(disk.events)
        for number in range(100):
            db.execute("INSERT INTO rows VALUES (?, randomblob(900))", (number,))
            marks.append(len(disk.events))
    rng, counts = random.Random(1), []
    for number in range(cuts):
        cut = rng.randrange(begun, len(disk.events))
        restored(disk.after_cut(cut, rng), base / f"cut{number}")
        with closing(sqlite3.connect(base / f"cut{number}" / "db")) as db:
            try:
                whole = db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                rows = db.execute("SELECT count(*) FROM rows").fetchone()[0] if whole else -1
            except sqlite3.Error:
                rows = -1
        counts.append((sum(mark <= cut for mark in marks), rows))
    return counts


@pytest.mark.parametrize(("synchronous", "loses", "breaks"), [("FULL", 0, 0), ("NORMAL", 1, 0), ("OFF", 1, 1)])
def test_the_disk_keeps_what_sqlite_promises_and_no_more(
    synchronous: str, loses: int, breaks: int, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    counts = rows_after_cuts(folder, tmp_path, synchronous, 60)
    assert any(0 <= rows < done for done, rows in counts) == loses
    assert any(rows == -1 for _, rows in counts) == breaks


@pytest.mark.slow
def test_losing_what_was_answered_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with hasty_keeper():
        run = dataclasses.replace(record(folder, seed=2, turns=60, fsync="everysec"), fsync="always")
        rng = random.Random(2)
        lost = 0
        for number in range(20):
            try:
                cut_power(run, rng.randrange(1, len(run.disk.events) + 1), rng, tmp_path / f"cut{number}")
            except AssertionError:
                lost += 1
    assert lost
