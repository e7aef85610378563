r"""Redis's quoting of arguments on one line, for inline commands and redis.conf, and its inverse for logs.

Layer L0. Rules: `sdssplitargs` and `sdscatrepr` of redis-server.
"""

import re

_SPACE = b" \t\n\r\v\f\x00"  # passed over before a word, and may stand behind a closing quote
_END = b" \t\n\r\x00"  # ends a word: fewer, as in Redis
_PLAIN = re.compile(rb"[^ \t\n\r\x00\"']+")
_DOUBLE = re.compile(rb'"((?:\\x[0-9a-fA-F]{2}|\\.|[^"\\])*)"', re.DOTALL)
_SINGLE = re.compile(rb"'((?:\\'|\\(?!')|[^'\\])*)'", re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}
_REPR = {
    byte: {10: "\\n", 13: "\\r", 9: "\\t", 7: "\\a", 8: "\\b", 34: '\\"', 92: "\\\\"}.get(byte)
    or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}")
    for byte in range(256)
}


def _unescape(match: re.Match[bytes]) -> bytes:
    if match[1] is not None:
        return bytes([int(match[1], 16)])
    return _NAMED.get(match[2], match[2])


def split_args(line: bytes) -> list[bytes] | None:
    r"""Split a line into arguments.

    Args are separated by white space; `"..."` knows `\n \r \t \b \a \xHH` and `\` before any other byte, `'...'` only
    `\'`.

    Returns:
        The arguments, none for a blank line; None when quotes are unbalanced or text stands right behind a closing one.
    """
    args: list[bytes] = []
    pos, end = 0, len(line)
    while True:
        while pos < end and line[pos] in _SPACE:
            pos += 1
        if pos == end:
            return args
        arg = b""
        while pos < end and line[pos] not in _END:
            if line[pos : pos + 1] in (b'"', b"'"):
                double = line[pos : pos + 1] == b'"'
                match = (_DOUBLE if double else _SINGLE).match(line, pos)
                if match is None or (match.end() < end and line[match.end()] not in _SPACE):
                    return None
                arg += _ESCAPE.sub(_unescape, match[1]) if double else match[1].replace(b"\\'", b"'")
            else:
                match = _PLAIN.match(line, pos)
                assert match is not None
                arg += match[0]
            pos = match.end()
        args.append(arg)


def quoted(data: bytes) -> str:
    r"""`"..."` in printable ASCII, so that no byte of a client reaches a terminal or a log as it is."""
    return '"' + escaped(data) + '"'


def escaped(data: bytes) -> str:
    """`quoted` without the quotation marks."""
    return "".join([_REPR[byte] for byte in data])
