"""The journal as a whole: what is committed is there again, whatever happened between."""

import random
import shutil
from pathlib import Path

import pytest
from store.worlds import Chance, World, world

from airwave.store import rows


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that has a size is small, so that little load passes all bounds."""
    monkeypatch.setattr("airwave.streams.chunk.ENTRIES_MAX", 5)
    monkeypatch.setattr("airwave.streams.stream.ENTRIES_MAX", 5)
    monkeypatch.setattr("airwave.streams.pending.PAGE_MAX", 4)
    monkeypatch.setattr(rows, "JOURNAL_ROWS_MAX", 12)
    monkeypatch.setattr(rows, "ABSORB_NS", 1)  # one row for each commit, and twice as much for each 12 that there are
    monkeypatch.setattr(rows, "DELETE_NS", 1)
    monkeypatch.setattr(rows, "CUT_MAX", 7)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", range(12))
def test_what_was_committed_is_on_disk_after_every_turn(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    chance = Chance(rng)
    made = World(tmp_path, memory_bytes=2000)
    try:
        for step in range(250):
            lines = [chance.line() for _ in range(rng.choice((1, 1, 1, 2, 5, 20)))]
            made.do_together(*lines)
            assert made.on_disk() == made.contents(), (step, lines)
            if rng.random() < 0.02:
                before = made.contents()
                made.close()
                made = World(tmp_path, memory_bytes=2000)
                assert made.contents() == before
            elif rng.random() < 0.02:
                made.journal.reload(made.keyspace)
                assert made.on_disk() == made.contents()
    finally:
        made.close()


@pytest.mark.usefixtures("small")
def test_a_copy_taken_at_any_moment_can_be_opened(tmp_path: Path) -> None:
    chance = Chance(random.Random(99))
    with world(tmp_path / "a" if (tmp_path / "a").mkdir() is None else tmp_path) as made:
        for _ in range(150):
            made.do_together(chance.line(), chance.line())
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        before = made.contents()
    with world(tmp_path / "b") as copy:
        assert copy.contents() == before
        copy.do("XADD", "more", "*", "f", "v")
        assert copy.on_disk() == copy.contents()
