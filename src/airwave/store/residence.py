"""Which sealed chunks have their entries in memory, and bringing back those that have not.

Chunks that are on disk are put away when all that are in memory exceed a budget: by the clock algorithm, a chunk that
was read since the hand passed has another round. A few that are missing are read at once (10 to 20 µs each); more are
read by a thread, and the command that wants them waits without holding up others.
"""

import contextlib
import os
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from airwave.errors import CommandError
from airwave.store.schema import reason_of
from airwave.streams.chunk import Chunk, Cold

AT_ONCE_MAX = 4  # missing chunks that are read on the loop
PUT_AWAY_MAX = 64  # chunks that the hand passes in one commit
PINNED_COMMITS = 1000  # so long a chunk that was asked for waits to be read

Blobs = list[tuple[Chunk, bytes | None]]


class Residence:
    """The entries that are in memory.

    Args:
        db: the connection of the loop.
        connect: opens another, for the thread.
        budget_bytes: see above.
        call_soon: has the loop call a function; may be called from any thread. None: there is no loop, nothing is left
            to a thread.
        on_fetched: called on the loop when chunks that a command waits for have come.

    Attributes:
        bytes: of sealed chunks in memory that are on disk as well.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        connect: Callable[[], sqlite3.Connection],
        budget_bytes: int,
        call_soon: Callable[[Callable[[], None]], object] | None,
        on_fetched: Callable[[], None],
    ) -> None:
        self.db = db
        self.budget_bytes = budget_bytes
        self.bytes = 0
        self.fetches = 0  # chunks read from disk, for INFO
        self._connect = connect
        self._call_soon = call_soon
        self._on_fetched = on_fetched
        self._hand: deque[Chunk] = deque()
        self._asked: set[Chunk] = set()
        self._failed: set[Chunk] = set()  # the thread could not read them: the loop tries, and tells the client
        self._pinned: dict[Chunk, int] = {}
        self._commits = 0
        self._orders: queue.SimpleQueue[list[Chunk] | None] = queue.SimpleQueue()
        self._done: deque[Blobs] = deque()
        self._thread: threading.Thread | None = None

    def clear(self) -> None:
        """Forget all chunks: they are loaded anew."""
        self._hand.clear()
        self._asked.clear()
        self._failed.clear()
        self._pinned.clear()
        self.bytes = 0

    def add(self, chunk: Chunk) -> None:
        """A chunk with its entries in memory is on disk now."""
        self._hand.append(chunk)
        self.bytes += chunk.size

    def release(self, chunk: Chunk) -> None:
        """A chunk is gone; nobody reads it any more."""
        if chunk.blob is not None:
            chunk.blob = None
            self.bytes -= chunk.size

    def make_room(self) -> None:
        """Put chunks away until the budget is kept; after each commit."""
        self._commits += 1
        if self.bytes <= self.budget_bytes:
            return
        hand = self._hand
        for _ in range(min(len(hand), PUT_AWAY_MAX)):
            chunk = hand.popleft()
            if chunk.blob is None:
                continue
            if chunk.used:
                chunk.used = False
                self._pinned.pop(chunk, None)
                hand.append(chunk)
            elif self._pinned and self._commits - self._pinned.get(chunk, -PINNED_COMMITS) < PINNED_COMMITS:
                hand.append(chunk)
            else:
                self._pinned.pop(chunk, None)
                chunk.blob = None
                self.bytes -= chunk.size
                if self.bytes <= self.budget_bytes:
                    return

    # --- fetching ---------------------------------------------------------------------------------------------------

    def fetch(self, chunks: list[Chunk], *, patient: bool) -> None:
        """See `Journal.fetch`."""
        failed = not self._failed.isdisjoint(chunks)
        if patient or self._call_soon is None or len(chunks) <= AT_ONCE_MAX or failed:
            self._failed.difference_update(chunks)
            self._arrived(_blobs(self.db, chunks))
            for chunk in chunks:
                if chunk.blob is None:
                    raise CommandError("ERR entries cannot be read from disk: the database is damaged")
            return
        wanted = [chunk for chunk in chunks if chunk not in self._asked]
        if wanted:
            self._asked.update(wanted)
            if self._thread is None:
                self._thread = threading.Thread(target=self._read_orders, name="airwave-reader", daemon=True)
                self._thread.start()
            self._orders.put(wanted)
        raise Cold

    def _arrived(self, blobs: Blobs) -> None:
        for chunk, blob in blobs:
            if chunk.blob is None and blob is not None:
                chunk.blob = blob
                self.add(chunk)
                self.fetches += 1

    def _deliver(self) -> None:
        """On the loop: take over what the thread has read."""
        while self._done:
            blobs = self._done.popleft()
            self._arrived(blobs)
            for chunk, blob in blobs:
                if blob is None:
                    self._failed.add(chunk)
                chunk.used = False
                self._pinned[chunk] = self._commits
                self._asked.discard(chunk)
        self._on_fetched()

    def _read_orders(self) -> None:
        """In the thread."""
        assert self._call_soon is not None
        db: sqlite3.Connection | None = None
        while True:
            chunks = self._orders.get()
            if chunks is None:
                break
            try:
                db = db or self._connect()
                blobs = _blobs(db, chunks)
            except (sqlite3.Error, CommandError):
                blobs = [(chunk, None) for chunk in chunks]  # the command is run again, and meets the error itself
            self._done.append(blobs)
            try:
                self._call_soon(self._deliver)
            except RuntimeError:  # the loop is closed
                break
        if db is not None:
            db.close()

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._orders.put(None)
            self._thread.join()
            self._thread = None


def _blobs(db: sqlite3.Connection, chunks: list[Chunk]) -> Blobs:
    found: Blobs = []
    try:
        for chunk in chunks:
            row = db.execute("SELECT blob FROM entries WHERE chunk = ?", (chunk.number,)).fetchone()
            found.append((chunk, row[0] if row else None))
    except sqlite3.Error as error:
        raise CommandError(f"ERR entries cannot be read from disk: {reason_of(error)}") from None
    return found


def memory_share() -> int:
    """A quarter of the memory that this process may use."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            total = min(total, int(Path(limit).read_text()))
    return total // 4
