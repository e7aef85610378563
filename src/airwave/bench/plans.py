"""What is published to whom. Names and payloads have fixed widths, so that counting bytes counts messages."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, cycle

from airwave.bench.wire import message, pmessage, request


@dataclass(frozen=True)
class Plan:
    """One load.

    Attributes:
        subscriptions: the subscribe command of each subscriber.
        publishers: how many connections publish.
        pipeline: how many requests a publisher sends before it waits for all their replies.
        batches: makes the endless supply of ready-made requests, `pipeline` requests each.
        deliveries: how many messages subscribers receive for one batch.
        delivery_bytes: the size of these on the wire.
        reply_bytes: the size of a publisher's replies to one batch.
    """

    subscriptions: Sequence[Sequence[bytes]]
    publishers: int
    pipeline: int
    batches: Callable[[], Iterator[bytes]]
    deliveries: int
    delivery_bytes: int
    reply_bytes: int


def one_channel(subscribers: int, publishers: int, pipeline: int = 1, payload_bytes: int = 32) -> Plan:
    """Everybody subscribes to one channel."""
    channel, payload = b"news:today", b"x" * payload_bytes
    batch = request(b"PUBLISH", channel, payload) * pipeline
    deliveries = subscribers * pipeline
    return Plan(
        subscriptions=[(b"SUBSCRIBE", channel)] * subscribers,
        publishers=publishers,
        pipeline=pipeline,
        batches=lambda: cycle([batch]),
        deliveries=deliveries,
        delivery_bytes=deliveries * len(message(channel, payload)),
        reply_bytes=len(b":%d\r\n" % subscribers) * pipeline,
    )


def own_channels(channels: int, publishers: int, pipeline: int) -> Plan:
    """Each subscriber has a channel of its own; publishers go round them."""
    names = [b"user:%05d" % number for number in range(channels)]
    payload = b"x" * 32
    requests = [request(b"PUBLISH", name, payload) for name in names]
    return Plan(
        subscriptions=[(b"SUBSCRIBE", name) for name in names],
        publishers=publishers,
        pipeline=pipeline,
        batches=lambda: cycle(_batched(requests, pipeline)),
        deliveries=pipeline,
        delivery_bytes=pipeline * len(message(names[0], payload)),
        reply_bytes=len(b":1\r\n") * pipeline,
    )


def patterns(*, new_channels: bool, publishers: int = 10, pipeline: int = 16) -> Plan:
    """1,000 patterns, ten on each of 100 connections; each message matches exactly one of them.

    990 patterns are `room:<number>:*`, one per room, as applications have them. Ten begin with a wildcard
    (`*:audit:<number>`), match nothing here, and can be ruled out only by matching. Published is to
    `room:<number>:<serial>`: over 1,000 channels again and again, or to a new channel each time.
    """
    rooms = [b"room:%04d" % number for number in range(990)]
    names = [room + b":*" for room in rooms] + [b"*:audit:%02d" % number for number in range(10)]
    # Shuffled by a stride that shares no factor with 1,000, so that each connection holds rooms from everywhere.
    names = [names[(37 * place) % 1000] for place in range(1000)]
    payload = b"x" * 32

    def publish(serial: int) -> bytes:
        return request(b"PUBLISH", b"%b:%08d" % (rooms[serial % 990], serial), payload)

    def batches() -> Iterator[bytes]:
        if not new_channels:
            return cycle(_batched([publish(serial) for serial in range(1000)], pipeline))
        serials = count()
        return (b"".join([publish(next(serials)) for _ in range(pipeline)]) for _ in count())

    return Plan(
        subscriptions=[(b"PSUBSCRIBE", *names[first : first + 10]) for first in range(0, 1000, 10)],
        publishers=publishers,
        pipeline=pipeline,
        batches=batches,
        deliveries=pipeline,
        delivery_bytes=pipeline * len(pmessage(b"room:0000:*", b"room:0000:00000000", payload)),
        reply_bytes=len(b":1\r\n") * pipeline,
    )


def _batched(requests: list[bytes], size: int) -> list[bytes]:
    """Batches of `size`, going round `requests` as often as it takes to come out even."""
    rounds = requests * size
    return [b"".join(rounds[first : first + size]) for first in range(0, len(rounds), size)]
