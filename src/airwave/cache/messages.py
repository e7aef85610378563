"""Messages of the invalidation channel: what is no longer true.

A message is a JSON object with one or more of these; other fields are ignored:

    {"key": "product:42"}       {"keys": ["product:42", "product:43"]}
    {"prefix": "product:"}      {"prefixes": [...]}
    {"tag": "catalog"}          {"tags": [...]}
    {"all": true}

A cache adds `origin`, by which it knows its own messages when they come back.
"""

from dataclasses import dataclass

import msgspec


class PayloadError(ValueError):
    """What came over the channel says nothing that a cache understands."""


@dataclass(frozen=True)
class Invalidation:
    """What is no longer true.

    Attributes:
        everything: whatever it is called.
        origin: the cache that says it; empty: some other publisher.
    """

    keys: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    everything: bool = False
    origin: str = ""

    def __post_init__(self) -> None:
        for name in (*self.keys, *self.prefixes, *self.tags):
            if not isinstance(name, str):
                raise TypeError(f"keys, prefixes and tags are str, each an argument of its own: {name!r}")

    @property
    def is_empty(self) -> bool:
        """It names nothing."""
        return not (self.keys or self.prefixes or self.tags or self.everything)

    def encode(self, origin: str = "") -> bytes:
        """The message.

        Args:
            origin: see `Invalidation`.

        Raises:
            ValueError: a name is no text that UTF-8 can write.
        """
        fields: dict[str, object] = {}
        for one, many, names in (
            ("key", "keys", self.keys),
            ("prefix", "prefixes", self.prefixes),
            ("tag", "tags", self.tags),
        ):
            if len(names) == 1:
                fields[one] = names[0]
            elif names:
                fields[many] = names
        if self.everything:
            fields["all"] = True
        if origin:
            fields["origin"] = origin
        return msgspec.json.encode(fields)


class _Message(msgspec.Struct, rename={"everything": "all"}):
    key: str | None = None
    keys: list[str] | None = None
    prefix: str | None = None
    prefixes: list[str] | None = None
    tag: str | None = None
    tags: list[str] | None = None
    everything: bool = False
    origin: str = ""


_decoder = msgspec.json.Decoder(_Message)


def decode(payload: bytes) -> Invalidation:
    """Read a message.

    Raises:
        PayloadError: it is no JSON object, a field has the wrong type, or none of the fields is there.
    """
    try:
        message = _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise PayloadError(str(error)) from None
    named = (message.key, message.keys, message.prefix, message.prefixes, message.tag, message.tags)
    if all(name is None for name in named) and not message.everything:
        raise PayloadError('it has none of "key", "prefix", "tag", "all"')
    return Invalidation(
        _names(message.key, message.keys),
        _names(message.prefix, message.prefixes),
        _names(message.tag, message.tags),
        message.everything,
        message.origin,
    )


def _names(one: str | None, many: list[str] | None) -> tuple[str, ...]:
    return (*([] if one is None else [one]), *(many or []))
