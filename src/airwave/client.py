"""One client as the rest of the node sees it: who it is, and what waits to be sent to it.

Frames and replies gather in `out`; `flush` joins them into one write. When the transport cannot take more, the client
*lags*: nothing is written, and its frames stay in `out`, where they are references to bytes that all subscribers
share, so that a hundred slow subscribers cost one copy. Output limits are checked when something is flushed and once a
tick for those that lag, not per message.

    current --pause_writing--> lagging --resume_writing, all written--> current
                                  |
                                  +-- over its limit --> disconnected, or its oldest messages dropped
"""

from typing import TYPE_CHECKING, Any, Protocol

from airwave.notices import DROPPED_CHANNEL
from airwave.pubsub import Subscriber
from airwave.resp import bulk
from airwave.settings import BufferLimit

if TYPE_CHECKING:
    from airwave.broker import Broker

HIGH_WATER_BYTES = 64 * 1024  # what a transport takes before it asks to pause
CATCH_UP_BYTES = 64 * 1024  # what is joined at a time for a client that lagged

# How a frame begins that may be dropped: a message, never a reply or a confirmation.
_MESSAGE_HEADS = tuple(
    kind + head
    for kind in (b"*", b">")
    for head in (
        *(b"3\r\n$7\r\nmessage\r\n", b"4\r\n$8\r\npmessage\r\n", b"3\r\n$8\r\nsmessage\r\n"),
        *(b"4\r\n$7\r\nmessage\r\n", b"5\r\n$8\r\npmessage\r\n"),  # with IDs
    )
)


class Transport(Protocol):
    """What a connection must offer; asyncio's transports have it."""

    def write(self, data: bytes, /) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def get_write_buffer_size(self) -> int: ...
    def get_extra_info(self, name: str, /) -> Any: ...
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...


class _Closed:
    """The transport of a client that is gone."""

    def write(self, data: bytes, /) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, /) -> Any:
        del name


CLOSED: Transport = _Closed()


