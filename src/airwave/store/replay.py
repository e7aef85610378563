"""The effects of journal rows, applied to values that were loaded from their rows.

Nothing is recorded meanwhile. Why this ends in the state that was committed, see `schema`.
"""

from collections.abc import Callable
from typing import Any

from airwave import journal as effects
from airwave.journal import Effect, Journal
from airwave.store import states
from airwave.streams import ids as entry_ids
from airwave.streams.chunk import Chunk, OpenChunk
from airwave.streams.group import Group
from airwave.streams.idempotency import Producers
from airwave.streams.pending import Consumer, Delivery, Page, Pending
from airwave.streams.schedule import Schedule, Scheduled
from airwave.streams.stream import Stream
from airwave.value import String, Value

SEALED = 14
"""An effect that only the storage knows: value, numbers of the chunks that take the place of the open one."""


class Replay:
    """What was loaded so far.

    Args:
        journal: of the values.
        load: brings the blobs of chunks into memory.

    Attributes:
        values: by number.
        seqs: the journal row up to which a value's own row speaks; 0 when it has none.
        groups: by stream and number.
        future: chunks by stream and number that are not in their stream yet.
        pages: of groups that are not there yet: number and blob of each.
        scheduled: of each stream, by its number and their own; also of streams that are not there yet.
        scheduled_rows: numbers of those that have a row, by stream.
        needed: values that the journal speaks of, with the oldest row each needs.
        rubbish: chunks whose rows are to be deleted, with their stream's number.
        warmed: chunks whose blobs were loaded.
    """

    def __init__(self, journal: Journal, load: Callable[[Chunk], None]) -> None:
        self.journal = journal
        self._load = load
        self.values: dict[int, Value] = {}
        self.seqs: dict[int, int] = {}
        self.groups: dict[tuple[int, int], tuple[Group, dict[int, Consumer]]] = {}
        self.future: dict[int, dict[int, Chunk]] = {}
        self.pages: dict[tuple[int, int], list[tuple[int, bytes]]] = {}
        self.scheduled: dict[int, dict[int, Scheduled]] = {}
        self.scheduled_rows: dict[int, set[int]] = {}
        self.needed: dict[int, int] = {}
        self.rubbish: list[tuple[int, int]] = []
        self.warmed: list[Chunk] = []
        self._handlers: dict[int, Callable[..., None]] = {
            effects.CREATE: self._create,
            effects.GONE: self._gone,
            effects.PLACE: self._place,
            effects.EXPIRE: self._expire,
            effects.STRING: self._string,
            effects.SPACES: lambda _: None,  # `meta` has them
            effects.ENTRIES: self._entries,
            effects.TRIMMED: self._trimmed,
            effects.DELETED: self._deleted,
            effects.META: self._meta,
            SEALED: self._sealed,
            effects.GROUP: self._group,
            effects.UNGROUP: self._ungroup,
            effects.CONSUMER: self._consumer,
            effects.UNCONSUMER: self._unconsumer,
            effects.PENDING: self._pending,
            effects.ACKED: self._acked,
            effects.IDEMPOTENT: self._idempotent,
            effects.IDMP: self._idmp,
            effects.SCHEDULED: self._scheduled,
            effects.UNSCHEDULED: self._unscheduled,
        }

    def apply(self, seq: int, row: list[Effect]) -> None:
        """Apply a journal row."""
        handlers, seqs, needed = self._handlers, self.seqs, self.needed
        for code, subject, *rest in row:
            if code == effects.SPACES or seqs.get(subject, 0) >= seq:
                continue
            handlers[code](subject, *rest)
            if subject not in needed:
                needed[subject] = seq

    # --- keys -------------------------------------------------------------------------------------------------------

    def _create(self, number: int, space: int, key: bytes, kind: bytes) -> None:
        value: Value = Stream(number, self.journal) if kind == Stream.kind else String(number, self.journal, b"")
        value.space, value.key = space, key
        self.values[number] = value

    def _gone(self, number: int) -> None:
        if (value := self.values.pop(number, None)) is not None:
            self.discard(value)

    def discard(self, value: Value) -> None:
        """A value is gone: its chunks are rubbish."""
        if isinstance(value, Stream):
            self.rubbish += [(value.number, chunk.number) for chunk in value.sealed]
            for group in value.groups.values():
                self.groups.pop((value.number, group.number), None)

    def _place(self, number: int, space: int, key: bytes) -> None:
        if (value := self.values.get(number)) is not None:
            value.space, value.key = space, key

    def _expire(self, number: int, at_ms: int) -> None:
        if (value := self.values.get(number)) is not None:
            value.expires_ms = at_ms

    def _string(self, number: int, data: bytes) -> None:
        if isinstance(value := self.values.get(number), String):
            value.data = data

    # --- entries ----------------------------------------------------------------------------------------------------

    def _stream(self, number: int) -> Stream | None:
        value = self.values.get(number)
        return value if isinstance(value, Stream) else None

    def _entries(self, number: int, packed: bytes, ends: bytes, entries: bytes) -> None:
        if (stream := self._stream(number)) is None:
            return
        tail = stream.tail
        start = 0
        for place in range(0, len(ends), 4):
            end = int.from_bytes(ends[place : place + 4], "little")
            tail.items.append(entries[start:end])
            start = end
        tail.members += entry_ids.unpack(packed)
        tail.size += len(entries)
        tail.journaled = len(tail.members)

    def _sealed(self, number: int, chunks: list[int]) -> None:
        if (stream := self._stream(number)) is None:
            return
        stream.tail = OpenChunk()
        future = self.future.get(number, {})
        for each in chunks:
            if (chunk := future.pop(each, None)) is not None:  # else it was dropped later, and its row deleted
                stream.sealed.append(chunk)
                stream.firsts.append(chunk.first)

    def _trimmed(self, number: int, packed: bytes) -> None:
        if (stream := self._stream(number)) is None:
            return
        below = entry_ids.unpack_one(packed) if packed else entry_ids.ID_MAX + 1
        whole = 0
        for chunk in stream.sealed:
            if chunk.last >= below:
                if chunk.first < below:
                    self._warm(chunk)
                    chunk.behead(sum([stop - start for start, stop in chunk.runs(0, chunk.position(below))]))
                    stream.altered.add(chunk)
                    whole += not chunk.live
                break
            whole += 1
        self._drop(stream, 0, whole)
        stream.tail.behead(stream.tail.position(below))

    def _deleted(self, number: int, packed: bytes) -> None:
        if (stream := self._stream(number)) is None:
            return
        for entry_id in entry_ids.unpack(packed):
            chunk = stream.chunk_of(entry_id)
            if type(chunk) is Chunk:
                self._warm(chunk)
                if chunk.kill(entry_id):
                    stream.altered.add(chunk)
                    if not chunk.live:
                        place = stream.sealed.index(chunk)
                        self._drop(stream, place, place + 1)
            elif chunk is not None:
                chunk.kill(entry_id)

    def _warm(self, chunk: Chunk) -> None:
        if chunk.blob is None:
            self._load(chunk)
            self.warmed.append(chunk)

    def _drop(self, stream: Stream, start: int, stop: int) -> None:
        gone = stream.sealed[start:stop]
        del stream.sealed[start:stop], stream.firsts[start:stop]
        stream.altered.difference_update(gone)
        self.rubbish += [(stream.number, chunk.number) for chunk in gone]

    def _meta(self, number: int, last: bytes, added: int, deleted: bytes) -> None:
        if (stream := self._stream(number)) is not None:
            stream.last_id = entry_ids.unpack_one(last)
            stream.added = added
            stream.max_deleted = entry_ids.unpack_one(deleted)

    # --- groups -----------------------------------------------------------------------------------------------------

    def add_group(self, stream: Stream, group: Group, consumers: dict[int, Consumer]) -> None:
        """A group is there: it gets the pages that were loaded for it."""
        stream.groups[group.name] = group
        self.groups[stream.number, group.number] = group, consumers
        pages = self.pages.pop((stream.number, group.number), None)
        if pages:
            _attach(group.pending, [(page, states.page_items(blob, consumers)) for page, blob in pages])
            for _, delivery in group.pending.range():
                if delivery.consumer is not None:
                    delivery.consumer.pending += 1

    def _group(self, number: int, group_number: int, name: bytes, last: bytes, read: int) -> None:
        if (stream := self._stream(number)) is None:
            return
        stream.last_group = max(stream.last_group, group_number)
        known = self.groups.get((number, group_number))
        if known is None:
            group = Group(self.journal, number, group_number, name, entry_ids.unpack_one(last), read)
            self.add_group(stream, group, {})
        else:
            known[0].last_id = entry_ids.unpack_one(last)
            known[0].entries_read = read

    def _ungroup(self, number: int, group_number: int) -> None:
        known = self.groups.pop((number, group_number), None)
        stream = self._stream(number)
        if stream is None or known is None:
            return
        group = known[0]
        if stream.groups.get(group.name) is group:
            del stream.groups[group.name]

    def _consumer(self, number: int, group_number: int, consumer_number: int, *rest: Any) -> None:
        name, seen_ms, active_ms = rest
        if (known := self.groups.get((number, group_number))) is None:
            return
        group, consumers = known
        consumer = consumers.setdefault(consumer_number, Consumer(consumer_number, name, seen_ms))
        consumer.name, consumer.seen_ms, consumer.active_ms = name, seen_ms, active_ms
        group.restore_consumer(consumer)

    def _unconsumer(self, number: int, group_number: int, consumer_number: int) -> None:
        if (known := self.groups.get((number, group_number))) is None:
            return
        group, consumers = known
        consumer = consumers.pop(consumer_number, None)
        if consumer is None:
            return
        for entry_id in [each for each, delivery in group.pending.range() if delivery.consumer is consumer]:
            group.pending.pop(entry_id)
        if group.consumers.get(consumer.name) is consumer:
            del group.consumers[consumer.name]

    def _pending(self, number: int, group_number: int, consumer_number: int, *rest: Any) -> None:
        at_ms, count, packed = rest
        if (known := self.groups.get((number, group_number))) is None:
            return
        group, consumers = known
        consumer = None
        if consumer_number:
            consumer = consumers.get(consumer_number)
            if consumer is None:  # a page that is newer does not know it any more: it is removed further on
                consumer = consumers[consumer_number] = Consumer(consumer_number, b"", 0)
            consumer.seen_ms = max(consumer.seen_ms, at_ms)
            consumer.active_ms = max(consumer.active_ms, at_ms)
        delivery = Delivery(consumer, at_ms, count)
        for entry_id in entry_ids.unpack(packed):
            group._set(entry_id, delivery)

    def _acked(self, number: int, group_number: int, packed: bytes) -> None:
        if (known := self.groups.get((number, group_number))) is None:
            return
        group = known[0]
        for entry_id in entry_ids.unpack(packed):
            delivery = group.pending.pop(entry_id)
            if delivery is not None and delivery.consumer is not None:
                delivery.consumer.pending -= 1
            group.released.pop(entry_id, None)

    # --- idempotency ------------------------------------------------------------------------------------------------

    def _idempotent(self, number: int, producer: bytes, iid: bytes, packed: bytes, _: int) -> None:
        if (stream := self._stream(number)) is not None:
            stream.producers.restore(producer, iid, entry_ids.unpack_one(packed))

    def _idmp(self, number: int, duration_s: int, maxsize: int) -> None:
        if (stream := self._stream(number)) is not None:
            stream.producers = Producers(self.journal, number)
            stream.producers.restore_limits(duration_s, maxsize)

    # --- what is scheduled ------------------------------------------------------------------------------------------

    def _scheduled(self, number: int, each: int, token: bytes, due_ms: int, *rest: Any) -> None:
        named, fields = rest
        self.scheduled.setdefault(number, {})[each] = Scheduled(each, token, due_ms, fields, named=bool(named))

    def _unscheduled(self, number: int, gone: list[int]) -> None:
        for each in gone:
            self.scheduled.get(number, {}).pop(each, None)

    def give_schedules(self) -> list[int]:
        """All is applied: streams get what is scheduled for them.

        Returns:
            Numbers of rows that belong to no stream.
        """
        lost: list[int] = []
        for number in self.scheduled_rows.keys() - self.values.keys():
            lost += self.scheduled_rows[number]
        for number, items in self.scheduled.items():
            if (stream := self._stream(number)) is None:
                continue
            rows = self.scheduled_rows.get(number, set())
            schedule = stream.schedule = Schedule(self.journal, number)
            for each in sorted(items):
                schedule.restore(items[each])
            if self.journal.durable:
                schedule.unwritten = {each: item for each, item in items.items() if each not in rows}
            schedule.erased = [*rows.difference(items)]
        return lost


def _attach(pending: Pending, loaded: list[tuple[int, dict[int, Delivery]]]) -> None:
    """Give a group's pending entries, which are none yet, its pages."""
    loaded = sorted([each for each in loaded if each[1]], key=lambda each: next(iter(each[1])))
    ends = [next(reversed(items)) for _, items in loaded]
    if all(end < next(iter(items)) for end, (_, items) in zip(ends, loaded[1:], strict=False)):
        for number, items in loaded:
            page = Page(items, min([delivery.at_ms for delivery in items.values()]))
            page.number = number
            pending.pages.append(page)
            pending.firsts.append(next(iter(items)))
            pending._size += len(items)
        if ends:
            pending.top = ends[-1]
        return
    # A page was divided, and only one half written since: where they overlap they agree, or the journal knows better.
    merged: dict[int, Delivery] = {}
    for number, items in loaded:
        merged.update(items)
        pending.emptied.append(number)
    for entry_id, delivery in sorted(merged.items()):
        pending.put(entry_id, delivery)
