"""How a worker goes about its entries."""

from dataclasses import dataclass

from airwave.bus.backoff import Backoff


@dataclass(frozen=True, slots=True)
class Options:
    """What `Bus.worker` was told; checked when it is written down, not when the worker starts.

    Attributes:
        retries: so many more attempts after the first, then the dead letters.
        backoff: how long to wait before each; None: `exponential(1.0, 60.0)`.
        timeout: seconds that an attempt may take; None: any.
        concurrency: so many handlers at once.
        claim_after: an entry whose worker has not been heard of for so many seconds is taken over by another.
        gone_after: a consumer without entries that has not been heard of for so many seconds is removed.
        dead_maxlen: about so many dead letters are kept; when there are more, the oldest are dropped.
        waiting_max: when so many entries wait for their next attempt, no new ones are taken.

    Raises:
        ValueError: a value out of its range.
    """

    retries: int = 5
    backoff: Backoff | None = None
    timeout: float | None = 30.0
    concurrency: int = 8
    claim_after: float = 30.0
    gone_after: float = 300.0
    dead_maxlen: int = 10_000
    waiting_max: int = 1000

    def __post_init__(self) -> None:
        if min(self.retries, self.concurrency - 1, self.dead_maxlen - 1, self.waiting_max - 1) < 0:
            raise ValueError("retries must be at least 0; concurrency, dead_maxlen and waiting_max at least 1")
        if (self.timeout is not None and self.timeout <= 0) or self.claim_after < 0.001:
            raise ValueError("timeout and claim_after must be positive")
        if self.gone_after < self.claim_after:
            raise ValueError("gone_after must not be below claim_after")
