"""examples/cache_two_processes.py, as its first lines say it is run."""

import pytest
from live import Start

from .conftest import Example


@pytest.mark.parametrize("where", ["its own server", "a server"])
def test_what_one_process_changes_the_other_sees(where: str, start: Start, example: Example) -> None:
    done = example("cache_two_processes.py", start().url if where == "a server" else "")
    assert done.stdout.splitlines() == [
        "shop: product 42 costs {1990}; the database was asked 1 time",
        "editor: product 42 costs 2490 from now on",
        "shop: product 42 costs {2490}; the database was asked 2 times",
    ]
    assert not done.stderr
