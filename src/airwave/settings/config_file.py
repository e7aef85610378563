"""redis.conf's syntax and redis-server's command line, read into `Settings`.

A config file has one directive a line: a name and arguments, quoted where need be (see `airwave.quoting`); `#` opens a
comment line. `include` reads another file, or all that match a pattern, as if it stood there. Later lines win. The
command line is read after the file, each `--name value...` as one more line.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airwave import quoting
from airwave.settings.redis_directives import REDIS_DIRECTIVES
from airwave.settings.setting import SettingsError
from airwave.settings.table import TABLE, Settings

INCLUDE_DEPTH_MAX = 16
STDIN = "-"
Read = Callable[[str], str]


def read_file(path: str) -> str:
    """The text of a file, or of standard input for `-`; bytes that are not UTF-8 survive as surrogates."""
    data = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
    return data.decode("utf-8", "surrogateescape")


def from_command_line(args: Sequence[str], read: Read = read_file) -> Settings:
    """Read the settings of a server from its command line.

    Args:
        args: what follows `redis-server`: optionally a config file, or `-` for standard input (first or last), then
            options: `--port 6380 --bind 127.0.0.1 ::1`. An option's values go on until the next `--`.
        read: gives the text of a config file by its path; may raise OSError.

    Raises:
        SettingsError: one line that says where and what is wrong.
    """
    reader = _Reader(Settings(), read)
    rest = list(args)
    if rest and not rest[0].startswith("--") and rest[0] != STDIN:
        if rest[0].startswith("-"):
            raise SettingsError(f"{_shown(rest[0])} is neither a config file nor an option: options begin with --")
        path = rest.pop(0)
        reader.file(path, path)
        reader.settings.config_file = str(Path(path).resolve())
    for end in 0, -1:
        if rest and rest[end] == STDIN:
            rest.pop(end)
            reader.file(STDIN, "stdin")
    for name, values in _options(rest):
        reader.directive(name, values, "--")
    reader.settings.dir = str(Path(reader.settings.dir).resolve())
    return reader.settings


def _options(args: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    name, values = "", list[str]()
    for arg in args:
        if not arg.startswith("--") or (name and not values and not _ends_values(name, arg)):
            if not name:
                raise SettingsError(f"{_shown(arg)}: expected an option, as in --port 6380")
            values.append(arg)
            continue
        if name:
            yield name, values
        name, *values = _split(arg[2:]) or [arg[2:]]
        if "=" in name:
            raise SettingsError(f"--{_shown(name)}: write --{_shown(name.replace('=', ' ', 1))}")
    if name:
        yield name, values


def _ends_values(name: str, arg: str) -> bool:
    """Whether `arg`, right behind `--name`, is the next option. Redis takes it as a value, so that a password may begin
    with `--`, except behind `--save`; we do not when it is an option's name, because then the value was forgotten."""
    return name.lower() == "save" or _known(arg[2:].lower())


@dataclass
class _Reader:
    settings: Settings
    read: Read
    _open: list[str] = field(default_factory=list)

    def file(self, path: str, shown: str) -> None:
        """Read one file; `shown` is what messages call it."""
        if len(self._open) == INCLUDE_DEPTH_MAX:
            raise SettingsError(f"{_shown(shown)}: more than {INCLUDE_DEPTH_MAX} files include each other")
        try:
            text = self.read(path)
        except OSError as error:
            raise SettingsError(f"cannot read config file {_shown(shown)}: {error.strerror or error}") from None
        self._open.append(path)
        for number, line in enumerate(text.split("\n"), 1):
            self._line(line.strip(" \t\r\n"), f"{_shown(shown)}:{number}: ")
        self._open.pop()

    def _line(self, line: str, where: str) -> None:
        if not line or line.startswith("#"):
            return
        words = _split(line)
        if words is None:
            raise SettingsError(f"{where}unbalanced quotes")
        self.directive(words[0], words[1:], where)

    def directive(self, name: str, args: Sequence[str], where: str) -> None:
        """Obey one directive; `where` stands before it in messages: `--`, or file and line."""
        name = name.lower()
        try:
            if name == "include":
                self._include(args)
            elif name in TABLE:
                self._set(name, args)
            elif name not in REDIS_DIRECTIVES:
                raise SettingsError(f"{where}{_shown(name)} is not a setting{_did_you_mean(name, where)}")
            elif name not in self.settings.ignored:
                self.settings.ignored.append(name)
        except ValueError as error:
            secret = name in TABLE and TABLE[name].secret
            shown = "" if secret else "".join(f" {_shown(arg) or quoting.quoted(b'')}" for arg in args)
            raise SettingsError(f"{where}{name}{shown}: {error}") from None

    def _set(self, name: str, args: Sequence[str]) -> None:
        if not args and name != "save":
            raise ValueError(f"needs a value: {TABLE[name].kind.values()}")
        if name == "dir":
            args = [str(self._path(arg)) for arg in args]
            if args and not Path(args[0]).is_dir():
                raise ValueError("no such directory")
        self.settings.apply(name, args)

    def _include(self, args: Sequence[str]) -> None:
        if len(args) != 1:
            raise ValueError("needs one path")
        if any(mark in args[0] for mark in "*?["):
            folder = self._path("")
            matches = sorted(str(path) for path in _matching(folder, args[0]))  # none is fine, as in Redis
        else:
            matches = [str(self._path(args[0]))]
        for path in matches:
            self.file(path, path)

    def _path(self, path: str) -> Path:
        """Relative to `dir` as far as it has been read, because Redis enters the directory at that line."""
        return Path(self.settings.dir, path)


def _matching(folder: Path, pattern: str) -> Iterator[Path]:
    wanted = Path(pattern)
    if wanted.is_absolute():
        return Path(wanted.anchor).glob(str(wanted.relative_to(wanted.anchor)))
    return folder.glob(pattern)


def _split(line: str) -> list[str] | None:
    words = quoting.split_args(line.encode("utf-8", "surrogateescape"))
    return None if words is None else [word.decode("utf-8", "surrogateescape") for word in words]


def _known(name: str) -> bool:
    return name in TABLE or name in REDIS_DIRECTIVES or name == "include"


def _did_you_mean(name: str, where: str) -> str:
    close = difflib.get_close_matches(name, [*TABLE, "include"], n=1) or difflib.get_close_matches(
        name, sorted(REDIS_DIRECTIVES), n=1, cutoff=0.8
    )
    if not close:
        return ""
    return f": did you mean {'--' if where == '--' else ''}{close[0]}?"


def _shown(text: str) -> str:
    """Text from a file or command line, made safe to print."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
