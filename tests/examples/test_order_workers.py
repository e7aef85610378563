"""examples/order_workers.py, as its first lines say it is run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from live import DEADLINE_S, Start

EXAMPLE = Path(__file__).parents[2] / "examples" / "order_workers.py"


@pytest.mark.parametrize("where", ["memory", "server"])
def test_orders_are_billed_or_given_up(where: str, start: Start) -> None:
    url = "memory://" if where == "memory" else start().url
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE)],
        env=os.environ | {"AIRWAVE_URL": url},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "order 1 is billed, attempt 1",
        "order 3 is billed, attempt 2",
        "order 5 is billed, attempt 1",
        "given up after 3 attempts: PermissionError: large sums are booked while the bank is open",
        "given up after 3 attempts: ValueError: order 2 costs 0",
        "2 orders are tried again",
        "order 4 is billed, attempt 1",
        "given up after 3 attempts: ValueError: order 2 costs 0",
    ]
