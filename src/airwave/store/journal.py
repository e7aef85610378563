"""The durable journal: one transaction for each turn of the loop.

A commit writes, in one transaction: one row of effects; the chunks that were sealed, whose entries need not go through
the journal; and what `rows` wants to write or delete beside it. Then the replies of the turn may leave. Threads: see
`keeper` and `residence`; everything else happens on the loop.
"""

import contextlib
import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from airwave.journal import Effect, Journal, JournalError
from airwave.keyspace import Keyspace
from airwave.store import loading, schema, states
from airwave.store.keeper import Keeper
from airwave.store.lock import DirectoryLock
from airwave.store.residence import Residence, memory_share
from airwave.store.rows import Rows
from airwave.store.saving import Saving
from airwave.store.schema import StoreError, connect, reason_of
from airwave.store.turn import Turn
from airwave.store.turn import blobs as encoded
from airwave.streams.chunk import Chunk
from airwave.streams.stream import Stream
from airwave.value import Value

RESERVE = 1000  # numbers are reserved so many at a time
PROBE_BYTES = 256 << 10  # room that there must be before writes are accepted again

_PUT_JOURNAL = "INSERT INTO journal VALUES (?, ?)"
_PUT_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"


class SqliteJournal(Journal):
    """The journal of a node whose data is in a directory.

    Args:
        folder: the directory; it is there.
        fsync: `always`, `everysec` or `no`, see `set_fsync`.
        memory_bytes: what entries that are on disk may take of the memory; 0: a quarter of what there is.
        call_soon: has the loop call a function, from any thread; None: there is no loop.
        on_fetched: called on the loop when chunks have come that made a command raise `Cold`.

    Raises:
        StoreError: the directory is in use, or the database cannot be used.
    """

    durable = True

    def __init__(
        self,
        folder: Path,
        *,
        fsync: str = "everysec",
        memory_bytes: int = 0,
        call_soon: Callable[[Callable[[], None]], object] | None = None,
        on_fetched: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = folder / schema.FILE
        self._lock = DirectoryLock(folder)
        try:
            self._db = self._open()
        except BaseException:
            self._lock.release()
            raise
        self._keeper = Keeper(self.path, self._sync_failed)
        self._residence = Residence(self._db, self._connect_reader, 0, call_soon, on_fetched)
        self._rows = Rows(self._db, self._residence)
        self._turn = Turn()
        self._keyspace: Keyspace  # set by `load`, the first thing to be called
        self._seq = 0
        self._spaces: list[int] | None = None  # to be written
        self._reserved = [0, 0, 0, 0]
        self._broken = False  # the connection is of no use any more
        self._stale = False  # memory could not be brought back to what the disk has
        self._sync_error = ""
        self.last_error = ""  # why the last commit failed; empty: it did not
        self.commits = 0
        self._saving: Saving | None = None
        self.last_save_s = int(time.time())
        self.last_save_ok = True
        self.saves = 0
        self.set_memory(memory_bytes)
        self.set_fsync(fsync)
        self._keeper.start()

    def _open(self) -> sqlite3.Connection:
        is_new = not self.path.exists()
        db = connect(self.path)
        try:
            schema.prepare(db, created_at=int(time.time()))
            db.execute("PRAGMA cache_size=-16384")
            if is_new:
                _sync_folder(self.path.parent)
        except sqlite3.Error as error:
            db.close()
            raise StoreError(reason_of(error)) from None
        except BaseException:
            db.close()
            raise
        return db

    def _connect_reader(self) -> sqlite3.Connection:
        return connect(self.path, readonly=True)

    # --- settings ---------------------------------------------------------------------------------------------------

    def set_fsync(self, mode: str) -> None:
        """When what was written is synced.

        Args:
            mode: `always`: before the commit ends; `everysec`: once a second; `no`: when the system likes.
        """
        self._fsync = mode
        if self._keeper.unsynced and mode == "always":
            with contextlib.suppress(OSError):
                self._keeper.sync()
        self._db.execute(f"PRAGMA synchronous={'FULL' if mode == 'always' else 'NORMAL'}")
        self._keeper.syncs = mode == "everysec"

    def set_memory(self, size: int) -> None:
        """How many bytes entries that are on disk may take of the memory; 0: a quarter of what there is."""
        self._residence.budget_bytes = size or memory_share()

    # --- the journal's interface ------------------------------------------------------------------------------------

    def record(self, effect: Effect) -> None:
        """See `Journal`."""
        self._turn.effects.append(effect)

    def touch(self, value: Value) -> None:
        """See `Journal`."""
        assert isinstance(value, Stream)
        self._turn.touched.append(value)

    def sealed(self, stream: Stream, chunk: Chunk) -> None:
        """See `Journal`."""
        if not chunk.number:
            self._rows.last_chunk += 1
            chunk.number = self._rows.last_chunk
        self._turn.sealed[chunk] = stream

    def dropped(self, stream: Stream, chunks: Iterable[Chunk]) -> None:
        """See `Journal`."""
        gone = [*chunks]
        for chunk in gone:
            self._turn.sealed.pop(chunk, None)
        self._rows.chunks_gone(stream.number, gone)

    def fetch(self, chunks: list[Chunk]) -> None:
        """See `Journal`."""
        self._residence.fetch(chunks, patient=self.patient)

    # --- committing -------------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """See `Journal`. After a failure nothing is written until `probe` has found that it works again."""
        if self.last_error:
            return
        turn = self._turn
        try:
            has_work = self._rows.has_work
            if turn.effects or turn.touched or has_work or self._spaces is not None:
                if self._sync_error:
                    raise OSError(errno.EIO, self._sync_error)
                self._write(has_work)
                self.commits += 1
            if self._saving is not None and self._saving.step():
                self._end_saving(well=True)
        except (sqlite3.Error, OSError, OverflowError) as error:
            self._failed(error)
            raise JournalError(self.last_error) from None
        if self._residence.bytes > self._residence.budget_bytes:
            self._residence.make_room()

    def _write(self, has_work: bool) -> None:
        """One transaction with all that happened since the last."""
        rows, db, turn = self._rows, self._db, self._turn
        row, about_keys = turn.gather(self._seq + 1, rows.owed)
        blobs = encoded(row) if row else []
        if len(blobs) == 1 and not (about_keys or has_work or turn.sealed or self._spaces is not None):
            self._put(blobs[0])  # the usual case: one statement is a transaction, and no number was given
        else:
            db.execute("BEGIN IMMEDIATE")
            for blob in blobs:
                self._put(blob)
            if about_keys and turn.note_keys(row, self._keyspace, rows):
                self._spaces = [database.space for database in self._keyspace.databases]
            for chunk, stream in turn.sealed.items():
                rows.put_sealed(stream, chunk, self._seq)
            if rows.has_work:
                rows.work(idle=not row)
            if self._must_write_meta:
                self._write_meta()
            db.execute("COMMIT")
            for chunk in turn.sealed:
                self._residence.add(chunk)
            turn.sealed.clear()
        self._keeper.wrote(rows.written + 2 * schema.PAGE_BYTES)
        rows.written = 0

    def _put(self, blob: bytes) -> None:
        self._seq += 1
        self._db.execute(_PUT_JOURNAL, (self._seq, blob))
        self._rows.journaled(self._seq, len(blob))

    @property
    def _must_write_meta(self) -> bool:
        keyspace, rows, reserved = self._keyspace, self._rows, self._reserved
        return (
            self._spaces is not None
            or keyspace.last_number > reserved[0]
            or keyspace.last_space > reserved[1]
            or rows.last_chunk > reserved[2]
            or rows.last_page > reserved[3]
        )

    def _write_meta(self) -> None:
        keyspace, rows = self._keyspace, self._rows
        if self._spaces is not None:
            self._db.execute(_PUT_META, ("spaces", states.encode(self._spaces)))
            self._spaces = None
        used = (keyspace.last_number, keyspace.last_space, rows.last_chunk, rows.last_page)
        self._reserved = [number + RESERVE for number in used]
        self._db.execute(_PUT_META, ("reserved", states.encode(self._reserved)))

    # --- loading ----------------------------------------------------------------------------------------------------

    def load(self, keyspace: Keyspace) -> None:
        """Fill a keyspace with what the disk has.

        Raises:
            StoreError: it cannot be read.
        """
        self._keyspace = keyspace
        loaded = loading.read(self._db, self)
        self._turn.clear()
        self._rows.clear()
        self._residence.clear()
        changed = loading.fill(keyspace, loaded)
        self._spaces = [database.space for database in keyspace.databases] if changed else None
        self._reserved = loaded.reserved
        self._seq = loaded.last_seq
        self._rows.restore(loaded)

    def reload(self, keyspace: Keyspace) -> None:
        """See `Journal`. If the disk cannot even be read, memory stays as it is until `probe` has read it."""
        try:
            self.load(keyspace)
            self._stale = False
        except StoreError:
            self._stale = True

    def probe(self) -> bool:
        """See `Journal`."""
        if not self.last_error:
            return True
        try:
            if self._broken:
                self._reopen()
            if self._sync_error:
                self._keeper.sync()
                self._sync_error = ""
            # Not a byte or two: commits would fail again at once.
            self._db.execute("INSERT OR REPLACE INTO entries VALUES (-1, zeroblob(?))", (PROBE_BYTES,))
            self._db.execute("DELETE FROM entries WHERE chunk = -1")
            if self._stale:
                self.load(self._keyspace)
                self._stale = False
        except (sqlite3.Error, OSError, StoreError):
            self._keeper.checkpoint(truncate=False)  # it may give the WAL's room back
            return False
        self.last_error = ""
        return True

    # --- failures ---------------------------------------------------------------------------------------------------

    def _failed(self, error: Exception) -> None:
        self.last_error = reason_of(error)
        if self._saving is not None:
            self._end_saving(well=False)
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            self._broken = True

    def _sync_failed(self, reason: str) -> None:
        """In the keeper's thread: what was written may be lost. The next commit says so."""
        self._sync_error = reason

    def _reopen(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        self._db = self._rows.db = self._residence.db = self._open()
        self.set_fsync(self._fsync)
        self._broken = False

    # --- saving and closing -----------------------------------------------------------------------------------------

    def save(self) -> None:
        """See `Journal`: write the rows of everything that the journal has, give back space, and empty the WAL."""
        assert self._saving is None
        self._saving = Saving(self._db, self._rows, self._keeper)

    def wait_for_saving(self) -> None:
        """See `Journal`."""
        if self._saving is not None:
            self._saving.wait()

    def _end_saving(self, *, well: bool) -> None:
        self._saving = None
        self.last_save_ok = well
        if well:
            self.last_save_s = int(time.time())
            self.saves += 1

    @property
    def saving(self) -> bool:
        """See `Journal`."""
        return self._saving is not None

    def facts(self) -> dict[str, Any]:
        """See `Journal`."""
        return {
            "last_error": self.last_error,
            "last_save_s": self.last_save_s,
            "last_save_ok": self.last_save_ok,
            "saves": self.saves,
            "size": _size(self.path),
            "wal_size": _size(self.path.with_name(f"{schema.FILE}-wal")),
            "journal_rows": self._rows.journal_rows,
            "journal_bytes": self._rows.journal_bytes,
            "owed_values": len(self._rows.owed),
            "rubbish_rows": self._rows.rubbish,
            "resident_bytes": self._residence.bytes,
            "resident_bytes_max": self._residence.budget_bytes,
            "fetched_chunks": self._residence.fetches,
            "commits": self.commits,
            "checkpoints": self._keeper.checkpoints,
        }

    def close(self) -> None:
        """End the threads, sync what was committed, and give the directory back. What was not committed is lost."""
        self._residence.close()
        self._keeper.close()
        with contextlib.suppress(sqlite3.Error, OSError):
            self._keeper.sync()
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        self._keeper.release()
        self._lock.release()

    def abandon(self) -> None:
        """In the child of a fork: the directory is the parent's alone, and stays so when the parent ends before us."""
        self._lock.abandon()


def _sync_folder(folder: Path) -> None:
    """Make the names of new files durable."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
