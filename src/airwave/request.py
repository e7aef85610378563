r"""Requests: bytes to argv.

Layer L0. A request is an array of bulk strings (`*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n`) or an inline command (`ECHO
hi\r\n`). Two parsers share the work, and the rule for which one sees what is the whole of this file:

- **hiredis** parses *whole* requests only, out of one read. It was made for replies, so before it
  may look, a read is checked for what would harm or mislead it (`feed`, `_is_plain`). It never keeps part of a request
  over a read, so nothing dangerous can be put together from two reads, and one reader serves all connections.
- **`_exact`**, a parser in Python that obeys Redis's own rules to the byte but costs many times as much, gets
  everything else: a request that spans reads, inline commands, what was found suspicious or malformed, and all input
  of clients that have not authenticated, whose limits are checked header by header.

A read is cut behind the last request that is complete in it; when hiredis stops somewhere else (an error, a nested
array, something left over), the read is parsed again by `_exact`, before anything of it has been handed out.

What hiredis must not see, measured on 3.5: `*200000000` reserves 1.5 GB, `>` and `~` likewise; what it reads happily
and Redis refuses: other types as arguments (`+x`, `(1`, `:1`, `$-1`), nested arrays. But arguments may look so: `>`,
`~` and `=` stand alone in commands on streams, and as headers without a number hiredis refuses them itself; IDs such as
`+` or `(5-1` come out as the same bytes whether they were arguments or types, but the request is shorter than it should
be if they were types, so it is weighed (`_weight`).
Rules and limits: redis-server 7.0 `processMultibulkBuffer`, `processInlineBuffer`.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import hiredis

from airwave.errors import ProtocolError
from airwave.quoting import split_args

Argv = list[bytes]

INLINE_MAX = 64 * 1024  # bytes of an inline command, or of a header line
ARGC_MAX = 1024 * 1024  # arguments of a request
UNAUTHENTICATED_ARGC_MAX = 10
UNAUTHENTICATED_BULK_MAX = 16 * 1024  # bytes

FAST_MIN = 4  # bytes
FAST_MAX = 1024 * 1024  # bytes of one read that hiredis may see: below it no argument can exceed proto-max-bulk-len

_STAR = ord("*")
_CR = ord("\r")
_LF = ord("\n")
_DOLLAR = ord("$")
_END_MARK = b"*0\r\n"
_flat = chain.from_iterable
_LONG_COUNT = re.compile(rb"\*\d{7}").search
# A line that opens with a type no request has, and a number. Within a payload it is harmless, only slower.
_ODD_TYPE = re.compile(rb"\r\n[%~>|=](?!\r\n)").search
# One that opens with a type whose content comes out as bytes; what it takes is always less than as a bulk string.
_TEXT_TYPE = re.compile(rb"\r\n[+(]").search
_INTEGER = re.compile(rb"(?:0|-?[1-9]\d{0,18})\Z").match


class Parser:
    """hiredis for all clients of a server: it holds nothing between two reads.

    Servers of one process must not share it: each may run in a thread of its own, and what one has fed would come out
    at the other.
    """

    __slots__ = ("feed", "gets", "has_data")

    feed: Callable[[bytes], object]
    gets: Callable[[], Any]
    has_data: Callable[[], bool]

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin anew, with nothing in it. None, its "need more", is what nulls give as well."""
        reader = hiredis.Reader(notEnoughData=None)
        self.feed, self.gets, self.has_data = reader.feed, reader.gets, reader.has_data


@dataclass(slots=True)
class Limits:
    """What a client may send; shared by all clients of a server and changed in place by CONFIG SET.

    Attributes:
        bulk_max: bytes of one argument (`proto-max-bulk-len`).
        buffer_max: bytes of an unfinished request (`client-query-buffer-limit`).
        parser: the server's.
    """

    bulk_max: int = 512 * 1024 * 1024
    buffer_max: int = 1024 * 1024 * 1024
    parser: Parser = field(default_factory=Parser, repr=False, compare=False)


class QueryBufferExceeded(Exception):  # noqa: N818  (Redis's word for it)
    """The unfinished request is larger than `client-query-buffer-limit`: Redis closes without an answer."""


def _is_plain(data: bytes) -> bool:
    """Whether hiredis may see these bytes: no header that reserves memory, no line that opens with another type.

    % ~ > | reserve memory; = comes out as bytes, as do + and ( (see `_weight`). The other types come out as what
    joining refuses. `int in bytes` is a bare memchr (15 ns; `bytes in bytes` costs seven times as much, a regular
    expression with a character class fifty times on a kilobyte). They only decide whether to look closer.
    """
    if _LONG_COUNT(data):
        return False
    if 37 in data or 126 in data or 62 in data or 124 in data or 61 in data:
        return _ODD_TYPE(data) is None
    return True


