"""Rows of what is gone: deleted in the background, and never back after a crash."""

from pathlib import Path

import pytest

from airwave.store import rows
from store.test_rows import settle
from store.worlds import World, world


@pytest.fixture(autouse=True)
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each commit writes and deletes next to nothing."""
    monkeypatch.setattr(rows, "DELETE_NS", 0)
    monkeypatch.setattr(rows, "DELETE_IDLE_NS", 0)
    monkeypatch.setattr(rows, "ABSORB_NS", 0)
    monkeypatch.setattr(rows, "JOURNAL_ROWS_MAX", 3)


def fill(made: World) -> None:
    """A stream with 20 sealed chunks and an open one, pages of pending entries, and rows for all of it."""
    made.do("XGROUP CREATE s g 0 MKSTREAM")
    for start in range(1, 2700, 500):
        made.do_together(*[f"XADD s {number} f v" for number in range(start, start + 500)])
    made.do("XREADGROUP GROUP g alice COUNT 2000 STREAMS s >")
    settle(made)
    assert made.rows("chunks") > 20
    assert made.rows("pending") > 4


def check_all_the_way(made: World) -> None:
    """Compare with the disk after every commit until all is written and deleted."""
    made.journal._rows.hurry()
    for _ in range(10_000):
        assert made.on_disk() == made.contents()
        if not made.journal._rows.has_work:
            return
        made.commit()
    raise AssertionError("it does not end")


LOSSES = [
    "XTRIM s MAXLEN 0",
    "XTRIM s MAXLEN 5",
    "XTRIM s MINID 1500",
    f"XDEL s {' '.join(map(str, range(500, 1500)))}",
    f"XACK s g {' '.join(map(str, range(1, 1700)))}",
]


@pytest.mark.parametrize("how", LOSSES, ids=["all", "most", "half", "the middle", "acknowledged"])
def test_what_a_stream_lost_is_deleted_before_its_row_is_written(how: str, tmp_path: Path) -> None:
    with world(tmp_path) as made:
        fill(made)
        made.do(how)
        check_all_the_way(made)


@pytest.mark.parametrize("how", LOSSES, ids=["all", "most", "half", "the middle", "acknowledged"])
def test_also_if_it_lost_it_before_a_restart(how: str, tmp_path: Path) -> None:
    with world(tmp_path) as made:
        fill(made)
        made.do(how)
        wanted = made.contents()
    with world(tmp_path) as again:
        assert again.contents() == wanted
        check_all_the_way(again)


def schedule(made: World, count: int) -> None:
    """Entries with a row each."""
    made.do("SET other v")
    made.do_together(*[f"XSCHEDULE s IN 5000 ID t{number} f v" for number in range(count)])
    settle(made)
    assert made.rows("scheduled") == count


@pytest.mark.parametrize("how", ["DEL s", "FLUSHALL", "SET s v", "RENAME other s"])
def test_what_was_scheduled_for_a_stream_goes_a_few_rows_at_a_time(how: str, tmp_path: Path) -> None:
    with world(tmp_path) as made:
        schedule(made, 50)
        made.do("XUNSCHEDULE s t7 t8")
        made.do("XSCHEDULE s IN 5000 f unwritten")
        made.do(how)
        assert made.rows("scheduled") > 40
        assert made.journal.facts()["rubbish_rows"] > 40
        check_all_the_way(made)
        assert made.rows("scheduled") == 0
        assert made.journal.facts()["rubbish_rows"] == 0


@pytest.mark.parametrize("how", ["DEL s", "FLUSHALL"])
def test_and_after_a_restart(how: str, tmp_path: Path) -> None:
    with world(tmp_path) as made:
        schedule(made, 50)
        made.do(how)
    with world(tmp_path) as again:
        assert again.rows("scheduled") > 40
        check_all_the_way(again)
        assert again.rows("scheduled") == 0


def test_what_was_cancelled_or_added_is_deleted_with_the_row_of_its_stream(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        schedule(made, 50)
        made.do("XUNSCHEDULE", "s", *[f"t{number}" for number in range(20)])
        check_all_the_way(made)
        assert made.rows("scheduled") == 30
        made.node.advance(5)
        assert made.do("XLEN s") == 30
        check_all_the_way(made)
        assert made.rows("scheduled") == 0
