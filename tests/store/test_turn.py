"""What a turn becomes in the journal."""

from pathlib import Path

import pytest

from airwave.journal import STRING
from airwave.store import states, turn
from store.worlds import world


def test_a_turn_that_is_too_large_for_a_row_becomes_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "ROW_BYTES_MAX", 1000)
    row = [(STRING, number, b"v" * 300) for number in range(10)]
    found = [*turn.blobs(row)]
    assert len(found) > 3
    assert [tuple(effect) for blob in found for effect in states.decode(blob)] == row
    assert len([*turn.blobs([(STRING, 1, b"v" * 5000)])]) == 1
    with world(tmp_path) as made:
        made.do_together(*[f"SET key{number} {'v' * 300}" for number in range(20)])
        assert made.rows("journal") > 5
        assert made.on_disk() == made.contents()


@pytest.mark.parametrize("end", ["DEL s", "FLUSHDB", "RENAME s t", "MOVE s 3", "COPY s t"])
def test_what_comes_and_goes_within_a_turn(end: str, tmp_path: Path) -> None:
    entries = [f"XADD s {number} f v" for number in range(1, 250)]
    with world(tmp_path) as made:
        made.do_together("XGROUP CREATE s g 0 MKSTREAM", *entries, end)
        assert made.on_disk() == made.contents()
        made.commit(100)
        live = {"DEL s": 0, "FLUSHDB": 0, "COPY s t": 4}.get(end, 2)
        assert made.rows("chunks") == live
        assert made.on_disk() == made.contents()
