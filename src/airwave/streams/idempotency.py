"""Idempotent production: a stream remembers which idempotent IDs its producers used, for a while and a number.

XADD with IDMP names a message by an idempotent ID (iid) of its producer's choice, with IDMPAUTO by a digest of its
fields. When the producer sends it again, it is answered the ID of the entry that is there already.

An iid is forgotten when it is as old as `duration_s`, by the time in its entry's ID, or when its producer has more
than `maxsize` of them. Producers stand in the order of their youngest iid, so that those who have gone silent are at
the beginning and forgetting them costs nothing per add.
"""

import hashlib
from collections.abc import Iterator, Sequence

from airwave import journal as effects
from airwave.journal import Journal
from airwave.streams import ids as entry_ids

DURATION_S_MAX = 86_400
MAXSIZE_MAX = 10_000

_HALF = (1 << 64) - 1


def digest(fields: Sequence[bytes]) -> bytes:
    """IDMPAUTO's iid: 16 bytes, the same for the same pairs of fields and values in any order."""
    total = mixed = 0
    for name, value in zip(fields[::2], fields[1::2], strict=True):
        # The length between them tells ("ab", "c") from ("a", "bc").
        data = b"%b%b%b" % (name, len(name).to_bytes(8, "little"), value)
        number = int.from_bytes(hashlib.blake2b(data, digest_size=16).digest(), "little")
        # Both halves by themselves; the sum tells repeated pairs apart, which the xor does not.
        total = (total + (number & _HALF) & _HALF) | ((total >> 64) + (number >> 64) & _HALF) << 64
        mixed ^= number
    return ((total ^ (mixed << 1)) & entry_ids.ID_MAX).to_bytes(16, "little")


class Producers:
    """What XADD with IDMP or IDMPAUTO needs to recognise a message that was sent twice.

    Args:
        stream: the number of the stream's value.

    Attributes:
        duration_s, maxsize: XCFGSET's IDMP-DURATION and IDMP-MAXSIZE.
        added, duplicates: iids ever remembered, and messages recognised; since the node started.
    """

    __slots__ = ("_by_name", "_journal", "_stream", "added", "duplicates", "duration_s", "maxsize")

    def __init__(self, journal: Journal, stream: int) -> None:
        self._journal = journal
        self._stream = stream
        self.duration_s = 100
        self.maxsize = 100
        self.added = 0
        self.duplicates = 0
        # By producer, the one with the youngest iid last: its entry IDs by iid, oldest first.
        self._by_name: dict[bytes, dict[bytes, int]] = {}

    def known(self, producer: bytes, iid: bytes, now_ms: int) -> int | None:
        """The ID of the entry that was added for an iid; None when it is not remembered."""
        iids = self._by_name.get(producer)
        entry_id = iids.get(iid) if iids is not None else None
        return entry_id if entry_id is not None and entry_id > self._oldest(now_ms) else None

    def remember(self, producer: bytes, iid: bytes, entry_id: int, now_ms: int) -> None:
        """An entry was added for an iid that is not known."""
        self.added += 1
        self.restore(producer, iid, entry_id)
        self._forget_old(now_ms)
        if self._journal.durable:
            packed = entry_id.to_bytes(entry_ids.PACKED_BYTES, "big")
            self._journal.record(
                (effects.IDEMPOTENT, self._stream, producer, iid, packed, entry_id >> entry_ids.SEQ_BITS)
            )

    def restore(self, producer: bytes, iid: bytes, entry_id: int) -> None:
        """An iid that the storage knows; to be told in the order of entry IDs, or in that of `items`."""
        iids = self._by_name.pop(producer, None)
        if iids is None:
            iids = {}
        iids.pop(iid, None)  # one that is too old stands at its old place
        iids[iid] = entry_id
        if len(iids) > self.maxsize:
            del iids[next(iter(iids))]
        self._by_name[producer] = iids

    def items(self) -> Iterator[tuple[bytes, bytes, int]]:
        """Producer, iid and entry ID of all that is remembered, in an order in which `restore` may be told."""
        for producer, iids in self._by_name.items():
            for iid, entry_id in iids.items():
                yield producer, iid, entry_id

    def restore_limits(self, duration_s: int, maxsize: int) -> None:
        """The limits that the storage knows."""
        self.duration_s = duration_s
        self.maxsize = maxsize

    def configure(self, duration_s: int, maxsize: int) -> None:
        """XCFGSET: other limits than before forget everything."""
        if (duration_s, maxsize) == (self.duration_s, self.maxsize):
            return
        self.restore_limits(duration_s, maxsize)
        self._by_name = {}
        self._journal.record((effects.IDMP, self._stream, duration_s, maxsize))

    def tracked(self, now_ms: int) -> tuple[int, int]:
        """How many producers and how many iids are remembered."""
        oldest = self._oldest(now_ms)
        for iids in self._by_name.values():
            self._trim(iids, oldest)
        self._by_name = {name: iids for name, iids in self._by_name.items() if iids}
        return len(self._by_name), sum(map(len, self._by_name.values()))

    def _oldest(self, now_ms: int) -> int:
        """Entry IDs up to this one are too old."""
        return (now_ms - self.duration_s * 1000 << entry_ids.SEQ_BITS) | entry_ids.SEQ_MAX

    def _forget_old(self, now_ms: int) -> None:
        """Forget producers that have gone silent, and the old iids of the one that was heard last."""
        oldest = self._oldest(now_ms)
        by_name = self._by_name
        while True:
            name = next(iter(by_name))
            iids = by_name[name]
            if next(reversed(iids.values())) > oldest or len(by_name) == 1:
                break
            del by_name[name]
        self._trim(by_name[next(reversed(by_name))], oldest)

    @staticmethod
    def _trim(iids: dict[bytes, int], oldest: int) -> None:
        while iids:
            iid, entry_id = next(iter(iids.items()))
            if entry_id > oldest:
                return
            del iids[iid]

    @property
    def memory_bytes(self) -> int:
        """About what it takes of the memory."""
        return sum([300 + 200 * len(iids) for iids in self._by_name.values()])