_BULK_BYTES = tuple(size + len(str(size)) + 5 for size in range(1024))  # of bulk strings, by the size of their content


def _weight(requests: list[Argv]) -> int:
    """How many bytes requests take on the wire, if all their arguments came as bulk strings."""
    sizes = [*map(len, _flat(requests))]
    try:
        bulks = sum(map(_BULK_BYTES.__getitem__, sizes))
    except IndexError:
        bulks = sum([size + len(str(size)) + 5 for size in sizes])
    return bulks + sum([len(str(len(argv))) for argv in requests]) + 3 * len(requests)


class RequestReader:
    """The requests of one client.

    `feed` takes what was read and gives the requests that are complete. Consume all of one `feed` before the next.
    When the input is broken the iteration ends and `error` is set: answer it and close.

    Attributes:
        unfinished: the next read does not begin with a new request, or the client is a stranger: hiredis may not see
            it.
    """

    __slots__ = ("_authenticated", "_line", "_parser", "_partial", "error", "limits", "unfinished")

    def __init__(self, limits: Limits, *, authenticated: bool = True) -> None:
        self.limits = limits
        self._parser = limits.parser
        self._authenticated = authenticated
        self.unfinished = not authenticated
        self.error: ProtocolError | QueryBufferExceeded | None = None
        self._partial: _Partial | None = None
        self._line = b""  # unfinished header or inline command

    @property
    def authenticated(self) -> bool:
        """Whether the limits for strangers no longer apply."""
        return self._authenticated

    @authenticated.setter
    def authenticated(self, value: bool) -> None:
        self._authenticated = value
        self._note()

    def _note(self) -> None:
        self.unfinished = not self._authenticated or self._partial is not None or bool(self._line)

    @property
    def buffered_bytes(self) -> int:
        """Bytes of a request that is not complete."""
        return len(self._line) + (self._partial.size if self._partial is not None else 0)

    def feed(self, data: bytes) -> Iterable[Argv]:
        """Take bytes as they were read; give the complete requests among them, in order.

        Empty requests (`*0`, an empty line) are left out, as Redis ignores them.

        Returns:
            A list when hiredis has parsed all of it, and `error` need not be looked at; otherwise an iterator.
        """
        if self.unfinished or data[0] != _STAR or not FAST_MIN < len(data) < FAST_MAX:
            return self._exact(data)
        if data[-1] != _LF:
            return self._fast(data)
        # One small request is the commonest read, so what `_is_plain` would do is written out for it here.
        star = data.find(b"*", 1)  # XADD has one, and it is an argument
        if (
            data[2] != _CR
            or (star > 0 and (data[star + 1] != _CR or data.find(b"*", star + 1) > 0))
            or (37 in data or 126 in data or 62 in data or 124 in data or 61 in data)
        ) and not _is_plain(data):
            return self._exact(data)
        weighed = (43 in data or 40 in data) and _TEXT_TYPE(data) is not None
        parser = self._parser
        parser.feed(data)
        try:
            if (first := parser.gets()) and not parser.has_data():
                b"".join(first)
                if not weighed or _weight([first]) == len(data):
                    return [first]
            elif (requests := _parse_rest(parser, first)) and (not weighed or _weight(requests) == len(data)):
                return requests
        except (hiredis.HiredisError, TypeError):
            parser.renew()
        return self._exact(data)

    def _fast(self, data: bytes) -> Iterable[Argv]:
        """Parse up to the last request, which goes on in the next read, with hiredis; the rest exactly."""
        cut = data.rfind(b"\r\n*") + 2
        if cut == 1:
            return self._exact(data)
        whole = self.feed(data[:cut])
        return chain(whole, self._exact(data[cut:])) if type(whole) is list else self._exact(data)

    def _exact(self, data: bytes) -> Iterator[Argv]:
        """Parse by Redis's rules and keep what is unfinished.

        Once a request that spans two reads is complete, the rest of the read may go to hiredis again.
        """
        spanning = self._partial is not None or bool(self._line)
        if self._line:
            data, self._line = self._line + data, b""
        pos, end = 0, len(data)
        try:
            while pos < end:
                if (partial := self._partial) is None:
                    if spanning and pos and self._authenticated:
                        self._note()
                        yield from self.feed(data[pos:])
                        return
                    pos, argv = self._begin(data, pos)
                    if argv:
                        yield argv
                else:
                    pos = self._fill(partial, data, pos)
                    if partial.missing == 0:
                        self._partial = None
                        yield partial.argv
            if self.buffered_bytes > self.limits.buffer_max:
                raise QueryBufferExceeded
        except (ProtocolError, QueryBufferExceeded) as error:
            self.error = error.with_traceback(None)  # which would refer back to this reader
        self._note()

    def _begin(self, data: bytes, pos: int) -> tuple[int, Argv | None]:
        """Read the first line of a request: an array header, or all of an inline command."""
        if data[pos] == _STAR:
            end = self._line_end(data, pos, "too big mbulk count string")
            if end >= 0:
                self._partial = self._array(data[pos + 1 : end])
                return end + 2, None
            return len(data), None
        end = data.find(b"\n", pos)
        if end < 0:
            self._keep(data, pos, "too big inline request")
            return len(data), None
        line = data[pos:end]
        argv = split_args(line.removesuffix(b"\r"))
        if argv is None:
            raise ProtocolError("unbalanced quotes in request")
        return end + 1, argv

    def _array(self, digits: bytes) -> "_Partial | None":
        count = _integer(digits)
        if count is None or count > ARGC_MAX:
            raise ProtocolError("invalid multibulk length")
        if count > UNAUTHENTICATED_ARGC_MAX and not self._authenticated:
            raise ProtocolError("unauthenticated multibulk length")
        return _Partial(count) if count > 0 else None

    def _bulk_length(self, data: bytes, pos: int, end: int) -> int:
        if data[pos] != _DOLLAR:
            raise ProtocolError(b"expected '$', got '%c'" % data[pos])
        length = _integer(data[pos + 1 : end])
        if length is None or not 0 <= length <= self.limits.bulk_max:
            raise ProtocolError("invalid bulk length")
        if length > UNAUTHENTICATED_BULK_MAX and not self._authenticated:
            raise ProtocolError("unauthenticated bulk length")
        return length

    def _fill(self, partial: "_Partial", data: bytes, pos: int) -> int:
        """Read arguments until the request is complete or the data at its end; give the new position."""
        end = len(data)
        while partial.missing and pos < end:
            if partial.left < 0:
                line_end = self._line_end(data, pos, "too big bulk count string")
                if line_end < 0:
                    return end
                partial.left = self._bulk_length(data, pos, line_end) + 2
                pos = line_end + 2
                continue
            part = data[pos : pos + partial.left]
            pos += len(part)
            partial.add(part)
        return pos

    def _line_end(self, data: bytes, pos: int, too_long: str) -> int:
        """Where the header line at `pos` ends (its CR), or -1 when it goes on in the next read."""
        end = data.find(b"\r", pos)
        # Redis looks for the CR only and passes over the byte behind it, whatever it is.
        if end < 0 or end + 1 == len(data):
            self._keep(data, pos, too_long)
            return -1
        return end

    def _keep(self, data: bytes, pos: int, too_long: str) -> None:
        if len(data) - pos > INLINE_MAX:
            raise ProtocolError(too_long)
        self._line = data[pos:]


