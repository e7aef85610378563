"""Values as bytes, and back; also by those who make the bytes up."""

from binascii import crc32
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given
from test_keyspace import Recorder

from airwave import dump, resp
from airwave import journal as effects
from airwave.journal import Journal
from airwave.streams import ids as entry_ids
from airwave.streams.chunk import Chunk
from airwave.streams.pending import Delivery
from airwave.streams.stream import Stream
from airwave.streams.trimming import trim_to_length
from airwave.value import String


def entry(entry_id: int, *parts: bytes) -> bytes:
    return b"*2\r\n" + entry_ids.bulk(entry_id) + resp.bulks(parts or (b"f", b"v"))


def stream(count: int = 300, journal: Journal | None = None) -> Stream:
    """IDs from 1 to `count`; some are deleted, some trimmed; two groups."""
    made = Stream(1, journal or Journal())
    for number in range(1, count + 1):
        made.append(number, entry(number, b"number", b"%d" % number))
    made.delete([number for number in (5, 7, 150, count) if number <= count])
    trim_to_length(made, count - 20)
    for name in (b"g", b"h"):
        made.last_group += 1
        group = dump.Group(made.journal, 1, made.last_group, name, 40, 38)
        made.groups[name] = group
        alice, bob = group.add_consumer(b"alice", 1000), group.add_consumer(b"bob", 2000)
        group.deliver([20, 21, 22, 25], alice, 3000)
        group.deliver([30, 31], bob, 4000)
        group.assign([22, 25], Delivery(None, 0, 1))
        group.assign([21], Delivery(None, 0, 7))
    made.producers.restore_limits(7, 50)
    for number in range(60):
        made.producers.restore(b"p%d" % (number % 3), b"iid-%d" % number, number + 1)
    return made


def state(value: Stream) -> Any:
    """All that can be told from outside."""
    groups = [
        (
            group.number,
            group.name,
            group.last_id,
            group.entries_read,
            {name: (each.number, each.seen_ms, each.active_ms, each.pending) for name, each in group.consumers.items()},
            [
                (entry_id, each.consumer and each.consumer.name, each.at_ms, each.count)
                for entry_id, each in group.pending.range()
            ],
            [*group.released],
        )
        for group in value.groups.values()
    ]
    entries = b"".join([chunk.entries(start, stop) for chunk, start, stop in value.spans(0)])
    marks = (value.length, value.last_id, value.added, value.max_deleted, value.first_id, value.last_group)
    return marks, entries, groups, (value.producers.duration_s, value.producers.maxsize, [*value.producers.items()])


def signed(body: bytes) -> bytes:
    return body + crc32(body).to_bytes(4, "little")


def made_up(content: Any) -> bytes:
    return signed(b"AWv\x01" + msgspec.msgpack.encode(content))


# --- there and back ---------------------------------------------------------------------------------------------------


@given(st.binary())
def test_a_string_there_and_back(data: bytes) -> None:
    value = dump.restored(dump.dumped(String(1, Journal(), data)), 2, Journal())
    assert isinstance(value, String)
    assert (value.data, value.number) == (data, 2)


@pytest.mark.parametrize("count", [0, 1, 30, 128, 300, 1000])
@pytest.mark.parametrize("trusted", [True, False])
def test_a_stream_there_and_back(count: int, trusted: bool) -> None:
    before = stream(count) if count >= 30 else Stream(1, Journal())
    for number in range(1, count + 1 if count < 30 else 0):
        before.append(number, entry(number))
    after = dump.restored(dump.dumped(before), 2, Journal(), trusted=trusted)
    assert isinstance(after, Stream)
    assert state(after) == state(before)
    assert after.number == 2
    after.append(2000, entry(2000))
    assert after.length == before.length + 1
    assert dump.dumped(dump.restored(dump.dumped(after), 3, Journal())) == dump.dumped(after)


def test_a_copy_shares_the_entries_and_nothing_else() -> None:
    before = stream(1000)
    after = dump.copied(before, 2, Journal())
    assert isinstance(after, Stream)
    as_it_was = state(before)
    assert state(after) == as_it_was
    assert after.sealed[2].blob is before.sealed[2].blob
    trim_to_length(after, 1)
    after.groups[b"g"].acknowledge([20, 22])
    after.groups[b"h"].remove_consumer(after.groups[b"h"].consumers[b"bob"])
    assert state(before) == as_it_was


