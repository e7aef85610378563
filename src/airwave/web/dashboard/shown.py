"""Bytes in JSON: as text if they are text, in hexadecimal otherwise, and never more than there is room for.

    {"text": "...", "size": 12, "cut": false, "shown": 12}
    {"hex": "00ff", "size": 2, "cut": false, "shown": 2}

`size` counts all bytes, `shown` those that are here.
"""

import re
from typing import TypedDict

LINE_BYTES = 256  # in a table
FIELD_BYTES = 1024  # in a list of entries
VALUE_BYTES = 64 * 1024  # of one value that somebody looks at

# What no text has: with it, it is bytes. Tabs and line ends are fine.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Shown(TypedDict, total=False):
    """A value in JSON."""

    text: str
    hex: str
    size: int
    cut: bool
    shown: int


def shown(data: bytes, size_max: int = VALUE_BYTES) -> Shown:
    """A value, as much as there is room for."""
    part = data[:size_max]
    text = _text(part, whole=len(part) == len(data))
    if text is None:
        return {"hex": part.hex(), "size": len(data), "cut": len(part) < len(data), "shown": len(part)}
    size = len(text.encode())
    return {"text": text, "size": len(data), "cut": size < len(data), "shown": size}


def _text(data: bytes, *, whole: bool) -> str | None:
    """The text that it is; None: it is none. What was cut in the middle of a character loses its beginning."""
    for left in range(1 if whole else 4):
        try:
            text = data[: len(data) - left].decode()
        except UnicodeDecodeError:
            continue
        return None if _CONTROLS.search(text) else text
    return None
