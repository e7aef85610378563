"""A value as bytes that stand for themselves, for DUMP and RESTORE, COPY, and snapshots.

    magic      b"AWv", which no RDB dump begins with
    version    1 byte
    content    msgpack
    checksum   CRC-32 of all before it, 4 bytes little-endian

The content of a string is its bytes. That of a stream is an array:

    last ID, entries ever added, greatest ID deleted
    chunks      [count, blob] each, blobs as `streams.chunk` has them, live entries only
    groups      [number, name, last ID, entries read, consumers, pending, released] each
                consumers  [number, name, seen ms, active ms] each
                pending    [consumer, at ms, count, IDs] each, IDs ascending within
                released   [at ms, count, IDs] each, in the order in which they were released
    idempotency [duration s, most IDs, remembered]
                remembered [producer, idempotent ID, entry ID] each, in an order that `Producers.restore` takes

IDs are packed, 16 bytes each. Nothing of it says which key it was, nor when it expires, nor what is scheduled for the
stream (see `commands.scheduling`). A blob that is the same in memory and here is not copied: `COPY` of a stream shares
the entries with it.

What comes from a client is checked before it becomes a value (`restored`): a checksum can be made by anybody, and what
a range of entries answers are the bytes that are here.
"""

from binascii import crc32
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgspec

from airwave import journal as effects
from airwave.journal import Journal
from airwave.streams import ids as entry_ids
from airwave.streams.chunk import BYTES_MAX, ENTRIES_MAX, Chunk, OpenChunk, opened
from airwave.streams.group import UNKNOWN, Group
from airwave.streams.idempotency import DURATION_S_MAX, MAXSIZE_MAX
from airwave.streams.ids import ID_MAX
from airwave.streams.pending import Consumer, Delivery
from airwave.streams.stream import Stream
from airwave.value import String, Value

MAGIC = b"AWv"
VERSION = 1

_CHECKSUM_BYTES = 4
_ID = entry_ids.PACKED_BYTES
_END = 4

# What looking at content of the wrong shape raises.
_WRONG = (msgspec.MsgspecError, TypeError, ValueError, LookupError, AttributeError, OverflowError, RecursionError)

Content = Any  # bytes of a string; the array of a stream


class BadDump(Exception):  # noqa: N818  (DUMP's word for it)
    """These bytes are no dump of this version, or are damaged."""


class BadContent(Exception):  # noqa: N818
    """The checksum is right, but no value looks like this."""


def dumped(value: Value) -> bytes:
    """A value as bytes.

    Raises:
        Cold: entries are on disk only, see `Journal.fetch`.
    """
    body = MAGIC + bytes((VERSION,)) + msgspec.msgpack.encode(content_of(value))
    return body + crc32(body).to_bytes(_CHECKSUM_BYTES, "little")


def restored(payload: bytes, number: int, journal: Journal, *, trusted: bool = False) -> Value:
    """A new value, of which the journal has not been told (`record` does that).

    Args:
        trusted: it was written by this server and not given away; its content is not checked.

    Raises:
        BadDump: it is damaged, or no dump of this version.
        BadContent: it was made to be wrong.
    """
    body = payload[:-_CHECKSUM_BYTES]
    checksum = int.from_bytes(payload[-_CHECKSUM_BYTES:], "little")
    if len(payload) < 9 or body[:3] != MAGIC or body[3] != VERSION or crc32(body) != checksum:
        raise BadDump
    try:
        content = msgspec.msgpack.decode(body[4:])
        if not trusted and not isinstance(content, bytes):
            _check_stream(content)
        return value_of(content, number, journal)
    except _WRONG as error:
        raise BadContent from error


def copied(value: Value, number: int, journal: Journal) -> Value:
    """A value like another one; otherwise as `dumped` and `restored`."""
    return value_of(content_of(value), number, journal)


# --- from a value -----------------------------------------------------------------------------------------------------


def content_of(value: Value) -> Content:
    """What a dump says about a value."""
    if isinstance(value, String):
        return value.data
    assert isinstance(value, Stream)
    value.load(value.chunks())
    return [
        _packed(value.last_id),
        value.added,
        _packed(value.max_deleted),
        [_chunk_content(chunk) for chunk in value.chunks() if chunk.live],
        [_group_content(group) for group in value.groups.values()],
        _idempotency_content(value),
    ]


def _chunk_content(chunk: Chunk | OpenChunk) -> list[Any]:
    if isinstance(chunk, OpenChunk):
        chunk = chunk.sealed()
    elif chunk.live < chunk.count:
        chunk = opened(chunk).sealed()
    return [chunk.count, chunk.blob]


