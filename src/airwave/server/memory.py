"""The garbage collector, so that it never holds the loop.

A full collection looks at every container object: with 10,000 subscribers that is a pause of tens of milliseconds. Sessions,
transports and topics are freed by their reference counts alone (a test holds them to it), so the collector is left
to the young objects, and what has survived two collections is frozen: never looked at again.
"""

import gc

# Collections of the youngest generation every so many new containers; each takes well under a millisecond.
_YOUNG = 2_000
_MIDDLE = 10
_NEVER = 1_000_000_000


def start() -> None:
    """Call once, when everything long-lived is in place."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _NEVER)


def settle() -> None:
    """Call now and then: freezes what has become old since the last call, in constant time."""
    if gc.get_count()[2]:
        gc.freeze()
