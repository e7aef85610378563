"""The command line of `airwave bench`."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from airwave.bench import standings
from airwave.bench.command import Wishes
from airwave.bench.program import Cores
from airwave.bench.run import CONTESTS, SUITES
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
    for contests in CONTESTS:
        for contest in contests.contests:
            assert contest.name in done.stdout
    assert "sse ≥ 8 × starlette-sse" in done.stdout


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--only", "fast"], "airwave bench: there is no load named fast: choose from"),
        (["--only", "ping, fast"], "airwave bench: there is no load named fast: choose from"),
        (
            ["--suite", "lists"],
            "airwave bench: there is no suite named lists: choose from pubsub, streams, history, browsers, library",
        ),
        (["--suite", "history", "--only", "fast"], "airwave bench: there is no load named fast: choose from plain, "),
        (["--suite", "browsers", "--against", "redis://h"], "airwave bench: --against is not for --suite browsers"),
        (["--against", "http://localhost"], "airwave bench: --against needs a URL like redis://127.0.0.1:6379"),
    ],
)
def test_errors_are_one_line(argv: list[str], words: str) -> None:
    done = CliRunner().invoke(app, argv)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith(words)
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_suite_of_contests_is_shown_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cores, "choose", staticmethod(lambda: Cores(None, None)))  # tests share the machine
    monkeypatch.setenv("COLUMNS", "200")  # no title is cut
    argv = ["--suite", "history", "--only", "plain-16", "--rounds", "1", "--seconds", "0.05"]
    done = CliRunner().invoke(app, [*argv, "--save", str(tmp_path / "kept.json")])
    assert done.exit_code == 0
    assert "Airwave without rules" in done.stdout
    assert "Fewer than 5 rounds" in done.stdout
    kept = standings.from_json((tmp_path / "kept.json").read_text())
    assert kept.samples["plain-16"].keys() == {"rules", "none"}


@pytest.mark.parametrize("argv", [["--rounds", "0"], ["--seconds", "0"], ["--rounds", "x"]])
def test_numbers_are_checked(argv: list[str]) -> None:
    assert CliRunner().invoke(app, argv).exit_code == 2


def test_defaults() -> None:
    plain, quick, mixed = Wishes().options(), Wishes(quick=True).options(), Wishes(quick=True, rounds=7).options()
    assert (plain.rounds, plain.seconds, plain.check_seconds) == (5, 2.0, None)
    assert (quick.rounds, quick.seconds, quick.check_seconds) == (2, 0.5, 5.0)
    assert (mixed.rounds, mixed.seconds) == (7, 0.5)
