"""Start-up: from rows and journal to values in memory. Entries are not read; what it costs, see docs/durability.md.

The same brings memory back to what the disk has when a commit has failed.
"""

import gc
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from airwave.journal import Journal
from airwave.keyspace import Database, Keyspace
from airwave.store import states
from airwave.store.replay import Replay
from airwave.store.schema import StoreError, reason_of
from airwave.streams import ids as entry_ids
from airwave.streams.chunk import Chunk
from airwave.streams.schedule import Scheduled
from airwave.streams.stream import Stream
from airwave.value import Value


@dataclass
class Loaded:
    """What the database had.

    Attributes:
        values: live ones, by number.
        dead: numbers of values that have a row and are gone.
        chunks: rows of chunks that are rubbish: numbers of stream and chunk.
        pages: numbers of pages, by stream and group.
        lost_pages: numbers of those whose group is gone.
        lost_scheduled: numbers of scheduled entries whose stream is gone.
        needed: values that are to be written before the journal may forget the row named.
        spaces: for each numbered database.
        reserved: see `meta` in `schema`: of values, spaces, chunks, pages.
        rows: the journal's rows with their sizes in bytes.
        last_seq: no row or value knows a greater number.
    """

    values: dict[int, Value]
    dead: list[int] = field(default_factory=list)
    chunks: list[tuple[int, int]] = field(default_factory=list)
    pages: dict[int, dict[int, set[int]]] = field(default_factory=dict)
    lost_pages: list[int] = field(default_factory=list)
    lost_scheduled: list[int] = field(default_factory=list)
    needed: dict[int, int] = field(default_factory=dict)
    spaces: list[int] = field(default_factory=list)
    reserved: list[int] = field(default_factory=list)
    rows: list[tuple[int, int]] = field(default_factory=list)
    last_seq: int = 0


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Nothing that is loaded is garbage: looking for some among a million new objects takes half of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read(db: sqlite3.Connection, journal: Journal) -> Loaded:
    """Read all but the entries.

    Raises:
        StoreError: it cannot be read, or what was read makes no sense.
    """
    try:
        with _collector_paused():
            return _read(db, journal)
    except sqlite3.Error as error:
        raise StoreError(reason_of(error)) from None
    except (msgspec.MsgspecError, ValueError, TypeError, LookupError) as error:
        raise StoreError(f"the database is damaged ({type(error).__name__}: {error}): see airwave check") from error


def _read(db: sqlite3.Connection, journal: Journal) -> Loaded:
    def load(chunk: Chunk) -> None:
        chunk.blob = db.execute("SELECT blob FROM entries WHERE chunk = ?", (chunk.number,)).fetchone()[0]

    replay = Replay(journal, load)
    loaded = Loaded(replay.values)
    meta = dict(db.execute("SELECT name, value FROM meta WHERE name IN ('spaces', 'reserved')"))
    loaded.spaces = states.decode(meta["spaces"]) if "spaces" in meta else []
    loaded.reserved = states.decode(meta["reserved"]) if "reserved" in meta else [0, 0, 0, 0]
    groups = _read_keys(db, journal, replay)
    with_row = [*replay.values]
    _read_chunks(db, replay)
    _read_pages(db, replay, loaded)
    _read_scheduled(db, replay)
    for stream, state in groups:
        replay.add_group(stream, *states.restored_group(journal, stream.number, state))
    for seq, blob in db.execute("SELECT seq, effects FROM journal ORDER BY seq"):
        replay.apply(seq, states.decode(blob))
        loaded.rows.append((seq, len(blob)))
    loaded.last_seq = max(loaded.rows[-1][0] if loaded.rows else 0, max(replay.seqs.values(), default=0))
    for chunk in replay.warmed:
        chunk.blob = None
    _finish(replay, loaded, with_row)
    return loaded


def _read_keys(db: sqlite3.Connection, journal: Journal, replay: Replay) -> list[tuple[Stream, list[object]]]:
    found: list[tuple[Stream, list[object]]] = []
    for number, seq, state in db.execute("SELECT id, seq, state FROM keys"):
        value, groups = states.restored_value(number, state, journal)
        replay.values[number] = value
        replay.seqs[number] = seq
        if isinstance(value, Stream):
            found += [(value, group) for group in groups]
    return found


