"""What the core tells the storage, and what a journal row says.

Data lives in memory; the storage makes it durable. Commands change values, and each change is told to the node's
journal: small changes as *effects*, entries of streams by `touch` (the journal looks at commit what was added). An
effect is a tuple whose first item is one of the numbers below and whose second, but for `SPACES`, is the number of the
value it is about. Effects hold absolute values, never commands: applied twice, or to a state that is newer already,
they end in the same state. IDs are packed (see `streams.ids`), times are Unix ms.

    CREATE      value, space, key, kind       a key came to be; kind: b"stream", b"string"
    GONE        value                         a key is no more
    PLACE       value, space, key             it has another name, or moved
    EXPIRE      value, at_ms                  0: never
    STRING      value, bytes                  a string's content
    SPACES      numbers                       which space of keys each numbered database shows (SWAPDB, FLUSHALL)
    ENTRIES     value, ids, ends, entries     added to a stream; `ends`, 32 bits little-endian each: within `entries`
    TRIMMED     value, id                     all entries below this ID are gone; empty: all that there were
    DELETED     value, ids                    these entries are gone
    META        value, last, added, deleted   last ID, entries ever added, greatest ID deleted
    GROUP       value, group, name, last, read       a consumer group; read: entries read, -1: not known
    UNGROUP     value, group                  it is no more
    CONSUMER    value, group, consumer, name, seen_ms, active_ms      active_ms -1: never
    UNCONSUMER  value, group, consumer        it is no more, nor is what was pending for it
    PENDING     value, group, consumer, at_ms, count, ids    delivered; consumer 0: released by XNACK, at its end
    ACKED       value, group, ids             no longer pending
    IDEMPOTENT  value, producer, iid, id, at_ms      this idempotent ID was given this entry ID
    IDMP        value, duration_s, maxsize    how long and how many idempotent IDs are kept; those kept are forgotten
    SCHEDULED   value, number, token, due_ms, named, fields      to be added later, see `streams.schedule`
    UNSCHEDULED value, numbers                no longer to be added later: it was added, or cancelled

This class is the journal of a node without persistence: it forgets everything. The durable one is in `airwave.store`.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airwave.keyspace import Keyspace
    from airwave.streams.chunk import Chunk
    from airwave.streams.stream import Stream
    from airwave.value import Value

CREATE, GONE, PLACE, EXPIRE, STRING, SPACES = range(6)
ENTRIES, TRIMMED, DELETED, META = range(10, 14)
GROUP, UNGROUP, CONSUMER, UNCONSUMER, PENDING, ACKED = range(20, 26)
IDEMPOTENT, IDMP = range(30, 32)
SCHEDULED, UNSCHEDULED = range(40, 42)

Effect = tuple[Any, ...]


class JournalError(Exception):
    """What a turn of the loop changed could not be made durable; the message says why, as the system does."""


class Journal:
    """The journal of a node that keeps its data in memory only.

    Attributes:
        durable: whether what is told is kept; hot paths build no effects for one that forgets them.
        patient: `fetch` waits for the disk, however long that takes (inside EXEC).
    """

    durable = False
    patient = False

    def record(self, effect: Effect) -> None:
        """Note an effect of the turn that runs."""

    def touch(self, value: "Value") -> None:
        """A value with `clean` set has changed; `commit` is to look at it, and to set `clean` again."""

    def sealed(self, stream: "Stream", chunk: "Chunk") -> None:
        """A chunk is full: it may be written, and its memory be given back."""

    def dropped(self, stream: "Stream", chunks: "Iterable[Chunk]") -> None:
        """Chunks have no live entries left."""

    def fetch(self, chunks: "list[Chunk]") -> None:
        """Bring the entries of chunks into memory.

        Raises:
            Cold: that takes a while, and has begun: run the command again when it is done. Nothing may have been
                changed by the command before this call.
        """
        raise AssertionError(chunks)  # in memory nothing is ever put away

    def commit(self) -> None:
        """Make durable what was told since the last commit.

        Raises:
            JournalError: that failed; what it was about is undone on disk, and `reload` must follow.
        """

    def reload(self, keyspace: "Keyspace") -> None:
        """Bring a keyspace back to what the disk has, after a commit that failed."""
        raise AssertionError(keyspace)

    def probe(self) -> bool:
        """After a failure: whether writing works again."""
        return True

    # --- for those who look after the node --------------------------------------------------------------------------

    @property
    def saving(self) -> bool:
        """Whether what `save` began is under way."""
        return False

    def save(self) -> None:
        """Begin to sync and compact; the commits that follow go on with it. Not while it is under way already."""
        raise AssertionError

    def wait_for_saving(self) -> None:
        """Wait until the next commit can go on with it."""

    def facts(self) -> dict[str, Any]:
        """What INFO tells: sizes in bytes, counts, and how the last write and the last `save` went."""
        return {}
