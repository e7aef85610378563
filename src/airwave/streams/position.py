"""Where a consumer group stands among all entries ever added to its stream, and how far behind it lags.

Redis counts entries read instead of looking them up, and says nil when deleted entries make the count unknowable. The
rules are those of redis 8, `t_stream.c`: streamEstimateDistanceFromFirstEverEntry, streamReplyWithCGLag.
"""

from collections.abc import Sequence

from airwave.streams.group import UNKNOWN, Group
from airwave.streams.stream import Stream


def has_tombstone(stream: Stream, entry_id: int) -> bool:
    """Whether an entry may have been deleted at or behind this ID."""
    return bool(stream.length and stream.max_deleted and entry_id <= stream.max_deleted)


def estimate_entries_read(stream: Stream, entry_id: int) -> int:
    """How many entries were ever added up to this ID; UNKNOWN when deleted ones make that unknowable."""
    added, first_id, last_id = stream.added, stream.first_id, stream.last_id
    read = UNKNOWN
    if not added:
        read = 0
    elif not stream.length and entry_id <= last_id:
        read = added
    elif entry_id and entry_id < stream.max_deleted:
        read = UNKNOWN
    elif entry_id >= last_id:
        read = added if entry_id == last_id else UNKNOWN
    elif stream.max_deleted < first_id and entry_id <= first_id:
        read = added - stream.length + (entry_id == first_id)
    return read


def lag(stream: Stream, group: Group) -> int | None:
    """How many entries a group has yet to be given; None when that is unknowable."""
    if not stream.added or not stream.length:
        return 0
    first_id = stream.first_id
    if group.last_id < first_id and stream.max_deleted < first_id:
        return stream.length
    if group.entries_read != UNKNOWN and not has_tombstone(stream, group.last_id):
        return stream.added - group.entries_read
    read = estimate_entries_read(stream, group.last_id)
    return None if read == UNKNOWN else stream.added - read


def entries_read_after(stream: Stream, group: Group, ids: Sequence[int]) -> int:
    """The group's `entries_read` once it has been given these entries too.

    Args:
        ids: ascending, above the group's `last_id`; `group` still says where it stood before.
    """
    read, last_id, first_id = group.entries_read, group.last_id, stream.first_id
    for place, entry_id in enumerate(ids):
        if read != UNKNOWN and last_id >= first_id and not has_tombstone(stream, last_id):
            return read + len(ids) - place  # so it is for all that follow
        if stream.added:
            read = estimate_entries_read(stream, entry_id)
        if read == UNKNOWN and entry_id >= first_id:  # of those that follow only the very last can be known again
            return stream.added if ids[-1] == stream.last_id else UNKNOWN
        last_id = entry_id
    return read
