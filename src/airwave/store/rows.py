"""What is written beside the journal: the rows of values, chunks, pages and scheduled entries.

A value that the journal speaks of is *owed*: before the journal can be cut, the value's rows must be written. As long
as the journal is short nobody hurries; when it has grown past a bound, each commit pays for a few of the values that
have been owed for longest, the more the longer the journal has become. So the work of a hundred streams that fill at
once is spread over many commits, and the journal never grows out of hand.

Rows of what is gone are deleted a few at a time as well: see `rubbish`.
"""

import sqlite3
from collections import deque
from time import perf_counter_ns as clock

from airwave.store import states
from airwave.store.loading import Loaded
from airwave.store.residence import Residence
from airwave.store.rubbish import DELETE_KEY, DELETE_PAGE, DELETE_SCHEDULED, Rubbish, delete_chunk
from airwave.streams.chunk import Chunk, OpenChunk, blob_of
from airwave.streams.pending import Page
from airwave.streams.stream import Stream
from airwave.value import Value

JOURNAL_ROWS_MAX = 1000
JOURNAL_BYTES_MAX = 1 << 20
ABSORB_NS = 200_000  # what one commit spends on it; twice as much for each time that the journal is as long again
ABSORB_DOUBLINGS_MAX = 5  # 6 ms: whoever makes more work than that in a turn has taken longer for it
DELETE_NS = 100_000  # what one commit spends on it, times the slices
DELETE_SLICES_MAX = 20  # one for each 64 rows
DELETE_IDLE_NS = 1_000_000  # when nothing else is in the commit
CUT_MAX = 32  # journal rows deleted in one commit
CUT_IDLE_MAX = 512  # when nothing else is in the commit
VALUES_LOOKED_AT = 1000  # of flushed spaces, in one commit

_PUT_KEY = "INSERT OR REPLACE INTO keys VALUES (?, ?, ?)"
_PUT_CHUNK = "INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_ENTRIES = "INSERT OR REPLACE INTO entries VALUES (?, ?)"
_PUT_PAGE = "INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?)"
_PUT_SCHEDULED = "INSERT OR REPLACE INTO scheduled VALUES (?, ?, ?, ?, ?, ?)"


