"""What the node did in each of the last seconds: taken once a second, kept for five minutes.

A sample costs some 100 µs, so it is taken also while nobody looks: whoever opens the page sees what has been. Samples
are told on the channel `__airwave__:overview` to those who ask for that name: who is subscribed to `*` did not.
"""

import asyncio
from collections import deque
from itertools import count
from typing import Any

import msgspec

from airwave.broker import Broker
from airwave.commands.info import published
from airwave.pubsub import Topic

KEPT = 300
INTERVAL_S = 1.0
CHANNEL = b"__airwave__:overview"
PREFIX = b"__airwave__:"
COUNTED_AT_ONCE = 1000  # topics, 0.2 ms: if there are more, subscriptions are counted in slices, every tenth time

Sample = dict[str, Any]


class Samples:
    """The samples of a node.

    Args:
        broker: the node.

    Attributes:
        kept: the last five minutes, oldest first.
    """

    def __init__(self, broker: Broker) -> None:
        self.kept: deque[Sample] = deque(maxlen=KEPT)
        self._broker = broker
        self._told = 0  # samples given to pages: who only looks is not to see that as traffic
        self._counters = self._count()
        self._at_ns = broker.clock()
        self._subscriptions = 0

    def take(self) -> Sample:
        """One more sample, told to those who asked."""
        broker = self._broker
        now_ns = broker.clock()
        seconds = max(1e-3, (now_ns - self._at_ns) / 1e9)
        counters = self._count()
        # CONFIG RESETSTAT sets them to zero: then nothing is known of this second.
        rates = {name: max(0.0, (value - self._counters[name]) / seconds) for name, value in counters.items()}
        self._counters, self._at_ns = counters, now_ns
        sample = {"at": broker.host.wall_ms()} | {name: round(rate, 3) for name, rate in rates.items()} | self._gauges()
        self.kept.append(sample)
        self._told += broker.pubsub.tell(CHANNEL, msgspec.json.encode(sample), PREFIX)
        broker.wake()
        return sample

    def _count(self) -> dict[str, float]:
        """What grows."""
        broker = self._broker
        stats, usage = broker.stats, broker.host.usage()
        self._rss_bytes = usage["rss_bytes"]
        return {
            "published": published(broker),
            "delivered": broker.pubsub.deliveries - self._told,
            "commands": broker.commands_processed,
            "entries": broker.command_stats["xadd"].calls,
            "errors": sum(stats.errors.values()) + stats.unexpected_errors,
            "dropped": stats.dropped_messages + stats.output_limit_disconnections,
            "cpu": usage["cpu_user_s"] + usage["cpu_sys_s"],
        }

    def _gauges(self) -> dict[str, Any]:
        broker = self._broker
        return {
            "clients": len(broker.clients),
            "subscriptions": self._subscription_count(),
            "memory": self._rss_bytes,
            "lag_ms": round(broker.stats.loop_lag_ms, 3),
            "slow": len(broker.lagging),
            "refused": broker.refusal is not None,
        }

    def _subscription_count(self) -> int:
        if self._topic_count() <= COUNTED_AT_ONCE:
            self._subscriptions = sum(map(len, self._topics()))
        return self._subscriptions

    def _topic_count(self) -> int:
        pubsub = self._broker.pubsub
        return len(pubsub.channels) + len(pubsub.patterns) + len(pubsub.shard_channels)

    def _topics(self) -> list[Topic]:
        pubsub = self._broker.pubsub
        return [*pubsub.channels.values(), *pubsub.patterns.values(), *pubsub.shard_channels.values()]

    async def recount(self) -> None:
        """Count the subscriptions of many topics; others have a turn between two slices."""
        topics, total = self._topics(), 0
        for start in range(0, len(topics), COUNTED_AT_ONCE):
            total += sum(map(len, topics[start : start + COUNTED_AT_ONCE]))
            await asyncio.sleep(0)
        self._subscriptions = total

    async def run(self) -> None:
        """Take samples until it is cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for turn in count():
            # From one due time to the next: sleeping a second each time would drift. What a stall left out stays out.
            due = max(due + INTERVAL_S, loop.time())
            await asyncio.sleep(due - loop.time())
            if turn % 10 == 0 and self._topic_count() > COUNTED_AT_ONCE:
                await self.recount()
            self.take()
