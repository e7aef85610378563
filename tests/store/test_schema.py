"""The database file: made, migrated, refused."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from airwave.store import SqliteJournal, StoreError, maintenance, schema
from store.worlds import world


def version(db: sqlite3.Connection) -> int:
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    return found


def test_a_new_database(tmp_path: Path) -> None:
    with world(tmp_path), closing(schema.connect(tmp_path / schema.FILE, readonly=True)) as db:
        assert schema.check_version(db) == schema.VERSION
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert {name for (name,) in db.execute("SELECT name FROM meta")} >= {"created", "version"}


def test_older_ones_are_migrated_step_by_step(tmp_path: Path) -> None:
    def second(db: sqlite3.Connection) -> None:
        db.execute("ALTER TABLE meta ADD COLUMN note TEXT")

    def third(db: sqlite3.Connection) -> None:
        db.execute("UPDATE meta SET note = 'migrated'")

    with closing(schema.connect(tmp_path / schema.FILE)) as db:
        assert schema.prepare(db, ()) == (0, 1)
        assert schema.prepare(db, (second, third)) == (1, 3)
        assert {note for (note,) in db.execute("SELECT note FROM meta")} == {"migrated"}
        assert schema.prepare(db, (second, third)) == (3, 3)


def test_the_first_format_had_nothing_scheduled(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.do("XADD s 1-1 f v")
        wanted = made.contents()
    with closing(schema.connect(tmp_path / schema.FILE)) as db:
        db.execute("DROP TABLE scheduled")
        db.execute("PRAGMA user_version=1")
    report = maintenance.check(tmp_path)
    assert (report.version, report.entries, report.problems) == (1, 1, [])
    with world(tmp_path) as made, closing(schema.connect(tmp_path / schema.FILE, readonly=True)) as db:
        assert schema.check_version(db) == 2
        assert made.contents() == wanted
        made.do("XSCHEDULE s IN 1000 ID a f v")
        made.journal.save()
        made.commit(3)
        assert made.rows("scheduled") == 1


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    def second(db: sqlite3.Connection) -> None:
        db.execute("ALTER TABLE meta ADD COLUMN note TEXT")

    def third(db: sqlite3.Connection) -> None:
        db.execute("UPDATE absent SET note = 1")

    with closing(schema.connect(tmp_path / schema.FILE)) as db:
        schema.prepare(db, ())
        with pytest.raises(StoreError, match="no such table: absent"):
            schema.prepare(db, (second, third))
        assert version(db) == 1
        assert schema.prepare(db, (second,)) == (1, 2)


def test_a_newer_one_is_refused(tmp_path: Path) -> None:
    with world(tmp_path):
        pass
    with closing(schema.connect(tmp_path / schema.FILE)) as db:
        db.execute(f"PRAGMA user_version={schema.VERSION + 1}")
    with pytest.raises(StoreError) as error:
        SqliteJournal(tmp_path)
    assert str(error.value) == (
        f"airwave.sqlite3 was written by a newer Airwave (its format is {schema.VERSION + 1}, this one knows up to "
        f"{schema.VERSION}): use that version"
    )
    with closing(schema.connect(tmp_path / schema.FILE)) as db:
        db.execute(f"PRAGMA user_version={schema.VERSION}")
    with world(tmp_path):  # the lock was given back
        pass


def test_what_is_no_database_of_ours_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / schema.FILE)) as db:
        db.execute("CREATE TABLE theirs (a)")
    with pytest.raises(StoreError, match=r"^airwave\.sqlite3 is not a database of Airwave$"):
        SqliteJournal(tmp_path)
    (tmp_path / schema.FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"^airwave\.sqlite3 is not a database$"):
        SqliteJournal(tmp_path)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("odd"), "odd"),
        (sqlite3.OperationalError("something else"), "something else"),
    ],
)
def test_reasons(error: Exception, reason: str) -> None:
    assert schema.reason_of(error) == reason
