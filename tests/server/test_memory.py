"""The collector's policy: never a full collection by itself, and old objects are frozen. In a process of its own."""

import subprocess
import sys

from live import DEADLINE_S

SCRIPT = """
import gc
from airwave.server import memory

class Client:
    pass

memory.start()
assert gc.isenabled()
frozen = gc.get_freeze_count()
full = gc.get_stats()[2]["collections"]
kept = [[Client(), {}] for _ in range(200_000)]
assert gc.get_stats()[2]["collections"] == full, "a full collection"
assert gc.get_freeze_count() > frozen + 300_000, "survivors are not frozen"
assert len(gc.get_objects()) < 50_000, "there is more than the young objects to look at"

gone = []
class Cyclic:
    def __init__(self):
        self.me = self
    def __del__(self):
        gone.append(1)

for _ in range(100_000):
    Cyclic()
assert len(gone) > 90_000, f"cycles of young objects are not collected: {len(gone)}"
frozen = gc.get_freeze_count()
del kept
assert gc.get_freeze_count() < frozen - 300_000, "frozen objects are not freed by their reference counts"
"""


def test_no_full_collections_and_survivors_are_frozen() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
