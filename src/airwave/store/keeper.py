"""What is done to the database beside the loop: syncing the WAL once a second, and checkpoints.

A checkpoint copies the WAL into the database. On the connection that commits it would stall the loop for 20 ms; here
it runs on a connection of its own. PASSIVE waits for nobody and holds nobody up, but a WAL that is written all the time
is only begun anew when a checkpoint has copied all of it and no commit came meanwhile. So when it has grown, a RESTART
follows, which keeps commits waiting: right behind a PASSIVE one and a sync of the database, so that little is left to
do under the lock.
"""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from airwave.store.schema import StoreError, connect, reason_of

SYNC_S = 1.0
CHECKPOINT_BYTES = 32 << 20  # a checkpoint after so much was written to the WAL
WAL_BYTES_MAX = 256 << 20  # beyond this, it is begun anew
LEFT_FRAMES_MAX = 1000  # what a RESTART may have to copy while commits wait
PASSES_MAX = 4
CHECKPOINT_NICE = 10
TRIES_MAX = 20
TRY_AGAIN_S = 0.002


class Keeper:
    """Two threads of one database; they end with `close`, or with the interpreter.

    Args:
        path: of the database.
        failed: called, in a thread, with the reason when what was written could not be synced.

    Attributes:
        written: bytes written to the WAL since the last checkpoint began, about; the loop counts.
    """

    def __init__(self, path: Path, failed: Callable[[str], None]) -> None:
        self._path = path
        self._wal = path.with_name(f"{path.name}-wal")
        self._failed = failed
        self._closed = threading.Event()
        self.written = 0
        self.unsynced = False  # something was written since the last sync; the loop sets it
        self.checkpoints = 0
        self._syncing = threading.Event()
        self._wanted = threading.Event()
        self._truncate = False
        self._done: list[threading.Event] = []
        self._threads: list[threading.Thread] = []
        self._db_file = -1

    def start(self) -> None:
        """Start the threads."""
        for name, run in (("airwave-sync", self._sync_loop), ("airwave-checkpoint", self._checkpoint_loop)):
            # As daemons they last as long as other threads that write, and never keep the interpreter from ending.
            thread = threading.Thread(target=run, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """End the threads; what they do is finished first. The database's connections are closed before `release`."""
        self._closed.set()
        self._syncing.set()
        self._wanted.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def release(self) -> None:
        """Give back the descriptor of the database: behind its connections, whose locks would go with it."""
        if self._db_file >= 0:
            os.close(self._db_file)
            self._db_file = -1

    # --- syncing ----------------------------------------------------------------------------------------------------

    @property
    def syncs(self) -> bool:
        """Whether the WAL is synced once a second (`appendfsync everysec`)."""
        return self._syncing.is_set()

    @syncs.setter
    def syncs(self, wanted: bool) -> None:
        if wanted:
            self._syncing.set()
        else:
            self._syncing.clear()

    def sync(self) -> None:
        """Sync the WAL now.

        Raises:
            OSError: what was written may be lost.
        """
        self.unsynced = False
        try:
            file = os.open(self._wal, os.O_RDWR)  # SQLite holds no locks on the WAL: it may be opened and closed
        except FileNotFoundError:
            return
        try:
            os.fdatasync(file)
        finally:
            os.close(file)

    def _sync_loop(self) -> None:
        while not self._closed.is_set():
            if not self._syncing.wait(SYNC_S):
                continue
            if self.unsynced and not self._closed.is_set():
                try:
                    self.sync()
                except OSError as error:
                    self._failed(reason_of(error))
            self._closed.wait(SYNC_S)

    # --- checkpoints ------------------------------------------------------------------------------------------------

    def wrote(self, size: int) -> None:
        """The loop wrote so many bytes."""
        self.written += size
        self.unsynced = True
        if self.written >= CHECKPOINT_BYTES:
            self.written = 0
            self._wanted.set()

    def checkpoint(self, *, truncate: bool = True) -> threading.Event:
        """Have a checkpoint made; the event is set when it is done, whether well or not."""
        done = threading.Event()
        self._done.append(done)
        self._truncate = self._truncate or truncate
        self._wanted.set()
        return done

    def _checkpoint_loop(self) -> None:
        # On a busy core the loop comes first: a checkpoint is 20 ms of work that nobody waits for.
        with contextlib.suppress(OSError, AttributeError):  # per thread on Linux only
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), CHECKPOINT_NICE)
        db: sqlite3.Connection | None = None
        while not self._closed.is_set():
            if not self._wanted.wait(SYNC_S):
                continue
            self._wanted.clear()
            done, self._done = self._done, []
            truncate, self._truncate = self._truncate, False
            if not self._closed.is_set():
                try:
                    db = db or self._connect()
                    self._checkpoint(db, truncate=truncate)
                except (sqlite3.Error, OSError, StoreError):
                    # Nothing is lost: the WAL has it all, and grows. A disk that is full is met by the next commit.
                    if db is not None:
                        db.close()
                        db = None
            for each in done:
                each.set()
        if db is not None:
            db.close()

    def _connect(self) -> sqlite3.Connection:
        db = connect(self._path, busy_s=0)  # see `_begin_anew`
        db.execute("PRAGMA synchronous=NORMAL")
        if self._db_file < 0:
            self._db_file = os.open(self._path, os.O_RDWR)
        return db

    def _checkpoint(self, db: sqlite3.Connection, *, truncate: bool) -> None:
        left = 0
        for _ in range(PASSES_MAX):
            _, frames, copied = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            os.fdatasync(self._db_file)
            left = frames - copied
            if left <= LEFT_FRAMES_MAX:
                break
        self.checkpoints += 1
        size = self._wal.stat().st_size
        if truncate or size > 4 * WAL_BYTES_MAX:
            self._begin_anew(db, "TRUNCATE")
        elif size > WAL_BYTES_MAX:
            self._begin_anew(db, "RESTART")

    @staticmethod
    def _begin_anew(db: sqlite3.Connection, mode: str) -> None:
        """Have the next commit write at the beginning of the WAL.

        It holds the lock of those who write while it waits for those who read, and `airwave check` may read for a
        minute: so it does not wait, but tries a few times.
        """
        for _ in range(TRIES_MAX):
            if not db.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0]:
                return
            time.sleep(TRY_AGAIN_S)
