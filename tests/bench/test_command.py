"""The command line of `airwave bench`."""

import pytest
import typer
from typer.testing import CliRunner

from airwave.bench.command import Wishes
from airwave.bench.run import SUITES
from airwave.cli.bench import bench

app = typer.Typer()
app.command()(bench)


def test_list_names_every_load() -> None:
    done = CliRunner().invoke(app, ["--list"], env={"COLUMNS": "160"})
    assert done.exit_code == 0
    for suite in SUITES:
        assert suite.name in done.stdout
        for one in (*suite.scenarios, *suite.checks):
            assert one.name in done.stdout


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--only", "fast"], "airwave bench: there is no load named fast: choose from"),
        (["--only", "ping, fast"], "airwave bench: there is no load named fast: choose from"),
        (
            ["--suite", "lists"],
            "airwave bench: there is no suite named lists: choose from pubsub, streams, history, browsers, library",
        ),
        (["--against", "http://localhost"], "airwave bench: --against needs a URL like redis://127.0.0.1:6379"),
    ],
)
def test_errors_are_one_line(argv: list[str], words: str) -> None:
    done = CliRunner().invoke(app, argv)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith(words)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("argv", [["--rounds", "0"], ["--seconds", "0"], ["--rounds", "x"]])
def test_numbers_are_checked(argv: list[str]) -> None:
    assert CliRunner().invoke(app, argv).exit_code == 2


def test_defaults() -> None:
    plain, quick, mixed = Wishes().options(), Wishes(quick=True).options(), Wishes(quick=True, rounds=7).options()
    assert (plain.rounds, plain.seconds, plain.check_seconds) == (5, 2.0, None)
    assert (quick.rounds, quick.seconds, quick.check_seconds) == (2, 0.5, 5.0)
    assert (mixed.rounds, mixed.seconds) == (7, 0.5)