def _read_chunks(db: sqlite3.Connection, replay: Replay) -> None:
    values, seqs, future = replay.values, replay.seqs, replay.future
    unpack = entry_ids.unpack_one
    rows = db.execute(
        "SELECT stream, number, sealed, first, last, count, size, start, dead FROM chunks ORDER BY stream, number"
    )
    for owner, number, sealed, first, last, count, size, start, dead in rows:
        chunk = Chunk(unpack(first), unpack(last), count, None, size)
        chunk.number = number
        chunk.start = start
        chunk.dead = states.dead_set(dead)
        stream = values.get(owner)
        if type(stream) is Stream and sealed <= seqs[owner]:
            stream.sealed.append(chunk)
            stream.firsts.append(chunk.first)
        else:
            future.setdefault(owner, {})[number] = chunk


def _read_pages(db: sqlite3.Connection, replay: Replay, loaded: Loaded) -> None:
    for page, owner, group, blob in db.execute("SELECT page, stream, grp, blob FROM pending"):
        replay.pages.setdefault((owner, group), []).append((page, blob))
        loaded.pages.setdefault(owner, {}).setdefault(group, set()).add(page)


def _read_scheduled(db: sqlite3.Connection, replay: Replay) -> None:
    # One that `airwave check` looks at may be of the first format, which has no such table.
    if not db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'scheduled'").fetchone()[0]:
        return
    for number, owner, token, due, named, fields in db.execute(
        "SELECT number, stream, token, due, named, fields FROM scheduled"
    ):
        # A damaged row is to be noticed here, not when the entry is due.
        item = Scheduled(number, bytes(token), int(due), bytes(fields), named=bool(named))
        replay.scheduled.setdefault(owner, {})[number] = item
        replay.scheduled_rows.setdefault(owner, set()).add(number)


def _finish(replay: Replay, loaded: Loaded, with_row: list[int]) -> None:
    """Sort out rubbish, and bring counts up to date."""
    shown = set(loaded.spaces)
    values = replay.values
    for number in [number for number, value in values.items() if shown and value.space not in shown]:
        replay.discard(values.pop(number))
    loaded.lost_scheduled = replay.give_schedules()
    loaded.dead = [number for number in with_row if number not in values]
    loaded.needed = {number: seq for number, seq in replay.needed.items() if number in values}
    loaded.chunks = replay.rubbish
    for owner, chunks in replay.future.items():
        loaded.chunks += [(owner, number) for number in chunks]
    for owner, by_group in [*loaded.pages.items()]:
        stream = values.get(owner)
        live = {group.number for group in stream.groups.values()} if isinstance(stream, Stream) else set()
        for group in [group for group in by_group if group not in live]:
            loaded.lost_pages += by_group.pop(group)
    for value in values.values():
        if isinstance(value, Stream):
            _finish_stream(value)


def _finish_stream(stream: Stream) -> None:
    stream.length = sum([chunk.live for chunk in stream.sealed]) + stream.tail.live
    stream.clean = stream.journal.durable
    for group in stream.groups.values():
        known = {id(consumer) for consumer in group.consumers.values()}
        pending = group.pending
        if sum([consumer.pending for consumer in group.consumers.values()]) + len(group.released) != len(pending):
            for entry_id, delivery in [*pending.range()]:
                if delivery.consumer is not None and id(delivery.consumer) not in known:
                    pending.pop(entry_id)
            for entry_id in [*group.released]:
                delivery_now = pending.get(entry_id)
                if delivery_now is None or delivery_now.consumer is not None:
                    del group.released[entry_id]


def fill(keyspace: Keyspace, loaded: Loaded) -> bool:
    """Put what was read into a keyspace, in place of what it has; databases, watchers and waiters stay.

    Returns:
        Whether the spaces of the databases are other than those that were read.

    Raises:
        StoreError: there are keys in a database that this node does not have.
    """
    databases = keyspace.databases
    hidden = {space: index for index, space in enumerate(loaded.spaces) if index >= len(databases)}
    for value in loaded.values.values():
        if value.space in hidden:
            index = hidden[value.space]
            raise StoreError(f"there are keys in database {index}: set databases to {index + 1} or more")
    keyspace.last_number = max(keyspace.last_number, loaded.reserved[0])
    keyspace.last_space = max(keyspace.last_space, loaded.reserved[1], *loaded.spaces, len(databases) - 1)
    by_space: dict[int, Database] = {}
    for index, database in enumerate(databases):
        if index < len(loaded.spaces):
            database.space = loaded.spaces[index]
        elif loaded.spaces:
            keyspace.last_space += 1
            database.space = keyspace.last_space
        database.values = {}
        database.expiring = 0
        by_space[database.space] = database
    keyspace._expected.clear()
    keyspace.agenda.clear()
    for value in loaded.values.values():
        by_space[value.space].adopt(value.key, value)
        if isinstance(value, Stream) and value.schedule is not None:
            keyspace.agenda.note(value)
    return [database.space for database in databases] != loaded.spaces
