"""examples/cache_two_processes.py, as its first lines say it is run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from live import DEADLINE_S, Start

EXAMPLE = Path(__file__).parents[2] / "examples" / "cache_two_processes.py"


@pytest.mark.parametrize("where", ["its own server", "a server"])
def test_what_one_process_changes_the_other_sees(where: str, start: Start) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "AIRWAVE_URL"}
    if where == "a server":
        environment["AIRWAVE_URL"] = start().url
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "shop: product 42 costs {1990}; the database was asked 1 time",
        "editor: product 42 costs 2490 from now on",
        "shop: product 42 costs {2490}; the database was asked 2 times",
    ]
    assert not done.stderr
