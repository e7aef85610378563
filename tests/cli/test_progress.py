"""Progress bars."""

import io

from airwave.cli import progress as module
from airwave.cli.progress import progress


class FakeTerminal(io.StringIO):
    def isatty(self):
        return True


def fake_terminal(monkeypatch):
    """Not a fixture: pytest puts its own streams in place between a fixture and its test."""
    terminal = FakeTerminal()
    monkeypatch.setattr(module.sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return terminal


def test_what_takes_long_has_a_bar(monkeypatch):
    terminal = fake_terminal(monkeypatch)
    monkeypatch.setattr(module, "_SHOW_AFTER_S", 0)
    with progress("Reading") as note:
        note(50)
        note(50, 100)
        note(100, 100)
    assert "Reading" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_what_is_done_at_once_has_none(monkeypatch):
    terminal = fake_terminal(monkeypatch)
    monkeypatch.setattr(module, "_SHOW_AFTER_S", 3600)
    with progress("Reading") as note:
        note(1, 1)
    assert terminal.getvalue() == ""


def test_without_a_terminal_there_is_none(capsys):
    with progress("Reading") as note:
        note(1, 2)
    assert capsys.readouterr().err == ""
