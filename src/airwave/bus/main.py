"""Running a bus as a program: until a signal comes."""

import asyncio
import logging
import signal
import sys
import threading
from contextlib import AbstractAsyncContextManager
from typing import Any

logger = logging.getLogger("airwave.bus")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(service: AbstractAsyncContextManager[Any]) -> None:
    """Enter, wait for SIGINT or SIGTERM, and leave. A second signal ends the process at once.

    Raises:
        RuntimeError: not in the main thread, or an event loop runs here already.
        Exception: what entering raises.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("bus.run() handles signals and belongs into the main thread: use start() and stop() here")
    before = [signal.getsignal(number) for number in SIGNALS]
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_serve(service))
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler or signal.SIG_DFL)  # None: it was not Python's


async def _serve(service: AbstractAsyncContextManager[Any]) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with service:
        for number in SIGNALS:
            loop.add_signal_handler(number, told.set)
        logger.info("the bus runs; SIGINT or SIGTERM stops it")
        await told.wait()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)  # KeyboardInterrupt would wait for handlers at work in threads
        logger.info("the bus stops; handlers may finish")


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop as fast as there is."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415  (there is none on Windows)

    return uvloop.new_event_loop()
