"""A worker: entries of a stream to a handler, at least once. (Interface first; the rest is being written.)"""

from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from airwave.bus.backoff import Backoff, exponential
from airwave.bus.entry import Entry
from airwave.bus.stats import Stats

Handler = Callable[[bytes, Entry], Awaitable[None]]


class Worker:
    """Takes entries from a stream as a consumer of a group, and calls a handler for each.

    Args:
        redis: where the stream is; the worker makes connections of its own like those of this client.
        stream: its key.
        group: the consumer group; it is made if need be, together with the stream.
        handler: called with the field `data` and the entry. Returning is success; an exception is a failure. A
            `PayloadError` is not tried again.
        retries: so many more attempts after the first, then the dead letters.
        backoff: how long to wait before each.
        timeout: seconds that an attempt may take; None: any.
        concurrency: so many handlers at once.
        claim_after: an entry whose worker has not been heard of for so many seconds is taken over by another.
        gone_after: a consumer without entries that has not been heard of for so many seconds is removed.
        dead_maxlen: about so many dead letters are kept; when there are more, the oldest are dropped.
        waiting_max: when so many entries wait for their next attempt, no new ones are taken.
    """

    def __init__(
        self,
        redis: "Redis",
        *,
        stream: str,
        group: str,
        handler: Handler,
        retries: int = 5,
        backoff: Backoff | None = None,
        timeout: float | None = 30.0,
        concurrency: int = 8,
        claim_after: float = 30.0,
        gone_after: float = 300.0,
        dead_maxlen: int = 10_000,
        waiting_max: int = 1000,
    ) -> None:
        self.backoff = backoff or exponential(1.0, 60.0)
        self.stats = Stats()
        raise NotImplementedError

    async def start(self) -> None:
        """Begin. Returns when the group is there; entries are handled in tasks of the running loop.

        Raises:
            redis.RedisError: the server cannot be reached, or refuses.
        """
        raise NotImplementedError

    async def stop(self, grace_s: float = 30.0) -> None:
        """End: take nothing new, let handlers finish for so many seconds, then give back what is left."""
        raise NotImplementedError
