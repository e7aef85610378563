"""What the core is given of the outside world; see `airwave.host.Host`."""

import asyncio
import os
import platform
import resource
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airwave.errors import CommandError
from airwave.server import log
from airwave.server.systemd import supervisor
from airwave.settings import Settings

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ProcessHost:
    """What every host of a process has: time, a log, and what the process uses.

    Args:
        settings: for `rewrite_config`.
        stop: called with `now=` when a client asks for SHUTDOWN.
    """

    def __init__(self, settings: Settings, stop: Callable[[bool], None]) -> None:
        self.pid = os.getpid()
        self.run_id = secrets.token_hex(20)
        self.clock = time.perf_counter_ns
        self.wall = time.time
        self.sleep = time.sleep
        self.log = log.event
        self._settings = settings
        self._stop = stop
        self._supervised = supervisor(settings)

    def wall_ms(self) -> int:
        """See `Host`."""
        return time.time_ns() // 1_000_000

    def shutdown(self, *, now: bool) -> None:
        """See `Host`."""
        self._stop(now)

    def rewrite_config(self) -> None:
        """Write the settings to the file they came from: to a new file first, which then takes the old one's place."""
        settings = self._settings
        if not settings.config_file:
            raise CommandError("ERR The server is running without a config file")
        path = Path(settings.config_file)
        try:
            old = path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else ""
            fresh = path.with_name(f"{path.name}.{self.pid}.tmp")
            with fresh.open("wb") as file:
                file.write(settings.rewrite(old).encode("utf-8", "surrogateescape"))
                file.flush()
                os.fsync(file.fileno())
            if path.exists():
                fresh.chmod(path.stat().st_mode & 0o7777)
            fresh.replace(path)
        except OSError as error:
            log.event("warning", "CONFIG REWRITE failed", file=str(path), error=error.strerror)
            raise CommandError(f"ERR Rewriting config file: {error.strerror}") from None
        log.event("notice", "CONFIG REWRITE executed with success", file=str(path))

    def usage(self) -> dict[str, Any]:
        """See `Host`."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        # ru_maxrss is in KiB on Linux, in bytes on macOS.
        peak_bytes = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return {
            "rss_bytes": _rss_bytes() or peak_bytes,
            "rss_peak_bytes": peak_bytes,
            "cpu_sys_s": used.ru_stime,
            "cpu_user_s": used.ru_utime,
            "os": f"{platform.system()} {platform.release()} {platform.machine()}",
            "executable": sys.executable,
            "supervised": self._supervised,
        }


class LoopHost(ProcessHost):
    """A host on an asyncio event loop.

    Args:
        settings, stop: see `ProcessHost`.
        loop: where ticks run.

    Attributes:
        tick: `Broker.tick`; set once the broker exists.
    """

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop, stop: Callable[[bool], None]) -> None:
        super().__init__(settings, stop)
        self.tick: Callable[[], None] = lambda: None
        self._loop = loop

    def wake(self) -> None:
        """See `Host`."""
        self._loop.call_soon(self.tick)

    def wake_after(self, delay_s: float) -> None:
        """See `Host`."""
        self._loop.call_later(delay_s, self.tick)


def _rss_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0
