"""Pub/Sub at a steady rate while other clients write to a stream as fast as they can: what that does to latency."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle

from airwave.bench.entries import add_batches, delete, key, tidy, verify_length
from airwave.bench.exchange import Requester
from airwave.bench.load import Crowd
from airwave.bench.model import Measure, Sample
from airwave.bench.paced import PacedPublisher
from airwave.bench.scenarios import LISTENERS, delivery_times, paced
from airwave.bench.servers import Server
from airwave.bench.wire import Address, close_all

SUBSCRIBERS = 100
RATE_PER_S = 1000.0
# Several, so that the server always has a batch waiting while this process reads what subscribers got.
WRITERS = 4
PIPELINE = 16


class Writer:
    """A client that appends to a stream, a batch after the other.

    Attributes:
        added: entries so far, those on their way included.
    """

    def __init__(self, address: Address, stream: bytes) -> None:
        self._requester = Requester(address, count_lines=True)
        self.sock = self._requester.sock
        self.added = 0
        self._batches = cycle(add_batches(stream, PIPELINE))
        self._idle = True

    def send_due(self, now_ns: int) -> None:  # noqa: ARG002 (a source is asked at its times; a writer always wants to)
        """Send a batch when the one before is answered."""
        if self._idle:
            self._idle = False
            self._requester.send(next(self._batches))
            self.added += PIPELINE

    def receive(self, now_ns: int) -> None:  # noqa: ARG002
        """Take replies."""
        self._idle = self._requester.receive()

    def settled(self) -> bool:
        """Whether everything is answered."""
        return self._idle


@contextmanager
def writing(server: Server, _: float) -> Iterator[Measure]:
    """A steady publisher, its subscribers, of which some take times, and the writers."""
    stream = key()
    writers: list[Writer] = []

    def take_times(
        server: Server, publisher: PacedPublisher, heard: list[socket.socket], rest: Crowd, seconds: float
    ) -> tuple[dict[str, float], float]:
        return delivery_times(server, publisher, heard, rest, seconds, writers)

    with paced(SUBSCRIBERS, take_times, LISTENERS)(server, RATE_PER_S) as take_sample:
        try:
            for _ in range(WRITERS):
                writers.append(Writer(server.address, stream))  # noqa: PERF401 (closed one by one if one fails)

            def measure(seconds: float) -> Sample:
                delete(server.address, stream)
                before = sum(writer.added for writer in writers)
                sample = take_sample(seconds)
                added = sum(writer.added for writer in writers) - before
                verify_length(server.address, stream, added)
                operations = sample.operations + added
                cpu_us = None if sample.cpu_us is None else sample.cpu_us * sample.operations / operations
                values = sample.values | {"added": added / sample.seconds}
                return replace(sample, values=values, operations=operations, cpu_us=cpu_us)

            yield measure
        finally:
            close_all(writer.sock for writer in writers)
            tidy(server, stream)
