"""A program is started with the options it is measured with, and started again where it was."""

import sys
from pathlib import Path

import pytest

from airwave.bench.program import Cores, Program, Setup, airwave_argv, free_port, redis_argv

UNPINNED = Cores(None, None)


def test_both_have_the_same_options(redis_installed: None, tmp_path: Path) -> None:  # noqa: ARG001 (skips)
    for setup in (Setup(1, tmp_path), Setup(1, tmp_path, "everysec"), Setup(1, tmp_path, "always")):
        ours, theirs = airwave_argv(setup)[4:], redis_argv(setup)[1:]
        assert theirs[: len(ours)] == ours
        assert theirs[len(ours) :] == (["--auto-aof-rewrite-percentage", "0"] if setup.appendfsync else [])


def test_what_is_durable_is_in_its_directory(tmp_path: Path) -> None:
    argv = airwave_argv(Setup(7, tmp_path, "always"))
    assert argv[argv.index("--port") + 1] == "7"
    assert argv[argv.index("--dir") :] == ["--dir", str(tmp_path), "--appendonly", "yes", "--appendfsync", "always"]
    assert airwave_argv(Setup(7, tmp_path))[-2:] == ["--appendonly", "no"]


def test_it_begins_again_with_the_same_output_file(tmp_path: Path) -> None:
    words = "print('here', flush=True); import time; time.sleep(60)"
    log = tmp_path / "log"
    program = Program("p", lambda _: [sys.executable, "-c", words], Setup(free_port(), tmp_path), log, UNPINNED)
    assert program.end()
    first = program.begin()
    program.check_alive()
    program.end()
    assert program.begin() != first
    program.end()
    assert not Path(f"/proc/{first}").exists()


@pytest.mark.slow
def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    words = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    log = tmp_path / "log"
    program = Program("p", lambda _: [sys.executable, "-c", words], Setup(free_port(), tmp_path), log, UNPINNED)
    pid = program.begin()
    while not log.read_text():
        program.check_alive()
    assert program.end(0.1) is False
    assert not Path(f"/proc/{pid}").exists()
