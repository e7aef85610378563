"""What is written beside the journal: bounded for each commit, and nothing stays for ever."""

from pathlib import Path

import pytest

from airwave.store import rows
from store.worlds import World, world


def settle(made: World) -> None:
    """Commit until all is written and nothing is left to do."""
    made.journal._rows.hurry()
    for _ in range(10_000):
        if not made.journal._rows.has_work:
            return
        made.commit()
    raise AssertionError("it does not end")


def test_the_journal_is_cut_once_all_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "JOURNAL_ROWS_MAX", 50)
    with world(tmp_path) as made:
        for number in range(1, 400):
            made.do(f"XADD s{number % 7} {number} f v")
            assert made.rows("journal") <= 60
        assert made.rows("keys") == 7
        assert made.on_disk() == made.contents()


def test_the_journal_is_cut_a_few_rows_at_a_time_while_others_write(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        for number in range(200):
            made.do(f"SET key {number}")
        made.journal._rows.hurry()
        made.do("SET key v")
        assert 200 - rows.CUT_MAX <= made.rows("journal") <= 201
        made.do("SET key w")
        assert 200 - 2 * rows.CUT_MAX <= made.rows("journal") <= 202 - rows.CUT_MAX
        made.commit()  # nobody waits for this one
        assert made.rows("journal") <= 2
        assert made.on_disk() == made.contents()


def test_a_long_journal_by_bytes_is_cut_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "JOURNAL_BYTES_MAX", 10_000)
    with world(tmp_path) as made:
        for number in range(1, 40):
            made.do(f"SET a{number} {'v' * 1000}")
        assert made.journal.facts()["journal_bytes"] < 20_000
        made.do("SET", "large", b"v" * 50_000)  # one row that is too long by itself gives no work for ever
        settle(made)
        assert made.on_disk() == made.contents()


def test_a_commit_does_not_write_all_that_is_owed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "JOURNAL_ROWS_MAX", 100)
    monkeypatch.setattr(rows, "ABSORB_NS", 0)
    with world(tmp_path) as made:
        made.do_together(*[f"SET key{number} v" for number in range(200)])
        for _ in range(100):
            made.do("SET other v")
        assert made.rows("keys") <= 2
        settle(made)
        assert made.rows("keys") <= 201
        assert made.on_disk() == made.contents()


@pytest.mark.parametrize("how", ["DEL s", "FLUSHALL", "XTRIM s MAXLEN 0", "RENAME other s", "SET s v"])
def test_rows_of_what_is_gone_are_deleted_in_the_background(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "DELETE_NS", 0)
    monkeypatch.setattr(rows, "DELETE_IDLE_NS", 0)
    monkeypatch.setattr(rows, "JOURNAL_ROWS_MAX", 3)
    with world(tmp_path) as made:
        made.do("SET other v")
        made.do("XGROUP CREATE s g 0 MKSTREAM")
        for start in range(1, 3000, 500):
            made.do_together(*[f"XADD s {number} f v" for number in range(start, start + 500)])
        made.do("XREADGROUP GROUP g alice COUNT 1000 STREAMS s >")
        settle(made)
        assert made.rows("chunks") >= 30
        assert made.rows("pending") >= 4
        made.do(how)
        assert made.rows("chunks") >= 20  # not all at once
        assert made.on_disk() == made.contents()
        settle(made)
        assert (made.rows("chunks"), made.rows("entries")) == (0, 0)
        assert made.rows("pending") == (4 if "XTRIM" in how else 0)
        assert made.on_disk() == made.contents()


def test_what_a_crash_left_is_deleted_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "DELETE_NS", 0)
    monkeypatch.setattr(rows, "JOURNAL_ROWS_MAX", 3)
    with world(tmp_path) as made:
        for key in ("s", "flushed"):
            made.do("XGROUP", "CREATE", key, "g", "0", "MKSTREAM")
            made.do_together(*[f"XADD {key} {number} f v" for number in range(1, 1500)])
            made.do(f"XREADGROUP GROUP g alice COUNT 1000 STREAMS {key} >")
        settle(made)
        made.do("DEL s")
        made.do("FLUSHALL")
    monkeypatch.undo()
    with world(tmp_path) as again:
        assert again.rows("chunks") > 0
        settle(again)
        assert [again.rows(table) for table in ("chunks", "entries", "pending", "keys")] == [0, 0, 0, 0]


def test_what_is_scheduled_is_written_a_few_rows_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ABSORB_NS", 0)
    with world(tmp_path) as made:
        made.do_together(*[f"XSCHEDULE s IN 5000 ID t{number} f v" for number in range(40)])
        made.journal._rows.hurry()
        made.commit(10)
        assert 5 <= made.rows("scheduled") <= 15
        assert made.rows("keys") == 0  # that comes when all are there
        # Rows are ahead of the journal now: what becomes of their entries is said by it.
        made.do("XUNSCHEDULE", "s", *[f"t{number}" for number in range(0, 40, 3)])
        made.do("XSCHEDULE s IN 9000 ID t0 f other")
        for _ in range(60):
            assert made.on_disk() == made.contents()
            made.commit()
        settle(made)
        assert made.on_disk() == made.contents()
        assert made.rows("scheduled") == len(made.do("XSCHEDULED s")) == 27


def test_what_is_added_before_it_is_written_never_has_a_row(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.do("XSCHEDULE s IN 1000 f v")
        made.node.advance(1)
        settle(made)
        assert made.do("XLEN s") == 1
        assert made.rows("scheduled") == 0


def test_the_open_chunk_is_written_only_if_it_changed(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.do("XADD s 1-0 f v")
        made.journal.save()
        made.commit(3)
        before = made.journal._db.total_changes
        made.do("XGROUP CREATE s g 0")
        made.journal._rows.hurry()
        made.commit()
        assert made.rows("chunks") == 1
        assert made.journal._db.total_changes - before <= 3  # journal, key, what was cut
