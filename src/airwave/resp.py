"""RESP2 and RESP3: replies to bytes. Pure functions, nothing is kept.

Layer L0. What is the same in both protocols is a function of this module; what differs is a method of an `Encoder`,
of which there are two, `RESP2` and `RESP3`. A session holds the one its client asked for with HELLO, so that nothing
outside this file asks for the protocol version.
Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

OK = b"+OK\r\n"
PONG = b"+PONG\r\n"
QUEUED = b"+QUEUED\r\n"
RESET = b"+RESET\r\n"
EMPTY_ARRAY = b"*0\r\n"

# Receiver counts and small counters are the commonest integers: a table look-up costs a third of formatting.
# The hottest handlers look here themselves.
SMALL_INTEGERS = tuple(b":%d\r\n" % n for n in range(4096))


def integer(n: int) -> bytes:
    """A signed 64-bit integer."""
    return SMALL_INTEGERS[n] if 0 <= n < 4096 else b":%d\r\n" % n


def simple(text: bytes) -> bytes:
    """A status; `text` has no line break."""
    return b"+%b\r\n" % text


def bulk(data: bytes) -> bytes:
    """A binary-safe string."""
    return b"$%d\r\n%b\r\n" % (len(data), data)


def text(value: str) -> bytes:
    """A string given as text; lone surrogates give back the bytes they came from."""
    return bulk(value.encode("utf-8", "surrogateescape"))


def array(items: Sequence[bytes]) -> bytes:
    """An array of items that are encoded already."""
    return b"*%d\r\n%b" % (len(items), b"".join(items))


def bulks(items: Iterable[bytes]) -> bytes:
    """An array of bulk strings."""
    return array([bulk(item) for item in items])


def _number(value: float) -> bytes:
    if math.isnan(value):
        return b"nan"
    if value in (float("inf"), float("-inf")):
        return b"inf" if value > 0 else b"-inf"
    return b"%d" % value if value == int(value) else repr(value).encode()


class Encoder:
    """The part of the protocol that depends on its version. This class is RESP2."""

    version = 2
    null = b"$-1\r\n"
    null_array = b"*-1\r\n"

    def map(self, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Pairs of encoded keys and values: a flat array in RESP2, a map in RESP3."""
        return b"*%d\r\n%b" % (2 * len(pairs), b"".join([part for pair in pairs for part in pair]))

    def set(self, items: Sequence[bytes]) -> bytes:
        """A set of encoded items: an array in RESP2."""
        return array(items)

    def push(self, items: Sequence[bytes]) -> bytes:
        """Encoded items that answer no command: an array in RESP2."""
        return array(items)

    def verbatim(self, data: bytes, kind: bytes = b"txt") -> bytes:
        """Text to be shown as it is, `kind` of three letters; a bulk string in RESP2."""
        del kind  # RESP2 has no place for it
        return bulk(data)

    def double(self, value: float) -> bytes:
        """A floating-point number: a bulk string in RESP2."""
        return bulk(_number(value))

    def boolean(self, value: bool) -> bytes:
        """0 or 1 in RESP2."""
        return SMALL_INTEGERS[value]

    def confirmation(self, kind: bytes, name: bytes | None, count: int) -> bytes:
        """The answer to one channel or pattern of a (un)subscribe command.

        Args:
            kind: `subscribe`, `punsubscribe`, ...
            name: the channel or pattern; None when there was nothing to unsubscribe from.
            count: the client's remaining subscriptions.
        """
        return self.push([bulk(kind), self.null if name is None else bulk(name), integer(count)])

    def message_head(self, kind: bytes, *names: bytes) -> bytes:
        """A message frame up to its payload, which follows as a bulk string.

        Args:
            kind: `message`, `smessage` with the channel, or `pmessage` with the pattern and the channel.
        """
        return b"*%d\r\n%b" % (2 + len(names), b"".join([bulk(part) for part in (kind, *names)]))

    def entry_head(self, current: object, kind: bytes, *names: bytes) -> bytes:
        """The same for a message of a channel that is remembered: Redis has no place for the entry's ID."""
        del current
        return self.message_head(kind, *names)


class _Resp3(Encoder):
    version = 3
    null = b"_\r\n"
    null_array = b"_\r\n"

    def map(self, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
        return b"%%%d\r\n%b" % (len(pairs), b"".join([part for pair in pairs for part in pair]))

    def set(self, items: Sequence[bytes]) -> bytes:
        return b"~%d\r\n%b" % (len(items), b"".join(items))

    def push(self, items: Sequence[bytes]) -> bytes:
        return b">%d\r\n%b" % (len(items), b"".join(items))

    def verbatim(self, data: bytes, kind: bytes = b"txt") -> bytes:
        return b"=%d\r\n%b:%b\r\n" % (len(data) + 4, kind, data)

    def double(self, value: float) -> bytes:
        return b",%b\r\n" % _number(value)

    def boolean(self, value: bool) -> bytes:
        return b"#t\r\n" if value else b"#f\r\n"

    def message_head(self, kind: bytes, *names: bytes) -> bytes:
        return b">%d\r\n%b" % (2 + len(names), b"".join([bulk(part) for part in (kind, *names)]))


RESP2 = Encoder()
RESP3 = _Resp3()


class Text(Protocol):
    """What has the ID of the entry that is being delivered."""

    text: bytes


class WithIds:
    """The messages of an encoder, with one element more on channels that are remembered: the entry's ID."""

    def __init__(self, encoder: Encoder) -> None:
        self.message_head = encoder.message_head

    def entry_head(self, current: Text, kind: bytes, *names: bytes) -> Callable[[bytes], bytes]:
        """See `Encoder.entry_head`."""
        plain = self.message_head(kind, *names)
        head = b"%b%d%b" % (plain[:1], 3 + len(names), plain[2:])

        def frame(message: bytes) -> bytes:
            return b"%b$%d\r\n%b\r\n$%d\r\n%b\r\n" % (head, len(message), message, len(current.text), current.text)

        return frame


RESP2_WITH_IDS = WithIds(RESP2)
RESP3_WITH_IDS = WithIds(RESP3)
