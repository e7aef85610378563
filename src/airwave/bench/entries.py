"""The entries that go into streams, the requests about them, and what a server answers, to the byte.

An entry has two fields, with values of 32 and 16 bytes that follow from its number. IDs have one width, and those that
are not left to the server follow from the number of the entry, so that a load knows the IDs it reads without parsing
them, and every reply has a size that is known before.
"""

import hashlib
from collections.abc import Iterator
from itertools import repeat

from airwave.bench.errors import BenchError
from airwave.bench.exchange import ADDED_LINES, Batch, Exchange
from airwave.bench.servers import Server
from airwave.bench.wire import Address, ask, connect, request

# Like what a clock would give; an ID "1-1" would be shorter than those in practice.
FIRST_MS = 1_700_000_000_000
# A name that no one else has: with --against these keys are written to, and deleted from, a server of the user's.
KEY = b"airwave-bench:%02d"
# As many different batches as keep a server from seeing the same bytes all the time, in little memory.
BATCHES = 64
FILL_PIPELINE = 100


def key(number: int = 0) -> bytes:
    """The name of a stream."""
    return KEY % number


def entry_id(number: int) -> bytes:
    """The ID of an entry; that of number 0 is before all of them."""
    return b"%d-0" % (FIRST_MS + number)


def fields(number: int) -> tuple[bytes, bytes, bytes, bytes]:
    """Names and values of an entry."""
    text = hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest().encode()
    return b"text", text, b"user", text[:16]


def adding(stream: bytes, number: int, *options: bytes, new_id: bytes = b"*") -> bytes:
    """The request that appends an entry."""
    return request(b"XADD", stream, *options, new_id, *fields(number))


def entries_reply(numbers: range) -> bytes:
    """What XRANGE answers for these entries, in RESP2."""
    return b"*%d\r\n" % len(numbers) + b"".join(map(_entry_reply, numbers))


def _entry_reply(number: int) -> bytes:
    words = b"".join(_bulk(word) for word in fields(number))
    return b"*2\r\n" + _bulk(entry_id(number)) + b"*4\r\n" + words


def read_reply(stream: bytes, numbers: range) -> bytes:
    """What XREAD and XREADGROUP answer when these entries of one stream are what is new."""
    return b"*1\r\n*2\r\n" + _bulk(stream) + entries_reply(numbers)


def _bulk(word: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(word), word)


def add_batches(stream: bytes, pipeline: int, *options: bytes) -> list[Batch]:
    """Requests that append entries whose IDs the server chooses, `pipeline` at a time, to be sent in turn."""
    return [
        Batch(
            b"".join(adding(stream, number, *options) for number in range(first, first + pipeline)),
            ADDED_LINES * pipeline,
            pipeline,
        )
        for first in range(0, BATCHES * pipeline, pipeline)
    ]


def known_batches(stream: bytes, count: int) -> Iterator[Batch]:
    """Requests that append the entries 1 to `count`, under their own IDs."""
    for first in range(1, count + 1, FILL_PIPELINE):
        numbers = range(first, min(first + FILL_PIPELINE, count + 1))
        requests = [adding(stream, number, new_id=entry_id(number)) for number in numbers]
        yield Batch(b"".join(requests), ADDED_LINES * len(numbers), len(numbers))


def fill_known(address: Address, stream: bytes, count: int) -> None:
    """Make `stream` anew, of the entries 1 to `count` under their own IDs."""
    _fill(address, {stream: known_batches(stream, count)}, count)


def fill(address: Address, streams: int, count: int) -> None:
    """Make that many streams anew, of `count` entries each (whole hundreds), a connection for each stream."""
    sources = {}
    for name in map(key, range(streams)):
        batches = add_batches(name, FILL_PIPELINE)
        sources[name] = (batch for group in repeat(batches) for batch in group)
    _fill(address, {name: _first(source, count // FILL_PIPELINE) for name, source in sources.items()}, count)


def _first(source: Iterator[Batch], count: int) -> Iterator[Batch]:
    return (next(source) for _ in range(count))


def _fill(address: Address, sources: dict[bytes, Iterator[Batch]], count: int) -> None:
    delete(address, *sources)
    with Exchange(address, list(sources.values()), count_lines=True) as exchange:
        exchange.run()
    for stream in sources:
        verify_length(address, stream, count)


def delete(address: Address, *streams: bytes) -> None:
    """Remove streams, so that a measurement begins with nothing."""
    with connect(address) as sock:
        ask(sock, b"DEL", *streams)


def tidy(server: Server, *streams: bytes) -> None:
    """Remove streams from a server that goes on living; one that was started here is thrown away with all it has."""
    if server.program is None:
        delete(server.address, *streams)


def verify_length(address: Address, stream: bytes, expected: int) -> None:
    """See that every entry is there that was said to have been added.

    Raises:
        BenchError: there are more or fewer.
    """
    with connect(address) as sock:
        length = ask(sock, b"XLEN", stream)
    if length != expected:
        raise BenchError(f"lost: a stream has {length} entries instead of {expected:,}")
