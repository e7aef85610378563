"""The journal on top of rows that are older, or newer. (What random load finds is in test_journal.py.)"""

from pathlib import Path

import pytest

from airwave.store import rows
from airwave.store.replay import _attach
from airwave.streams.pending import Consumer, Delivery, Pending
from store.worlds import world


def test_pages_that_overlap_are_merged() -> None:
    alice = Consumer(1, b"alice", 0)
    old = {each: Delivery(alice, 1, 1) for each in range(1, 11)}
    half = {each: Delivery(alice, 1, 1) for each in range(6, 11)}
    pending = Pending(tracked=True)
    _attach(pending, [(2, half), (1, old)])
    assert [each for each, _ in pending.range()] == [*range(1, 11)]
    assert sorted(pending.emptied) == [1, 2]  # they are written anew
    assert len(pending.changed) == len(pending.pages) == 1
    assert pending.top == 10


def test_pages_that_do_not_are_taken_as_they_are() -> None:
    alice = Consumer(1, b"alice", 0)
    pending = Pending(tracked=True)
    _attach(pending, [(2, {7: Delivery(alice, 3, 1)}), (1, {5: Delivery(alice, 2, 1)}), (3, {})])
    assert [page.number for page in pending.pages] == [1, 2]
    assert (len(pending), pending.top, pending.changed, pending.emptied) == (2, 7, set(), [])


def test_rows_that_are_newer_than_the_journal_do_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "JOURNAL_ROWS_MAX", 3)
    for most in ("CUT_MAX", "CUT_IDLE_MAX"):  # nothing is ever deleted of the journal
        monkeypatch.setattr(rows, most, 0)
    with world(tmp_path) as made:
        for number in range(1, 300):
            made.do(f"XADD s {number}-0 f v")
        made.do("XGROUP CREATE s g 0")
        made.do("XREADGROUP GROUP g alice COUNT 250 STREAMS s >")
        made.do("XACK s g 7-0")
        made.do("XDEL s 150-0")
        made.do("XTRIM s MAXLEN 170")
        made.do("XGROUP DELCONSUMER s g alice")
        made.commit(3)
        assert made.rows("keys") == 1
        assert made.rows("journal") > 300
        assert made.on_disk() == made.contents()


def test_the_last_id_may_be_set_back(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.do("XADD s 50-0 f v")
        made.do_together("XTRIM s MAXLEN 0", "XSETID s 5-0", "XADD s 6-0 f v")
        assert [entry_id >> 64 for entry_id, _ in made.on_disk()[0, b"s"][2]["entries"]] == [6]


def test_the_greatest_of_all_ids_can_be_trimmed(tmp_path: Path) -> None:
    greatest = f"{(1 << 64) - 1}-{(1 << 64) - 1}"
    with world(tmp_path) as made:
        made.do(f"XADD s {greatest} f v")
        made.do("XTRIM s MAXLEN 0")
        assert made.on_disk() == made.contents()
