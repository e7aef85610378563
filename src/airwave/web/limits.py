"""How much one client may ask for: a bucket that fills with time, and is emptied by requests."""

from collections import OrderedDict
from collections.abc import Callable

from aiohttp import web

from airwave.settings import Settings

BUCKETS_MAX = 10_000
_BURST_S = 10  # what may be saved up
FAILURES_MAX = 10  # sign-ins that may fail at once, for one address
_FAILURES_PER_S = 0.1


class Buckets:
    """A bucket for each client. Those that are full need not be kept: the longest unused one goes when there are many.

    Args:
        clock: monotonic time in ns.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()  # what is in it, and when that was so

    def level(self, client: str, per_second: float, size: float) -> float:
        """What is in the client's bucket now."""
        now_ns = self._clock()
        level, then_ns = self._buckets.get(client, (size, now_ns))
        return min(size, level + (now_ns - then_ns) * per_second / 1e9)

    def take(self, client: str, per_second: float, size: float) -> bool:
        """Take one out; false: there is not one in it."""
        level = self.level(client, per_second, size)
        if level < 1:
            return False
        self._buckets[client] = (level - 1, self._clock())
        self._buckets.move_to_end(client)
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return True


class Limits:
    """What `http-rate-limit` says, and how often a sign-in may fail.

    Args:
        settings: those of the node.
        clock: monotonic time in ns.

    Attributes:
        refused: requests and messages that were too many.
    """

    def __init__(self, settings: Settings, clock: Callable[[], int]) -> None:
        self.refused = 0
        self._settings = settings
        self._requests = Buckets(clock)
        self._failures = Buckets(clock)

    def admits(self, client: str) -> bool:
        """Count a request or message of a client; whether it is within its limit."""
        rate = self._settings.http_rate_limit
        if not rate or self._requests.take(client, rate, rate * _BURST_S):
            return True
        self.refused += 1
        return False

    def may_sign_in(self, address: str) -> bool:
        """Whether this address may try."""
        return self._failures.level(address, _FAILURES_PER_S, FAILURES_MAX) >= 1

    def sign_in_failed(self, address: str) -> None:
        """A password or token was wrong."""
        self._failures.take(address, _FAILURES_PER_S, FAILURES_MAX)


LIMITS = web.AppKey("limits", Limits)
