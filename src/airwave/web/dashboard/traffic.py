"""What is published on each channel: rate and last message, measured while somebody looks.

An observer of Pub/Sub costs some 300 ns for each message, so there is one only while a page asks: each question keeps
it for ten seconds more. Then all of it is forgotten.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from airwave.broker import Broker
from airwave.web.dashboard.shown import LINE_BYTES

CHANNELS_MAX = 10_000  # the one that was silent for longest goes
KEEP_NS = 10_000_000_000
INTERVAL_S = 1.0
_WEIGHT = 0.4  # of the last second in the rate: it follows within three seconds, and does not flicker
_SILENT = 0.05  # messages per second that count as none


class Flow:
    """One channel.

    Attributes:
        rate: messages per second.
        last: the beginning of the last message; None: none came.
        last_ms: when it came, to the second, Unix ms.
    """

    __slots__ = ("_changed", "channel", "count", "last", "last_ms", "rate")

    def __init__(self, channel: bytes, changed: list["Flow"]) -> None:
        self.channel = channel
        self.count = 0  # since the last look
        self.rate = 0.0
        self.last: bytes | None = None
        self.last_ms = 0
        self._changed = changed

    def note(self, message: bytes) -> None:
        """A message was published."""
        if not self.count:
            self._changed.append(self)
        self.count += 1
        self.last = message if len(message) <= LINE_BYTES else message[: LINE_BYTES + 1]

    def settle(self, seconds: float, now_ms: int) -> None:
        """Make a rate of what was counted in the last so many seconds."""
        if self.count:
            self.last_ms = now_ms
        self.rate += (self.count / seconds - self.rate) * (_WEIGHT if self.rate else 1.0)
        if self.rate < _SILENT and not self.count:
            self.rate = 0.0
        self.count = 0


class Traffic:
    """The channels of a node that something was published on while somebody looked.

    Args:
        broker: the node.

    Attributes:
        flows: by channel, the one that was silent for longest first.
    """

    def __init__(self, broker: Broker) -> None:
        self.flows: OrderedDict[bytes, Flow] = OrderedDict()
        self._broker = broker
        self._changed: list[Flow] = []  # got messages since the last look; also those that are no longer in `flows`
        self._moving: set[Flow] = set()  # have a rate
        self._until_ns = 0  # 0: nobody looks
        self._settled_ns = 0

    def look(self) -> None:
        """Somebody looks: measure now, and for some time more."""
        now_ns = self._broker.clock()
        if not self._until_ns:
            self._settled_ns = now_ns
            self._broker.pubsub.observe(self._observe)
        self._until_ns = now_ns + KEEP_NS

    def rate(self, channel: bytes) -> float:
        """Messages per second."""
        flow = self.flows.get(channel)
        return flow.rate if flow is not None else 0.0

    def _observe(self, channel: bytes) -> Callable[[bytes], object]:
        flow = self.flows.get(channel)
        if flow is None:
            flow = Flow(channel, self._changed)  # it comes to the others with its first message
        return flow.note

    def settle(self) -> None:
        """What is to be done once a second."""
        now_ns = self._broker.clock()
        if not self._until_ns:
            return
        if now_ns > self._until_ns:
            self._forget()
            return
        seconds = max(1e-3, (now_ns - self._settled_ns) / 1e9)
        self._settled_ns = now_ns
        now_ms = self._broker.host.wall_ms()
        for flow in self._changed:
            kept = self.flows.setdefault(flow.channel, flow)
            if kept is not flow:  # its route was found anew while another one was counting
                kept.count += flow.count
                kept.last = flow.last
                flow.count = 0
            self.flows.move_to_end(flow.channel)
            self._moving.add(kept)
        self._changed.clear()
        for flow in list(self._moving):
            flow.settle(seconds, now_ms)
            if not flow.rate:
                self._moving.discard(flow)
        while len(self.flows) > CHANNELS_MAX:
            _, gone = self.flows.popitem(last=False)
            self._moving.discard(gone)

    def _forget(self) -> None:
        self._until_ns = 0
        self._broker.pubsub.observe(None)
        self.flows.clear()
        self._moving.clear()
        self._changed = []

    async def run(self) -> None:
        """Do so until it is cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            self.settle()
