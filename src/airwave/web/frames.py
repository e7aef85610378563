"""WebSocket frames (RFC 6455): ours are whole and unmasked, a client's come masked and perhaps in pieces.

    byte 0     FIN, three reserved bits, opcode
    byte 1     mask bit, length: below 126, or 126 and 16 bits, or 127 and 64 bits
    then       4 bytes of mask, the payload

`Frames` is the reader. Nothing of what it is sent is kept beyond the limit that it was given.
"""

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

# Codes of CLOSE, RFC 6455 7.4; those from 4000 on are ours.
NORMAL, GOING_AWAY, PROTOCOL_ERROR, NOT_UTF8, POLICY, TOO_BIG, TRY_LATER = 1000, 1001, 1002, 1007, 1008, 1009, 1013
EXPIRED = 4401
_CODES_OF_CLIENTS = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}

_CONTROL_BYTES_MAX = 125
_SHORT = tuple(bytes([0x80 | TEXT, size]) for size in range(126))
_MEDIUM = Struct(">BBH").pack
_LONG = Struct(">BBQ").pack


def text_frame(payload: bytes) -> bytes:
    """A frame with text."""
    size = len(payload)
    if size < 126:
        return _SHORT[size] + payload
    return (_MEDIUM(0x80 | TEXT, 126, size) if size < 65536 else _LONG(0x80 | TEXT, 127, size)) + payload


def header_size(frame: bytes) -> int:
    """Where the payload of one of our frames begins."""
    return 10 if frame[1] == 127 else 4 if frame[1] == 126 else 2


def control_frame(opcode: int, payload: bytes = b"") -> bytes:
    """A ping, pong or close."""
    return bytes([0x80 | opcode, len(payload)]) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A close with a code and a reason of at most 123 bytes."""
    return control_frame(CLOSE, code.to_bytes(2) + reason.encode()[:123].decode(errors="ignore").encode())


class Message(NamedTuple):
    """What a client has sent.

    Attributes:
        opcode: TEXT, BINARY, CLOSE, PING or PONG.
    """

    opcode: int
    payload: bytes


class FrameError(Exception):
    """A client has broken the rules.

    Attributes:
        code: with which the connection is to be closed.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Frames:
    """Reads what a client sends.

    Attributes:
        size_max: how long a message may be; may be changed at any time.
    """

    __slots__ = ("_buffer", "_opcode", "_parts", "_parts_bytes", "size_max")

    def __init__(self, size_max: int) -> None:
        self.size_max = size_max
        self._buffer = b""
        self._opcode = 0  # of the message whose pieces come; 0: none
        self._parts: list[bytes] = []
        self._parts_bytes = 0

    @property
    def buffered_bytes(self) -> int:
        """What waits for the rest of its message."""
        return len(self._buffer) + self._parts_bytes

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take what was read; gives the messages that are complete.

        Raises:
            FrameError: while it is iterated.
        """
        buffer = self._buffer + data if self._buffer else data
        start = 0
        self._buffer = b""
        while (frame := self._frame(buffer, start)) is not None:
            first, payload, start = frame
            message = self._message(first & 0x0F, bool(first & 0x80), payload)
            if message is not None:
                yield message
        self._buffer = buffer[start:]

    def _frame(self, buffer: bytes, start: int) -> tuple[int, bytes, int] | None:
        """The frame at `start`: its first byte, its payload, where the next one begins; None: it is not complete."""
        if len(buffer) < start + 2:
            return None
        first, second = buffer[start], buffer[start + 1]
        if first & 0x70:
            raise FrameError(PROTOCOL_ERROR, "reserved bits are set: no extension was agreed on")
        if not second & 0x80:
            raise FrameError(PROTOCOL_ERROR, "frames of clients are masked")
        size, place = second & 0x7F, start + 2
        if size > 125:
            width = 2 if size == 126 else 8
            if len(buffer) < place + width:
                return None
            size = int.from_bytes(buffer[place : place + width])
            place += width
        self._check(first, size)
        end = place + 4 + size
        if len(buffer) < end:
            return None
        return first, _unmasked(buffer[place + 4 : end], buffer[place : place + 4]), end

    def _check(self, first: int, size: int) -> None:
        opcode = first & 0x0F
        if opcode > BINARY:
            if opcode not in (CLOSE, PING, PONG) or not first & 0x80 or size > _CONTROL_BYTES_MAX:
                raise FrameError(PROTOCOL_ERROR, "no such frame")
        elif (opcode == CONTINUATION) != bool(self._opcode):
            raise FrameError(PROTOCOL_ERROR, "a message that was begun goes on before the next one, and only then")
        elif self._parts_bytes + size > self.size_max:
            raise FrameError(TOO_BIG, f"longer than {self.size_max} bytes")

    def _message(self, opcode: int, final: bool, payload: bytes) -> Message | None:
        if opcode > BINARY:
            return Message(opcode, payload)
        if opcode and final:
            return _whole(opcode, payload)
        self._opcode = self._opcode or opcode
        self._parts.append(payload)
        self._parts_bytes += len(payload) + 1  # so that empty pieces come to an end as well
        if not final:
            if self._parts_bytes > self.size_max:
                raise FrameError(TOO_BIG, f"longer than {self.size_max} bytes")
            return None
        opcode, whole = self._opcode, b"".join(self._parts)
        self._opcode = self._parts_bytes = 0
        self._parts = []
        return _whole(opcode, whole)


def _whole(opcode: int, payload: bytes) -> Message:
    if opcode == TEXT:
        try:
            payload.decode()
        except UnicodeDecodeError:
            raise FrameError(NOT_UTF8, "text is not UTF-8") from None
    return Message(opcode, payload)


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    """XOR with a mask of four bytes, again and again: as one large integer this is as quick as copying."""
    size = len(payload)
    if not size:
        return payload
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


def close_code(payload: bytes) -> int:
    """The code with which to answer a client's close.

    Raises:
        FrameError: it is none.
    """
    if not payload:
        return NORMAL
    code = int.from_bytes(payload[:2])
    if len(payload) < 2 or not (code in _CODES_OF_CLIENTS or 3000 <= code < 5000):
        raise FrameError(PROTOCOL_ERROR, "no such close code")
    return code
