"""MODULE:BUS."""

import sys

import pytest

from airwave.cli.failure import Failure
from airwave.cli.loading import load_bus


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """What is imported here is forgotten again."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_bus_is_imported_from_a_directory(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "jobs.py").write_text("import airwave\nclass App: bus = airwave.Bus()\napp = App()\n")
    assert type(load_bus("shop.jobs:app.bus", tmp_path)).__name__ == "Bus"


@pytest.mark.parametrize(
    ("source", "target", "error"),
    [
        ("", "jobs", "'jobs' is no MODULE:BUS: write for example shop.jobs:bus"),
        ("", "jobs:", "is no MODULE:BUS"),
        ("", "jo bs:bus", "is no MODULE:BUS"),
        ("", "jobs.py:bus", "there is no module jobs.py"),
        ("", "jobs:bus", "there is no bus in module jobs: name the variable that holds the bus"),
        ("bus = 3", "jobs:bus", "jobs:bus is of type int: it must be an airwave.Bus"),
        ("import nowhere", "jobs:bus", r"cannot import jobs: ModuleNotFoundError: No module named 'nowhere' \(.*:1\)"),
        ("\n1 / 0", "jobs:bus", r"cannot import jobs: ZeroDivisionError: division by zero \(.*jobs.py:2\)"),
        ("def", "jobs:bus", r"cannot import jobs: SyntaxError: invalid syntax \(.*jobs.py:1\)"),
    ],
)
def test_what_can_be_wrong_is_one_line(tmp_path, source, target, error):
    (tmp_path / "jobs.py").write_text(source)
    with pytest.raises(Failure, match=error) as caught:
        load_bus(target, tmp_path)
    assert caught.value.code == 2
    assert "\n" not in str(caught.value)


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(Failure, match=r"there is no directory .*none: name another with --app-dir"):
        load_bus("jobs:bus", tmp_path / "none")


def test_the_traceback_is_shown_when_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AIRWAVE_TRACEBACK", "1")
    (tmp_path / "jobs.py").write_text("def sub():\n    1 / 0\nsub()\n")
    with pytest.raises(Failure):
        load_bus("jobs:bus", tmp_path)
    assert "in sub" in capsys.readouterr().err
