"""Engines of a test's own, and programs in processes of their own."""

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from live import DEADLINE_S, wait_for

import airwave

_numbers = itertools.count()

Run = Callable[..., str]


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of an engine that nobody else uses; it is ended with the test."""
    name = f"memory://test-{next(_numbers)}"
    yield name
    airwave.close(name)


@pytest.fixture
def engine(url: str) -> Iterator[airwave.Engine]:
    with airwave.Engine(url) as engine:
        yield engine


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """After the test there are the threads and the file descriptors that were there before."""
    threads, descriptors = set(threading.enumerate()), os.listdir("/proc/self/fd")
    yield
    wait_for(lambda: set(threading.enumerate()) <= threads, "the threads to end")
    assert len(os.listdir("/proc/self/fd")) <= len(descriptors)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a program as a process of its own, in the test's folder: what it prints.

    It must end by itself and well, and say nothing of warnings, forgotten resources or exceptions.
    """

    def run_program(program: str, *options: str, code: int = 0) -> str:
        path = tmp_path / "program.py"
        path.write_text(program)
        # Python 3.12 warns of every fork in a process with threads.
        command = [sys.executable, "-X", "dev", "-W", "error", "-W", "ignore:This process:DeprecationWarning", *options]
        done = subprocess.run(
            [*command, str(path)], cwd=tmp_path, capture_output=True, text=True, timeout=2 * DEADLINE_S, check=False
        )
        if done.returncode != code or done.stderr:
            pytest.fail(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}", pytrace=False)
        return done.stdout

    return run_program