def _group_content(group: Group) -> list[Any]:
    held: dict[Delivery, list[int]] = {}
    for entry_id, delivery in group.pending.range():
        if delivery.consumer is not None:
            held.setdefault(delivery, []).append(entry_id)
    return [
        group.number,
        group.name,
        _packed(group.last_id),
        group.entries_read,
        [[each.number, each.name, each.seen_ms, each.active_ms] for each in group.consumers.values()],
        [
            [delivery.consumer.number, delivery.at_ms, delivery.count, entry_ids.pack(ids)]
            for delivery, ids in held.items()
            if delivery.consumer is not None
        ],
        [[delivery.at_ms, delivery.count, entry_ids.pack(ids)] for delivery, ids in _released_runs(group)],
    ]


def _released_runs(group: Group) -> list[tuple[Delivery, list[int]]]:
    """What XNACK gave back, oldest first; IDs of one XNACK together."""
    runs: list[tuple[Delivery, list[int]]] = []
    for entry_id in group.released:
        delivery = group.pending.get(entry_id)
        assert delivery is not None
        if runs and runs[-1][0] is delivery:
            runs[-1][1].append(entry_id)
        else:
            runs.append((delivery, [entry_id]))
    return runs


def _idempotency_content(stream: Stream) -> list[Any]:
    producers = stream.producers
    remembered = [[producer, iid, _packed(entry_id)] for producer, iid, entry_id in producers.items()]
    return [producers.duration_s, producers.maxsize, remembered]


def _packed(entry_id: int) -> bytes:
    return entry_id.to_bytes(_ID, "big")


# --- to a value -------------------------------------------------------------------------------------------------------


def value_of(content: Content, number: int, journal: Journal) -> Value:
    """A value of which a dump says this."""
    if isinstance(content, bytes):
        return String(number, journal, content)
    last_id, added, max_deleted, chunks, groups, idempotency = content
    stream = Stream(number, journal)
    for count, blob in chunks:
        ids = entry_ids.unpack(blob[:_ID] + blob[(count - 1) * _ID : count * _ID])
        stream.sealed.append(Chunk(ids[0], ids[1], count, blob))
        stream.length += count
    _open_last(stream)
    stream.firsts = [chunk.first for chunk in stream.sealed]
    stream.last_id = entry_ids.unpack_one(last_id)
    stream.added = added
    stream.max_deleted = entry_ids.unpack_one(max_deleted)
    for each in groups:
        group = _group_of(each, stream, journal)
        stream.groups[group.name] = group
        stream.last_group = max(stream.last_group, group.number)
    duration_s, maxsize, remembered = idempotency
    stream.producers.restore_limits(duration_s, maxsize)
    for producer, iid, packed in remembered:
        stream.producers.restore(producer, iid, entry_ids.unpack_one(packed))
    return stream


def _open_last(stream: Stream) -> None:
    """Make the last chunk the open one, if it has room."""
    if stream.sealed:
        tail = opened(stream.sealed[-1])
        if not tail.full:
            stream.tail = tail
            stream.tail.journaled = 0
            stream.sealed.pop()


def _group_of(content: list[Any], stream: Stream, journal: Journal) -> Group:
    number, name, last_id, entries_read, consumers, pending, released = content
    group = Group(journal, stream.number, number, name, entry_ids.unpack_one(last_id), entries_read)
    by_number: dict[int, Consumer] = {}
    for each, consumer_name, seen_ms, active_ms in consumers:
        consumer = by_number[each] = Consumer(each, consumer_name, seen_ms)
        consumer.active_ms = active_ms
        group.restore_consumer(consumer)
    for owner, at_ms, count, packed in pending:
        ids = entry_ids.unpack(packed)
        _put(group, ids, Delivery(by_number[owner], at_ms, count))
        by_number[owner].pending += len(ids)
    for at_ms, count, packed in released:
        ids = entry_ids.unpack(packed)
        _put(group, ids, Delivery(None, at_ms, count))
        group.released.update(dict.fromkeys(ids))
    return group


def _put(group: Group, ids: list[int], delivery: Delivery) -> None:
    for entry_id in ids:
        if group.pending.put(entry_id, delivery) is not None:
            raise ValueError("an entry is pending twice")


# --- what the journal must know ---------------------------------------------------------------------------------------


def record(value: Value) -> None:
    """Tell the journal of all that a restored value holds; `Database.insert` has told it of the key."""
    journal, number = value.journal, value.number
    if isinstance(value, String):
        journal.record((effects.STRING, number, value.data))
        return
    assert isinstance(value, Stream)
    if not journal.durable:
        return
    for chunk in value.sealed:
        journal.sealed(value, chunk)
    value.changed()  # the open chunk, and what META says
    journal.record((effects.IDMP, number, value.producers.duration_s, value.producers.maxsize))
    for producer, iid, entry_id in value.producers.items():
        at_ms = entry_id >> entry_ids.SEQ_BITS
        journal.record((effects.IDEMPOTENT, number, producer, iid, _packed(entry_id), at_ms))
    for group in value.groups.values():
        _record_group(group, number, journal)


