"""How long to wait before the next attempt."""

import random
from collections.abc import Callable

Backoff = Callable[[int], float]
"""From the number of attempts that failed (1: the first) to seconds."""


def exponential(first_s: float, max_s: float, *, factor: float = 2.0, jitter: float = 0.1) -> Backoff:
    """Wait longer after each attempt.

    Args:
        first_s: seconds after the first attempt.
        max_s: never longer, in seconds.
        factor: each wait is so many times the one before; at least 1.
        jitter: so large a part of each wait is drawn by lot, 0 to 1, so that what failed together does not come back
            together.

    Raises:
        ValueError: a value out of its range.
    """
    if not 0 <= first_s <= max_s:
        raise ValueError(f"backoff needs 0 <= first_s <= max_s, not {first_s} and {max_s}")
    if factor < 1:
        raise ValueError(f"factor must be at least 1, not {factor}")
    if not 0 <= jitter <= 1:
        raise ValueError(f"jitter must be between 0 and 1, not {jitter}")

    def wait_s(attempts: int) -> float:
        try:
            full = min(first_s * factor ** (attempts - 1), max_s)
        except OverflowError:
            full = max_s
        return full * (1 - jitter * random.random())

    return wait_s


def constant(wait_s: float) -> Backoff:
    """Wait the same time after each attempt.

    Raises:
        ValueError: it is negative.
    """
    if wait_s < 0:
        raise ValueError(f"the wait must not be negative: {wait_s}")
    return lambda _: wait_s
