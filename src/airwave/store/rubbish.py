"""Rows of what is gone: a stream with a million entries, a flushed database. They are deleted a few at a time.

But what a stream that is still there has lost is deleted before the stream's own row is written (`of_stream`): from
then on no journal row says that it is gone, and after a crash it would be there again.
"""

import sqlite3
from collections import deque
from time import perf_counter_ns as clock

from airwave.store.loading import Loaded
from airwave.store.residence import Residence
from airwave.streams.chunk import Chunk
from airwave.streams.schedule import Schedule

DELETE_KEY = "DELETE FROM keys WHERE id = ?"
DELETE_PAGE = "DELETE FROM pending WHERE page = ?"
DELETE_SCHEDULED = "DELETE FROM scheduled WHERE number = ?"


class Rubbish:
    """What is to be deleted from one database.

    Args:
        residence: is told of chunks that are gone.

    Attributes:
        pages: numbers of pages of pending entries whose group is gone.
        values: numbers of values that are gone and may have a row.
    """

    def __init__(self, residence: Residence) -> None:
        self._residence = residence
        self._chunks: dict[int, list[list[Chunk]]] = {}  # by stream
        self._chunk_rows: dict[int, list[int]] = {}  # numbers by stream
        self._schedules: deque[Schedule] = deque()
        self._scheduled: deque[int] = deque()
        self.pages: deque[int] = deque()
        self.values: deque[int] = deque()

    def restore(self, loaded: Loaded) -> None:
        """Take over what was found at start."""
        for stream, chunk in loaded.chunks:
            self.add_chunk_row(stream, chunk)
        self._scheduled.extend(loaded.lost_scheduled)
        self.pages.extend(loaded.lost_pages)
        self.values.extend(loaded.dead)

    def __bool__(self) -> bool:
        return bool(self._chunks or self._chunk_rows or self._schedules or self._scheduled or self.pages or self.values)

    def __len__(self) -> int:
        """Rows, about."""
        chunks = sum([len(chunks) for lists in self._chunks.values() for chunks in lists])
        chunks += sum(map(len, self._chunk_rows.values()))
        scheduled = sum(map(len, self._schedules)) + len(self._scheduled)
        return chunks + scheduled + len(self.pages) + len(self.values)

    def add_chunks(self, stream: int, chunks: list[Chunk]) -> None:
        """Chunks of a stream. The list is emptied."""
        self._chunks.setdefault(stream, []).append(chunks)

    def add_chunk_row(self, stream: int, chunk: int) -> None:
        """A chunk that nobody has in memory, by its number."""
        self._chunk_rows.setdefault(stream, []).append(chunk)

    def add_schedule(self, schedule: Schedule) -> None:
        """What was scheduled for a stream that is gone. It is emptied."""
        self._schedules.append(schedule)

    # --- deleting: each returns False when the time is over and something may be left ---------------------------------

    def delete(self, db: sqlite3.Connection, deadline: int) -> bool:
        """Delete what there is."""
        while gone := self._chunks or self._chunk_rows:
            if not self.of_stream(db, next(iter(gone)), deadline):
                return False
        while self._schedules:
            if not _delete_schedule(db, self._schedules[0], deadline):
                return False
            self._schedules.popleft()
        for statement, numbers in (
            (DELETE_SCHEDULED, self._scheduled),
            (DELETE_PAGE, self.pages),
            (DELETE_KEY, self.values),
        ):
            while numbers:
                db.execute(statement, (numbers.popleft(),))
                if clock() > deadline:
                    return False
        return True

    def of_stream(self, db: sqlite3.Connection, stream: int, deadline: int) -> bool:
        """Delete the chunks that a stream has lost."""
        lists = self._chunks.get(stream)
        while lists:
            chunks = lists[-1]
            while chunks:
                chunk = chunks.pop()
                self._residence.release(chunk)
                delete_chunk(db, stream, chunk.number)
                if clock() > deadline:
                    return False
            lists.pop()
        self._chunks.pop(stream, None)
        numbers = self._chunk_rows.get(stream)
        while numbers:
            delete_chunk(db, stream, numbers.pop())
            if clock() > deadline:
                return False
        self._chunk_rows.pop(stream, None)
        return True


def delete_chunk(db: sqlite3.Connection, stream: int, number: int) -> None:
    """Delete the rows of a chunk."""
    db.execute("DELETE FROM chunks WHERE stream = ? AND number = ?", (stream, number))
    db.execute("DELETE FROM entries WHERE chunk = ?", (number,))


def _delete_schedule(db: sqlite3.Connection, schedule: Schedule, deadline: int) -> bool:
    erased, by_token = schedule.erased, schedule.by_token
    while erased or by_token:
        number = erased.pop() if erased else by_token.popitem()[1].number
        if number not in schedule.unwritten:
            db.execute(DELETE_SCHEDULED, (number,))
        if clock() > deadline:
            return False
    return True
