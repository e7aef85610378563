"""A consumer group: how far it has read, its consumers, and what is pending.

Every change of a group goes through its methods, which tell the journal.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter

from airwave import journal as effects
from airwave.journal import Journal
from airwave.streams import ids as entry_ids
from airwave.streams.pending import Consumer, Delivery, Pending

UNKNOWN = -1  # entries_read when it cannot be known
DELIVERIES_MAX = (1 << 63) - 1  # where the counter of an entry's deliveries stays


class Group:
    """A consumer group.

    Args:
        stream: the number of the stream's value.
        number: within the stream, never given again, from 1.

    Attributes:
        last_id: the last ID delivered.
        entries_read: logical position within all entries ever added; UNKNOWN.
        consumers: by name.
        released: IDs that XNACK gave back, oldest first; they are in `pending` as well, with no consumer.
    """

    __slots__ = (
        "_journal",
        "_last_consumer",
        "_stream",
        "consumers",
        "entries_read",
        "last_id",
        "name",
        "number",
        "pending",
        "released",
    )

    def __init__(  # noqa: PLR0917  (all of what the journal says of it)
        self, journal: Journal, stream: int, number: int, name: bytes, last_id: int, entries_read: int = UNKNOWN
    ) -> None:
        self._journal = journal
        self._stream = stream
        self._last_consumer = 0
        self.number = number
        self.name = name
        self.last_id = last_id
        self.entries_read = entries_read
        self.consumers: dict[bytes, Consumer] = {}
        self.pending = Pending(tracked=journal.durable)
        self.released: dict[int, None] = {}

    def note_position(self) -> None:
        """Tell the journal that the group exists, and where it stands."""
        if self._journal.durable:
            packed = self.last_id.to_bytes(entry_ids.PACKED_BYTES, "big")
            self._journal.record((effects.GROUP, self._stream, self.number, self.name, packed, self.entries_read))

    def move_to(self, last_id: int, entries_read: int) -> None:
        """Set the position."""
        self.last_id = last_id
        self.entries_read = entries_read
        self.note_position()

    # --- consumers --------------------------------------------------------------------------------------------------

    def add_consumer(self, name: bytes, now_ms: int) -> Consumer:
        """A consumer that is new."""
        self._last_consumer += 1
        consumer = Consumer(self._last_consumer, name, now_ms)
        self.consumers[name] = consumer
        if self._journal.durable:
            self._journal.record(
                (effects.CONSUMER, self._stream, self.number, consumer.number, name, now_ms, consumer.active_ms)
            )
        return consumer

    def restore_consumer(self, consumer: Consumer) -> None:
        """A consumer that the storage knows."""
        self._last_consumer = max(self._last_consumer, consumer.number)
        self.consumers[consumer.name] = consumer

    def remove_consumer(self, consumer: Consumer) -> int:
        """Remove a consumer with all that is pending for it; returns how many entries that were."""
        pending = consumer.pending
        if pending:
            self.pending.pop_many([entry_id for entry_id, _ in self.pending.held_by(consumer)])
        consumer.pending = 0
        del self.consumers[consumer.name]
        if self._journal.durable:
            self._journal.record((effects.UNCONSUMER, self._stream, self.number, consumer.number))
        return pending

    # --- pending entries --------------------------------------------------------------------------------------------

    def deliver(self, ids: Sequence[int], consumer: Consumer, now_ms: int, packed: bytes | None = None) -> None:
        """Entries read for the first time go to a consumer.

        Args:
            ids: ascending; those that are pending already (the group was set back) change their owner.
            packed: the same packed, if it is at hand.
        """
        pending, delivery = self.pending, Delivery(consumer, now_ms, 1)
        if ids[0] > pending.top:  # the hot path: nothing of it can be pending
            pending.add_run(ids, delivery)
            consumer.pending += len(ids)
        else:
            for entry_id in ids:
                self._set(entry_id, delivery)
        consumer.active_ms = now_ms
        if self._journal.durable:
            self._note_pending(delivery, entry_ids.pack(ids) if packed is None else packed)

    def assign(self, ids: Sequence[int], delivery: Delivery) -> None:
        """Say anew who has entries, since when and how often delivered; they need not have been pending.

        With `consumer` None they are released: they go to the end of `released`.
        """
        for entry_id in ids:
            self._set(entry_id, delivery)
        if self._journal.durable and ids:
            self._note_pending(delivery, entry_ids.pack(ids))

    def assign_each(self, items: Iterable[tuple[int, int]], consumer: Consumer | None, at_ms: int) -> None:
        """As `assign`, for entries with different numbers of deliveries.

        Args:
            items: IDs, and how often each was delivered.
        """
        for count, same in groupby(items, key=itemgetter(1)):
            self.assign([entry_id for entry_id, _ in same], Delivery(consumer, at_ms, min(count, DELIVERIES_MAX)))

    def _set(self, entry_id: int, delivery: Delivery) -> None:
        before = self.pending.put(entry_id, delivery)
        if before is not None and before.consumer is not None:
            before.consumer.pending -= 1
        self.released.pop(entry_id, None)
        if delivery.consumer is not None:
            delivery.consumer.pending += 1
        else:
            self.released[entry_id] = None

    def _note_pending(self, delivery: Delivery, packed: bytes) -> None:
        owner = delivery.consumer.number if delivery.consumer is not None else 0
        self._journal.record(
            (effects.PENDING, self._stream, self.number, owner, delivery.at_ms, delivery.count, packed)
        )

    def acknowledge(self, ids: Sequence[int]) -> list[int]:
        """Entries are done with; returns those that were pending."""
        done, deliveries = self.pending.pop_many(ids)
        if not done:
            return done
        first = deliveries[0]
        if deliveries.count(first) == len(deliveries):  # the common case: they were delivered together
            if first.consumer is not None:
                first.consumer.pending -= len(done)
        else:
            for delivery, count in Counter(deliveries).items():
                if delivery.consumer is not None:
                    delivery.consumer.pending -= count
        if self.released:
            for entry_id in done:
                self.released.pop(entry_id, None)
        if self._journal.durable:
            self._journal.record((effects.ACKED, self._stream, self.number, entry_ids.pack(done)))
        return done

    @property
    def memory_bytes(self) -> int:
        """About what it takes of the memory."""
        return 500 + 100 * len(self.pending) + 200 * len(self.consumers)