class Rows:
    """The rows of one database.

    Args:
        db: the connection of the loop.
        residence: is told of chunks that are gone.

    Attributes:
        values: all values, by number.
        owed: numbers of values, with the oldest journal row each needs; that which is needed for longest first.
        last_chunk, last_page: numbers given so far.
        written: bytes handed to SQLite since the last commit.
        journal_bytes: of all rows of the journal.
    """

    def __init__(self, db: sqlite3.Connection, residence: Residence) -> None:
        self.db = db
        self._residence = residence
        self.clear()

    def clear(self) -> None:
        """Forget everything: it is loaded anew."""
        self.values: dict[int, Value] = {}
        self.owed: dict[int, int] = {}
        self.last_chunk = self.last_page = 0
        self.written = 0
        self.journal_bytes = 0
        self._journal: deque[tuple[int, int]] = deque()  # seq and bytes of its rows
        self._tails: dict[int, tuple[int, int]] = {}  # what was written of open chunks: entries, last ID
        self._pages: dict[int, dict[int, set[int]]] = {}  # numbers by stream and group
        self._gone = Rubbish(self._residence)
        self._suspects: list[Value] = []
        self._shown: set[int] = set()
        self._paid: list[int] = []
        self._hurry_to = 0
        self._cut_below = 0  # older rows of the journal are needed by nobody

    def restore(self, loaded: Loaded) -> None:
        """Take over what was loaded."""
        self.values = loaded.values
        self.owed = loaded.needed
        self.last_chunk, self.last_page = loaded.reserved[2:]
        self._pages = loaded.pages
        self._journal.extend(loaded.rows)
        self.journal_bytes = sum([size for _, size in self._journal])
        self._gone.restore(loaded)

    # --- what happens in a commit -----------------------------------------------------------------------------------

    @property
    def journal_rows(self) -> int:
        """How many rows the journal has."""
        return len(self._journal)

    @property
    def rubbish(self) -> int:
        """Rows that are to be deleted, about."""
        return len(self._gone) + len(self._suspects)

    @property
    def has_work(self) -> bool:
        """Whether a commit should run though nothing has changed."""
        return bool(self._gone or self._suspects) or self._must_cut() or self._must_absorb()

    def journaled(self, seq: int, size: int) -> None:
        """A row was added to the journal."""
        self._journal.append((seq, size))
        self.journal_bytes += size
        self.written += size

    def put_sealed(self, stream: Stream, chunk: Chunk, seq: int) -> None:
        """Write a chunk that was sealed in the turn of this journal row."""
        self._put_chunk(stream.number, chunk, seq)
        blob = chunk.blob
        assert blob is not None
        self.db.execute(_PUT_ENTRIES, (chunk.number, blob))
        self._tails.pop(stream.number, None)
        self.written += chunk.size + 200

    def work(self, *, idle: bool) -> None:
        """Pay some of what is owed, and delete some of what is gone.

        Args:
            idle: nothing else is in this commit.
        """
        if self._must_absorb():
            self._absorb()
        if self._must_cut():
            self._cut(CUT_IDLE_MAX if idle else CUT_MAX)
        if self._suspects:
            self._look_for_dead()
        if self._gone:
            slices = min(1 + self.rubbish // 64, DELETE_SLICES_MAX)
            self._gone.delete(self.db, clock() + (DELETE_IDLE_NS if idle else DELETE_NS * slices))

    # --- paying -----------------------------------------------------------------------------------------------------

    def hurry(self) -> None:
        """Write the rows of all values that are owed now, in the commits that come."""
        self._hurry_to = self._journal[-1][0] if self._journal else 0

    @property
    def hurrying(self) -> bool:
        """Whether what `hurry` asked for is not done yet."""
        return self._hurry_to > 0 or self._must_cut()

    def _must_absorb(self) -> bool:
        long = len(self._journal) > JOURNAL_ROWS_MAX or self.journal_bytes > JOURNAL_BYTES_MAX or self._hurry_to > 0
        return long and (bool(self.owed) or len(self._journal) > 1)  # the last row stays in any case

    def _absorb(self) -> None:
        over = max(len(self._journal) // JOURNAL_ROWS_MAX, self.journal_bytes // JOURNAL_BYTES_MAX)
        if self._hurry_to:
            over = max(over, 2)
        deadline = clock() + (ABSORB_NS << min(over, ABSORB_DOUBLINGS_MAX))
        for number in self.owed:
            if not self._pay(number, deadline):
                break
            self._paid.append(number)
            if clock() > deadline:
                break
        for number in self._paid:
            del self.owed[number]
        self._paid.clear()
        last = self._journal[-1][0]  # it stays: numbers go on from it
        needed = next(iter(self.owed.values()), last + 1)
        self._cut_below = min(needed, last)
        if self._hurry_to and needed > self._hurry_to:
            self._hurry_to = 0

    def _pay(self, number: int, deadline: int) -> bool:
        """Write a value's rows; False when it has so many that some are left for the next commit."""
        value = self.values.get(number)
        if value is None:
            return True
        if isinstance(value, Stream):
            if not (
                self._gone.of_stream(self.db, number, deadline)
                and self._put_altered(value, deadline)
                and self._put_pages(value, deadline)
                and self._put_scheduled(value, deadline)
            ):
                return False
            self._put_tail(value)
        state = states.value_state(value)
        self.db.execute(_PUT_KEY, (number, self._journal[-1][0], state))
        self.written += len(state)
        return True

    def _put_altered(self, stream: Stream, deadline: int) -> bool:
        altered = stream.altered
        while altered:
            chunk = altered.pop()
            self.db.execute(
                "UPDATE chunks SET first = ?, start = ?, dead = ? WHERE stream = ? AND number = ?",
                (states.pack_id(chunk.first), chunk.start, states.dead_blob(chunk.dead), stream.number, chunk.number),
            )
            self.written += 100
            if clock() > deadline:
                break
        return not altered

    def _put_pages(self, stream: Stream, deadline: int) -> bool:
        for group in stream.groups.values():
            pending = group.pending
            if pending.changed or pending.emptied:
                pages = self._pages.setdefault(stream.number, {}).setdefault(group.number, set())
                while pending.changed:
                    self._put_page(stream.number, group.number, pending.changed.pop(), pages)
                    if clock() > deadline:
                        return False
                while pending.emptied:
                    gone = pending.emptied.pop()
                    pages.discard(gone)
                    self.db.execute(DELETE_PAGE, (gone,))
                    if clock() > deadline:
                        return False
        return True

    def _put_page(self, stream: int, group: int, page: Page, pages: set[int]) -> None:
        if not page.number:
            self.last_page += 1
            page.number = self.last_page
            pages.add(page.number)
        blob = states.page_blob(page)
        self.db.execute(_PUT_PAGE, (page.number, stream, group, blob))
        self.written += len(blob)

    def _put_scheduled(self, stream: Stream, deadline: int) -> bool:
        schedule = stream.schedule
        if schedule is None:
            return True
        while schedule.unwritten:
            number, item = schedule.unwritten.popitem()
            row = (number, stream.number, item.token, item.due_ms, item.named, item.fields)
            self.db.execute(_PUT_SCHEDULED, row)
            self.written += len(item.token) + len(item.fields) + 50
            if clock() > deadline:
                return False
        while schedule.erased:
            self.db.execute(DELETE_SCHEDULED, (schedule.erased.pop(),))
            if clock() > deadline:
                return False
        return True

    def _put_tail(self, stream: Stream) -> None:
        tail: OpenChunk = stream.tail
        if not tail.members:
            if tail.number:
                delete_chunk(self.db, stream.number, tail.number)
                tail.number = 0
                self._tails.pop(stream.number, None)
            return
        shape = len(tail.members), tail.members[-1]  # IDs only grow: equal shapes are equal entries
        if tail.number and self._tails.get(stream.number) == shape:
            return
        if not tail.number:
            self.last_chunk += 1
            tail.number = self.last_chunk
        blob = blob_of(tail.members, tail.items)
        chunk = Chunk(tail.members[0], tail.members[-1], len(tail.members), None, len(blob))
        chunk.number = tail.number
        self._put_chunk(stream.number, chunk, 0)
        self.db.execute(_PUT_ENTRIES, (chunk.number, blob))
        self._tails[stream.number] = shape
        self.written += len(blob) + 200

    def _put_chunk(self, stream: int, chunk: Chunk, sealed: int) -> None:
        first, last, dead = states.pack_id(chunk.first), states.pack_id(chunk.last), states.dead_blob(chunk.dead)
        row = (stream, chunk.number, sealed, first, last, chunk.count, chunk.size, chunk.start, dead)
        self.db.execute(_PUT_CHUNK, row)

    def _must_cut(self) -> bool:
        return bool(self._journal) and self._journal[0][0] < self._cut_below

    def _cut(self, most: int) -> None:
        """Delete journal rows that nobody needs, a few: 500 of them take 2 ms."""
        journal, below = self._journal, self._cut_below
        last = 0
        for _ in range(most):
            if not journal or journal[0][0] >= below:
                break
            last, size = journal.popleft()
            self.journal_bytes -= size
        self.db.execute("DELETE FROM journal WHERE seq <= ?", (last,))

    # --- deleting ---------------------------------------------------------------------------------------------------

    def chunks_gone(self, stream: int, chunks: list[Chunk]) -> None:
        """Chunks have no live entries left. The list is emptied."""
        self._gone.add_chunks(stream, chunks)

    def value_gone(self, number: int) -> None:
        """A value is no more: its own row goes at once, because the journal may be cut behind it; others later."""
        self.owed.pop(number, None)
        value = self.values.pop(number, None)
        if value is not None:
            self._discard(value)
        self.db.execute(DELETE_KEY, (number,))

    def _discard(self, value: Value) -> None:
        if isinstance(value, Stream):
            self._gone.add_chunks(value.number, value.sealed)
            if value.tail.number:
                self._gone.add_chunk_row(value.number, value.tail.number)
            if value.schedule is not None:
                self._gone.add_schedule(value.schedule)
            self._tails.pop(value.number, None)
            for pages in self._pages.pop(value.number, {}).values():
                self._gone.pages.extend(pages)

    def group_gone(self, stream: int, group: int) -> None:
        """A group is no more."""
        pages = self._pages.get(stream, {}).pop(group, None)
        if pages:
            self._gone.pages.extend(pages)

    def spaces_gone(self, shown: set[int]) -> None:
        """Databases were flushed: the values of their spaces are no more, but nobody named them."""
        self._suspects = [*self.values.values()]
        self._shown = shown

    def _look_for_dead(self) -> None:
        suspects, shown = self._suspects, self._shown
        for _ in range(min(len(suspects), VALUES_LOOKED_AT)):
            value = suspects.pop()
            if value.space not in shown and self.values.pop(value.number, None) is not None:
                self.owed.pop(value.number, None)
                self._gone.values.append(value.number)
                self._discard(value)
