"""Entry IDs: their text, their order, what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwave.errors import CommandError
from airwave.streams import ids

HALF = st.integers(0, (1 << 64) - 1)


@given(HALF, HALF)
def test_text_and_back(ms, seq):
    entry_id = ms << 64 | seq
    assert ids.text(entry_id) == b"%d-%d" % (ms, seq)
    assert ids.parse(ids.text(entry_id)) == entry_id
    assert ids.bulk(entry_id) == b"$%d\r\n%b\r\n" % (len(ids.text(entry_id)), ids.text(entry_id))


@given(st.lists(st.integers(0, ids.ID_MAX)))
def test_packed_and_back(members):
    packed = ids.pack(members)
    assert ids.unpack(packed) == members
    parts = [packed[place : place + ids.PACKED_BYTES] for place in range(0, len(packed), ids.PACKED_BYTES)]
    assert [ids.unpack_one(part) for part in parts] == members
    assert sorted(parts) == [ids.pack([each]) for each in sorted(members)]


def test_a_missing_sequence_number():
    assert ids.parse(b"5") == 5 << 64
    assert ids.parse(b"5", ids.SEQ_MAX) == 5 << 64 | ids.SEQ_MAX
    assert ids.parse_many([b"5", b"5-1"]) == [5 << 64, 5 << 64 | 1]


@pytest.mark.parametrize("arg", [b"", b"-", b"+", b"x", b"1-", b"-1", b"1-x", b"1--1", b"1-1-1", b"%d" % (1 << 64)])
def test_what_is_no_id(arg):
    with pytest.raises(CommandError, match="Invalid stream ID"):
        ids.parse(arg)


def test_bounds():
    assert ids.parse_bound(b"-", upper=False) == 0
    assert ids.parse_bound(b"+", upper=True) == ids.ID_MAX
    assert ids.parse_bound(b"5", upper=False) == 5 << 64
    assert ids.parse_bound(b"5", upper=True) == 5 << 64 | ids.SEQ_MAX
    assert ids.parse_bound(b"(5-5", upper=False) == 5 << 64 | 6
    assert ids.parse_bound(b"(5-5", upper=True) == 5 << 64 | 4
    with pytest.raises(CommandError, match="invalid start ID"):
        ids.parse_bound(b"(" + ids.text(ids.ID_MAX), upper=False)
    with pytest.raises(CommandError, match="invalid end ID"):
        ids.parse_bound(b"(0-0", upper=True)
