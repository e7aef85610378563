"""A browser that is subscribed: a session of the broker with another wire format.

It is in CLIENT LIST, can be killed, counts towards `maxclients`, and is held to the output limits of subscribers. Its
messages come by the same fan-out as those of Redis clients: `PubSub.deliver` puts shared frames into its `out`, the
broker's slices write them to the transport. This is also the transport's protocol.
"""

import asyncio
from collections import deque

from airwave.broker import Broker
from airwave.session import Session
from airwave.settings import BufferLimit
from airwave.streams.chunk import Cold
from airwave.web.formats import BrowserFormat
from airwave.web.replay import Replay, Topics
from airwave.web.subscribers import Subscribers
from airwave.web.takeover import Connection
from airwave.web.visitor import Visitor


class WebSession(Session):
    """What both kinds of subscribers have in common.

    Args:
        broker: the node.
        connection: taken from aiohttp.
        visitor: who it is.
        subscribers: those of the node.

    Attributes:
        wire: its format.
        replays: what it is still to get from history, the first now.
    """

    __slots__ = ("_expiry", "replays", "subscribers", "visitor")

    wire: BrowserFormat
    library: bytes

    def __init__(self, broker: Broker, connection: Connection, visitor: Visitor, subscribers: Subscribers) -> None:
        self.visitor = visitor
        self.subscribers = subscribers
        self.replays: deque[Replay] = deque()
        super().__init__(broker, connection.transport, connection.peer, connection.local)
        self.format = self.wire
        self.name = _printable(visitor.subject)
        self.lib_name = self.library
        self.authenticate()
        self._expiry: asyncio.TimerHandle | None = None
        if visitor.expires_at is not None:
            left_s = max(0.0, visitor.expires_at - broker.host.wall())
            self._expiry = asyncio.get_running_loop().call_later(left_s, self._expire)
        subscribers.add(self)

    def output_limit(self) -> BufferLimit:
        """See `Client`: it is a subscriber, whether or not it has subscribed yet."""
        return self.broker.settings.client_output_buffer_limit.pubsub

    # --- output -----------------------------------------------------------------------------------------------------

    def say(self, *frames: bytes) -> None:
        """Send frames, behind those that wait already."""
        if not self.closing:
            self.out.extend(frames)
            self.flush_soon()

    def flush_soon(self) -> None:
        """Let the next tick flush."""
        self.broker.replying.append(self)
        self.broker.wake()

    def join(self, topics: Topics) -> None:
        """Subscribe."""
        for channel in topics.channels:
            self.broker.pubsub.subscribe(self, channel)
        for pattern in topics.patterns:
            self.broker.pubsub.psubscribe(self, pattern)

    def start_replay(self, replay: Replay) -> None:
        """Bring it what it has missed, and subscribe it then."""
        self.replays.append(replay)
        if len(self.replays) == 1:
            self.step_soon()

    def step_soon(self) -> None:
        """Let the next tick call `go_on`."""
        self.broker.put_off.append(self)
        self.broker.wake()

    def go_on(self) -> None:
        """See `Session`: the next page of a replay, once a tick as long as the transport takes them."""
        if self.closing or self.lagging or not self.replays:
            return
        try:
            frames, complete = self.replays[0].step()
        except Cold:
            self.broker.cold.append(self)
            return
        except Exception as error:  # ours: it must not end the tick of all the others
            self.broker.stats.unexpected_errors += 1
            self.broker.host.log("error", "internal error", client=self.peer, exc_info=error)
            self.disconnect()
            return
        if complete:
            self.replays.popleft()
        self.out[len(self.out) :] = frames
        self.flush_soon()
        if self.replays:
            self.step_soon()

    def resume_writing(self) -> None:
        """See `Client`."""
        super().resume_writing()
        if self.replays and not self.lagging and not self.closing and self not in self.broker.cold:
            self.step_soon()

    def _drop_oldest(self, excess: int) -> None:
        """See `Client`: the browser is told by a gap in place of what was dropped."""
        kept: list[bytes] = []
        dropped = freed = end = 0
        for end, frame in enumerate(self.out, 1):  # noqa: B007
            if self.wire.is_message(frame):
                dropped += 1
                freed += len(frame)
            else:
                kept.append(frame)
            if freed >= excess + 256:
                break
        if not dropped:
            return
        self.dropped += dropped
        self.broker.stats.dropped_messages += dropped
        kept.append(self.wire.gap({"dropped": dropped}))
        self._counted += len(kept) - end
        self._counted_bytes += len(kept[-1]) - freed
        self.out[:end] = kept
        self._over_soft_since_ns = 0

    # --- its end ----------------------------------------------------------------------------------------------------

    def close_after(self, *frames: bytes) -> None:
        """Send these, and close."""
        if not self.closing:
            self.say(*frames)
            self.closing = True

    def connection_lost(self, exc: Exception | None) -> None:
        """See `Session`."""
        super().connection_lost(exc)
        self.replays.clear()
        self.subscribers.discard(self)
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _expire(self) -> None:
        self.subscribers.expired += 1
        self.token_expired()

    def token_expired(self) -> None:
        """Its token is no longer good: it has to leave."""
        raise NotImplementedError

    def server_stops(self) -> None:
        """The server is about to end."""
        raise NotImplementedError

    def beat(self) -> None:
        """The heartbeat."""
        raise NotImplementedError


def _printable(subject: str) -> bytes:
    """A subject as the name of a client, which has no spaces."""
    return bytes(char if 33 <= char <= 126 else ord("_") for char in subject.encode()[:64])
