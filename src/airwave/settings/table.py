"""The table of settings as a whole: what CONFIG does with it. The rows are in `airwave.settings.rows`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from airwave import glob
from airwave.settings.kinds import Secret
from airwave.settings.redis_directives import REDIS_DIRECTIVES
from airwave.settings.rewrite import rewritten
from airwave.settings.rows import Rows
from airwave.settings.setting import ConfigSetError, Setting, SettingsError


@dataclass(slots=True)
class Settings(Rows):
    """The settings of a node, and what belongs to them as a whole.

    Attributes:
        config_file: absolute path of the file they were read from; empty: none.
        ignored: directives of Redis that Airwave does not have, in the order given, each once.
    """

    config_file: str = field(default="")
    ignored: list[str] = field(default_factory=list)
    _listeners: dict[str, list[Callable[[Any], None]]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def describe(cls) -> list[Setting]:
        """The rows of the table, in its order."""
        return list(TABLE.values())

    def get(self, patterns: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
        """Names and values for CONFIG GET, in the order of the table, each once.

        As in Redis letter case does not matter, and a name asked for without `* ? [` comes back as it was typed.
        """
        typed: dict[str, bytes] = {}
        for pattern in patterns:
            if not any(mark in pattern for mark in b"[*?"):
                typed.setdefault(_text(pattern).lower(), pattern)
                continue
            matches = glob.compile(pattern, nocase=True)
            for name in TABLE:
                if matches(name.encode()):
                    typed.setdefault(name, name.encode())
        return [(typed[name], _bytes(self._formatted(row))) for name, row in TABLE.items() if name in typed]

    def set(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        """CONFIG SET: all of the pairs, or none.

        Raises:
            ConfigSetError: the reply. Nothing has changed then, also when a listener refused a value.
        """
        rows = _settable(pairs)
        old = {row: getattr(self, row.attribute) for row in rows}
        called: list[Setting] = []
        row = None
        try:
            for row, (_, value) in zip(rows, pairs, strict=True):
                setattr(self, row.attribute, row.kind.parse(_words(row, _text(value)), old[row]))
            for row in rows:
                if getattr(self, row.attribute) != old[row]:
                    called.append(row)
                    self._announce(row)
        except (ValueError, SettingsError) as error:
            for each, value in old.items():
                setattr(self, each.attribute, value)
            for each in called:
                self._announce(each)
            raise _refused(row.name if row else "", str(error)) from None

    def on_change(self, name: str, callback: Callable[[Any], None]) -> None:
        """Call `callback(value)` whenever CONFIG SET has changed the setting.

        Args:
            name: the directive, for example `loglevel`.
            callback: may refuse the value by raising SettingsError with the reason; everything is put back then, and
                callbacks that had seen a new value are called with the old one.
        """
        self._listeners.setdefault(TABLE[name].name, []).append(callback)

    def rewrite(self, old_text: str) -> str:
        """The config file's new text for CONFIG REWRITE, comments and order kept; rules: `airwave.settings.rewrite`.

        Both texts are UTF-8 read and written with `errors="surrogateescape"`.
        """
        wanted = {name: row.kind.lines(name, getattr(self, row.attribute), row.default) for name, row in TABLE.items()}
        return rewritten(old_text, wanted, kept={"include", *REDIS_DIRECTIVES})

    def apply(self, name: str, args: Sequence[str]) -> None:
        """Set a directive as a config file does, immutable or not.

        Raises:
            ValueError: with what is wrong about the arguments.
        """
        row = TABLE[name]
        words = _words(row, args[0]) if row.kind.many and len(args) == 1 else args
        setattr(self, row.attribute, row.kind.add(words, getattr(self, row.attribute)))

    def _formatted(self, row: Setting) -> str:
        return row.kind.format(getattr(self, row.attribute))

    def _announce(self, row: Setting) -> None:
        for callback in self._listeners.get(row.name, ()):
            callback(getattr(self, row.attribute))


def _table() -> dict[str, Setting]:
    rows = {}
    section = ""
    for each in fields(Settings):
        if "setting" not in each.metadata:
            continue
        about = dict(each.metadata["setting"])
        section = about["section"] = about["section"] or section
        name = each.name.replace("_", "-")
        secret = isinstance(about["kind"], Secret)
        rows[name] = Setting(name=name, attribute=each.name, default=each.default, secret=secret, **about)
    return rows


TABLE = _table()
"""The rows by name, in order."""


def is_secret(name: bytes) -> bool:
    """Whether the value of this directive (in any letter case) must not be logged or shown."""
    row = TABLE.get(_text(name).lower())
    return row is not None and row.secret


def _settable(pairs: Sequence[tuple[bytes, bytes]]) -> list[Setting]:
    """The rows that CONFIG SET names; the first that may not be set decides the error, before any value is read."""
    rows: list[Setting] = []
    for raw, _ in pairs:
        name = _text(raw)
        row = TABLE.get(name.lower())
        if row is None:
            raise ConfigSetError(f"ERR Unknown option or number of arguments for CONFIG SET - '{_one_line(name)}'")
        if not row.mutable:
            raise _refused(name, f"can't set {'protected' if row.protected else 'immutable'} config")
        if row in rows:
            raise _refused(name, "duplicate parameter")
        rows.append(row)
    return rows


def _refused(name: str, reason: str) -> ConfigSetError:
    return ConfigSetError(f"ERR CONFIG SET failed (possibly related to argument '{name}') - {_one_line(reason)}")


def _words(row: Setting, text: str) -> list[str]:
    # One space separates, as in Redis: two in a row make an empty argument, which is then refused.
    return text.split(" ") if row.kind.many else [text]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")
