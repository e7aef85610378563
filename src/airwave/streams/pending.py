"""A group's pending entries (PEL): which consumer got an entry, when, and how often.

All entries of one delivery share one `Delivery`, so that delivering a hundred costs little more than delivering one.
They are kept in *pages*, dicts of up to 256 IDs whose ranges do not overlap, in order: the page of an ID is found by
bisection, a range is read page by page, and the storage writes only pages that changed.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from airwave.streams.ids import ID_MAX

PAGE_MAX = 256


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
        oldest_ms: none of its deliveries is older; it may be too low.
    """

    __slots__ = ("items", "number", "oldest_ms", "ordered")

    def __init__(self, items: dict[int, Delivery], oldest_ms: int) -> None:
        self.number = 0
        self.items = items
        self.ordered = True
        self.oldest_ms = oldest_ms

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
    """

    __slots__ = ("_last", "_size", "changed", "emptied", "firsts", "pages", "tracked")

    def __init__(self, *, tracked: bool) -> None:
        self.pages: list[Page] = []
        self.firsts: list[int] = []
        self.changed: set[Page] = set()
        self.emptied: list[int] = []
        self.tracked = tracked
        self._size = 0
        self._last = -1  # no ID is greater

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
        if ids[0] <= self._last:
            for entry_id in ids:
                self.put(entry_id, delivery)
            return
        start = 0
        if self.pages and (room := PAGE_MAX - len(self.pages[-1].items)) > 0:
            page = self.pages[-1]
            page.items.update(dict.fromkeys(ids[:room], delivery))
            page.oldest_ms = min(page.oldest_ms, delivery.at_ms)
            if self.tracked:
                self.changed.add(page)
            start = room
        for begin in range(start, len(ids), PAGE_MAX):
            page = Page(dict.fromkeys(ids[begin : begin + PAGE_MAX], delivery), delivery.at_ms)
            self.pages.append(page)
            self.firsts.append(ids[begin])
            if self.tracked:
                self.changed.add(page)
        self._size += len(ids)
        self._last = ids[-1]

    def put(self, entry_id: int, delivery: Delivery) -> Delivery | None:
        """Add an entry, or say something new of one; returns what was known of it. Consumers' counts are not touched."""
        place = bisect_right(self.firsts, entry_id) - 1
        if place < 0:
            if not self.pages:
                self.add_run((entry_id,), delivery)
                return None
            place = 0
            self.firsts[0] = entry_id
        page = self.pages[place]
        before = page.items.get(entry_id)
        if before is None:
            page.ordered = False  # it was put behind all others
            self._size += 1
            self._last = max(self._last, entry_id)
        page.items[entry_id] = delivery
        page.oldest_ms = min(page.oldest_ms, delivery.at_ms)
        if self.tracked:
            self.changed.add(page)
        if len(page.items) > 2 * PAGE_MAX:
            self._split(place)
        return before

    def pop(self, entry_id: int) -> Delivery | None:
        """Remove an entry; returns what was known of it. Consumers' counts are not touched."""
        place = bisect_right(self.firsts, entry_id) - 1
        if place < 0:
            return None
        page = self.pages[place]
        delivery = page.items.pop(entry_id, None)
        if delivery is not None:
            self._size -= 1
            if self.tracked:
                self.changed.add(page)
            if not page.items:
                self._remove(place)
        return delivery

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
        other = Page(dict(items[half:]), page.oldest_ms)
        self.pages.insert(place + 1, other)
        self.firsts.insert(place + 1, items[half][0])
        if self.tracked:
            self.changed.add(other)

    def range(self, lower: int = 0, upper: int = ID_MAX) -> Iterator[tuple[int, Delivery]]:
        """Entries from one ID to another, in order; the list must not be changed meanwhile."""
        place = max(0, bisect_right(self.firsts, lower) - 1)
        for place in range(place, len(self.pages)):  # noqa: PLR1704, B020
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

    def idle_since(self, latest_ms: int, limit: int) -> list[tuple[int, Delivery]]:
        """Entries that somebody has and that were delivered at `latest_ms` or before, oldest delivery first.

        Cost: one comparison for each page, and for the pages with such entries their items.
        """
        found: list[tuple[int, Delivery]] = []
        for page in self.pages:
            if page.oldest_ms <= latest_ms:
                held = [item for item in page.in_order().items() if item[1].consumer is not None]
                page.oldest_ms = min([delivery.at_ms for _, delivery in held], default=1 << 62)
                found += [item for item in held if item[1].at_ms <= latest_ms]
        found.sort(key=lambda item: (item[1].at_ms, item[0]))
        return found[:limit]

    @property
    def oldest_ms(self) -> int | None:
        """No delivery is older than this; None when nothing is pending. It may be too low."""
        return min([page.oldest_ms for page in self.pages], default=None)
