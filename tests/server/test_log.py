"""The log: levels, both formats, and that nothing foreign gets into it raw."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airwave.server import log
from airwave.settings import Settings, SettingsError

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in log._LOGGERS]
    yield
    for logger, handlers, level, propagate in before:
        for handler in logger.handlers:
            handler.close()
        logger.handlers[:], logger.level, logger.propagate = handlers, level, propagate


@pytest.fixture
def lines(tmp_path: Path) -> Callable[..., list[str]]:
    """Configure a log file with the given settings at first; returns its lines so far each time."""

    def configured_or_read(**settings: str) -> list[str]:
        path = tmp_path / "airwave.log"
        if settings or not path.exists():
            log.configure(Settings(dir=str(tmp_path), logfile="airwave.log", **settings))
        return path.read_text(encoding="utf-8").splitlines()

    return configured_or_read


def test_a_text_line_has_time_level_event_and_fields(lines: Callable[..., list[str]]) -> None:
    lines()
    log.event(
        "notice",
        "client closed",
        id=7,
        addr="127.0.0.1:1",
        name=b"worker",
        reason="too slow",
        empty="",
        ok=True,
        both=["a", b"b"],
    )
    (line,) = lines()
    fields = 'id=7 addr=127.0.0.1:1 name=worker reason="too slow" empty="" ok=yes both=a,b'
    assert re.fullmatch(rf"{TIME} \* client closed  {fields}", line)


def test_a_json_line_is_one_object(lines: Callable[..., list[str]]) -> None:
    lines(log_format="json")
    log.event("warning", "client closed", id=7, name=b"a\x1b", share=0.5, nothing=None, addr=("::1", 5))
    (line,) = lines()
    entry = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", entry.pop("time"))
    assert entry == {
        "level": "warning",
        "event": "client closed",
        "id": 7,
        "name": "a\\x1b",
        "share": 0.5,
        "nothing": None,
        "addr": ["::1", 5],
    }


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize(
    "value",
    [
        b"\x1b]0;owned\x07",
        "\x1b[2J",
        b"a\nb\r\n",
        "a\nb",
        "\u2028",
        "\u202e",
        "\x9b31m",
        "\udcff",
        b'" id=8 "',
        'x" id=8',
    ],
)
def test_what_a_client_sends_stays_one_printable_value(
    lines: Callable[..., list[str]], log_format: str, value: object
) -> None:
    lines(log_format=log_format)
    log.event("notice", "hello", name=value)
    log.log.warning("said %s", value)
    first, second = lines()
    assert first.isprintable()
    assert second.isprintable()
    if log_format == "text":
        assert re.fullmatch(rf'{TIME} \* hello  name=("([^"\\]|\\.)*"|[^ "=]+)', first)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_is_logged_and_escaped(lines: Callable[..., list[str]], log_format: str) -> None:
    lines(log_format=log_format)
    try:
        raise AssertionError("bad \x1b[1m\x85input")
    except AssertionError as error:
        log.event("error", "internal error", exc_info=error, command=b"PUBLISH")
    logged = lines()
    assert all(line.isprintable() for line in logged)
    if log_format == "json":
        (line,) = logged
        assert json.loads(line)["traceback"][-1] == "AssertionError: bad \\x1b[1m\\x85input"
    else:
        assert re.fullmatch(rf"{TIME} ! internal error  command=PUBLISH", logged[0])
        assert logged[-1] == "    AssertionError: bad \\x1b[1m\\x85input"


@pytest.mark.parametrize(
    ("loglevel", "marks"),
    [("debug", ".-*#!"), ("verbose", "-*#!"), ("notice", "*#!"), ("warning", "#!"), ("nothing", "")],
)
def test_levels(lines: Callable[..., list[str]], loglevel: str, marks: str) -> None:
    lines(loglevel=loglevel)
    for level in ("debug", "verbose", "notice", "warning", "error"):
        log.event(level, "x")
    assert "".join(line.split(" ")[2] for line in lines()) == marks


def test_config_set_changes_level_and_format(tmp_path: Path) -> None:
    settings = Settings(logfile=str(tmp_path / "log"))
    log.configure(settings)
    log.event("verbose", "unheard")
    settings.set([(b"loglevel", b"verbose"), (b"log-format", b"json")])
    log.event("verbose", "heard")
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert json.loads(line)["event"] == "heard"


def test_lines_are_appended_and_the_event_loop_logs_there_too(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    for _ in range(2):  # configured again: not twice in the log
        log.configure(Settings(logfile=str(path)))
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    before, line = path.read_text().splitlines()
    assert before == "before"
    assert line.endswith("! Task exception was never retrieved")


def test_without_a_file_lines_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(Settings())
    log.event("notice", "ready")
    assert capsys.readouterr().out.endswith(" * ready\n")


def test_a_log_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        log.configure(Settings(logfile=str(tmp_path / "no\x1b" / "log")))
    assert str(error.value) == f"logfile {tmp_path}/no\\x1b/log: No such file or directory"


class _Full(io.StringIO):
    full = True

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_lines_that_cannot_be_written_are_counted_and_told_later(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = _Full()
    monkeypatch.setattr("sys.stdout", stream)
    log.configure(Settings())
    for _ in range(3):
        log.event("notice", "lost")
    stream.full = False
    log.event("notice", "back")
    log.event("notice", "again")
    assert [line[24:] for line in stream.getvalue().splitlines()] == [
        "# log lines could not be written  count=3",
        "* back",
        "* again",
    ]
    assert capsys.readouterr().err == ""


def test_in_a_program_with_a_log_of_its_own_an_event_is_a_line_with_its_fields(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log.log.setLevel("INFO")
    log.event("notice", "client closed", id=7, name=b"two words\n")
    log.event("warning", "stopped")
    assert caplog.messages == [r'client closed  id=7 name="two words\n"', "stopped"]
    assert caplog.records[0].fields == {"id": 7, "name": b"two words\n"}
