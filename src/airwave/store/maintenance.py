"""Looking after a database from outside, also while a server uses it: `airwave check` and `airwave backup`."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from airwave.journal import Journal
from airwave.store import loading, schema
from airwave.store.schema import FILE, StoreError, connect, reason_of
from airwave.streams import ids as entry_ids
from airwave.streams.chunk import Chunk
from airwave.streams.schedule import fields_of
from airwave.streams.stream import Stream
from airwave.value import String

PROBLEMS_MAX = 100
BACKUP_PAGES = 1000  # copied in one step

Note = Callable[[int, int], None]
"""Told how much is done, and of how much."""


@dataclass
class Report:
    """What is in a database, and what is wrong with it.

    Attributes:
        version: of the format.
        entries: live ones; `pending`: of all groups; `entries_bytes`: encoded, with those that are deleted but not
            given back.
        file_bytes: database and WAL; `free_bytes`: of it, not in use.
        scheduled: entries that are to be added later.
        rubbish: chunks that are to be deleted.
        problems: one line each; at most so many as `PROBLEMS_MAX`.
    """

    version: int = 0
    keys: int = 0
    streams: int = 0
    strings: int = 0
    entries: int = 0
    entries_bytes: int = 0
    chunks: int = 0
    groups: int = 0
    consumers: int = 0
    pending: int = 0
    scheduled: int = 0
    journal_rows: int = 0
    rubbish: int = 0
    file_bytes: int = 0
    free_bytes: int = 0
    problems: list[str] = field(default_factory=list)

    def wrong(self, problem: str) -> None:
        """Something is wrong."""
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


def _open(folder: Path) -> sqlite3.Connection:
    if not (folder / FILE).is_file():
        raise StoreError(f"there is no {FILE}")
    return connect(folder / FILE, readonly=True)


# --- checking ---------------------------------------------------------------------------------------------------------


def check(folder: Path, note: Note = lambda _done, _total: None) -> Report:
    """Read a whole database and verify what can be verified. Nothing is changed.

    Args:
        folder: the directory of the database.
        note: told how many of the chunks are read.

    Raises:
        StoreError: it cannot be opened at all; the message does not name the directory.
    """
    report = Report()
    with closing(_open(folder)) as db:
        try:
            report.version = schema.check_version(db)
            db.execute("BEGIN")  # one snapshot: a server may be writing
            _check_file(db, folder, report)
            if not report.version:
                return report  # its creation was cut short: nothing was ever in it
            _check_values(db, report, note)
        except sqlite3.Error as error:
            if not report.version:
                raise StoreError(reason_of(error)) from None
            report.wrong(f"cannot be read: {error}")
    return report


def _check_file(db: sqlite3.Connection, folder: Path, report: Report) -> None:
    for suffix in ("", "-wal"):
        path = folder / f"{FILE}{suffix}"
        report.file_bytes += path.stat().st_size if path.exists() else 0
    free, size = db.execute("SELECT freelist_count, page_size FROM pragma_freelist_count, pragma_page_size").fetchone()
    report.free_bytes = free * size
    for (line,) in db.execute(f"PRAGMA integrity_check({PROBLEMS_MAX})"):
        if line != "ok":
            report.wrong(line.replace("\n", ": "))


def _check_values(db: sqlite3.Connection, report: Report, note: Note) -> None:
    try:
        loaded = loading.read(db, Journal())
    except StoreError as error:
        report.wrong(f"values cannot be loaded: {error}")
        return
    report.journal_rows = len(loaded.rows)
    report.rubbish = len(loaded.chunks)
    report.keys = len(loaded.values)
    streams = [value for value in loaded.values.values() if isinstance(value, Stream)]
    report.streams = len(streams)
    report.strings = sum([isinstance(value, String) for value in loaded.values.values()])
    report.chunks = sum([len(stream.sealed) for stream in streams])
    done = 0
    for stream in streams:
        name = ascii(stream.key.decode("utf-8", "replace"))
        _check_groups(stream, name, report)
        _check_schedule(stream, name, report)
        report.entries += stream.length
        before = 0
        for chunk in stream.sealed:
            if problem := _problem_of(db, chunk, before, report):
                report.wrong(f"stream {name}: chunk {chunk.number}: {problem}")
            before = chunk.last
            done += 1
            if done % 64 == 0:
                note(done, report.chunks)
        tail = stream.tail
        report.entries_bytes += tail.size
        if any(low >= high for low, high in pairwise([before, *tail.members])):
            report.wrong(f"stream {name}: its last entries are not in order")
    lost = "SELECT count(*) FROM entries WHERE chunk > 0 AND chunk NOT IN (SELECT number FROM chunks)"
    if (count := db.execute(lost).fetchone()[0]) > 0:
        report.wrong(f"{count} chunks of entries belong to no stream")
    note(done, report.chunks)


def _check_groups(stream: Stream, name: str, report: Report) -> None:
    for group in stream.groups.values():
        report.groups += 1
        report.consumers += len(group.consumers)
        report.pending += len(group.pending)
        held = sum([consumer.pending for consumer in group.consumers.values()]) + len(group.released)
        shown = ascii(group.name.decode("utf-8", "replace"))
        if held != len(group.pending):
            report.wrong(
                f"stream {name}: group {shown}: {len(group.pending)} entries are pending, {held} have an owner"
            )
        if any(page.number and not page.items for page in group.pending.pages):
            report.wrong(f"stream {name}: group {shown}: a page of pending entries is empty")


def _check_schedule(stream: Stream, name: str, report: Report) -> None:
    for item in stream.schedule.by_token.values() if stream.schedule is not None else ():
        report.scheduled += 1
        try:
            fields_of(item.fields)
        except (ValueError, TypeError):
            report.wrong(f"stream {name}: scheduled entry {item.token.decode('utf-8', 'replace')!a} is damaged")


def _problem_of(db: sqlite3.Connection, chunk: Chunk, before: int, report: Report) -> str:
    """What is wrong with a chunk whose stream has entries up to `before` in front of it; empty: nothing."""
    row = db.execute("SELECT blob FROM entries WHERE chunk = ?", (chunk.number,)).fetchone()
    if row is None:
        return "its entries are missing"
    blob: bytes = row[0]
    if len(blob) != chunk.size or len(blob) < 20 * chunk.count or not chunk.live:
        return f"{len(blob)} bytes where {chunk.size} should be"
    chunk.blob = blob
    try:
        return _problem_inside(chunk, before, report)
    finally:
        chunk.blob = None


def _problem_inside(chunk: Chunk, before: int, report: Report) -> str:
    members = chunk.ids(0, chunk.count)
    entries = chunk.entry_list(0, chunk.count)
    report.entries_bytes += sum(map(len, entries))
    if any(low >= high for low, high in pairwise([before, *members])):
        return "its entries are not in order"
    if members[chunk.start] != chunk.first or members[-1] != chunk.last:
        return "its first or last ID is not that of its entries"
    if any(place >= chunk.count or place <= chunk.start for place in chunk.dead or ()):
        return "entries are deleted that are not there"
    for entry_id, entry in zip(members, entries, strict=True):
        if not entry.startswith(b"*2\r\n" + entry_ids.bulk(entry_id)):
            return f"entry {entry_ids.text(entry_id).decode()} is damaged"
    return ""


# --- copying ----------------------------------------------------------------------------------------------------------


def backup(folder: Path, target: Path, note: Note = lambda _done, _total: None) -> int:
    """Copy a database, as it is at one moment, into a new directory. A server may go on writing.

    Args:
        folder: the directory of the database.
        target: a directory that is empty or not there yet.
        note: told how many of the pages are copied.

    Returns:
        The size of the copy in bytes.

    Raises:
        StoreError: it cannot be done; the message says which of the directories it is about where that is not plain.
    """
    with closing(_open(folder)) as db:
        try:
            schema.check_version(db)
            target.mkdir(parents=True, exist_ok=True)
            if any(target.iterdir()):
                raise StoreError(f"{target} is not empty")
            _copy(db, target, note)
            return (target / FILE).stat().st_size
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"cannot copy to {target}: {reason_of(error)}") from None


def _copy(db: sqlite3.Connection, target: Path, note: Note) -> None:
    part = target / f"{FILE}.part"
    # The transaction is one snapshot for all steps: without it, every commit of the server would begin them anew.
    db.execute("BEGIN")
    db.execute("SELECT 1 FROM sqlite_master").fetchone()
    try:
        with closing(sqlite3.connect(part)) as copy:
            copy.execute("PRAGMA synchronous=OFF")  # it is synced as a whole, below

            def step(_status: int, remaining: int, total: int) -> None:
                note(total - remaining, total)

            db.backup(copy, pages=BACKUP_PAGES, progress=step, sleep=0)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file; the server that opens it makes it WAL again
        file = os.open(part, os.O_RDWR)
        try:
            os.fsync(file)
        finally:
            os.close(file)
        part.replace(target / FILE)
    except BaseException:
        for leftover in target.glob(f"{FILE}.part*"):
            leftover.unlink()
        raise
    folder = os.open(target, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
