"""A stream, against a plain dict; chunks are put away all the time, and fetched when asked for."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from airwave.journal import Journal
from airwave.streams.chunk import BYTES_MAX, ENTRIES_MAX, Cold
from airwave.streams.ids import ID_MAX, SEQ_BITS
from airwave.streams.stream import Stream
from airwave.streams.trimming import trim_before, trim_to_length

from .disk import SlowDisk

IDS = st.integers(0, 3000)


def state(stream):
    """What may not change while a command waits for the disk."""
    return (
        stream.length,
        stream.last_id,
        stream.max_deleted,
        stream.added,
        [(chunk, chunk.start, chunk.first, set(chunk.dead or ())) for chunk in stream.sealed],
        list(stream.tail.members),
    )


class StreamMachine(RuleBasedStateMachine):
    """Does the same to a `Stream` and to a dict, and compares all that can be asked."""

    @initialize()
    def begin(self):
        self.disk = SlowDisk()
        self.stream = Stream(7, self.disk)
        self.model = {}
        self.last = self.added = self.max_deleted = 0

    def patiently(self, action):
        """Run again what was stopped by `Cold`: nothing may have happened before."""
        while True:
            before = state(self.stream)
            try:
                return action()
            except Cold:
                assert state(self.stream) == before
                self.disk.warm()

    @rule(count=st.integers(1, 300), size=st.sampled_from([3, 3, 3, 2000]), gap=st.integers(1, 3))
    def append(self, count, size, gap):
        for _ in range(count):
            self.last += gap
            entry = b"%d" % self.last + b"." * size
            self.stream.append(self.last, entry)
            self.model[self.last] = entry
        self.added += count

    @rule(count=st.integers(1, 300), size=st.sampled_from([3, 3, 3, 2000]))
    def extend(self, count, size):
        members = range(self.last + 1, self.last + 1 + count)
        entries = [b"%d" % each + b"." * size for each in members]
        self.stream.extend(members, entries)
        self.model.update(zip(members, entries, strict=True))
        self.last += count
        self.added += count

    @rule(wanted=st.lists(IDS, min_size=1, max_size=40), by_trimming=st.booleans())
    def delete(self, wanted, by_trimming):
        self.disk.put_away()
        expected = []
        for each in wanted:
            expected.append(each in self.model)
            if self.model.pop(each, None) is not None and not by_trimming:
                self.max_deleted = max(self.max_deleted, each)
        assert self.patiently(lambda: self.stream.delete(wanted, by_trimming=by_trimming)) == expected

    @rule(length=st.integers(0, 700))
    def trim_to(self, length):
        self.disk.put_away()
        going = list(self.model)[: max(0, len(self.model) - length)]
        assert self.patiently(lambda: trim_to_length(self.stream, length)) == len(going)
        self.drop(going)

    @rule(min_id=IDS)
    def trim_below(self, min_id):
        self.disk.put_away()
        going = [each for each in self.model if each < min_id]
        assert self.patiently(lambda: trim_before(self.stream, min_id)) == len(going)
        self.drop(going)

    @rule(length=st.integers(0, 700), limit=st.sampled_from([0, 100, 200]))
    def trim_about_to(self, length, limit):
        self.disk.put_away()  # which costs nothing: whole chunks go unread
        removed = trim_to_length(self.stream, length, exact=False, limit=limit)
        assert removed <= max(0, len(self.model) - length)
        assert not limit or removed <= limit
        if not limit and len(self.model) > length:
            assert len(self.model) - removed - length < ENTRIES_MAX
        self.drop(list(self.model)[:removed])

    @rule(min_id=IDS)
    def trim_about_below(self, min_id):
        self.disk.put_away()
        removed = trim_before(self.stream, min_id, exact=False)
        assert removed <= sum(each < min_id for each in self.model)
        self.drop(list(self.model)[:removed])

    def drop(self, going):
        for each in going:
            del self.model[each]

    @rule(lower=IDS, upper=IDS | st.just(ID_MAX), limit=st.none() | st.integers(0, 300))
    def read(self, lower, upper, limit):
        self.disk.put_away()
        inside = [entry for each, entry in self.model.items() if lower <= each <= upper]
        spans = self.patiently(lambda: self.stream.spans(lower, upper, limit))
        assert b"".join([chunk.entries(*span) for chunk, *span in spans]) == b"".join(inside[:limit])
        self.disk.put_away()
        spans = self.patiently(lambda: self.stream.spans_back(lower, upper, limit))
        back = [entry for chunk, *span in spans for entry in reversed(chunk.entry_list(*span))]
        assert back == inside[::-1][:limit]

    @rule(entry_id=IDS)
    def read_one(self, entry_id):
        self.disk.put_away()
        assert self.patiently(lambda: self.stream.entry(entry_id)) == self.model.get(entry_id)
        assert self.patiently(lambda: self.stream.has(entry_id)) == (entry_id in self.model)

    @invariant()
    def counts(self):
        if not hasattr(self, "stream"):
            return
        stream = self.stream
        assert stream.length == len(self.model) == sum(chunk.live for chunk in stream.chunks())
        assert stream.first_id == next(iter(self.model), 0)
        assert (stream.last_id, stream.added, stream.max_deleted) == (self.last, self.added, self.max_deleted)
        assert set(self.disk.blobs) == set(stream.sealed) >= stream.altered
        assert len(stream.firsts) == len(stream.sealed)
        assert stream.memory_bytes > 0
        for chunk in stream.sealed:
            assert chunk.live
            assert chunk.count <= ENTRIES_MAX


TestStream = StreamMachine.TestCase
TestStream.settings = settings(
    max_examples=60,
    stateful_step_count=30,
)


def test_chunks_are_sealed_by_entries_and_by_bytes():
    stream = Stream(1, Journal())
    stream.extend(range(1, ENTRIES_MAX + 11), [b"x"] * (ENTRIES_MAX + 10))
    assert [chunk.live for chunk in stream.chunks()] == [ENTRIES_MAX, 10]
    stream.append(1000, b"x" * BYTES_MAX)
    assert [chunk.live for chunk in stream.chunks()] == [ENTRIES_MAX, 11, 0]
    stream.extend(range(1001, 1005), [b"x" * (BYTES_MAX // 2)] * 4)
    assert [chunk.live for chunk in stream.chunks()] == [ENTRIES_MAX, 11, 2, 2, 0]


def test_the_next_id():
    stream = Stream(1, Journal())
    assert stream.next_id(5) == 5 << SEQ_BITS
    stream.append(7 << SEQ_BITS | 3, b"x")
    assert stream.next_id(5) == stream.next_id(7) == 7 << SEQ_BITS | 4
    assert stream.next_id(8) == 8 << SEQ_BITS
