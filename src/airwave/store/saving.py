"""SAVE, BGSAVE, BGREWRITEAOF: sync and compact, a step in each commit, so that nobody waits for all of it."""

import sqlite3
from threading import Event

from airwave.store.keeper import Keeper
from airwave.store.rows import Rows

FREE_PAGES_MAX = 256  # that may stay in the file: they are used again soon
VACUUMED_AT_ONCE = 64  # pages


class Saving:
    """One run: the rows of all values are written and the journal is cut, free pages go, the WAL is emptied.

    Args:
        db: the connection of the loop.
    """

    def __init__(self, db: sqlite3.Connection, rows: Rows, keeper: Keeper) -> None:
        self._db = db
        self._rows = rows
        self._keeper = keeper
        self._emptied: Event | None = None
        rows.hurry()

    def step(self) -> bool:
        """Go on, outside of a transaction; True when all is done."""
        if self._rows.hurrying:
            return False
        if self._emptied is None:
            if self._db.execute("PRAGMA freelist_count").fetchone()[0] > FREE_PAGES_MAX and not self._rows.rubbish:
                self._db.execute(f"PRAGMA incremental_vacuum({VACUUMED_AT_ONCE})").fetchall()
                self._keeper.wrote(2 * VACUUMED_AT_ONCE * 4096)
                return False
            self._emptied = self._keeper.checkpoint(truncate=True)
        return self._emptied.is_set()

    def wait(self) -> None:
        """Wait for what the next step needs."""
        if self._emptied is not None:
            self._emptied.wait()
