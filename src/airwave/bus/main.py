"""Running a bus as a program: until a signal comes."""

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, ExitStack
from typing import Any

logger = logging.getLogger("airwave.bus")


def run(service: AbstractAsyncContextManager[Any]) -> None:
    """Enter, wait for SIGINT or SIGTERM, and leave. A second signal ends it at once.

    Raises:
        RuntimeError: not in the main thread, or an event loop runs here already.
        Exception: what entering raises.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("bus.run() handles signals and belongs into the main thread: use start() and stop() here")
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(service))


async def _serve(service: AbstractAsyncContextManager[Any]) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with service:
        with ExitStack() as handlers:
            for number in signal.SIGINT, signal.SIGTERM:
                loop.add_signal_handler(number, told.set)
                handlers.callback(loop.remove_signal_handler, number)
            logger.info("the bus runs; SIGINT or SIGTERM stops it")
            await told.wait()
        logger.info("the bus stops; handlers may finish")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop  # noqa: PLC0415  (there is none on Windows)

    return uvloop.new_event_loop
