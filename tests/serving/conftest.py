"""What a program leaves behind, and programs of the test's own."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from live import DEADLINE_S, wait_for

from airwave.serving import Server, lifetime

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=[False, True], ids=["thread", "process"])
def process(request: pytest.FixtureRequest) -> bool:
    """Both kinds of server."""
    return bool(request.param)


@pytest.fixture(scope="session")
def warm() -> None:
    """The event loop's library keeps a pipe open from its first use to the end of the process."""
    with Server():
        pass


def descriptors() -> list[str]:
    """What this process has open, without the descriptor that lists them."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            continue
    return sorted(found)


@pytest.fixture
def nothing_left(warm: None) -> Iterator[None]:  # noqa: ARG001
    """Behind the test there are the threads and descriptors that there were before."""
    before = descriptors()
    threads = set(threading.enumerate())
    yield
    wait_for(lambda: set(threading.enumerate()) <= threads, "the end of the threads")
    assert descriptors() == before
    assert not lifetime._running


@contextmanager
def running(program: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """Run a program that prints the port of its server; it must end when its input does, behind the block."""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())


@pytest.fixture
def run() -> Run:
    """Run a program to its end."""

    def run(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", program, *arguments],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    return run
