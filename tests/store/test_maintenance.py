"""Checking and copying a database, also a live one."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from airwave.store import StoreError, schema
from airwave.store.maintenance import backup, check
from store.worlds import World, world


@pytest.fixture
def made(tmp_path: Path) -> Iterator[World]:
    """A database with some of everything, in use."""
    (tmp_path / "data").mkdir()
    with world(tmp_path / "data") as made:
        made.do("XGROUP CREATE s g 0 MKSTREAM")
        made.do_together(*[f"XADD s {number} field value{number}" for number in range(1, 1000)])
        made.do("XREADGROUP GROUP g alice COUNT 300 STREAMS s >")
        made.do("XDEL s 5 6 700")
        made.do("XTRIM s MAXLEN 900")
        made.do("XSCHEDULE s IN 1000 ID a f v")
        made.do("XSCHEDULE s IN 1000 ID b f v")
        made.do("SET key value")
        made.journal._rows.hurry()
        made.commit(5)
        yield made


def damage(made: World, statement: str) -> list[str]:
    """Change the database behind the server's back; gives what the check finds."""
    with closing(schema.connect(made.folder / schema.FILE)) as db:
        db.execute(statement)
    return check(made.folder).problems


def test_a_sound_one(made: World) -> None:
    seen: list[tuple[int, int]] = []
    report = check(made.folder, lambda done, total: seen.append((done, total)))
    assert report.problems == []
    assert (report.version, report.keys, report.streams, report.strings) == (schema.VERSION, 2, 1, 1)
    assert (report.entries, report.groups, report.consumers, report.pending) == (900, 1, 1, 300)
    assert report.scheduled == 2
    assert report.entries_bytes > 900 * 40
    assert report.file_bytes > report.entries_bytes
    assert seen[-1] == (report.chunks, report.chunks)


def test_one_that_nobody_uses(made: World) -> None:
    made.journal.close()
    before = sorted((made.folder / schema.FILE).read_bytes())
    assert check(made.folder).problems == []
    assert sorted((made.folder / schema.FILE).read_bytes()) == before
    made.journal = World(made.folder).journal


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE entries SET blob = zeroblob(length(blob)) WHERE chunk = 4", "chunk 4: its entries are not in order"),
        ("UPDATE entries SET blob = substr(blob, 1, length(blob) - 1) WHERE chunk = 4", "chunk 4: "),
        (
            "UPDATE entries SET blob = CAST(replace(blob, CAST('value450' AS BLOB), '') AS BLOB) WHERE chunk = 5",
            "chunk 5: ",
        ),
        ("DELETE FROM entries WHERE chunk = 4", "chunk 4: its entries are missing"),
        ("UPDATE chunks SET first = last WHERE number = 4", "chunk 4: its first or last ID is not that of its entries"),
        ("UPDATE chunks SET dead = x'ff000000' WHERE number = 4", "chunk 4: entries are deleted that are not there"),
        ("DELETE FROM chunks WHERE number = 4", "1 chunks of entries belong to no stream"),
        ("UPDATE scheduled SET fields = x'2a' WHERE token = CAST('b' AS BLOB)", "scheduled entry 'b' is damaged"),
        ("UPDATE scheduled SET fields = 'text'", "values cannot be loaded"),
        ("UPDATE scheduled SET due = 'soon'", "values cannot be loaded"),
        ("UPDATE pending SET blob = x'00'", "values cannot be loaded"),
        ("UPDATE keys SET state = x'90'", "values cannot be loaded"),
        ("UPDATE journal SET effects = x'91'", "values cannot be loaded"),
    ],
)
def test_damage_is_found(made: World, statement: str, problem: str) -> None:
    assert any(problem in found for found in damage(made, statement))


def test_a_damaged_file(made: World) -> None:
    made.journal.close()
    path = made.folder / schema.FILE
    data = bytearray(path.read_bytes())
    for place in range(3 * 4096, len(data), 4096):
        data[place : place + 8] = b"\xff" * 8
    path.write_bytes(data)
    assert check(made.folder).problems
    path.write_bytes(b"x" * len(data))
    with pytest.raises(StoreError, match="is not a database"):
        check(made.folder)
    made.journal = World(made.folder / "..").journal


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"^there is no airwave\.sqlite3$"):
        check(tmp_path)
    with pytest.raises(StoreError, match=r"^there is no airwave\.sqlite3$"):
        backup(tmp_path, tmp_path / "copy")


def test_a_copy_of_a_live_one_is_what_it_was_at_one_moment(made: World, tmp_path: Path) -> None:
    before = made.contents()

    def write_meanwhile(done: int, total: int) -> None:
        assert done <= total
        made.do("SET key other")
        made.do("XADD s * f v")

    size = backup(made.folder, tmp_path / "deep" / "copy", write_meanwhile)
    assert [each.name for each in (tmp_path / "deep" / "copy").iterdir()] == [schema.FILE]
    assert size == (tmp_path / "deep" / "copy" / schema.FILE).stat().st_size
    assert check(tmp_path / "deep" / "copy").problems == []
    with world(tmp_path / "deep" / "copy") as copy:
        assert copy.contents() == before
        copy.do("SET key changed")
        assert copy.on_disk() == copy.contents()


def test_nothing_is_overwritten(made: World, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    target.mkdir()
    (target / "precious").touch()
    with pytest.raises(StoreError, match=r"copy is not empty$"):
        backup(made.folder, target)
    with pytest.raises(StoreError, match=r"data is not empty$"):
        backup(made.folder, made.folder)
    with pytest.raises(StoreError, match=r"cannot copy to .*: "):
        backup(made.folder, target / "precious")
