"""`airwave ping`: is the server there, and how far away."""

import statistics
import time
from typing import Annotated

import typer

from airwave.cli.client import DEFAULT_URL, Url, connect, display, explained
from airwave.cli.output import emit


def ping(
    url: Url = DEFAULT_URL,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many round trips.")] = 4,
) -> None:
    """Measure PING round trips.

    Exit code 1 when the server cannot be reached or wants a password.
    """
    client = connect(url)
    server = display(url)
    times_ms: list[float] = []
    with explained(url):
        client.ping()  # connects and authenticates, which is not part of a round trip
        try:
            for _ in range(count):
                start = time.perf_counter()
                client.ping()
                times_ms.append((time.perf_counter() - start) * 1000)
                emit(f"PONG from {server}: {times_ms[-1]:.3f} ms")
        except KeyboardInterrupt:
            pass
    if times_ms:
        low, middle, high = min(times_ms), statistics.median(times_ms), max(times_ms)
        emit(f"{len(times_ms)} round trip(s): min {low:.3f}, median {middle:.3f}, max {high:.3f} ms")
