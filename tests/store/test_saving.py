"""SAVE and its kin, inside."""

from pathlib import Path

from airwave.store import schema
from store.worlds import world


def test_everything_is_written_given_back_and_emptied(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        for number in range(300):
            made.do(f"SET key{number} {'v' * 20_000}")
        made.do("XADD s 1-0 f v")
        for number in range(250):
            made.do(f"DEL key{number}")
        before = made.journal.last_save_s
        made.journal.save()
        for _ in range(10_000):
            if not made.journal.saving:
                break
            made.commit()
            made.journal.wait_for_saving()
        assert not made.journal.saving
        facts = made.journal.facts()
        assert (facts["journal_rows"], facts["owed_values"], facts["wal_size"], facts["saves"]) == (1, 0, 0, 1)
        assert facts["last_save_ok"]
        assert made.journal.last_save_s >= before
        assert facts["size"] == (tmp_path / schema.FILE).stat().st_size < 3_000_000
        assert made.on_disk() == made.contents()


def test_a_commit_that_fails_ends_it(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.node.host.quiet = False
        made.do("SET a 1")
        made.journal.save()
        made.journal._sync_failed("Input/output error")
        made.do("SET a 2")
        assert not made.journal.saving
        assert not made.journal.facts()["last_save_ok"]
