"""Start-up."""

from contextlib import closing
from pathlib import Path

import pytest
from memory import Node

from airwave.keyspace import Keyspace
from airwave.store import SqliteJournal, StoreError, schema
from store.worlds import World, world


def with_databases(folder: Path, count: int) -> tuple[SqliteJournal, Keyspace]:
    journal = SqliteJournal(folder)
    return journal, Node(("databases", str(count)), journal=journal).broker.keyspace


def test_entries_are_not_read(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        for number in range(1, 500):
            made.do(f"XADD s {number} f v")
        made.journal.save()
        made.commit(5)
    with world(tmp_path) as again:
        stream = again.keyspace.databases[0].stream(b"s")
        assert stream is not None
        assert stream.length == 499
        assert all(chunk.blob is None for chunk in stream.sealed)
        assert again.journal.facts()["fetched_chunks"] == 0


def test_numbers_are_never_given_again(tmp_path: Path) -> None:
    numbers: set[int] = set()
    for _ in range(3):
        with world(tmp_path) as made:
            made.do("SET a 1")
            value = made.keyspace.databases[0].values[b"a"]
            assert value.number not in numbers
            numbers.add(value.number)
            made.do("DEL a")


def test_more_databases_than_before(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        for number in range(20):  # so that spaces are shown that are numbered like new databases
            made.do(f"SET a {number}")
            made.do("FLUSHDB")
        made.do("SET a 1")
    journal, keyspace = with_databases(tmp_path, 64)
    with closing(journal):
        journal.load(keyspace)
        assert len({database.space for database in keyspace.databases}) == 64
        assert [*keyspace.databases[0].values] == [b"a"]
        assert not any(database.values for database in keyspace.databases[1:])
        journal.commit()
    journal, keyspace = with_databases(tmp_path, 64)
    with closing(journal):
        journal.load(keyspace)
        assert len({database.space for database in keyspace.databases}) == 64


def test_fewer_databases_than_have_keys_are_refused(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.do("SET a 1")
        made.do("MOVE a 9")
    journal, keyspace = with_databases(tmp_path, 4)
    with closing(journal), pytest.raises(StoreError, match=r"in database 9: set databases to 10 or more"):
        journal.load(keyspace)
    journal, keyspace = with_databases(tmp_path, 10)
    with closing(journal):
        journal.load(keyspace)
        assert [*keyspace.databases[9].values] == [b"a"]


def test_damage_is_told_in_one_line(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.do("SET a 1")
    with closing(schema.connect(tmp_path / schema.FILE)) as db:
        db.execute("UPDATE journal SET effects = x'ff00'")
    journal, keyspace = with_databases(tmp_path, 16)
    with closing(journal), pytest.raises(StoreError, match=r"^the database is damaged \(.*\): see airwave check$"):
        journal.load(keyspace)


@pytest.mark.parametrize("absorbed", [False, True])
def test_what_is_scheduled_goes_on(absorbed: bool, tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.do("XSCHEDULE s IN 3000 ID late f v")
        made.do("XSCHEDULE s IN 1000 ID first f v")
        made.do("XSCHEDULE s IN 2000 ID gone f v")
        made.do("XSCHEDULE s IN 2000 f made")
        made.do("XUNSCHEDULE s gone")
        if absorbed:
            made.journal.save()
            made.commit(5)
        wanted = made.contents()
    with world(tmp_path) as again:
        assert again.contents() == wanted
        again.node.host.ns += 2_500_000_000  # two came due while nobody ran
        again.node.advance(0.1)
        assert [entry[1] for entry in again.do("XRANGE s - +")] == [[b"f", b"v"], [b"f", b"made"]]
        assert [each[0] for each in again.do("XSCHEDULED s")] == [b"late"]
        again.do("XSCHEDULE s IN 1 ID first f again")
        assert again.on_disk() == again.contents()
        again.node.advance(1)
        assert again.do("XLEN s") == 3  # `first` was known


def test_made_tokens_are_never_made_again(tmp_path: Path) -> None:
    seen: set[bytes] = set()
    for _ in range(3):
        with world(tmp_path) as made:
            seen |= {made.do("XSCHEDULE s AT 4000000000000 f v") for _ in range(1500)}
            made.do("DEL s")
    assert len(seen) == 4500


def test_expiry_goes_on(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.do("SET a 1 PX 1000")
        made.do("SET b 1")
    made = World(tmp_path)
    assert made.keyspace.databases[0].expiring == 1
    made.node.advance(2)
    assert [*made.contents()] == [(0, b"b")] == [*made.on_disk()]
    made.close()
