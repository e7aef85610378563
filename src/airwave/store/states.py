"""The blobs of the database: values, pages of pending entries, positions of deleted entries; to bytes and back.

    value     0, space, key, expires_ms, data                        a string
              1, space, key, expires_ms, last ID, entries added, greatest ID deleted, number of the youngest group,
              producers, groups                                      a stream
    producers duration_s, maxsize, and what they remember: producer, idempotent ID, entry ID
    group     number, name, last ID, entries read, number of the youngest consumer, consumers, released IDs
    consumer  number, name, seen_ms, active_ms
    page      for each delivery: number of the consumer or 0, at_ms, count, IDs

IDs are packed. What a stream's state does not say is in its chunks and pages.
"""

import array
import sys
from typing import Any

import msgspec

from airwave.journal import Journal
from airwave.streams import ids as entry_ids
from airwave.streams.group import Group
from airwave.streams.pending import Consumer, Delivery, Page
from airwave.streams.stream import Stream
from airwave.value import String, Value

_ID = entry_ids.PACKED_BYTES

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder().decode

STRING, STREAM = range(2)


def pack_id(entry_id: int) -> bytes:
    """An ID as 16 bytes."""
    return entry_id.to_bytes(_ID, "big")


# --- values -----------------------------------------------------------------------------------------------------------


def value_state(value: Value) -> bytes:
    """A value as `keys` holds it."""
    if isinstance(value, String):
        return encode((STRING, value.space, value.key, value.expires_ms, value.data))
    assert isinstance(value, Stream)
    return encode(
        (
            STREAM,
            value.space,
            value.key,
            value.expires_ms,
            pack_id(value.last_id),
            value.added,
            pack_id(value.max_deleted),
            value.last_group,
            producers_state(value),
            [_group_state(group) for group in value.groups.values()],
        )
    )


def _group_state(group: Group) -> tuple[Any, ...]:
    consumers = [(each.number, each.name, each.seen_ms, each.active_ms) for each in group.consumers.values()]
    released = entry_ids.pack([*group.released])
    last = pack_id(group.last_id)
    return group.number, group.name, last, group.entries_read, group._last_consumer, consumers, released


def producers_state(stream: Stream) -> list[Any]:
    """What a stream remembers of its producers."""
    producers = stream.producers
    remembered = [(producer, iid, pack_id(entry_id)) for producer, iid, entry_id in producers.items()]
    return [producers.duration_s, producers.maxsize, remembered]


def restored_value(number: int, state: bytes, journal: Journal) -> tuple[Value, list[Any]]:
    """A value from its row, without chunks, groups and what is pending.

    Returns:
        The value, its space and key set; and its groups, for `restored_group`.
    """
    kind, space, key, expires_ms, *rest = decode(state)
    value: Value
    groups: list[Any] = []
    if kind == STRING:
        value = String(number, journal, *rest)
    else:
        value = stream = Stream(number, journal)
        last, stream.added, deleted, stream.last_group, producers, groups = rest
        stream.last_id = entry_ids.unpack_one(last)
        stream.max_deleted = entry_ids.unpack_one(deleted)
        duration_s, maxsize, remembered = producers
        stream.producers.restore_limits(duration_s, maxsize)
        for producer, iid, entry_id in remembered:
            stream.producers.restore(producer, iid, entry_ids.unpack_one(entry_id))
    value.space, value.key, value.expires_ms = space, key, expires_ms
    return value, groups


def restored_group(journal: Journal, stream: int, state: list[Any]) -> tuple[Group, dict[int, Consumer]]:
    """A group from its state, without what is pending; and its consumers by number."""
    number, name, last, read, last_consumer, consumers, released = state
    group = Group(journal, stream, number, name, entry_ids.unpack_one(last), read)
    by_number: dict[int, Consumer] = {}
    for consumer_number, consumer_name, seen_ms, active_ms in consumers:
        consumer = Consumer(consumer_number, consumer_name, seen_ms)
        consumer.active_ms = active_ms
        by_number[consumer_number] = consumer
        group.restore_consumer(consumer)
    group._last_consumer = last_consumer
    group.released = dict.fromkeys(entry_ids.unpack(released))
    return group, by_number


# --- pages of pending entries -----------------------------------------------------------------------------------------


def page_blob(page: Page) -> bytes:
    """A page as `pending` holds it: what was delivered together stands together."""
    deliveries: dict[Delivery, list[int]] = {}
    for entry_id, delivery in page.in_order().items():
        if delivery in deliveries:
            deliveries[delivery].append(entry_id)
        else:
            deliveries[delivery] = [entry_id]
    return encode(
        [
            (delivery.consumer.number if delivery.consumer else 0, delivery.at_ms, delivery.count, entry_ids.pack(ids))
            for delivery, ids in deliveries.items()
        ]
    )


def page_items(blob: bytes, consumers: dict[int, Consumer]) -> dict[int, Delivery]:
    """The items of a page, ordered by ID.

    Args:
        consumers: by number; one that is not there yet is added, without a name.
    """
    items: dict[int, Delivery] = {}
    deliveries = decode(blob)
    for number, at_ms, count, packed in deliveries:
        consumer = None
        if number:
            consumer = consumers.get(number)
            if consumer is None:
                consumer = consumers[number] = Consumer(number, b"", 0)
        items.update(dict.fromkeys(entry_ids.unpack(packed), Delivery(consumer, at_ms, count)))
    return dict(sorted(items.items())) if len(deliveries) > 1 else items


# --- chunks -----------------------------------------------------------------------------------------------------------


def dead_blob(dead: set[int] | None) -> bytes | None:
    """Positions of deleted entries as `chunks` holds them."""
    if not dead:
        return None
    positions = array.array("I", sorted(dead))
    if sys.byteorder == "big":
        positions.byteswap()
    return positions.tobytes()


def dead_set(blob: bytes | None) -> set[int] | None:
    """Positions of deleted entries from `chunks`."""
    if not blob:
        return None
    positions = array.array("I")
    positions.frombytes(blob)
    if sys.byteorder == "big":
        positions.byteswap()
    return set(positions)
