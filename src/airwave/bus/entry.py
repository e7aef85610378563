"""An entry of a stream as a worker's handler gets it."""

from collections.abc import Sequence
from dataclasses import dataclass

DATA = b"data"  # the field with the payload
FOR_GROUP = b"for_group"  # the only group that is to handle the entry: it was retried from that group's dead letters


@dataclass(frozen=True, slots=True)
class Entry:
    """One delivery of an entry.

    Attributes:
        stream: its stream.
        group: the group that it was delivered to.
        id: its ID, `1700000000000-0`.
        attempts: how often the handler has been called with it, this time included; 1: the first time.
        fields: all of its fields, raw; the payload is `data`.
    """

    stream: str
    group: str
    id: str
    attempts: int
    fields: dict[bytes, bytes]


def fields_of(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    """Fields from names and values in turn, as the server sends them; of a name that comes twice the last counts."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
