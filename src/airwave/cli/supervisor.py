"""Several processes with a bus each, started again when they end, or when sources change.

Each is `airwave worker` by itself, in a session of its own, so that a Ctrl-C on the terminal reaches only the
supervisor. It sends its tally through a pipe; when nobody reads that any more, the supervisor is gone, and it stops.

    a process is    when                                  leaves it by
    running         it was started                        its end: by itself, or told to stop
    resting         it ended by itself                    the backoff is over; with --reload, a source has changed
    stopping        the supervisor stops, or reloads      its end; a second signal kills it
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from airwave.bus.backoff import exponential
from airwave.bus.main import SIGNALS, new_loop
from airwave.cli.failure import Failure
from airwave.cli.loading import USAGE
from airwave.cli.process import LOOK_S, REPORT_VARIABLE
from airwave.cli.tally import StatusLine, Tally, added, decoded
from airwave.cli.watch import Watch

LINE_BYTES_MAX = 1 << 20  # of what a process writes to standard error
_FAILURE = "airwave: "  # how the line begins that says why a process ended
_LASTED_S = 60.0  # a process that ran so long has not failed at its start

_rest_s = exponential(0.5, 30.0, jitter=0.0)


class Supervisor:
    """Runs the processes of `airwave worker`.

    Args:
        command: starts one process.
        processes: how many.
        watched: the directory whose sources are watched; None: nothing is reloaded.
    """

    def __init__(self, command: list[str], processes: int, watched: Path | None) -> None:
        self._command = command
        self._count = processes
        self._watched = watched
        self._line = StatusLine()
        self._told = asyncio.Event()
        self._reload = asyncio.Event()  # made anew for each generation of processes
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._tallies: dict[int, Tally] = {}
        self._past = Tally()
        self._unusable = ""  # why there is no point in starting a process again

    async def run(self) -> None:
        """Run until a signal comes.

        Raises:
            Failure: the bus cannot be loaded.
        """
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        helpers = [asyncio.create_task(self._show())]
        if self._watched is not None:
            helpers.append(asyncio.create_task(self._watch(Watch(self._watched))))
        try:
            while not self._told.is_set():
                self._reload = asyncio.Event()
                await asyncio.gather(*[self._keep(number) for number in range(1, self._count + 1)])
        finally:
            for helper in helpers:
                helper.cancel()
            self._line.show(self._tally(), self._count)
            self._line.end()
        if self._unusable:
            raise Failure(self._unusable, code=USAGE)

    def _on_signal(self) -> None:
        if self._told.is_set():
            for process in self._processes.values():
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            return
        self._told.set()
        self._stop_all()

    def _stop_all(self) -> None:
        self._reload.set()
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()

    # --- one process ------------------------------------------------------------------------------------------------

    async def _keep(self, number: int) -> None:
        """Run one of the processes again and again, until it is told to stop or all are reloaded."""
        failures = 0
        while not self._reload.is_set():
            started_s = time.monotonic()
            code, last = await self._run_one(number)
            if self._reload.is_set():
                return
            if code == USAGE and self._watched is None:
                self._unusable = last.removeprefix(_FAILURE)
                self._told.set()
                self._stop_all()
                return
            if last.startswith(_FAILURE):
                self._line.line(last)
            failures = 1 if time.monotonic() - started_s > _LASTED_S else failures + 1
            self._line.line(f"process {number} {_ended(code)}: it is started again {self._when(code, failures)}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._reload.wait(), None if code == USAGE else _rest_s(failures))

    def _when(self, code: int, failures: int) -> str:
        return "when a source has changed" if code == USAGE else f"in {_rest_s(failures):g} s"

    async def _run_one(self, number: int) -> tuple[int, str]:
        """Run a process to its end; its exit code, and the last line that it wrote to standard error."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(writer,),
                start_new_session=True,
                env=os.environ | {REPORT_VARIABLE: str(writer)},
                limit=LINE_BYTES_MAX,
            )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self._processes[number] = process
        if self._reload.is_set():  # told to stop while it was being started
            process.terminate()
        assert process.stderr is not None
        try:
            _, last = await asyncio.gather(self._read_tallies(number, reader), self._pass_on(process.stderr))
            return await process.wait(), last
        finally:
            del self._processes[number]
            self._past = added([self._past, self._tallies.pop(number, Tally()).at_rest()])

    async def _read_tallies(self, number: int, descriptor: int) -> None:
        stream = asyncio.StreamReader()
        pipe = os.fdopen(descriptor, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), pipe
        )
        try:
            async for line in stream:
                self._tallies[number] = decoded(line)
        finally:
            transport.close()

    async def _pass_on(self, stream: asyncio.StreamReader) -> str:
        """Write what a process writes to standard error, but not how it failed at the end; the last line of it."""
        last = ""
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # longer than we take
                continue
            text = line.decode(errors="backslashreplace").rstrip("\n")
            if last.startswith(_FAILURE) and line:
                self._line.line(last)  # nothing but what the program said
            if not line:
                return last
            if not text.startswith(_FAILURE):
                self._line.line(text)
            last = text

    # --- beside them ------------------------------------------------------------------------------------------------

    def _tally(self) -> Tally:
        return added([self._past, *self._tallies.values()])

    async def _show(self) -> None:
        while True:
            self._line.show(self._tally(), len(self._processes))
            await asyncio.sleep(LOOK_S)

    async def _watch(self, watch: Watch) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if files := await asyncio.to_thread(watch.changed):
                more = f" and {len(files) - 1} more" if len(files) > 1 else ""
                self._line.line(f"changed: {files[0]}{more}: reloading")
                self._stop_all()


def _ended(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def supervise(target: str, app_dir: Path, processes: int, *, reload: bool) -> None:
    """Run `airwave worker` in several processes, see `Supervisor`."""
    command = [sys.executable, "-m", "airwave", "worker", target, "--app-dir", str(app_dir)]
    # asyncio's own loop loses the exit code of a process that ends in the moment it is sent a signal (Python 3.11).
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(Supervisor(command, processes, app_dir if reload else None).run())
