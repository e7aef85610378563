"""What the process of the load does while it measures: no garbage collection, and its own core."""

import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from airwave.bench.program import Cores


@contextmanager
def quiet(cores: Cores) -> Iterator[None]:
    """No pauses of our own while measuring, and SIGTERM cleans up as Ctrl-C does."""

    def interrupted(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupted)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        cores.pin_load()
        yield
    finally:
        cores.release()
        gc.enable()
        gc.unfreeze()
        signal.signal(signal.SIGTERM, before)


def where(cores: Cores) -> str:
    """Which core does what, for the description of the machine."""
    return "not pinned" if cores.load is None else f"server on core {cores.server}, load on core {cores.load}"
