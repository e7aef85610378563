"""Workers that are killed: `kill -9` of a process with one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from live import DEADLINE_S

from airwave.bus.dead import list_dead
from airwave.bus.sending import send

from .running import run, until
from .working import Calls, connected, new_stream, nothing_pending, working


@pytest.fixture(params=["airwave", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    """A server that other processes reach."""
    if request.param == "airwave":
        return str(request.getfixturevalue("airwave_node").url)
    return f"unix://{request.getfixturevalue('redis_path')}"


@contextmanager
def mortal(url: str, stream: str, what: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, str(Path(__file__).with_name("mortal.py")), url, stream, what]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
            process.wait(DEADLINE_S)


def sent(url, stream, *payloads):
    async def main():
        async with connected(url) as client:
            for payload in payloads:
                await send(client, stream, payload.encode())

    run(main())


def test_an_entry_is_handled_by_another_when_its_worker_was_killed(url):
    async def main():
        calls = Calls()
        async with connected(url) as client, working(client, stream, calls, claim_after=0.05) as worker:
            await until(lambda: worker.stats.handled)
            assert calls.made == [("order", 2)]

    stream = new_stream()
    sent(url, stream, "order")
    with mortal(url, stream, "hang") as process:
        assert process.stdout.readline() == "order 1\n"
    run(main())


def test_an_entry_that_kills_its_workers_ends_among_the_dead_letters(url):
    async def main():
        calls = Calls()
        async with (
            connected(url) as client,
            working(client, stream, calls, claim_after=0.05, retries=1) as worker,
        ):
            await until(lambda: worker.stats.dead)
            await nothing_pending(client, stream)
            assert calls.made == []
            [letter] = await list_dead(client, stream)
            assert (letter.data, letter.attempts) == (b"poison", 2)

    stream = new_stream()
    sent(url, stream, "poison")
    for attempts in (1, 2):
        with mortal(url, stream, "die") as process:
            assert process.stdout.read() == f"poison {attempts}\n"
    run(main())


def test_nothing_is_lost_however_often_workers_are_killed(url):
    async def main():
        calls = Calls()
        async with connected(url) as client, working(client, stream, calls, claim_after=0.05, retries=50) as worker:
            await until(lambda: seen | set(calls.payloads) >= set(payloads))
            await until(lambda: not worker.stats.running)
            await nothing_pending(client, stream)
            assert await list_dead(client, stream) == []

    stream, seen = new_stream(), set()
    payloads = [f"order-{number}" for number in range(300)]
    sent(url, stream, *payloads)
    for lines in (1, 40, 75):
        with mortal(url, stream, "work") as process:
            for _ in range(lines):
                seen.add(process.stdout.readline().split()[0])
            process.kill()
            seen.update(line.split()[0] for line in process.stdout if line.endswith("\n"))
    run(main())
