"""Presence: who joins and leaves a channel, told to those who ask.

An event is a message on `__presence__:<channel>`. Only those get it who are subscribed to that name, or to a pattern
that begins with `__presence__:`: a client that has subscribed to `*` did not ask. Who has a pattern joins no channel.
Who is on a channel now: PUBSUB SUBSCRIBERS.
"""

import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

from airwave.pubsub import PubSub, Subscriber

PREFIX = b"__presence__:"


class Present(NamedTuple):
    """Who is on a channel.

    Attributes:
        client_id, name, address: as in CLIENT LIST; 0 for a subscription of the direct API.
        since_ms: when it subscribed, Unix ms.
        pattern: by which it gets the channel; None: the channel itself.
    """

    client_id: int
    name: bytes
    address: str
    since_ms: int
    pattern: bytes | None


class Presence:
    """Tells of those who join and leave, and knows who is there.

    Args:
        pubsub: whose subscribers they are.
        wake: makes sure that a tick comes.
    """

    def __init__(self, pubsub: PubSub, wake: Callable[[], None]) -> None:
        self._pubsub = pubsub
        self._wake = wake
        pubsub.presence = self._tell

    def of(self, channel: bytes) -> Iterator[Present]:
        """Who gets the messages of a channel."""
        topic = self._pubsub.channels.get(channel)
        for subscriber, since_ms in topic.members() if topic else ():
            yield Present(*subscriber.identity(), since_ms, None)
        for pattern, topic in self._pubsub.matching(channel):
            for subscriber, since_ms in topic.members():
                yield Present(*subscriber.identity(), since_ms, pattern)

    def _tell(self, event: str, subscriber: Subscriber, channel: bytes, since_ms: int) -> None:
        about = PREFIX + channel
        if channel.startswith(PREFIX) or not self._pubsub.is_asked(about, PREFIX):
            return
        client_id, name, address = subscriber.identity()
        message = {
            "event": event,
            "channel": channel.decode(errors="replace"),
            "id": client_id,
            "name": name.decode(errors="replace"),
            "addr": address,
            "since": since_ms,
        }
        self._pubsub.tell(about, json.dumps(message).encode(), PREFIX)
        self._wake()
