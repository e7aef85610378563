"""A bus in this process, until a signal comes: `airwave worker`, or one of the processes of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from typing import Any

import redis

from airwave.bus.main import SIGNALS, new_loop
from airwave.cli.escape import printable
from airwave.cli.failure import Failure
from airwave.cli.tally import StatusLine, tally_of

REPORT_VARIABLE = "AIRWAVE_WORKER_REPORTS"
"""In the environment of a process that is supervised: the number of the file descriptor that takes its tallies."""

LOOK_S = 0.5  # between two looks at the tally

log = logging.getLogger("airwave.worker")


def run(bus: Any) -> None:
    """Run a bus until SIGINT or SIGTERM, or until the process that supervises this one is gone.

    Raises:
        Failure: it cannot be started.
    """
    reports = os.environ.pop(REPORT_VARIABLE, None)
    line = StatusLine() if reports is None else None
    _log_to(line)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_serve(bus, line, int(reports) if reports is not None else -1))


async def _serve(bus: Any, line: StatusLine | None, reports: int) -> None:
    told = asyncio.Event()
    end_on_signal(told)
    try:
        await bus.start()
    except (redis.RedisError, OSError) as error:
        raise Failure(f"cannot start the bus: {printable(str(error))}: check its URL") from None
    log.info("running; SIGINT or SIGTERM stops it, a second one at once")
    showing = asyncio.create_task(_show(bus, line, reports, told))
    await told.wait()
    log.info("stopping: handlers may finish")
    await bus.stop()
    showing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await showing
    if line is not None:
        line.show(tally_of(bus))
        line.end()
    log.info("stopped")


def end_on_signal(told: asyncio.Event) -> None:
    """Set the event at the first signal; a second one then ends the process as if nobody handled it."""
    loop = asyncio.get_running_loop()

    def tell() -> None:
        told.set()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)  # not KeyboardInterrupt, which handlers could catch

    for number in SIGNALS:
        loop.add_signal_handler(number, tell)


async def _show(bus: Any, line: StatusLine | None, reports: int, told: asyncio.Event) -> None:
    while True:
        tally = tally_of(bus)
        if line is not None:
            line.show(tally)
        elif not _report(reports, tally.encoded()):
            if not told.is_set():
                log.warning("the supervising process is gone: stopping")
            told.set()
        await asyncio.sleep(LOOK_S)


def _report(descriptor: int, data: bytes) -> bool:
    """Send a tally; whether anybody is there to read it."""
    try:
        os.write(descriptor, data)
    except BlockingIOError:  # it does not read just now; the next tally will do
        return True
    except OSError:
        return False
    return True


class _Lines(logging.Handler):
    """Writes log lines above the status line."""

    def __init__(self, line: StatusLine) -> None:
        super().__init__()
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._line.line(self.format(record))
        except Exception:
            self.handleError(record)


def _log_to(line: StatusLine | None) -> None:
    """Log to standard error, unless the user's module has set up logging by itself."""
    handler = logging.StreamHandler() if line is None else _Lines(line)
    logging.basicConfig(
        format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s", level=logging.INFO, handlers=[handler]
    )
