"""What a row of the table of settings is, how one is declared, and what is wrong when a setting cannot be had."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from airwave.settings.kinds import Kind

T = TypeVar("T")


class SettingsError(Exception):
    """A setting cannot be what somebody asked for; the message is one line for that person."""


class ConfigSetError(SettingsError):
    """CONFIG SET is refused; the message is the error reply, `ERR ...`."""


@dataclass(frozen=True)
class Setting:
    """A row of the table.

    Attributes:
        name: the directive, as in redis.conf.
        attribute: the attribute of `Settings` that holds the value.
        mutable: CONFIG SET may change it.
        protected: CONFIG SET may not change it and says so in Redis's words for directives that touch files.
        secret: its value must not appear in logs, SLOWLOG or MONITOR.
    """

    name: str
    attribute: str
    kind: Kind[Any]
    default: Any
    doc: str
    section: str
    mutable: bool
    protected: bool
    secret: bool


def setting(
    default: T, kind: Kind[T], doc: str, *, section: str = "", mutable: bool = True, protected: bool = False
) -> T:
    """Declare a row; `section` opens a section of the reference page. The type says T: the value an instance holds."""
    about = {"kind": kind, "doc": doc, "section": section, "mutable": mutable and not protected, "protected": protected}
    declared: T = field(default=default, metadata={"setting": about})
    return declared
