"""Running until a signal comes; `test_bus.py` has it with a bus, in a process of its own."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from live import DEADLINE_S

from airwave.bus.main import SIGNALS, run


@pytest.mark.parametrize("number", SIGNALS)
def test_it_leaves_when_a_signal_comes_and_the_handlers_are_those_of_before(number: int) -> None:
    told: list[str] = []
    before = [signal.getsignal(each) for each in SIGNALS]

    @asynccontextmanager
    async def service() -> AsyncIterator[None]:
        told.append("entered")
        # in a later turn of the loop than this one, in which the handlers are set
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        yield
        told.append("left")

    run(service())
    assert told == ["entered", "left"]
    assert [signal.getsignal(each) for each in SIGNALS] == before


PROGRAM = """
import asyncio, contextlib, threading
from airwave.bus.main import run

@contextlib.asynccontextmanager
async def service():
    stuck = threading.Thread(target=threading.Event().wait)
    stuck.start()
    asyncio.get_running_loop().call_soon(print, "entered")
    yield
    print("leaving")
    await asyncio.to_thread(stuck.join)

run(service())
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_ends_it_at_once_whatever_hangs_in_threads(number: int) -> None:
    command = [sys.executable, "-u", "-c", PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in "entered\n", "leaving\n":
                assert process.stdout.readline() == line
                process.send_signal(number)
            _, complaints = process.communicate(timeout=DEADLINE_S)
            assert (process.returncode, complaints) == (-number, "")
        finally:
            process.kill()


def test_what_entering_raises_is_raised() -> None:
    @asynccontextmanager
    async def service() -> AsyncIterator[None]:
        raise ConnectionError("nobody is there")
        yield

    with pytest.raises(ConnectionError, match="nobody is there"):
        run(service())


def test_it_belongs_into_the_main_thread() -> None:
    caught: list[str] = []

    def target() -> None:
        try:
            run(None)  # type: ignore[arg-type]
        except RuntimeError as error:
            caught.append(str(error))

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    assert caught == ["bus.run() handles signals and belongs into the main thread: use start() and stop() here"]
