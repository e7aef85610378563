"""examples/order_workers.py, as its first lines say it is run."""

import pytest
from live import Start

from .conftest import Example


@pytest.mark.parametrize("where", ["memory", "server"])
def test_orders_are_billed_or_given_up(where: str, start: Start, example: Example) -> None:
    done = example("order_workers.py", start().url if where == "server" else "")
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
    assert [line.partition(" after ")[0] for line in done.stderr.splitlines()] == ["entry is dead"] * 3