class _Partial:
    """A request of which not all arguments are there. Parts of an argument are joined once, when it is complete."""

    __slots__ = ("_parts", "argv", "left", "missing", "size")

    def __init__(self, count: int) -> None:
        self.argv: Argv = []
        self.missing = count  # arguments
        self.left = -1  # bytes of the current argument with its CRLF; -1: its header is next
        self.size = 0  # bytes held
        self._parts: list[bytes] = []

    def add(self, part: bytes) -> None:
        """Take at most `left` bytes of the current argument and its CRLF."""
        self.size += len(part)
        self.left -= len(part)
        parts = self._parts
        parts.append(part)
        if self.left == 0:
            whole = part if len(parts) == 1 else b"".join(parts)
            self.argv.append(whole[:-2])
            parts.clear()
            self.missing -= 1
            self.left = -1


def _integer(digits: bytes) -> int | None:
    """A 64-bit integer in the one way that Redis writes it: no plus sign, no leading zeros."""
    if not _INTEGER(digits):
        return None
    value = int(digits)
    return value if -(1 << 63) <= value < 1 << 63 else None


def _parse_rest(parser: Parser, first: Any) -> list[Argv] | None:
    """What hiredis makes of bytes it has been fed; None unless they are exactly a number of well-formed requests.

    Args:
        first: the request that it has given already.

    Raises:
        hiredis.HiredisError, TypeError: they are not requests; call `Parser.renew`.
    """
    # An empty request behind the data is the end mark: it comes out as itself only if the last request is complete.
    parser.feed(_END_MARK)
    requests: list[Argv] = []
    append = requests.append
    argv = first
    while argv:
        append(argv)
        argv = parser.gets()
    # Joining is the cheapest test that all arguments are bytes, no lists or numbers: otherwise a TypeError.
    b"".join(_flat(requests))
    if argv == [] and not parser.has_data():
        return requests
    parser.renew()
    return None
