"""Examples as their first lines say they are run."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from live import DEADLINE_S

EXAMPLES = Path(__file__).parents[2] / "examples"

Example = Callable[[str, str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def example() -> Example:
    """`example(name, url)` runs one to its end; with an empty URL it is not told of a server."""

    def run(name: str, url: str) -> "subprocess.CompletedProcess[str]":
        environment = {name: value for name, value in os.environ.items() if name != "AIRWAVE_URL"}
        done = subprocess.run(
            [sys.executable, "-W", "error", str(EXAMPLES / name)],
            env=environment | ({"AIRWAVE_URL": url} if url else {}),
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run
