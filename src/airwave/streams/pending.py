"""A group's pending entries (PEL): which consumer got an entry, when, and how often.

All entries of one delivery share one `Delivery`, so that delivering a hundred costs little more than delivering one.
They are kept in *pages*, dicts of up to 256 IDs whose ranges do not overlap, in order: the page of an ID is found by
bisection, a range is read page by page, and the storage writes only pages that changed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import repeat

from airwave.streams.ids import ID_MAX

PAGE_MAX = 256

_NEVER = 1 << 62  # ms; later than any delivery


class Delivery:
    """An entry, or several, given to a consumer.

    Attributes:
        consumer: None when nobody has it: XNACK released it.
        at_ms: when.
        count: how often it was delivered.
    """

    __slots__ = ("at_ms", "consumer", "count")

    def __init__(self, consumer: "Consumer | None", at_ms: int, count: int) -> None:
        self.consumer = consumer
        self.at_ms = at_ms
        self.count = count


class Consumer:
    """A consumer of a group.

    Attributes:
        number: within the group, never given again, from 1.
        seen_ms: when it last tried to read or claim.
        active_ms: when it last got something; -1: never.
        pending: how many entries are pending for it.
    """

    __slots__ = ("active_ms", "name", "number", "pending", "seen_ms")

    def __init__(self, number: int, name: bytes, seen_ms: int) -> None:
        self.number = number
        self.name = name
        self.seen_ms = seen_ms
        self.active_ms = -1
        self.pending = 0


class Page:
    """Up to `PAGE_MAX` pending entries.

    Attributes:
        number: the storage's number for it; 0: it has none yet.
        items: deliveries by ID; in the order of IDs if `ordered`.
        oldest_ms: nothing that somebody has here was delivered before; it may be too low.
        owners: all who have something here; there may be others among them.
    """

    __slots__ = ("items", "number", "oldest_ms", "ordered", "owners")

    def __init__(
        self, items: dict[int, Delivery], oldest_ms: int, owners: "set[Consumer | None] | None" = None
    ) -> None:
        self.number = 0
        self.items = items
        self.ordered = True
        self.oldest_ms = oldest_ms
        self.owners = {each.consumer for each in items.values()} if owners is None else owners

    def in_order(self) -> dict[int, Delivery]:
        """Its items, ordered by ID."""
        if not self.ordered:
            self.items = dict(sorted(self.items.items()))
            self.ordered = True
        return self.items


class Pending:
    """The pending entries of a group, ordered by ID.

    Attributes:
        pages: in order; none is empty.
        firsts: for each page an ID not above all of its own and above all of those before.
        changed: pages that changed since the storage last wrote them; the storage empties it.
        emptied: numbers of pages that are gone; the storage empties it. Filled only if `tracked`.
        tracked: whether anybody wants to know what changed.
        top: no ID is greater; -1: there was none yet.
    """

    __slots__ = ("_size", "changed", "emptied", "firsts", "pages", "top", "tracked")

    def __init__(self, *, tracked: bool) -> None:
        self.pages: list[Page] = []
        self.firsts: list[int] = []
        self.changed: set[Page] = set()
        self.emptied: list[int] = []
        self.tracked = tracked
        self._size = 0
        self.top = -1

    def __len__(self) -> int:
        return self._size

    def get(self, entry_id: int) -> Delivery | None:
        """What is known of an entry; None when it is not pending."""
        place = bisect_right(self.firsts, entry_id) - 1
        return self.pages[place].items.get(entry_id) if place >= 0 else None

    def add_run(self, ids: Sequence[int], delivery: Delivery) -> None:
        """Add entries delivered together, in ascending order; none of them is pending."""
        if not ids:
            return
        if ids[0] <= self.top:
            for entry_id in ids:
                self.put(entry_id, delivery)
            return
        # What is delivered together is kept together if it can be: it mostly is acknowledged together.
        page = self.pages[-1] if self.pages else None
        if page is not None and len(page.items) + len(ids) <= PAGE_MAX:
            page.items.update(dict.fromkeys(ids, delivery))
            page.oldest_ms = min(page.oldest_ms, delivery.at_ms)
            page.owners.add(delivery.consumer)
            if self.tracked:
                self.changed.add(page)
        else:
            self._add_pages(ids, delivery)
        self._size += len(ids)
        self.top = ids[-1]

    def _add_pages(self, ids: Sequence[int], delivery: Delivery) -> None:
        for begin in range(0, len(ids), PAGE_MAX):
            items = dict.fromkeys(ids[begin : begin + PAGE_MAX], delivery)
            page = Page(items, delivery.at_ms, {delivery.consumer})
            self.pages.append(page)
            self.firsts.append(ids[begin])
            if self.tracked:
                self.changed.add(page)

    def put(self, entry_id: int, delivery: Delivery) -> Delivery | None:
        """Add an entry, or say something new of one; returns what was known of it. Consumers' counts stay."""
        place = bisect_right(self.firsts, entry_id) - 1
        if place < 0:
            if not self.pages:
                self.top = -1
                self.add_run((entry_id,), delivery)
                return None
            place = 0
            self.firsts[0] = entry_id
        page = self.pages[place]
        before = page.items.get(entry_id)
        if before is None:
            self._size += 1
            if entry_id > self.top:
                self.top = entry_id
            else:
                page.ordered = False  # it is put behind all others
        page.items[entry_id] = delivery
        page.owners.add(delivery.consumer)
        if delivery.consumer is not None:
            page.oldest_ms = min(page.oldest_ms, delivery.at_ms)
        if self.tracked:
            self.changed.add(page)
        if len(page.items) > 2 * PAGE_MAX:
            self._split(place)
        return before

    def pop(self, entry_id: int) -> Delivery | None:
        """Remove an entry; returns what was known of it. Consumers' counts are not touched."""
        deliveries = self.pop_many((entry_id,))[1]
        return deliveries[0] if deliveries else None

    def pop_many(self, ids: Sequence[int]) -> tuple[list[int], list[Delivery]]:
        """Remove entries. Consumers' counts are not touched.

        Returns:
            Those that were pending, ascending, and what was known of each.
        """
        if len(ids) > 1:
            ascending = sorted(ids)
            ids = ids if ids == ascending else ascending
        removed: list[int] = []
        deliveries: list[Delivery] = []
        firsts = self.firsts
        start, end = 0, len(ids)
        # Page by page, each in one go: three times as fast as one by one.
        while start < end:
            place = bisect_right(firsts, ids[start]) - 1
            if place < 0:
                start += 1
                continue
            page = self.pages[place]
            items = page.items
            stop = bisect_left(ids, firsts[place + 1], start) if place + 1 < len(firsts) else end
            here = ids[start:stop]
            start = stop
            before = len(items)
            found = list(map(items.pop, here, repeat(None)))
            if before - len(items) == len(here):
                removed += here
                deliveries += found  # type: ignore[arg-type]
            else:
                for entry_id, delivery in zip(here, found, strict=True):
                    if delivery is not None:
                        removed.append(entry_id)
                        deliveries.append(delivery)
            if not items:
                self._remove(place)
            elif self.tracked and len(items) != before:
                self.changed.add(page)
        self._size -= len(removed)
        return removed, deliveries

    def _remove(self, place: int) -> None:
        page = self.pages.pop(place)
        del self.firsts[place]
        self.changed.discard(page)
        if self.tracked and page.number:
            self.emptied.append(page.number)

    def _split(self, place: int) -> None:
        page = self.pages[place]
        items = list(page.in_order().items())
        half = len(items) // 2
        page.items = dict(items[:half])
        other = Page(dict(items[half:]), page.oldest_ms, page.owners.copy())
        self.pages.insert(place + 1, other)
        self.firsts.insert(place + 1, items[half][0])
        if self.tracked:
            self.changed.add(other)

    def range(self, lower: int = 0, upper: int = ID_MAX) -> Iterator[tuple[int, Delivery]]:
        """Entries from one ID to another, in order; the list must not be changed meanwhile."""
        first = max(0, bisect_right(self.firsts, lower) - 1)
        for place in range(first, len(self.pages)):
            if self.firsts[place] > upper:
                return
            for entry_id, delivery in self.pages[place].in_order().items():
                if entry_id > upper:
                    return
                if entry_id >= lower:
                    yield entry_id, delivery

    @property
    def first(self) -> int | None:
        """The smallest ID; None when nothing is pending."""
        return next(iter(self.pages[0].in_order())) if self.pages else None

    @property
    def last(self) -> int | None:
        """The greatest ID; None when nothing is pending."""
        return next(reversed(self.pages[-1].in_order())) if self.pages else None

    def held_by(self, consumer: Consumer, lower: int = 0, upper: int = ID_MAX) -> Iterator[tuple[int, Delivery]]:
        """The entries that a consumer has; otherwise as `range`.

        Cost: one look at each page, and for the pages where it has something their items.
        """
        left = consumer.pending
        place = max(0, bisect_right(self.firsts, lower) - 1)
        while left and place < len(self.pages) and self.firsts[place] <= upper:
            page = self.pages[place]
            place += 1
            if consumer not in page.owners:
                continue
            found = [item for item in page.in_order().items() if item[1].consumer is consumer]
            if not found:
                page.owners.discard(consumer)
            for item in found:
                if item[0] > upper:
                    return
                if item[0] >= lower:
                    left -= 1
                    yield item

    def oldest(self, latest_ms: int = _NEVER) -> Iterator[tuple[int, Delivery]]:
        """Entries that somebody has and that were delivered at this time or before, oldest delivery first.

        The list must not be changed meanwhile.
        Cost: one comparison for each page, and for the pages looked at their items.
        """
        pages = [page for page in self.pages if page.oldest_ms <= latest_ms]
        pages.sort(key=lambda page: page.oldest_ms)  # mostly they are: cheap
        heap: list[tuple[int, int, Delivery]] = []
        for page in pages:
            while heap and heap[0][0] < page.oldest_ms:
                _, entry_id, delivery = heappop(heap)
                yield entry_id, delivery
            page.oldest_ms = _NEVER
            for entry_id, delivery in page.items.items():
                if delivery.consumer is not None:
                    page.oldest_ms = min(page.oldest_ms, delivery.at_ms)
                    if delivery.at_ms <= latest_ms:
                        heappush(heap, (delivery.at_ms, entry_id, delivery))
        while heap:
            _, entry_id, delivery = heappop(heap)
            yield entry_id, delivery
