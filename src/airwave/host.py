"""What the core is given by the layer that does I/O: time, a way to be called again, a log."""

from typing import Any, Protocol


class Host(Protocol):
    """What the core is given by the layer that does I/O."""

    pid: int
    run_id: str  # 40 hexadecimal digits, new at each start

    def clock(self) -> int:
        """Monotonic time in ns."""

    def wall(self) -> float:
        """Unix time in seconds."""

    def wall_ms(self) -> int:
        """Unix time in ms."""

    def wake(self) -> None:
        """Call `Broker.tick` soon, once."""

    def wake_after(self, delay_s: float) -> None:
        """Call `Broker.tick` after so many seconds."""

    def sleep(self, delay_s: float) -> None:
        """Stop the whole node for so long (DEBUG SLEEP)."""

    def log(self, level: str, message: str, /, *, exc_info: BaseException | None = None, **fields: object) -> None:
        """Log an event; `level` is one of Redis's (debug, verbose, notice, warning) or `error` for a fault of ours."""

    def shutdown(self, *, now: bool) -> None:
        """Stop the node; `now` without waiting for slow clients."""

    def rewrite_config(self) -> None:
        """Write the settings to their file. Raises CommandError when there is none or it cannot be written."""

    def usage(self) -> dict[str, Any]:
        """What the process uses: `rss_bytes`, `rss_peak_bytes`, `cpu_sys_s`, `cpu_user_s`, `os`, `executable`.

        And who watches over it: `supervised`, `systemd` or `no`.
        """
