"""Pending entries, against a plain dict."""

from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from airwave.streams.pending import PAGE_MAX, Consumer, Delivery, Pending

IDS = st.integers(0, 3000)
MANY = st.lists(IDS, min_size=1, max_size=300, unique=True)


class PendingMachine(RuleBasedStateMachine):
    """Does the same to `Pending` and to a dict, and compares all that can be asked."""

    @initialize()
    def begin(self):
        self.pending = Pending(tracked=True)
        self.model: dict[int, Delivery] = {}
        self.consumers = [Consumer(number, b"c%d" % number, 0) for number in range(1, 4)]
        self.written: set[int] = set()

    def _delivery(self, owner: int, at_ms: int) -> Delivery:
        return Delivery(self.consumers[owner] if owner < 3 else None, at_ms, 1)

    def _count(self) -> None:
        counts = Counter(delivery.consumer for delivery in self.model.values())
        for consumer in self.consumers:
            consumer.pending = counts[consumer]

    @rule(size=st.integers(1, 600), owner=st.integers(0, 3), at_ms=st.integers(0, 50))
    def add_run(self, size, owner, at_ms):
        first = self.pending.top + 1
        delivery = self._delivery(owner, at_ms)
        self.pending.add_run(range(first, first + 2 * size, 2), delivery)
        self.model.update(dict.fromkeys(range(first, first + 2 * size, 2), delivery))
        self._count()

    @rule(ids=MANY, owner=st.integers(0, 3), at_ms=st.integers(0, 50))
    def put(self, ids, owner, at_ms):
        delivery = self._delivery(owner, at_ms)
        for entry_id in ids:
            assert self.pending.put(entry_id, delivery) is self.model.get(entry_id)
            self.model[entry_id] = delivery
        self._count()

    @rule(ids=MANY)
    def pop_many(self, ids):
        removed, deliveries = self.pending.pop_many([*ids, *ids])
        assert removed == sorted({entry_id for entry_id in ids if entry_id in self.model})
        assert deliveries == [self.model.pop(entry_id) for entry_id in removed]
        self._count()

    @rule(first=IDS, size=st.integers(1, 2000))
    def pop_run(self, first, size):
        removed, _ = self.pending.pop_many(range(first, first + size))
        assert removed == [each for each in range(first, first + size) if self.model.pop(each, None)]
        self._count()

    @rule(entry_id=IDS)
    def pop_and_get(self, entry_id):
        assert self.pending.get(entry_id) is self.model.get(entry_id)
        assert self.pending.pop(entry_id) is self.model.pop(entry_id, None)
        self._count()

    @rule(lower=IDS, upper=IDS)
    def ask_for_a_range(self, lower, upper):
        expected = [item for item in sorted(self.model.items()) if lower <= item[0] <= upper]
        assert list(self.pending.range(lower, upper)) == expected
        for consumer in self.consumers:
            held = [item for item in expected if item[1].consumer is consumer]
            assert list(self.pending.held_by(consumer, lower, upper)) == held

    @rule(latest_ms=st.integers(0, 50))
    def ask_for_the_oldest(self, latest_ms):
        held = [item for item in self.model.items() if item[1].consumer and item[1].at_ms <= latest_ms]
        assert list(self.pending.oldest(latest_ms)) == sorted(held, key=lambda item: (item[1].at_ms, item[0]))

    @rule()
    def store(self):
        """What the storage does: it writes pages that changed, and removes those that are gone."""
        numbers = {page.number for page in self.pending.pages}
        assert not numbers.intersection(self.pending.emptied)
        assert self.written - set(self.pending.emptied) == numbers - {0}
        assert {page for page in self.pending.pages if not page.number} <= self.pending.changed
        for page in self.pending.changed:
            page.number = page.number or max(self.written, default=0) + 1
            self.written.add(page.number)
        self.written -= set(self.pending.emptied)
        self.pending.changed.clear()
        self.pending.emptied.clear()

    @invariant()
    def is_in_order(self):
        pending = self.pending
        assert len(pending) == len(self.model)
        assert pending.first == min(self.model, default=None)
        assert pending.last == max(self.model, default=None)
        assert pending.top >= max(self.model, default=-1)
        assert pending.firsts == sorted(pending.firsts)
        assert len(pending.firsts) == len(pending.pages)
        assert pending.changed <= set(pending.pages)
        bounds = [*pending.firsts, 1 << 128][1:]
        for page, first, end in zip(pending.pages, pending.firsts, bounds, strict=True):
            assert 0 < len(page.items) <= 2 * PAGE_MAX
            assert first <= min(page.items) <= max(page.items) < end


PendingMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, suppress_health_check=list(HealthCheck)
)
TestPending = PendingMachine.TestCase


def test_all_entries_of_a_delivery_share_it():
    pending = Pending(tracked=False)
    delivery = Delivery(None, 5, 1)
    pending.add_run(range(1000), delivery)
    assert [len(page.items) for page in pending.pages] == [256, 256, 256, 232]
    assert pending.get(0) is pending.get(999) is delivery
    assert not pending.changed


def test_entries_can_come_back_when_all_are_gone():
    pending = Pending(tracked=False)
    pending.add_run((5, 6), Delivery(None, 1, 1))
    pending.pop_many((5, 6))
    pending.add_run((3, 4, 5), Delivery(None, 2, 1))
    assert [entry_id for entry_id, _ in pending.range()] == [3, 4, 5]
