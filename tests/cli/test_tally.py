"""The status line of `airwave worker`."""

import io

import pytest

from airwave.cli.tally import StatusLine, Tally, added, decoded


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr("airwave.cli.tally.time.monotonic", lambda: Clock.now)
    return Clock


def test_a_tally_goes_to_another_process_and_is_added_up():
    tally = Tally(handled=5, running=1, waiting=2, failed=3, dead=4)
    assert decoded(tally.encoded()) == tally
    assert added([tally, tally.at_rest(), Tally()]) == Tally(10, 1, 2, 6, 8)


def test_on_a_terminal_one_line_is_written_anew(clock):
    out = Terminal()
    line = StatusLine(out)
    line.line("before it")
    line.show(Tally())
    clock.now += 2
    line.show(Tally(handled=3000, running=2, waiting=1, failed=4, dead=5), processes=4)
    line.line("above it")
    line.end()
    line.end()
    last = "4 processes: 3,000 handled (1,500.0/s), 2 running, 1 waiting, 4 failed, 5 dead"
    assert out.getvalue() == (
        "before it\n"
        "\r\x1b[K0 handled (0.0/s), 0 running, 0 waiting, 0 failed, 0 dead"
        f"\r\x1b[K{last}\r\x1b[Kabove it\n{last}\n"
    )


def test_elsewhere_a_line_now_and_then_if_something_changed(clock):
    out = io.StringIO()
    line = StatusLine(out, every_s=10)
    for _ in range(30):
        line.show(Tally())
        clock.now += 1
    assert out.getvalue() == ""
    for handled in range(25):
        line.show(Tally(handled=handled))
        clock.now += 1
    line.end()
    shown = out.getvalue().splitlines()
    assert len(shown) == 2
    assert all("(1.0/s)" in each for each in shown[1:])
