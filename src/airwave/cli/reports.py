"""What is said about a connection that is made again whenever it is lost."""

from __future__ import annotations

import random

from airwave.cli.client import display, explain
from airwave.cli.failure import Failure
from airwave.cli.output import say

# Pause before another attempt to connect, in seconds: doubled each time, from the first to the second.
_BACKOFF_MIN_S = 0.1
_BACKOFF_MAX_S = 5.0


class Reports:
    """What the user is told about the connection, and how long to wait before the next attempt."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._failures = 0
        self.ever_connected = False

    def connected(self, first: str, again: str) -> None:
        """Say that the connection stands: `first` the first time, afterwards that it is back, and `again`."""
        say(f"Reconnected to {display(self._url)}: {again}" if self.ever_connected else first)
        self.ever_connected = True
        self._failures = 0

    def lost(self, error: Exception) -> float:
        """Report a lost connection once; the seconds to wait, of which up to a half are random against stampedes.

        Raises:
            Failure: it has never stood.
        """
        if not self.ever_connected:
            raise Failure(explain(error, self._url)) from None
        if self._failures == 0:
            say(f"Connection to {display(self._url)} lost: reconnecting")
        pause_s = min(_BACKOFF_MAX_S, _BACKOFF_MIN_S * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return pause_s * random.uniform(0.5, 1.0)
