"""What one turn of the loop has changed, gathered for the journal row that says it."""

from airwave import journal as effects
from airwave.journal import Effect
from airwave.keyspace import Keyspace
from airwave.store import states
from airwave.store.replay import SEALED
from airwave.store.rows import Rows
from airwave.streams import ids as entry_ids
from airwave.streams.chunk import Chunk, ends_of
from airwave.streams.stream import Stream

_ID = entry_ids.PACKED_BYTES
ROW_BYTES_MAX = 256 << 20  # SQLite takes blobs of up to 1 GB

_ABOUT_KEYS = frozenset(
    {effects.CREATE, effects.GONE, effects.PLACE, effects.SPACES, effects.UNGROUP, effects.SCHEDULED}
)


class Turn:
    """The turn that runs.

    Attributes:
        effects: what the core recorded.
        touched: streams of which there is more to tell.
        sealed: chunks that were sealed, each with its stream; in the order of their numbers within a stream.
    """

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.touched: list[Stream] = []
        self.sealed: dict[Chunk, Stream] = {}

    def clear(self) -> None:
        """The next one begins."""
        self.effects = []
        self.touched.clear()
        self.sealed.clear()

    def gather(self, seq: int, owed: dict[int, int]) -> tuple[list[Effect], bool]:
        """All effects of the turn.

        Args:
            seq: the number of the journal row that they become.
            owed: values that some row speaks of; those of this one are added.

        Returns:
            The effects; and whether some are about which values there are, for `note_keys`, or took a number of
            those that values have.
        """
        row, self.effects = self.effects, []
        if self.touched:
            sealed: dict[int, list[Chunk]] = {}
            for chunk, stream in self.sealed.items():
                sealed.setdefault(stream.number, []).append(chunk)
            for stream in self.touched:
                _gather_stream(stream, sealed.get(stream.number), row)
            self.touched.clear()
        about_keys = False
        for effect in row:
            if effect[0] in _ABOUT_KEYS:
                about_keys = True
                if effect[0] == effects.SPACES:
                    continue
            if effect[1] not in owed:
                owed[effect[1]] = seq
        return row, about_keys

    def note_keys(self, row: list[Effect], keyspace: Keyspace, rows: Rows) -> bool:
        """Learn which values are new, and forget those that are gone.

        Returns:
            Whether databases show other spaces.
        """
        places: dict[int, tuple[int, bytes]] = {}
        gone: set[int] = set()
        spaces_changed = False
        for effect in row:
            code = effect[0]
            if code in (effects.CREATE, effects.PLACE):
                places[effect[1]] = effect[2], effect[3]
            elif code == effects.GONE:
                gone.add(effect[1])
                rows.value_gone(effect[1])
            elif code == effects.UNGROUP:
                rows.group_gone(effect[1], effect[2])
            elif code == effects.SPACES:
                spaces_changed = True
        shown = {database.space: database for database in keyspace.databases}
        for number, (space, key) in places.items():
            value = shown[space].values.get(key) if space in shown else None
            if value is not None and value.number == number:
                rows.values[number] = value
        if spaces_changed:
            rows.spaces_gone({*shown})
        for chunk, stream in [*self.sealed.items()]:
            if stream.number in gone or stream.space not in shown:
                del self.sealed[chunk]
        return spaces_changed


def _gather_stream(stream: Stream, sealed: list[Chunk] | None, row: list[Effect]) -> None:
    """What a stream's commands did not say themselves."""
    number, tail = stream.number, stream.tail
    members, journaled = tail.members, tail.journaled
    if stream.trimmed:
        stream.trimmed = False
        oldest = stream.sealed[0] if stream.sealed else None
        # XSETID may have set the last ID back since: what is new may be below what is gone.
        all_gone = not journaled if oldest is None else sealed is not None and oldest in sealed
        row.append((effects.TRIMMED, number, b"" if all_gone else states.pack_id(stream.first_id)))
    if sealed:
        row.append((SEALED, number, [chunk.number for chunk in sealed]))
    added = len(members) - journaled
    if added == 1:  # half of the cost of the general case
        entry = tail.items[-1]
        row.append((effects.ENTRIES, number, members[-1].to_bytes(_ID, "big"), len(entry).to_bytes(4, "little"), entry))
    elif added:
        ids = members[journaled:] if journaled else members
        items = tail.items[journaled:] if journaled else tail.items
        row.append((effects.ENTRIES, number, entry_ids.pack(ids), ends_of(items), b"".join(items)))
    tail.journaled = len(members)
    last, deleted = stream.last_id.to_bytes(_ID, "big"), stream.max_deleted.to_bytes(_ID, "big")
    row.append((effects.META, number, last, stream.added, deleted))
    stream.clean = True


def blobs(row: list[Effect]) -> list[bytes]:
    """A row of effects, encoded; as several if it would be too large."""
    blob = states.encode(row)
    if len(blob) <= ROW_BYTES_MAX or len(row) == 1:
        return [blob]
    half = len(row) // 2
    return blobs(row[:half]) + blobs(row[half:])
