"""The kind of `notify-keyspace-events`: letters that say which changes of keys are published, and how."""

from airwave.settings.kinds import Kind, quote


class KeyspaceEvents(Kind[str]):
    """Letters of `notify-keyspace-events`, in Redis's order and with `A` for what it stands for."""

    _all = "g$lshzxetd"  # A
    _order = _all + "nKEm"

    def read(self, text: str) -> str:
        letters = self.letters(text)
        if not letters <= {*self._order}:
            raise ValueError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        # Redis 7.0 forgets an `n` beside `A`; here it stays, so that CONFIG REWRITE loses nothing.
        shown = "".join([letter for letter in self._order if letter in letters])
        return shown.replace(self._all, "A")

    @classmethod
    def letters(cls, value: str) -> frozenset[str]:
        """The classes, `A` resolved."""
        return frozenset(value.replace("A", cls._all))

    def written(self, value: str) -> str:
        return quote(value)

    def values(self) -> str:
        return "letters of `KEg$lshzxetdnmA`"
