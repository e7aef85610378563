"""airwave worker: a bus in a process, in several, and again when its source changes."""

import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from .conftest import DEADLINE_S, Process, airwave, airwave_command, environment, start_airwave, wait_for

MODULE = """
import asyncio, os
import airwave

bus = airwave.Bus({url!r})
held = None

@bus.worker("orders", group="billing", retries=0)
async def bill(order: str) -> None:
    print({mark!r} + f" {{order}} {{os.getpid()}}\\n", end="", flush=True)  # one write: processes share the pipe
    if order == "bad":
        raise ValueError("no such item")
    if order == "long":
        await asyncio.Event().wait()
"""


@pytest.fixture
def server(make_server):
    return make_server(kind="airwave")


@pytest.fixture
def folder(tmp_path: Path, url: str) -> Path:
    made = tmp_path / "shop"
    made.mkdir()
    (made / "jobs.py").write_text(MODULE.format(url=url, mark="billed"))
    return made


@pytest.fixture
def client(server) -> redis.Redis:
    return server.client


def worker(folder: Path, *options: str) -> Process:
    return start_airwave("worker", "jobs:bus", "--app-dir", str(folder), *options)


def note_with(process: Process, *words: str) -> str:
    """Read standard error until a line has all the words."""
    seen = []
    while (line := process.note()) is not None:
        seen.append(line)
        if all(word in line for word in words):
            return line
    raise AssertionError(seen)


def rest_of(lines: Any) -> Iterator[str]:
    while (line := lines.get(timeout=DEADLINE_S)) is not None:
        yield line


def send(client: redis.Redis, *orders: str) -> None:
    for order in orders:
        client.xadd("orders", {"data": order})


def test_it_runs_the_bus_until_a_signal_comes(folder, client):
    with worker(folder) as process:
        note_with(process, "INFO airwave.worker: running")
        send(client, "one", "bad")
        assert process.line().startswith("billed one ")
        assert process.line().startswith("billed bad ")
        note_with(process, "ERROR airwave.bus: entry is dead after 1 attempt(s)", "ValueError: no such item")
        process.interrupt()
        assert process.wait() == 0
        assert "stopped" in [*rest_of(process.err)][-1]
    assert client.xpending("orders", "billing")["pending"] == 0
    assert client.xinfo_consumers("orders", "billing") == []


def test_handlers_may_finish_and_a_second_signal_ends_it_at_once(folder, client):
    with worker(folder) as process:
        note_with(process, "running")
        send(client, "long")
        assert process.line().startswith("billed long ")
        process.popen.terminate()
        note_with(process, "stopping: handlers may finish")
        process.popen.terminate()
        assert process.wait() == -signal.SIGTERM


def test_a_status_line_on_a_terminal(folder, client):
    ours, theirs = pty.openpty()
    with Process(airwave_command("worker", "jobs:bus", "--app-dir", str(folder)), stderr=theirs) as process:
        os.close(theirs)
        shown = b""

        def read_until(pattern: bytes) -> None:
            nonlocal shown
            while not re.search(pattern, shown):
                shown += os.read(ours, 4096)

        read_until(rb"running; SIGINT")
        send(client, "one", "bad", "long")
        read_until(rb"\r\x1b\[K1 handled \([\d.]+/s\), 1 running, 0 waiting, 1 failed, 1 dead")
        process.popen.kill()
        os.close(ours)
    # Log lines stand above it: the line is wiped before, and written again behind them.
    assert re.search(rb"\r\x1b\[K[^\r]* ERROR airwave.bus: [^\r]*\r\n\d+ handled", shown)


# --- several processes ------------------------------------------------------------------------------------------------


def children(process: Process) -> set[int]:
    path = Path(f"/proc/{process.popen.pid}/task/{process.popen.pid}/children")
    return set(map(int, path.read_text().split()))


def test_several_processes_share_the_entries_and_those_that_die_are_replaced(folder, client):
    with worker(folder, "--processes", "2") as process:
        for _ in range(2):
            note_with(process, "airwave.worker: running")
        first = children(process)
        pids = set()
        while pids != set(map(str, first)):
            send(client, "order")
            pids.add(process.line().rpartition(" ")[2])
        wait_for(lambda: client.xpending("orders", "billing")["pending"] == 0, "the orders to be acknowledged")
        os.kill(min(first), signal.SIGKILL)
        note_with(process, "was ended by SIGKILL: it is started again in 0.5 s")
        note_with(process, "airwave.worker: running")
        assert len(children(process) - first) == 1
        process.interrupt()
        assert process.wait() == 0
    assert client.xpending("orders", "billing")["pending"] == 0


def test_a_second_signal_kills_the_processes(folder, client):
    with worker(folder, "--processes", "2") as process:
        for _ in range(2):
            note_with(process, "running")
        send(client, "long")
        process.line()
        process.interrupt()
        note_with(process, "stopping")
        process.interrupt()
        assert process.wait() == 0
    assert client.xpending("orders", "billing")["pending"] == 1


def test_processes_whose_supervisor_was_killed_stop_by_themselves(folder, client):
    with worker(folder, "--processes", "2") as process:
        for _ in range(2):
            note_with(process, "running")
        left = children(process)
        process.popen.kill()
        wait_for(lambda: not any(map(_lives, left)), "the processes to end")
    assert client.xinfo_consumers("orders", "billing") == []  # they have said goodbye


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_is_started_again_when_a_source_changes(folder, client, url):
    with worker(folder, "--reload") as process:
        note_with(process, "airwave.worker: running")
        (folder / "jobs.py").write_text(MODULE.format(url=url, mark="charged"))
        note_with(process, "changed: jobs.py: reloading")
        note_with(process, "airwave.worker: running")
        send(client, "one")
        assert process.line().startswith("charged one ")
        (folder / "jobs.py").write_text("bus = 1 +")
        note_with(process, "airwave: cannot import jobs: SyntaxError: invalid syntax", "jobs.py:1")
        note_with(process, "it is started again when a source has changed")
        (folder / "jobs.py").write_text(MODULE.format(url=url, mark="billed"))
        note_with(process, "airwave.worker: running")
        process.popen.terminate()
        assert process.wait() == 0


# --- what can be wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["one", "two"])
def test_a_bus_that_cannot_be_loaded_ends_it(tmp_path, options):
    done = airwave("worker", "nothing:bus", "--app-dir", str(tmp_path), *options)
    assert done.stderr == f"airwave: there is no module nothing in {tmp_path}: name its directory with --app-dir\n"
    assert done.returncode == 2


def test_a_server_that_is_not_there(folder, server):
    server.stop()
    done = airwave("worker", "jobs:bus", "--app-dir", str(folder))
    assert re.fullmatch(r"airwave: cannot start the bus: .*refused.*: check its URL\n", done.stderr)
    assert done.returncode == 1
    server.start()


def test_help():
    done = subprocess.run(
        airwave_command("worker", "--help"), capture_output=True, text=True, env=environment(), check=True
    )
    assert "MODULE:BUS" in done.stdout
