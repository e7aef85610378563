"""What the direct API gives: messages and entries as objects."""

from collections.abc import Callable
from functools import partial

import msgspec

from airwave.pubsub import Current


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message of a channel. All subscribers of the process get the same object.

    Attributes:
        channel: where it was published.
        data: what was published.
        pattern: the pattern that it came by; None: the channel itself was subscribed to.
        id: of its entry, if the channel is remembered.
    """

    channel: bytes
    data: bytes
    pattern: bytes | None = None
    id: bytes | None = None


class Entry(msgspec.Struct, frozen=True):
    """An entry of a stream.

    Attributes:
        stream: its key.
        id: `<milliseconds>-<sequence>`.
        fields: in their order; of several with one name, the last.
        delivery_count: by a group, this one included; None when it was not read by a group with CLAIM.
    """

    stream: bytes
    id: bytes
    fields: dict[bytes, bytes]
    delivery_count: int | None = None


class ObjectFormat:
    """The format of subscribers in the process: frames are `Message` objects. See `airwave.pubsub.Format`."""

    def message_head(self, kind: bytes, *names: bytes) -> Callable[[bytes], Message]:
        """See `airwave.pubsub.Format`."""
        del kind
        if len(names) == 1:
            return partial(Message, names[0])
        pattern, channel = names
        return lambda data: Message(channel, data, pattern)

    def entry_head(self, current: Current, kind: bytes, *names: bytes) -> Callable[[bytes], Message]:
        """See `airwave.pubsub.Format`."""
        del kind
        channel, pattern = names[-1], names[0] if len(names) == 2 else None
        return lambda data: Message(channel, data, pattern, current.text)


OBJECTS = ObjectFormat()
