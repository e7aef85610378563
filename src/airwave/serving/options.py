"""Directives of the server as keyword arguments: `appendonly=True`, `client_output_buffer_limit="pubsub 1mb 0 0"`."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path

from airwave.serving.errors import ServerError
from airwave.settings import Setting, Settings, SettingsError
from airwave.settings.kinds import Octal
from airwave.settings.redis_directives import REDIS_DIRECTIVES

Directives = dict[str, list[str]]
"""Each directive's words, as a config file has them."""

_TABLE = {row.name: row for row in Settings.describe()}
_NOT_HERE = {
    "bind": "give host",
    "daemonize": "with process=True the server has a process of its own",
}
_OF_A_PROCESS = {
    "logfile": "configure the logger 'airwave'",
    "loglevel": "set the level of the logger 'airwave'",
    "log-format": "configure the logger 'airwave'",
    "pidfile": "this process is not the server's",
}


def directives(options: Mapping[str, object], *, process: bool) -> Directives:
    """Read keyword arguments.

    Args:
        options: names of settings, with underscores; numbers, text, bytes, True and False, paths, or lists of them.
        process: the server has a process of its own, so it may have a log of its own.

    Raises:
        ServerError: one line that says which argument is wrong.
    """
    found: Directives = {}
    for option, value in options.items():
        row = _row(option, process=process)
        found[row.name] = _words(row, value)
    if process and "log-format" in found and "logfile" not in found:
        raise ServerError("log_format needs logfile: without one the log goes to the logger 'airwave'")
    folder = Path(*found.get("dir", ["."])).absolute()
    if not folder.is_dir():
        raise ServerError(f"dir={str(folder)!r}: no such directory")
    found["dir"] = [str(folder)]
    if "unixsocket" in found:
        found["unixsocket"] = [str(folder / found["unixsocket"][0])]
    return found


def settings_of(found: Directives) -> Settings:
    """The settings of a server with these directives.

    Raises:
        ServerError: a value is wrong.
    """
    settings = Settings()
    for name, words in found.items():
        row = _TABLE[name]
        try:
            settings.apply(name, words)
        except ValueError as error:
            shown = "..." if row.secret else repr(" ".join(words))
            raise ServerError(f"{row.attribute}={shown}: {error}") from None
    return settings


def leave_the_log_alone(settings: Settings, *names: str) -> None:
    """From now on CONFIG SET of these is refused: the log goes to the program, which configures it."""
    for name in names:
        value = getattr(settings, _TABLE[name].attribute)

        def refuse(wanted: str, value: str = value) -> None:
            if wanted != value:  # it is told of the old value as well
                raise SettingsError("the server is part of a program, which configures the log (logger 'airwave')")

        settings.on_change(name, refuse)


def _row(option: str, *, process: bool) -> Setting:
    name = option.replace("_", "-")
    if name in REDIS_DIRECTIVES and name not in _TABLE:
        raise ServerError(f"{option} is a directive of Redis that Airwave does not have: leave it out")
    if name not in _TABLE:
        close = difflib.get_close_matches(option, [row.attribute for row in _TABLE.values()], n=1)
        raise ServerError(f"{option} is not a setting{f': did you mean {close[0]}?' if close else ''}")
    instead = _NOT_HERE.get(name) or ("" if process else _OF_A_PROCESS.get(name, ""))
    if instead:
        also = " (or use process=True)" if name in _OF_A_PROCESS else ""
        raise ServerError(f"{option} cannot be set here: {instead}{also}")
    return _TABLE[name]


def _words(row: Setting, value: object) -> list[str]:
    if isinstance(value, list | tuple):
        return [word for each in value for word in _words(row, each)]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, int) and isinstance(row.kind, Octal):
        return [row.kind.format(value)]
    if isinstance(value, bytes):
        return [value.decode("utf-8", "surrogateescape")]
    if isinstance(value, str | int | float):
        return [str(value)]
    if isinstance(value, os.PathLike):
        return [os.fsdecode(value)]
    raise ServerError(f"{row.attribute} cannot be {value!r}: give text, a number, True or False")