def _record_group(group: Group, stream: int, journal: Journal) -> None:
    group.note_position()
    number, _, _, _, consumers, pending, released = _group_content(group)
    for each, name, seen_ms, active_ms in consumers:
        journal.record((effects.CONSUMER, stream, number, each, name, seen_ms, active_ms))
    for owner, at_ms, count, packed in pending:
        journal.record((effects.PENDING, stream, number, owner, at_ms, count, packed))
    for at_ms, count, packed in released:
        journal.record((effects.PENDING, stream, number, 0, at_ms, count, packed))


# --- what a client may have made up -----------------------------------------------------------------------------------


def _check_stream(content: Content) -> None:
    """Refuse what no stream's dump can be.

    Raises:
        ValueError, TypeError, IndexError: it cannot.
    """
    last_id, added, max_deleted, chunks, groups, idempotency = content
    ids: list[int] = []
    for count, blob in chunks:
        _check_numbers((count,), minimum=1)
        _require(count <= ENTRIES_MAX and len(blob) >= count * (_ID + _END))
        ids += _checked_chunk(count, blob)
    _require(all(before < behind for before, behind in pairwise([0, *ids])))
    _require(_checked_ids(last_id, 1)[0] >= (ids[-1] if ids else 0))
    _require(_checked_ids(max_deleted, 1)[0] <= ID_MAX)
    _check_numbers((added,), minimum=len(ids))
    duration_s, maxsize, remembered = idempotency
    _check_numbers((duration_s, maxsize), minimum=1)
    _require(duration_s <= DURATION_S_MAX and maxsize <= MAXSIZE_MAX)
    for producer, iid, packed in remembered:
        _require(isinstance(producer, bytes) and isinstance(iid, bytes))
        _checked_ids(packed, 1)
    for group in groups:
        _check_group(group)
    _check_distinct([group[0] for group in groups], [group[1] for group in groups])


def _checked_chunk(count: int, blob: bytes) -> list[int]:
    """The IDs of a chunk whose entries are those of these IDs."""
    ids = _checked_ids(blob[: count * _ID], count)
    chunk = Chunk(ids[0], ids[-1], count, blob)
    base = count * (_ID + _END)
    ends = [int.from_bytes(blob[at : at + _END], "little") for at in range(count * _ID, base, _END)]
    _require(ends[-1] == len(blob) - base and all(before < behind for before, behind in pairwise([0, *ends])))
    _require(ends[-1] <= BYTES_MAX or count == 1 or ends[-2] < BYTES_MAX)
    for entry_id, entry in zip(ids, chunk.entry_list(0, count), strict=True):
        _check_entry(entry_id, entry)
    return ids


def _check_entry(entry_id: int, entry: bytes) -> None:
    """An entry is the array of its ID and of an array of bulk strings, an even number of them."""
    head = b"*2\r\n" + entry_ids.bulk(entry_id) + b"*"
    _require(entry.startswith(head))
    place, parts = _counted(entry, len(head))
    _require(parts > 0 and parts % 2 == 0)
    for _ in range(parts):
        _require(entry[place : place + 1] == b"$")
        place, length = _counted(entry, place + 1)
        place += length + 2
        _require(entry[place - 2 : place] == b"\r\n")
    _require(place == len(entry))


def _counted(entry: bytes, place: int) -> tuple[int, int]:
    """The number that stands there up to the end of the line, and where the next line begins."""
    end = entry.index(b"\r\n", place)
    digits = entry[place:end]
    number = int(digits)
    _require(b"%d" % number == digits and number >= 0)
    return end + 2, number


def _check_group(content: list[Any]) -> None:
    number, name, last_id, entries_read, consumers, pending, released = content
    _checked_ids(last_id, 1)
    _check_numbers((number,), minimum=1)
    _check_numbers((entries_read,), minimum=UNKNOWN)
    for each, consumer_name, seen_ms, active_ms in consumers:
        _check_numbers((each,), minimum=1)
        _check_numbers((seen_ms, active_ms), minimum=-1)
        _require(isinstance(consumer_name, bytes))
    _check_distinct([consumer[0] for consumer in consumers], [consumer[1] for consumer in consumers])
    for _, at_ms, count, packed in pending:
        _check_numbers((at_ms, count), minimum=0)
        ids = _checked_ids(packed)
        _require(all(before < behind for before, behind in pairwise(ids)))
    for at_ms, count, packed in released:
        _check_numbers((at_ms, count), minimum=0)
        _checked_ids(packed)
    _require(isinstance(name, bytes))


def _checked_ids(packed: Any, count: int | None = None) -> list[int]:
    _require(isinstance(packed, bytes) and len(packed) % _ID == 0 and count in (None, len(packed) // _ID))
    return entry_ids.unpack(packed)


def _check_numbers(numbers: Iterable[Any], *, minimum: int) -> None:
    _require(all(type(number) is int and minimum <= number < 1 << 63 for number in numbers))


def _check_distinct(*lists: list[Any]) -> None:
    _require(all(len({*items}) == len(items) for items in lists))


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError("no value looks like this")
