"""Nodes in memory whose journal is on disk, and what they have in a form that can be compared."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hiredis
from memory import MemoryPeer, Node

from airwave.journal import Journal
from airwave.keyspace import Keyspace
from airwave.store import SqliteJournal, loading, schema
from airwave.streams.chunk import Chunk
from airwave.streams.stream import Stream
from airwave.value import String

START_MS = 1_800_000_005_250  # of a `FakeHost`


class World:
    """A node with a database, and one client.

    Args:
        options: of the journal.
    """

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.journal = SqliteJournal(folder, **options)
        self.node = Node(journal=self.journal)
        self.keyspace = self.node.broker.keyspace
        self.journal.load(self.keyspace)
        self.alice: MemoryPeer = self.node.peer()

    def do(self, *words: Any) -> Any:
        """Run one command, a line or its words, in a turn of its own."""
        if len(words) == 1:
            words = tuple(words[0].split())
        reader = hiredis.Reader()
        reader.feed(self.alice.raw(*[word if isinstance(word, bytes) else str(word).encode() for word in words]))
        return reader.gets()

    def do_together(self, *lines: str) -> None:
        """Run commands in one turn."""
        self.alice.sends(b"".join([hiredis.pack_command(tuple(line.split())) for line in lines]))
        self.node.settle()
        self.alice.wire.data = b""

    def commit(self, times: int = 1) -> None:
        """Turns in which nothing happens, but what the journal has to do."""
        for _ in range(times):
            self.node.broker.tick()

    def close(self) -> None:
        self.journal.close()

    def contents(self) -> dict[Any, Any]:
        """All that the node has."""
        return contents(self.keyspace)

    def on_disk(self) -> dict[Any, Any]:
        """All that a node would have that opens the database as it is now, as after `kill -9`."""
        with reader(self.folder) as db:
            return contents(opened(db, len(self.keyspace.databases)))

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        with reader(self.folder) as db:
            found: int = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            return found


@contextmanager
def world(folder: Path, **options: Any) -> Iterator[World]:
    """A world that is closed at the end."""
    made = World(folder, **options)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def reader(folder: Path) -> Iterator[sqlite3.Connection]:
    """Another connection to the database."""
    db = schema.connect(folder / schema.FILE, readonly=True)
    try:
        yield db
    finally:
        db.close()


class Reading(Journal):
    """The journal of a keyspace that is only looked at."""

    patient = True

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def fetch(self, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            row = self._db.execute("SELECT blob FROM entries WHERE chunk = ?", (chunk.number,)).fetchone()
            chunk.blob = row[0]
            assert len(row[0]) == chunk.size


def opened(db: sqlite3.Connection, databases: int = 16) -> Keyspace:
    """What a node makes of a database."""
    journal = Reading(db)
    keyspace = Keyspace(journal, lambda: START_MS, lambda _, __: None, databases)
    loading.fill(keyspace, loading.read(db, journal))
    return keyspace


def contents(keyspace: Keyspace) -> dict[Any, Any]:
    """All that is in a keyspace."""
    found: dict[Any, Any] = {}
    for database in keyspace.databases:
        for key, value in database.values.items():
            assert value.key == key
            assert value.space == database.space
            place = database.index, key
            if isinstance(value, String):
                found[place] = value.number, value.expires_ms, value.data
            else:
                assert isinstance(value, Stream)
                found[place] = value.number, value.expires_ms, stream_contents(value)
    return found


def stream_contents(stream: Stream) -> dict[str, Any]:
    """All that is in a stream, its counts checked."""
    entries: list[tuple[int, bytes]] = []
    # Its own journal may be the one under test, whose memory of chunks must not change because we look.
    for chunk in stream.chunks():
        cold = isinstance(chunk, Chunk) and chunk.blob is None
        used = isinstance(chunk, Chunk) and chunk.used
        if cold:
            stream.load((chunk,))
        for start, stop in chunk.runs(0, chunk.count if isinstance(chunk, Chunk) else chunk.live):
            entries += zip(chunk.ids(start, stop), chunk.entry_list(start, stop), strict=True)
        if isinstance(chunk, Chunk):
            chunk.used = used
    assert [entry_id for entry_id, _ in entries] == sorted({entry_id for entry_id, _ in entries})
    assert len(entries) == stream.length
    return {
        "entries": entries,
        "last": stream.last_id,
        "added": stream.added,
        "deleted": stream.max_deleted,
        "last group": stream.last_group,
        "producers": (stream.producers.duration_s, stream.producers.maxsize, [*stream.producers.items()]),
        "groups": {name: _group_contents(group) for name, group in stream.groups.items()},
        "scheduled": _scheduled(stream),
    }


def _scheduled(stream: Stream) -> list[tuple[Any, ...]]:
    if stream.schedule is None:
        return []
    items = stream.schedule.first(len(stream.schedule))
    assert {item.token: item for item in items} == stream.schedule.by_token
    return [(item.number, item.token, item.due_ms, item.named, item.fields) for item in items]


def _group_contents(group: Any) -> Any:
    pending = [
        (entry_id, delivery.consumer.name if delivery.consumer else None, delivery.at_ms, delivery.count)
        for entry_id, delivery in group.pending.range()
    ]
    assert len(pending) == len(group.pending)
    held = [name for _, name, _, _ in pending]
    for consumer in group.consumers.values():
        assert consumer.pending == held.count(consumer.name)
    assert held.count(None) == len(group.released)
    consumers = sorted((each.number, each.name) for each in group.consumers.values())
    return group.number, group.last_id, group.entries_read, consumers, pending, [*group.released]


class Chance:
    """Random commands on a few keys.

    Args:
        rng: where every choice comes from.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._ms = 0

    def line(self) -> str:
        """A command."""
        rng = self._rng
        stream, other = rng.choice("abc"), rng.choice("abcd")
        group, consumer = rng.choice("gh"), rng.choice("xyz")
        low, high = sorted((rng.randrange(self._ms + 1), rng.randrange(self._ms + 1)))
        ids = " ".join([str(rng.randrange(max(0, self._ms - 40), self._ms + 2)) for _ in range(rng.randint(1, 4))])
        choice = rng.randrange(100)
        if choice < 3:
            return f"XSCHEDULE {stream} IN {rng.choice((0, 300, 900, 10**7))} ID t{rng.randrange(9)} f {'v' * low}"
        if choice < 35:
            self._ms += rng.randint(1, 3)
            return f"XADD {stream} {self._ms}-1 field {'v' * rng.randrange(60)}"
        for bound, line in (
            (40, f"XDEL {stream} {ids.replace(' ', '-1 ')}-1"),
            (43, f"XTRIM {stream} MAXLEN {rng.randrange(30)}"),
            (45, f"XTRIM {stream} MINID ~ {low}"),
            (46, f"XTRIM {stream} MINID {low}"),
            (47, f"XSETID {stream} {rng.randrange(self._ms + 3)}-5 ENTRIESADDED {self._ms + 900}"),
            (50, f"XGROUP CREATE {stream} {group} 0 MKSTREAM"),
            (60, f"XREADGROUP GROUP {group} {consumer} COUNT {rng.randint(1, 9)} STREAMS {stream} >"),
            (67, f"XACK {stream} {group} {ids.replace(' ', '-1 ')}-1"),
            (70, f"XCLAIM {stream} {group} {consumer} 0 {ids.replace(' ', '-1 ')}-1"),
            (71, f"XAUTOCLAIM {stream} {group} {consumer} 0 0 COUNT 5"),
            (73, f"XNACK {stream} {group} FAIL IDS 1 {low}-1"),
            (74, f"XGROUP DELCONSUMER {stream} {group} {consumer}"),
            (75, f"XGROUP DESTROY {stream} {group}"),
            (76, f"XGROUP SETID {stream} {group} {low}"),
            (79, f"XADD {stream} IDMP p{low % 3} i{high % 7} * f v"),
            (80, f"XCFGSET {stream} IDMP-MAXSIZE {rng.randint(1, 5)}"),
            (84, f"SET {other} {'s' * rng.randrange(40)}"),
            (86, f"PEXPIREAT {other} {START_MS + 10_000_000 + low}"),
            (87, f"PERSIST {other}"),
            (89, f"DEL {other}"),
            (91, f"RENAME {stream} {other}"),
            (92, f"COPY {stream} {other} REPLACE"),
            (93, f"MOVE {stream} 1"),
            (94, "SWAPDB 0 1"),
            (95, "FLUSHDB" if rng.random() < 0.3 else "SWAPDB 1 2"),
            (97, f"INCR n{low % 3}"),
            (98, f"XUNSCHEDULE {stream} t{low % 9} t{high % 9}"),
        ):
            if choice < bound:
                return line
        return f"XADD {stream} MAXLEN {rng.randrange(20)} {self._ms + 1}-0 f v"
