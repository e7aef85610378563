"""The garbage collector, so that it never holds the loop.

A full collection looks at every container object: with 10,000 subscribers that is a pause of tens of milliseconds.
Sessions, transports and topics are freed by their reference counts alone (a test holds them to it), so the collector is
left to the young objects. What a collection of the middle generation has found alive is frozen at once, in constant
time: nothing looks at it again, and nothing that was never looked at is frozen.
"""

import gc

# Collections of the youngest generation every so many new containers; each takes well under a millisecond.
_YOUNG = 1_000
_MIDDLE = 4
_NEVER = 1_000_000_000


def start() -> None:
    """Call once, when everything long-lived is in place."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _NEVER)
    gc.callbacks.append(_freeze_survivors)


def _freeze_survivors(phase: str, info: dict[str, int]) -> None:
    # Behind a collection of the middle generation the two younger ones are empty: only survivors are left.
    if phase == "stop" and info["generation"] >= 1:
        gc.freeze()