def test_what_is_on_disk_is_fetched_before_anything_else() -> None:
    class Disk(Journal):
        def fetch(self, chunks: list[Chunk]) -> None:
            for chunk in chunks:
                chunk.blob = blobs[chunk]

    before = stream(1000, Disk())
    as_it_was = dump.dumped(before)
    blobs = {chunk: chunk.blob for chunk in before.sealed}
    for chunk in before.sealed:
        chunk.blob = None
    assert dump.dumped(before) == as_it_was


# --- the journal ------------------------------------------------------------------------------------------------------


class Disk(Recorder):
    """A journal that also keeps the chunks that were sealed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed: list[Chunk] = []

    def sealed(self, stream: Stream, chunk: Chunk) -> None:
        assert stream.sealed
        self.closed.append(chunk)


def replayed(journal: Disk) -> Stream:
    """What somebody makes of it who heard only what the journal was told."""
    (told,) = journal.touched
    assert isinstance(told, Stream)
    assert not told.tail.journaled
    made = Stream(2, Journal())
    for chunk in [*journal.closed, told.tail]:
        for entry_id, item in zip(chunk.ids(0, chunk.live), chunk.entry_list(0, chunk.live), strict=True):
            made.append(entry_id, item)
    made.last_id, made.added, made.max_deleted = told.last_id, told.added, told.max_deleted
    groups: dict[int, dump.Group] = {}
    for kind, about, *rest in journal.effects:
        assert about == told.number
        if kind == effects.IDMP:
            made.producers.restore_limits(*rest)
        elif kind == effects.IDEMPOTENT:
            producer, iid, packed, _ = rest
            made.producers.restore(producer, iid, entry_ids.unpack_one(packed))
        elif kind == effects.GROUP:
            number, name, last, read = rest
            groups[number] = made.groups[name] = dump.Group(
                Journal(), 2, number, name, entry_ids.unpack_one(last), read
            )
            made.last_group = number
        elif kind == effects.CONSUMER:
            group, number, name, seen_ms, active_ms = rest
            consumer = dump.Consumer(number, name, seen_ms)
            consumer.active_ms = active_ms
            groups[group].restore_consumer(consumer)
        elif kind == effects.PENDING:
            group, owner, at_ms, count, packed = rest
            owners = {each.number: each for each in groups[group].consumers.values()}
            groups[group].assign(entry_ids.unpack(packed), Delivery(owners.get(owner), at_ms, count))
        else:
            raise AssertionError(kind)
    return made


@pytest.mark.parametrize("count", [30, 300, 1000])
def test_the_journal_is_told_of_all_that_a_restored_stream_holds(count: int) -> None:
    journal = Disk()
    value = dump.restored(dump.dumped(stream(count)), 2, journal)
    assert journal.effects == []
    dump.record(value)
    assert isinstance(value, Stream)
    assert state(replayed(journal)) == state(value)
    assert journal.closed == value.sealed
    assert not value.clean


def test_the_journal_is_told_of_a_string() -> None:
    journal = Disk()
    dump.record(dump.restored(dump.dumped(String(1, Journal(), b"x")), 2, journal))
    assert journal.effects == [(effects.STRING, 2, b"x")]


def test_a_journal_that_forgets_is_told_nothing() -> None:
    dump.record(dump.copied(stream(), 2, Journal()))


# --- damage -----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, change: int) -> None:
    payload = bytearray(dump.dumped(stream(30)))
    payload[place % len(payload)] ^= change
    with pytest.raises(dump.BadDump):
        dump.restored(bytes(payload), 2, Journal())


@given(st.binary())
def test_other_bytes_are_no_dump(payload: bytes) -> None:
    with pytest.raises(dump.BadDump):
        dump.restored(payload, 2, Journal())


def test_another_version_is_refused() -> None:
    with pytest.raises(dump.BadDump):
        dump.restored(signed(b"AWv\x02" + msgspec.msgpack.encode(b"x")), 2, Journal())


ONE = [entry_ids.pack([9]), 1, entry_ids.pack([0])]
GROUP = [1, b"g", entry_ids.pack([9]), -1, [[1, b"c", 1, -1]], [[1, 5, 1, entry_ids.pack([9])]], []]


def blob(count: int, *parts: bytes) -> list[Any]:
    return [count, b"".join(parts)]


def good(**changes: Any) -> list[Any]:
    content = {
        "marks": ONE,
        "chunks": [blob(1, entry_ids.pack([9]), len(entry(9)).to_bytes(4, "little"), entry(9))],
        "groups": [GROUP],
        "idempotency": [100, 100, []],
    } | changes
    return [*content["marks"], content["chunks"], content["groups"], content["idempotency"]]


def chunk_with(text: bytes) -> list[Any]:
    return [blob(1, entry_ids.pack([9]), len(text).to_bytes(4, "little"), text)]


def changed(place: int, value: Any) -> list[Any]:
    group = [*GROUP]
    group[place] = value
    return [group]


def test_what_is_made_up_well_is_taken() -> None:
    value = dump.restored(made_up(good()), 2, Journal())
    assert isinstance(value, Stream)
    assert (value.length, len(value.groups[b"g"].pending)) == (1, 1)


@pytest.mark.parametrize(
    "content",
    [
        None,
        7,
        "text",
        [],
        {"a": 1},
        [[]] * 6,
        good(marks=[entry_ids.pack([8]), 1, entry_ids.pack([0])]),
        good(marks=[entry_ids.pack([9]), 0, entry_ids.pack([0])]),
        good(marks=[entry_ids.pack([9]), "1", entry_ids.pack([0])]),
        good(marks=[b"", 1, entry_ids.pack([0])]),
        good(marks=[entry_ids.pack([9]), 1, b"123"]),
        good(chunks=[[0, b""]]),
        good(chunks=[[True, b"x" * 40]]),
        good(chunks=[[1, b"x" * 10]]),
        good(chunks=[[1 << 40, b"x" * 40]]),
        good(chunks=[blob(1, entry_ids.pack([9]), b"\xff\xff\xff\x7f", entry(9))]),
        good(chunks=chunk_with(entry(8))),
        good(chunks=chunk_with(entry(9) + b"+OK\r\n")),
        good(chunks=chunk_with(entry(9, b"f"))),
        good(chunks=chunk_with(entry(9)[:-2])),
        good(chunks=chunk_with(b"*2\r\n" + entry_ids.bulk(9) + b"*0\r\n")),
        good(chunks=chunk_with(b"*2\r\n" + entry_ids.bulk(9) + b"*2\r\n:1\r\n:2\r\n")),
        good(chunks=chunk_with(b"*2\r\n" + entry_ids.bulk(9) + b"*200000000\r\n$1\r\na\r\n")),
        good(chunks=chunk_with(b"*2\r\n" + entry_ids.bulk(9) + b"*2\r\n$-1\r\n$-1\r\n")),
        good(chunks=chunk_with(b"*2\r\n" + entry_ids.bulk(9) + b"*2\r\n$01\r\na\r\n$1\r\nb\r\n")),
        good(chunks=chunk_with(b"+OK\r\n")),
        good(chunks=[*chunk_with(entry(9)), *chunk_with(entry(9))], marks=[entry_ids.pack([9]), 2, ONE[2]]),
        good(groups=[GROUP, GROUP]),
        good(groups=changed(0, 0)),
        good(groups=changed(1, "g")),
        good(groups=changed(2, b"x")),
        good(groups=changed(3, -2)),
        good(groups=changed(4, [[1, b"c", 1, -1], [1, b"d", 1, -1]])),
        good(groups=changed(4, [[1, b"c", 1, -2]])),
        good(groups=changed(4, [[1, "c", 1, -1]])),
        good(groups=changed(5, [[2, 5, 1, entry_ids.pack([9])]])),
        good(groups=changed(5, [[1, 5, 1, entry_ids.pack([9, 9])]])),
        good(groups=changed(5, [[1, 5, 1, b"x" * 15]])),
        good(groups=changed(5, [[1, 1 << 63, 1, b""]])),
        good(groups=changed(6, [[0, 1, entry_ids.pack([9])]])),
        good(idempotency=[0, 100, []]),
        good(idempotency=[100, 100]),
        good(idempotency=[100, 10_001, []]),
        good(idempotency=[100, 100, [["p", b"i", entry_ids.pack([1])]]]),
        good(idempotency=[100, 100, [[b"p", b"i", b"1"]]]),
    ],
)
def test_what_is_made_up_badly_is_refused(content: Any) -> None:
    with pytest.raises(dump.BadContent):
        dump.restored(made_up(content), 2, Journal())


def test_content_that_is_no_msgpack_or_nested_deeply_is_refused() -> None:
    for body in (b"\xc1", b"", b"\x91" * 100_000, b"\xdd\xff\xff\xff\xff"):
        with pytest.raises((dump.BadContent, dump.BadDump)):
            dump.restored(signed(b"AWv\x01" + body), 2, Journal())
