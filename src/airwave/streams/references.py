"""What of consumer groups refers to an entry, and what becomes of that when the entry goes.

A *reference* is a group's pending entry, or a group that has yet to read the entry. Whoever removes entries (XDELEX,
XACKDEL, XTRIM, XADD) chooses a policy:

    KEEPREF   references stay; the pending entry is read as one that was deleted
    DELREF    pending entries are removed with the entry, in every group
    ACKED     an entry with a reference stays
"""

from collections.abc import Sequence

from airwave.streams.stream import Stream

KEEPREF, DELREF, ACKED = b"KEEPREF", b"DELREF", b"ACKED"
POLICIES = (KEEPREF, DELREF, ACKED)

# What XDELEX and XACKDEL say of an entry.
MISSING, DELETED, REFERENCED = -1, 1, 2


def unread_after(stream: Stream) -> int | None:
    """Entries above this ID have yet to be read by some group; None: there is no group."""
    return min([group.last_id for group in stream.groups.values()], default=None)


def is_referenced(stream: Stream, entry_id: int) -> bool:
    """Whether a group has yet to read the entry, or has it pending; entries that never existed count as well."""
    groups = stream.groups.values()
    return any(entry_id > group.last_id or group.pending.get(entry_id) is not None for group in groups)


def forget(stream: Stream, ids: Sequence[int]) -> None:
    """Remove the pending entries of all groups for these IDs."""
    for group in stream.groups.values():
        if group.pending:
            group.acknowledge(ids)


def delete(stream: Stream, ids: Sequence[int], policy: bytes) -> list[int]:
    """Delete entries by ID.

    Returns:
        For each MISSING, DELETED or REFERENCED.

    Raises:
        Cold: see `Journal.fetch`; nothing was changed.
    """
    stream.load_of(ids)
    kept: set[int] = set()
    if policy == ACKED:
        kept = {entry_id for entry_id in ids if is_referenced(stream, entry_id)}
    elif policy == DELREF:
        forget(stream, ids)
    deleted = iter(stream.delete([entry_id for entry_id in ids if entry_id not in kept]))
    return [REFERENCED if entry_id in kept else DELETED if next(deleted) else MISSING for entry_id in ids]
