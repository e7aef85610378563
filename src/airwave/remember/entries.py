"""Messages as entries of streams: one field, `message`; and how they are read again, from several streams in one order.

Whatever reads entries may raise `Cold`: they are being fetched from disk, see `Journal.fetch`.
"""

import heapq
from collections.abc import Iterable, Iterator
from functools import lru_cache

from airwave.pubsub import HEADERS
from airwave.streams.ids import ID_MAX
from airwave.streams.stream import Stream

MESSAGE_BYTES_MAX = (512 << 20) - 128  # as long as an entry may be
PAGE = 100  # entries of a stream that are read at once
_BEHIND_ID = b"\r\n*2\r\n$7\r\nmessage\r\n"  # what stands between the ID and the message
_FIELD = b"*2\r\n$7\r\nmessage\r\n$"
_ID_BULK_BYTES_MAX = 64

Replayed = tuple[int, bytes, bytes]
"""A message that was remembered: the ID of its entry, its channel, and what was published."""


def entry_of(shown_id: bytes, message: bytes) -> bytes:
    """The entry of a message, as readers of the stream get it; see `airwave.streams.chunk`."""
    size = len(message)
    header = HEADERS[size] if size < 4096 else b"$%d\r\n" % size
    return b"".join((_before_id(len(shown_id)), shown_id, _BEHIND_ID, header, message, b"\r\n"))


@lru_cache(64)
def _before_id(size: int) -> bytes:
    return b"*2\r\n$%d\r\n" % size


def message_of(entry: bytes) -> bytes | None:
    """What was published, from an entry; None: this one was added by something else than PUBLISH."""
    at = entry.find(_FIELD, 0, _ID_BULK_BYTES_MAX + len(_FIELD))
    if at < 0:
        return None
    begin = at + len(_FIELD)
    end = entry.index(b"\r\n", begin)
    return entry[end + 2 : end + 2 + int(entry[begin:end])]


def replayed(streams: Iterable[tuple[bytes, Stream]], after: int, count: int) -> list[Replayed]:
    """Messages of channels and their streams, with greater IDs, in the order of IDs; at most so many."""
    found = [
        _messages(channel, stream, after, min(count, PAGE)) for channel, stream in streams if stream.last_id > after
    ]
    merged = found[0] if len(found) == 1 else heapq.merge(*found)
    return [each for _, each in zip(range(count), merged, strict=False)]


def _messages(channel: bytes, stream: Stream, after: int, count: int) -> Iterator[Replayed]:
    """The messages of a stream behind an ID, read so many at a time."""
    while True:
        read = 0
        for chunk, start, stop in stream.spans(after + 1, ID_MAX, count):
            ids = chunk.ids(start, stop)
            for entry_id, entry in zip(ids, chunk.entry_list(start, stop), strict=True):
                if (message := message_of(entry)) is not None:
                    yield entry_id, channel, message
            read += len(ids)
            after = ids[-1]
        if read < count:
            return


def before_last(streams: Iterable[Stream], count: int) -> int:
    """The ID behind which the last so many entries of all streams are; 0 when there are not more."""
    latest: list[int] = []  # a heap of the greatest IDs, one more than wanted
    for stream in sorted(streams, key=lambda each: each.last_id, reverse=True):
        if len(latest) > count and stream.last_id <= latest[0]:
            break
        for chunk, start, stop in stream.spans_back(0, ID_MAX, count + 1):
            for entry_id in chunk.ids(start, stop):
                heapq.heappush(latest, entry_id)
                if len(latest) > count + 1:
                    heapq.heappop(latest)
    return latest[0] if len(latest) > count else 0
