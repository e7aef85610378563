"""Chunks: an open and a sealed one say the same of the same entries."""

from hypothesis import given
from hypothesis import strategies as st

from airwave.streams.chunk import ENTRIES_MAX, Chunk, OpenChunk, blob_of, opened

MEMBERS = st.sets(st.integers(1, 300), min_size=1, max_size=ENTRIES_MAX).map(sorted)


def both(members):
    tail = OpenChunk()
    tail.members += members
    tail.items += [b"<%d>" % each for each in members]
    tail.size = sum(map(len, tail.items))
    return tail, tail.sealed()


def entries_of(chunk, start, stop):
    pairs = []
    for begin, end in chunk.runs(start, stop):
        listed = chunk.entry_list(begin, end)
        assert b"".join(listed) == chunk.entries(begin, end)
        pairs += zip(chunk.ids(begin, end), listed, strict=True)
    return pairs


@given(MEMBERS, st.integers(0, 301), st.integers(0, 301))
def test_a_range(members, lower, upper):
    expected = [(each, b"<%d>" % each) for each in members if lower <= each < upper]
    for chunk in both(members):
        assert entries_of(chunk, chunk.position(lower), chunk.position(upper)) == expected
        assert chunk.first == members[0]
        assert chunk.live == len(members)


@given(MEMBERS, st.lists(st.integers(1, 300)), st.integers(0, ENTRIES_MAX))
def test_entries_leave(members, killed, count):
    tail, sealed = both(members)
    left = list(members)
    for each in killed:
        assert tail.kill(each) == sealed.kill(each) == (each in left)
        left = [other for other in left if other != each]
    count = min(count, len(left))
    for chunk in (tail, sealed):
        if count:
            chunk.behead(count)
        assert chunk.live == len(left) - count
        assert [each for each, _ in entries_of(chunk, 0, len(members))] == left[count:]
    assert tail.size == sum(map(len, tail.items))
    if left[count:]:
        assert tail.first == sealed.first == left[count]
        again = opened(sealed)
        assert (again.members, again.items, again.size) == (tail.members, tail.items, tail.size)


def test_the_blob():
    blob = blob_of([1, 2], [b"a", b"bcd"])
    assert blob == bytes(15) + b"\1" + bytes(15) + b"\2" + b"\1\0\0\0" + b"\4\0\0\0" + b"abcd"
    assert Chunk(1, 2, 2, blob).packed_ids(1, 2) == bytes(15) + b"\2"


def test_what_the_journal_knows_of_an_open_chunk():
    tail, _ = both([1, 2, 3, 4])
    tail.journaled = 3
    tail.kill(4)
    assert tail.journaled == 3
    tail.kill(1)
    assert tail.journaled == 2
    tail.behead(1)
    assert tail.journaled == 1
