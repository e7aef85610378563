"""What the tests with other people's libraries say in docs/compatibility.md: a row for each library.

A test says which row it proves:

    pytestmark = library("python-socketio", "AsyncRedisManager, two servers", missing="")

`results.json` keeps the rows; docs/generate.py makes the table from it. test_table.py fails when a row is not what the
tests say, so it cannot be older than they are. `pytest tests/compat/libraries --record-libraries` writes it from the
tests that passed.
"""

import importlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"


@dataclass(frozen=True, order=True)
class Row:
    """A library, and what was found out about it.

    Args:
        library: what people call it.
        version: the one that the tests use.
        language: what it is written in.
        tested: what works, in a few words.
        missing: what it cannot do with Airwave, and why; empty: nothing was found.
    """

    library: str
    version: str
    language: str
    tested: str
    missing: str


def library(
    name: str,
    tested: str,
    *,
    missing: str = "",
    package: str | None = None,
    version: str | None = None,
    language: str = "Python",
) -> pytest.MarkDecorator:
    """A mark for the tests (or as `pytestmark` for the module) that prove a row.

    Args:
        package: its name on PyPI; None: that of the library.
        version: None: that of the installed package.
    """
    if version is None:
        version = installed_version(package or name)
    return pytest.mark.library(Row(name, version, language, tested, missing))


def rows_of(marks: Iterable[pytest.Mark]) -> set[Row]:
    return {mark.args[0] for mark in marks if mark.name == "library"}


def declared() -> set[Row]:
    """The rows that the test functions of this folder stand for, whether or not they are part of this run."""
    rows = set()
    for path in FOLDER.glob("test_*.py"):
        module = importlib.import_module(f"compat.libraries.{path.stem}")
        tests = [value for name, value in vars(module).items() if name.startswith("test_") and callable(value)]
        for marks in [_marks(module), *map(_marks, tests)]:
            rows |= rows_of(marks) if tests else set()
    return rows


def _marks(owner: Any) -> list[pytest.Mark]:
    marks = getattr(owner, "pytestmark", [])
    return [getattr(mark, "mark", mark) for mark in (marks if isinstance(marks, list) else [marks])]


def load(path: Path = RESULTS) -> list[Row]:
    return [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def save(rows: Iterable[Row], path: Path = RESULTS) -> None:
    ordered = sorted(rows, key=lambda row: row.library.casefold())
    text = json.dumps([asdict(row) for row in ordered], indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def recorded(kept: Iterable[Row], known: Iterable[Row], outcomes: dict[Row, bool]) -> set[Row]:
    """The rows after a run.

    Args:
        kept: those of the file.
        known: those that tests stand for.
        outcomes: of the rows whose tests ran, whether all of these passed; the others stay as they are kept.
    """
    known = set(known)
    return {row for row in kept if row in known and row not in outcomes} | {row for row in outcomes if outcomes[row]}