class Client(Subscriber):
    """A client's identity and output.

    Args:
        broker: the node.
        transport: where to write.
        peer: its address as Redis prints it: `127.0.0.1:54321`, `[::1]:54321`, `/path/of/socket:0`.
        local: the address it came to.

    Attributes:
        id: unique and growing, never used again.
        name, lib_name, lib_version: what it said with CLIENT SETNAME and SETINFO.
        dropped: messages it lost under `slow-subscriber-policy drop-oldest`.
        lagging: its transport asked to wait.
        gone: it is disconnected or about to be; nothing is sent any more.
        closing: disconnect it once what waits is handed to the transport; no command of it runs any more.
    """

    __slots__ = (
        "_counted",
        "_counted_bytes",
        "_high_water_bytes",
        "_over_soft_since_ns",
        "broker",
        "burst_max_bytes",
        "closing",
        "created_ns",
        "dropped",
        "gone",
        "id",
        "lagging",
        "lib_name",
        "lib_version",
        "limit",
        "local",
        "name",
        "peer",
        "transport",
        "write",
    )

    def __init__(self, broker: "Broker", transport: Transport, peer: str, local: str) -> None:
        super().__init__()
        self.broker = broker
        self.transport = transport
        self.write = transport.write
        self.peer = peer
        self.local = local
        self.id = broker.next_client_id()
        self.created_ns = broker.host.clock()
        self.name = b""
        self.lib_name = b""
        self.lib_version = b""
        self.dropped = 0
        self.lagging = False
        self.gone = False
        self.closing = False
        self._counted = 0  # frames of `out` whose size is in _counted_bytes
        self._counted_bytes = 0
        self._over_soft_since_ns = 0  # 0: it is not
        self._high_water_bytes = 0
        self.apply_limits()

    @property
    def fileno(self) -> int:
        """The socket's file descriptor; -1 when it has none."""
        sock = self.transport.get_extra_info("socket")
        return sock.fileno() if sock is not None else -1

    @property
    def on_unix_socket(self) -> bool:
        """Whether it came by a Unix socket; no TCP peer has port 0."""
        return self.peer.endswith(":0")

    @property
    def is_subscriber(self) -> bool:
        """Whether it counts as a Pub/Sub client: by its output limits, by `timeout`, in CLIENT LIST."""
        return bool(self.channels or self.patterns or self.shard_channels)

    def identity(self) -> tuple[int, bytes, str]:
        """See `Subscriber`."""
        return self.id, self.name, self.peer

    def output_limit(self) -> BufferLimit:
        """The limit of its class, as the settings have it now."""
        limits = self.broker.settings.client_output_buffer_limit
        return limits.pubsub if self.is_subscriber else limits.normal

    def apply_limits(self) -> None:
        """Take the output limits of its class: after a setting changed, or it became or ceased to be a subscriber."""
        self.limit = limit = self.output_limit()
        # As long as the transport does not ask to pause, less than the high-water mark waits in it: so a client can
        # only be over its limit when it lags or when one flush is large. Half the limit, so that `out` keeps the other
        # half.
        high = min([HIGH_WATER_BYTES, *[each // 2 for each in (limit.hard_bytes, limit.soft_bytes) if each]])
        self.burst_max_bytes = limit.hard_bytes - high if limit.hard_bytes else 1 << 62
        if high != self._high_water_bytes:
            self._high_water_bytes = high
            self.transport.set_write_buffer_limits(high)

    # --- writing ----------------------------------------------------------------------------------------------------

    def flush(self) -> int:
        """Write all that waits, as one write; nothing while the client lags. Gives the bytes written."""
        if self.lagging:
            return 0
        out = self.out
        data = out[0] if len(out) == 1 else b"".join(out)
        size = len(data)
        if size > self.burst_max_bytes and not self._admit_burst(size):
            return 0
        out.clear()
        self.write(data)
        return size

    def pause_writing(self) -> None:
        """The transport has more than it can send."""
        self.lagging = True
        self.broker.lagging.add(self)
        self._counted = self._counted_bytes = 0

    def resume_writing(self) -> None:
        """The transport can send again: give it what waits, a piece at a time so that little is copied."""
        if self.broker.journal.durable:
            self.broker.commit()  # nothing may leave before it is durable
        self.lagging = False
        self.broker.lagging.discard(self)
        self._over_soft_since_ns = 0
        while self.out and not self.lagging and not self.gone:
            size = end = 0
            for end, frame in enumerate(self.out, 1):  # noqa: B007
                size += len(frame)
                if size >= CATCH_UP_BYTES:
                    break
            data = b"".join(self.out[:end])
            del self.out[:end]
            self.broker.stats.output_bytes += len(data)
            self.write(data)
        if self.closing and not self.out and not self.gone:
            self.transport.close()

    # --- limits -----------------------------------------------------------------------------------------------------

    @property
    def waiting_bytes(self) -> int:
        """All that waits for this client, here and in its transport."""
        return sum(map(len, self.out)) + self.transport.get_write_buffer_size()

    def check_lag(self, now_ns: int) -> None:
        """Hold a lagging client to its limits; counts only what came since the last check."""
        out = self.out
        if self._counted < len(out):
            self._counted_bytes += sum(map(len, out[self._counted :]))
            self._counted = len(out)
        waiting = self._counted_bytes + self.transport.get_write_buffer_size()
        limit = self.limit
        if limit.hard_bytes and waiting > limit.hard_bytes:
            self._over(waiting, limit.hard_bytes, "hard limit")
        elif limit.soft_bytes and waiting > limit.soft_bytes:
            if not self._over_soft_since_ns:
                self._over_soft_since_ns = now_ns
            elif now_ns - self._over_soft_since_ns >= limit.soft_seconds * 1_000_000_000:
                self._over(waiting, limit.soft_bytes, "soft limit")
        else:
            self._over_soft_since_ns = 0

    def _admit_burst(self, size: int) -> bool:
        """Whether one large flush is within the hard limit. If not, the policy is applied, what it leaves written."""
        waiting = size + self.transport.get_write_buffer_size()
        if waiting <= self.limit.hard_bytes:
            return True
        self._counted, self._counted_bytes = len(self.out), size
        self._over(waiting, self.limit.hard_bytes, "hard limit")
        if left := b"".join(self.out):
            self.out.clear()
            self.broker.stats.output_bytes += len(left)
            self.write(left)
        return False

    def _over(self, waiting: int, allowed: int, which: str) -> None:
        if self.is_subscriber and self.broker.settings.slow_subscriber_policy == "drop-oldest":
            self._drop_oldest(waiting - allowed)
            return
        self.broker.stats.output_limit_disconnections += 1
        self.broker.host.log(
            "warning",
            "client over its output buffer limit is disconnected",
            client=self.peer,
            name=self.name,
            id=self.id,
            waiting_bytes=waiting,
            limit_bytes=allowed,
            limit=which,
        )
        self.disconnect()

    def _drop_oldest(self, excess: int) -> None:
        """Drop whole messages from the front of `out` until `excess` bytes are gone; replies stay."""
        notice = self.format.message_head(b"message", DROPPED_CHANNEL)
        assert isinstance(notice, bytes)
        if told := DROPPED_CHANNEL in self.channels:
            excess += len(notice) + 30  # room for the notice itself
        kept: list[bytes] = []
        dropped = freed = 0
        end = 0
        for end, frame in enumerate(self.out, 1):  # noqa: B007
            if frame.startswith(_MESSAGE_HEADS):
                dropped += not frame.startswith(notice)
                freed += len(frame)
            else:
                kept.append(frame)
            if freed >= excess:
                break
        if not freed:
            return
        if told:
            # All that were dropped so far, so that the next notice may take the place of one that was not sent yet.
            kept.append(notice + bulk(b"%d" % (self.dropped + dropped)))
            freed -= len(kept[-1])
        self.out[:end] = kept
        self._counted += len(kept) - end
        self._counted_bytes -= freed
        if not self.dropped:
            self.broker.host.log(
                "warning",
                "slow subscriber loses its oldest messages (told once for each client; counted in CLIENT LIST)",
                client=self.peer,
                name=self.name,
                id=self.id,
            )
        self.dropped += dropped
        self.broker.stats.dropped_messages += dropped
        self._over_soft_since_ns = 0

    def disconnect(self) -> None:
        """Cut it off at once; what waits for it is lost, as with Redis."""
        if not self.gone:
            self.broker.forget(self)
            self.transport.abort()
