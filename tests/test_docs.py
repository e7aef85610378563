"""The generated reference pages: current, complete, and checked by the tool itself."""

import runpy
from pathlib import Path

import pytest

from airwave.settings import Settings

DOCS = Path(__file__).parent.parent / "docs"
generate = runpy.run_path(str(DOCS / "generate.py"))


def test_the_pages_in_the_repository_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate["main"](["--check"]) == 0, capsys.readouterr().err


def test_check_names_a_page_that_is_missing_or_not_current(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = generate["main"]
    assert main(["--check"], tmp_path) == 1
    assert not list(tmp_path.iterdir())
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    with (tmp_path / "settings.md").open("a") as page:
        page.write("x")
    capsys.readouterr()
    assert main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err == f"{tmp_path}/settings.md is not current: run python docs/generate.py\n"


def test_unknown_arguments_are_refused(tmp_path: Path) -> None:
    assert generate["main"](["--chek"], tmp_path) == 2


def test_the_settings_page_has_a_row_for_every_setting() -> None:
    page = generate["settings_page"]()
    for row in Settings.describe():
        assert page.count(f"\n| `{row.name}` |") == 1
    assert all(line.count(" | ") == 4 for line in page.splitlines() if line.startswith("| `"))
