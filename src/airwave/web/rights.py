"""Which channels and patterns somebody may use: globs, as a token lists them."""

from collections.abc import Iterable

from airwave import glob

RESERVED = b"__"
"""Names that begin so are made by the server: presence, keyspace notifications, the dashboard's. A glob is for them
only if it begins so as well: who may read `*` does not see who is on a channel."""


class Globs:
    """Globs that allow channels.

    Args:
        globs: as PSUBSCRIBE takes them.
    """

    def __init__(self, globs: Iterable[bytes]) -> None:
        self._globs = tuple(globs)
        self._matchers = [(each.startswith(RESERVED), glob.compile(each)) for each in self._globs]
        # What follows the literal start of these can be anything: `prefix*`.
        self._prefixes = [
            prefix for each in self._globs if each.endswith(b"*") and glob.literal_prefix(each) == (prefix := each[:-1])
        ]

    def allow(self, channel: bytes) -> bool:
        """Whether a channel is among them."""
        reserved = channel.startswith(RESERVED)
        return any(matches(channel) and (of_reserved or not reserved) for of_reserved, matches in self._matchers)

    def cover(self, pattern: bytes) -> bool:
        """Whether all channels that a pattern may match are among them, as far as is easily seen: it is one of the
        globs, or begins as one of the form `prefix*` does."""
        if pattern in self._globs:
            return True
        literal = glob.literal_prefix(pattern)
        if glob.is_literal(pattern):
            return self.allow(literal)
        reserved = literal.startswith(RESERVED)
        return any(
            literal.startswith(prefix) and (prefix.startswith(RESERVED) or not reserved) for prefix in self._prefixes
        )


EVERYTHING = Globs([b"*", b"__*"])
NOTHING = Globs([])
