"""Structured logging: an event, and what it was about as fields.

Lines go to `logfile`, or to standard output as Redis's do. As text:

    2025-11-24 03:24:11.123 * client closed: output limit exceeded  id=7 addr=127.0.0.1:53210 name=worker

with Redis's marks for the level (`.` debug, `-` verbose, `*` notice, `#` warning) and `!` for a fault of our own. As
JSON: one object a line with time (UTC), level, event, and the fields. Most values come from clients or files: all of
them pass `safe`, so that no control character and no terminal sequence gets into a log.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from airwave import quoting
from airwave.settings import Settings, SettingsError

LEVELS = {"debug": 10, "verbose": 15, "notice": 20, "warning": 30, "error": 40, "nothing": 100}
"""Redis's words for `loglevel`, and error: a fault of our own, which every `loglevel` but nothing lets through."""

_NAMES = {number: name for name, number in LEVELS.items()}
_MARKS = {10: ".", 15: "-", 20: "*", 30: "#", 40: "!"}

log = logging.getLogger("airwave")
_LOGGERS = (log, logging.getLogger("asyncio"))  # the event loop reports what nobody caught


def event(level: str, message: str, /, *, exc_info: BaseException | None = None, **fields: object) -> None:
    """Log an event.

    Args:
        level: a word of LEVELS.
        message: what happened, in words that are the same each time: what differs goes into fields.
        exc_info: the exception behind the event, of which the traceback is logged.
        fields: bytes from a client, text, numbers; they are escaped here, nowhere else.
    """
    number = LEVELS[level]
    if not log.isEnabledFor(number):
        return
    log.log(number, "%s", _Event(message, fields), exc_info=exc_info, extra={"fields": fields})


class _Event:
    """An event as one text, for handlers that are not ours: in a program that has a server in it, or an engine."""

    __slots__ = ("fields", "message")

    def __init__(self, message: str, fields: dict[str, object]) -> None:
        self.message = message
        self.fields = fields

    def __str__(self) -> str:
        return _line(self.message, self.fields)


def configure(settings: Settings) -> None:
    """Send log lines where the settings say, in place of any earlier configuration; later changes are followed.

    Raises:
        SettingsError: the log file cannot be opened.
    """
    handler = _open(settings)
    for logger in _LOGGERS:
        for old in logger.handlers[:]:
            logger.removeHandler(old)
            old.close()
        logger.addHandler(handler)
        logger.propagate = False

    def follow(_: object) -> None:
        handler.setFormatter(_JsonLines() if settings.log_format == "json" else _TextLines())
        for logger in _LOGGERS:
            logger.setLevel(LEVELS[settings.loglevel])

    follow(None)
    settings.on_change("loglevel", follow)
    settings.on_change("log-format", follow)


def safe(value: object) -> str:
    r"""A value in printable characters only: bytes as ASCII with `\xff` and `\n`, text with escapes where needed."""
    if isinstance(value, bytes | bytearray):
        return quoting.escaped(bytes(value))
    text = str(value)
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(char if char.isprintable() and char != "\\" else _escape(char) for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()


class _Lines(logging.StreamHandler[TextIO]):
    """A line that cannot be written is counted, and the count told as soon as writing works again."""

    lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        lost, self.lost = self.lost, 0
        if lost:
            super().emit(_record(LEVELS["warning"], "log lines could not be written", count=lost))
            if self.lost:  # still no luck: the notice was lost, so keep what it told, and count this record
                self.lost = lost + 1
                return
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802  (logging's name)
        self.lost += 1


def _record(level: int, message: str, **fields: object) -> logging.LogRecord:
    return log.makeRecord(log.name, level, "", 0, message, (), None, extra={"fields": fields})


def _open(settings: Settings) -> _Lines:
    if not settings.logfile:
        return _Lines(sys.stdout)
    try:
        path = Path(settings.dir, settings.logfile)
        return _FileLines(path.open("a", encoding="utf-8", errors="backslashreplace"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(f"logfile {safe(settings.logfile)}: {reason}") from None


class _FileLines(_Lines):
    def close(self) -> None:
        with contextlib.suppress(OSError):  # what is still in the buffer of a full disk
            self.stream.close()
        super().close()


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return getattr(record, "fields", {})


def _message(record: logging.LogRecord) -> str:
    """What happened, without the fields."""
    event = record.args[0] if isinstance(record.args, tuple) and record.args else None
    return event.message if isinstance(event, _Event) else record.getMessage()


def _line(message: str, fields: dict[str, Any]) -> str:
    pairs = " ".join(f"{name}={_word(value)}" for name, value in fields.items())
    return f"{safe(message)}  {pairs}" if pairs else safe(message)


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).isoformat(" ", "milliseconds")
        line = f"{time} {_MARKS.get(record.levelno, '#')} {_line(_message(record), _fields(record))}"
        return "\n    ".join([line, *_traceback(record)])


def _word(value: object) -> str:
    """A field's value, in quotes where it would not be seen as one."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ",".join(map(safe, value)) if isinstance(value, list | tuple) else safe(value)
    if text and not any(mark in text for mark in ' "='):
        return text
    return f'"{text}"' if isinstance(value, bytes) else '"' + text.replace('"', '\\"') + '"'


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": _NAMES.get(record.levelno, record.levelname.lower()),
            "event": safe(_message(record)),
            **{name: _json_value(value) for name, value in _fields(record).items()},
        }
        lines = _traceback(record)
        if lines:
            entry["traceback"] = lines
        return json.dumps(entry)


def _json_value(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else safe(value)


def _traceback(record: logging.LogRecord) -> list[str]:
    """The traceback's lines; an exception's text may quote a client."""
    if not record.exc_info or record.exc_info[1] is None:
        return []
    text = "".join(traceback.format_exception(record.exc_info[1]))
    return [safe(line) for line in text.rstrip().split("\n")]
