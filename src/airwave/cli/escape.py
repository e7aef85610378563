"""Foreign text made safe to print.

What a publisher or a server sends may carry escape sequences that move the cursor, retitle the window or hide text,
so nothing of it goes to a terminal as it is.
"""

import unicodedata
from functools import lru_cache

# They join emoji ("family", "rainbow flag") and Persian letters: of category Cf, but they cannot hide or reorder text.
_JOINERS = "\u200c\u200d"
_ESCAPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


@lru_cache(maxsize=4096)
def _printable_character(character: str) -> str:
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if unicodedata.category(character) not in _ESCAPED_CATEGORIES or character in _JOINERS:
        return character
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as "surrogateescape" keeps it
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    # Never \xNN from here on: that would read as a byte that is not UTF-8.
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def printable(data: bytes | str) -> str:
    r"""Text of one line that any terminal shows as it is.

    Control characters (C0, C1, DEL), bidirectional and other invisible format characters and line separators become
    `\n`, `\x1b`, `\u202e`; bytes that are not UTF-8 become `\xff`. Everything else stays, backslashes as well: this is
    for reading, it cannot be turned back into the data.
    """
    text = data.decode("utf-8", "surrogateescape") if isinstance(data, bytes) else data
    if text.isprintable():
        return text
    return "".join([_printable_character(character) for character in text])
