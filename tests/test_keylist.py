"""SCAN's promise: a key that is there during the whole scan is returned, whatever happens to the others."""

import hypothesis.strategies as st
from hypothesis import given

from airwave.journal import Journal
from airwave.keyspace import Database, Keyspace

KEYS = [b"%d" % number for number in range(12)]
CHANGES = st.lists(st.tuples(st.sampled_from(["set", "del", "rename", "begin"]), *[st.sampled_from(KEYS)] * 2))


def database() -> Database:
    return Keyspace(Journal(), lambda: 1_000_000, lambda _channel, _message: None).databases[0]


def change(keys: Database, what: str, key: bytes, other: bytes) -> None:
    """One change by another client; `begin` is another scan that begins."""
    if what == "set":
        keys.set_string(key, b"x")
    elif what == "del":
        keys.delete(key)
    elif what == "begin":
        keys.key_list(extended=True).after(0, 3)
    else:
        value = keys.find(key)
        if value is not None and key != other:
            keys.delete(other)
            keys.place(value, keys, other)


@given(st.sets(st.sampled_from(KEYS)), st.integers(1, 5), st.lists(CHANGES, max_size=12))
def test_a_key_that_stays_is_found_whatever_happens(first: set[bytes], count: int, meanwhile: list) -> None:
    keys = database()
    for key in first:
        keys.set_string(key, b"x")
    always = {*keys.values}
    cursor, found = keys.key_list(extended=True).after(0, count)
    for changes in meanwhile:
        if not cursor:
            break
        for each in changes:
            change(keys, *each)
            always &= {*keys.values}
        cursor, more = keys.key_list(extended=False).after(cursor, count)
        found += more
    while cursor:
        cursor, more = keys.key_list(extended=False).after(cursor, count)
        found += more
    assert always <= {*found}


def test_a_key_to_which_another_is_renamed_is_not_lost() -> None:
    keys = database()
    for key in KEYS[:4]:
        keys.set_string(key, b"x")
    cursor, found = keys.key_list(extended=True).after(0, 2)
    change(keys, "rename", found[0], KEYS[3])
    change(keys, "begin", b"", b"")
    _, more = keys.key_list(extended=False).after(cursor, 10)
    assert KEYS[3] in more


def test_a_scan_ends_though_keys_come_faster_than_it_reads() -> None:
    keys = database()
    for number in range(10):
        keys.set_string(b"%d" % number, b"x")
    cursor, _ = keys.key_list(extended=True).after(0, 2)
    calls = 1
    while cursor:
        for number in range(5):
            keys.set_string(b"%d-%d" % (calls, number), b"x")
        cursor, _ = keys.key_list(extended=False).after(cursor, 2)
        calls += 1
    assert calls == 5


def test_the_list_does_not_grow_with_keys_that_are_gone() -> None:
    keys = database()
    for number in range(5000):
        keys.set_string(b"%d" % number, b"x")
        keys.key_list(extended=True)
        keys.delete(b"%d" % number)
    assert len(keys.key_list(extended=True)) <= 1002


def test_a_flushed_database_has_an_empty_list() -> None:
    keyspace = Keyspace(Journal(), lambda: 1_000_000, lambda _channel, _message: None)
    keys = keyspace.databases[0]
    keys.set_string(b"a", b"x")
    assert keys.key_list(extended=True).after(0, 10) == (0, [b"a"])
    keyspace.flush([keys])
    assert keys.key_list(extended=False).after(1, 10) == (0, [])
    keys.set_string(b"b", b"x")
    keyspace.swap(keys, keyspace.databases[1])
    assert keys.key_list(extended=True).after(0, 10) == (0, [])
    assert keyspace.databases[1].key_list(extended=True).after(0, 10) == (0, [b"b"])
