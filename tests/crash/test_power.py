"""Power cuts, see power.py; and whether the recording disk loses what a real one loses."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from airwave.store import keeper
from crash.disk import Disk, restored
from crash.power import cut_power, record

CUTS = 60


@pytest.fixture(autouse=True)
def busy_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Syncs and checkpoints come often enough to be met by a short load."""
    monkeypatch.setattr(keeper, "SYNC_S", 0.02)
    monkeypatch.setattr(keeper, "CHECKPOINT_BYTES", 150_000)
    monkeypatch.setattr(keeper, "WAL_BYTES_MAX", 300_000)
    monkeypatch.setattr(keeper, "LEFT_FRAMES_MAX", 20)


@pytest.mark.slow
@pytest.mark.parametrize("fsync", ["always", "everysec", "no"])
def test_a_power_cut_loses_nothing_that_was_synced(fsync: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    run = record(folder, seed=1, turns=200, fsync=fsync)
    rng = random.Random(1)
    for number in range(CUTS):
        cut_power(run, rng.randrange(1, len(run.disk.events) + 1), rng, tmp_path / f"cut{number}")
