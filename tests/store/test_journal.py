"""The journal as a whole: what is committed is there again, whatever happened between."""

import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from airwave.store import rows
from airwave.store.maintenance import check
from airwave.streams.stream import Stream
from store.worlds import Chance, World, world


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that has a size is small, so that little load passes all bounds."""
    monkeypatch.setattr("airwave.streams.chunk.ENTRIES_MAX", 5)
    monkeypatch.setattr("airwave.streams.stream.ENTRIES_MAX", 5)
    monkeypatch.setattr("airwave.streams.pending.PAGE_MAX", 4)
    monkeypatch.setattr(rows, "JOURNAL_ROWS_MAX", 12)
    monkeypatch.setattr(rows, "ABSORB_NS", 1)  # one row for each commit, and twice as much for each 12 that there are
    monkeypatch.setattr(rows, "DELETE_NS", 1)
    monkeypatch.setattr(rows, "CUT_MAX", 7)


def streams(made: World) -> list[Stream]:
    values = [value for database in made.keyspace.databases for value in database.values.values()]
    return [value for value in values if isinstance(value, Stream)]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", [*range(3), *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 12)]])
def test_what_was_committed_is_on_disk_after_every_turn(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    chance = Chance(rng)
    made = World(tmp_path, memory_bytes=2000)
    try:
        for step in range(150):
            lines = [chance.line() for _ in range(rng.choice((1, 1, 1, 2, 5, 20)))]
            made.do_together(*lines)
            if rng.random() < 0.3:
                made.node.advance(0.1)
            assert made.on_disk() == made.contents(), (step, lines)
            if rng.random() < 0.02:
                before = made.contents()
                made.close()
                made = World(tmp_path, memory_bytes=2000)
                assert made.contents() == before
            elif rng.random() < 0.02:
                made.journal.reload(made.keyspace)
                assert made.on_disk() == made.contents()
        made.journal._rows.hurry()
        while made.journal._rows.has_work:
            made.commit()
        report = check(tmp_path)
        assert (report.problems, report.rubbish) == ([], 0)
        assert made.rows("chunks") == made.rows("entries") == report.chunks
        groups = [group for stream in streams(made) for group in stream.groups.values()]
        assert made.rows("pending") == sum([len(group.pending.pages) for group in groups])
        assert made.rows("keys") == report.keys
        assert made.rows("scheduled") == report.scheduled
    finally:
        made.close()


@pytest.mark.usefixtures("small")
def test_a_copy_taken_at_any_moment_can_be_opened(tmp_path: Path) -> None:
    chance = Chance(random.Random(99))
    (tmp_path / "a").mkdir()
    with world(tmp_path / "a") as made:
        for _ in range(150):
            made.do_together(chance.line(), chance.line())
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        before = made.contents()
    with world(tmp_path / "b") as copy:
        assert copy.contents() == before
        copy.do("XADD", "more", "*", "f", "v")
        assert copy.on_disk() == copy.contents()


# --- failures ---------------------------------------------------------------------------------------------------------


def full_disk(made: World) -> None:
    """The file cannot grow any more."""
    db = made.journal._db
    db.execute(f"PRAGMA max_page_count={db.execute('PRAGMA page_count').fetchone()[0]}")


def test_a_full_disk_is_told_memory_goes_back_and_writes_resume(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.node.host.quiet = False
        made.do("SET kept 1")
        made.do("XADD s 1-1 f v")
        before = made.contents()
        full_disk(made)
        reply = made.do("XADD", "s", "2-1", "f", b"v" * 100_000)
        assert str(reply) == "MISCONF Errors writing to the AOF file: No space left on device"
        assert made.contents() == before == made.on_disk()
        assert str(made.do("SET kept 2")).startswith("MISCONF")
        assert made.do("GET kept") == b"1"
        assert made.journal.facts()["last_error"] == "No space left on device"
        made.node.broker.cron()
        assert str(made.do("SET kept 2")).startswith("MISCONF")
        made.journal._db.execute("PRAGMA max_page_count=1000000")
        made.node.broker.cron()
        assert made.do("SET kept 2") == b"OK"
        assert made.do("XADD", "s", "2-1", "f", b"v" * 100_000) == b"2-1"
        assert made.on_disk() == made.contents()


def test_what_is_due_while_nothing_can_be_written_comes_when_it_works_again(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.node.host.quiet = False
        made.do("XSCHEDULE", "s", "IN", 500, "ID", "large", "f", b"v" * 100_000)
        made.do("XSCHEDULE s IN 600 ID small f v")
        full_disk(made)
        before = made.contents()
        made.node.advance(0.5)  # adding the first fails: there is no room for it
        assert made.node.broker.refusal is not None
        assert made.contents() == before == made.on_disk()
        made.node.advance(0.5)  # and nothing else is added meanwhile
        assert made.contents() == before == made.on_disk()
        made.journal._db.execute("PRAGMA max_page_count=1000000")
        made.node.advance(0.1)
        assert [entry[1][1][:1] for entry in made.do("XRANGE s - +")] == [b"v", b"v"]
        assert made.do("XSCHEDULED s") == []
        made.node.advance(10)
        assert made.do("XLEN s") == 2
        assert made.on_disk() == made.contents()


def test_what_expires_while_nothing_can_be_written_is_gone_when_it_works_again(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.node.host.quiet = False
        made.do("SET fleeting 1 PX 500")
        full_disk(made)
        made.do("SET", "large", b"v" * 100_000)
        made.node.advance(1)
        assert made.do("GET fleeting") is None
        made.journal._db.execute("PRAGMA max_page_count=1000000")
        made.node.broker.cron()
        made.node.broker.cron()
        made.commit()
        assert made.on_disk() == made.contents() == {}


def test_a_failed_sync_fails_the_next_commit(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.node.host.quiet = False
        made.do("SET a 1")
        made.journal._sync_failed("Input/output error")
        assert str(made.do("SET a 2")) == "MISCONF Errors writing to the AOF file: Input/output error"
        assert made.do("GET a") == b"1"
        made.node.broker.cron()
        assert made.do("SET a 2") == b"OK"


def test_a_connection_that_cannot_go_back_is_opened_anew(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.do("SET a 1")
        made.node.host.quiet = False
        made.journal._db.close()
        assert str(made.do("SET a 2")).startswith("MISCONF")
        made.node.broker.cron()
        assert made.do("GET a") == b"1"
        assert made.do("SET a 2") == b"OK"
        assert made.on_disk() == made.contents()


# --- settings ---------------------------------------------------------------------------------------------------------


def test_fsync_can_be_changed(tmp_path: Path) -> None:
    with world(tmp_path, fsync="no") as made:
        level = "PRAGMA synchronous"
        normal, full = 1, 2
        assert made.journal._db.execute(level).fetchone()[0] == normal
        made.journal.set_fsync("always")
        assert made.journal._db.execute(level).fetchone()[0] == full
        assert not made.journal._keeper.syncs
        made.journal.set_fsync("everysec")
        assert made.journal._db.execute(level).fetchone()[0] == normal
        assert made.journal._keeper.syncs


def test_threads_end_with_the_journal(tmp_path: Path) -> None:
    before = threading.active_count()
    with world(tmp_path):
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_a_program_that_forgets_to_close_ends_all_the_same(tmp_path: Path) -> None:
    program = f"import pathlib, airwave.store; airwave.store.SqliteJournal(pathlib.Path({str(tmp_path)!r}))"
    assert subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode == 0
