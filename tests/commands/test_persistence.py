"""SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE."""

from pathlib import Path

import pytest
from memory import Node
from store.worlds import world


@pytest.mark.parametrize("line", ["SAVE", "BGSAVE", "BGSAVE SCHEDULE", "BGREWRITEAOF"])
def test_a_node_that_keeps_nothing_says_so(line: str) -> None:
    text = b"-ERR this server keeps its data in memory only: start it with appendonly yes\r\n"
    assert Node().peer().raw(line) == text


def test_save(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.do("SET a 1")
        assert made.do("SAVE") == b"OK"
        facts = made.journal.facts()
        assert (facts["owed_values"], facts["wal_size"], facts["saves"]) == (0, 0, 1)
        assert made.do("LASTSAVE") == made.journal.last_save_s
        assert made.rows("keys") == 1


@pytest.mark.parametrize(
    ("line", "started", "under_way"),
    [
        ("BGSAVE", b"Background saving started", "ERR Background save already in progress"),
        ("BGSAVE schedule", b"Background saving started", "ERR Background save already in progress"),
        (
            "BGREWRITEAOF",
            b"Background append only file rewriting started",
            "ERR Background append only file rewriting already in progress",
        ),
    ],
)
def test_in_the_background(line: str, started: bytes, under_way: str, tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.do("SET a 1")
        assert made.do(line) == started
        if made.journal.saving:  # the thread may have been quick
            assert str(made.do(line)) in (under_way, started.decode())
        for _ in range(1000):
            if not made.journal.saving:
                break
            made.journal.wait_for_saving()
            made.commit()
        info = made.do("INFO persistence").decode()
        assert "rdb_bgsave_in_progress:0\r\n" in info
        assert "aof_enabled:1\r\n" in info
        assert "rdb_last_bgsave_status:ok\r\n" in info


def test_wrong_arguments() -> None:
    assert Node().peer().raw("BGSAVE now") == b"-ERR syntax error\r\n"


def test_while_nothing_can_be_written(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.node.host.quiet = False
        made.do("SET a 1")
        made.journal._sync_failed("Input/output error")
        assert str(made.do("SET a 2")).startswith("MISCONF")
        for line in ("SAVE", "BGSAVE", "BGREWRITEAOF"):
            assert str(made.do(line)).startswith("MISCONF")
        assert "aof_last_write_status:err\r\n" in made.do("INFO persistence").decode()


def test_saving_that_fails_is_told(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.node.host.quiet = False
        made.do("SET a 1")
        made.journal._sync_failed("Input/output error")
        assert str(made.do("SAVE")) == "MISCONF Errors writing to the AOF file: Input/output error"
