"""What a key holds: the part that streams and strings have in common, and strings."""

from airwave.journal import Journal


class Value:
    """The value of a key.

    Args:
        number: its own, never given again; the storage knows it by that.
        journal: is told of its changes.

    Attributes:
        space, key: where it is (see `airwave.keyspace`); set by the keyspace.
        expires_ms: Unix time at which it is gone; 0: never.
        used_s: Unix time of the last command that looked at it.
        order: grows with each value that is put at a key; SCAN follows it (see `airwave.keylist`).
        clean: it has not changed since the last commit; then the journal must be told first. Always False when the
            journal does not want to know.
    """

    __slots__ = ("clean", "expires_ms", "journal", "key", "number", "order", "space", "used_s")

    kind = b"none"  # what TYPE says

    def __init__(self, number: int, journal: Journal) -> None:
        self.number = number
        self.journal = journal
        self.space = 0
        self.key = b""
        self.expires_ms = 0
        self.used_s = 0
        self.order = 0
        self.clean = journal.durable

    @property
    def memory_bytes(self) -> int:
        """About what it takes of the memory."""
        raise NotImplementedError


class String(Value):
    """A string: a lock, a result, a counter.

    Attributes:
        appended: APPEND made it longer; OBJECT ENCODING tells.
    """

    __slots__ = ("appended", "data")

    kind = b"string"

    def __init__(self, number: int, journal: Journal, data: bytes) -> None:
        super().__init__(number, journal)
        self.data = data
        self.appended = False

    @property
    def memory_bytes(self) -> int:
        """See `Value`."""
        return len(self.data) + len(self.key) + 200
