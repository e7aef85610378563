"""The servers: started for a measurement or found running, and what they cost."""

import os
import resource
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from airwave.bench.errors import BenchError
from airwave.bench.program import Appendfsync, Argv, Cores, Program, Setup, free_port
from airwave.bench.wire import Address, ask, connect

START_S_MAX = 15.0


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        name: what the report calls it.
        pid: its process id, None when it runs elsewhere; then its CPU and memory are not measured.
        program: what it was started from; None when it was not started here.
    """

    name: str
    address: Address
    pid: int | None
    program: Program | None = None

    def cpu_s(self) -> float | None:
        """CPU time of all its threads so far, in seconds; None when it runs elsewhere."""
        return None if self.pid is None else _schedstat_s(self.pid, 0)

    def waited_s(self) -> float | None:
        """Time in which it was ready to run but something else had its core, in seconds: noise of the machine."""
        return None if self.pid is None else _schedstat_s(self.pid, 1)

    def rss_bytes(self) -> int | None:
        """Resident memory; None when it runs elsewhere."""
        if self.pid is None:
            return None
        try:
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        except OSError:
            pass
        raise BenchError(f"{self.name} has died")

    def info(self) -> dict[str, str]:
        """What INFO server says; empty when the server has no INFO."""
        with connect(self.address) as sock:
            try:
                reply = ask(sock, b"INFO", b"server")
            except BenchError:
                return {}
        text = reply.decode() if isinstance(reply, bytes) else ""
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _schedstat_s(pid: int, field: int) -> float:
    """Sum of a field of /proc/PID/task/*/schedstat: 0 is time on a core, 1 time waiting for one."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[field]) for task in tasks) / 1e9
    except OSError as error:
        raise BenchError(f"cannot read CPU times of process {pid}: it has died, or /proc is not there") from error


class Cost:
    """A server's CPU and waiting time since this was made."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._cpu_s, self._waited_s = server.cpu_s(), server.waited_s()

    def cpu_us_per(self, operations: int) -> float | None:
        """CPU time per operation, in µs; None when the server runs elsewhere."""
        now_s = self._server.cpu_s()
        return None if now_s is None or self._cpu_s is None else (now_s - self._cpu_s) * 1e6 / max(operations, 1)

    def waited_s(self) -> float | None:
        """Time in which it was ready but something else had its core, in seconds; None when it runs elsewhere."""
        now_s = self._server.waited_s()
        return None if now_s is None or self._waited_s is None else now_s - self._waited_s


@contextmanager
def started(name: str, argv: Argv, cores: Cores, appendfsync: Appendfsync | None = None) -> Iterator[Server]:
    """Start a server on a free port of 127.0.0.1, pinned to its core, and end it afterwards.

    It has a directory of its own, which is removed afterwards.

    Args:
        argv: makes its command line.
        appendfsync: when what is appended to its log on disk is synced; None: nothing is on disk.

    Raises:
        BenchError: it did not come up; the text has its last line of output.
    """
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="airwave-bench-")))
        directory = root / "data"
        directory.mkdir()
        program = Program(name, argv, Setup(free_port(), directory, appendfsync), root / "log", cores)
        stack.callback(program.end)
        pid = program.begin()
        address = Address("127.0.0.1", program.setup.port)
        await_listening(program, address)
        yield Server(name, address, pid, program)


def await_listening(program: Program, address: Address) -> None:
    """Wait until something listens there.

    Raises:
        BenchError: the program has ended, or does not listen.
    """
    deadline_s = time.monotonic() + START_S_MAX
    while True:
        try:
            socket.create_connection((address.host, address.port), timeout=1).close()
            return
        except OSError:
            program.check_alive()
            if time.monotonic() > deadline_s:
                said = program.last_words()
                raise BenchError(f"{program.name} does not listen on port {address.port}: {said}") from None
            time.sleep(0.02)


def running(url: str) -> Server:
    """The server that already runs at `url` (redis://[[user]:password@]host[:port]).

    Its CPU and memory are measured when it is a process of this machine.

    Raises:
        BenchError: the URL is not usable, or nobody answers there.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or 6379
    except ValueError:
        port = 0
    if parts.scheme != "redis" or not parts.hostname or not port:
        raise BenchError(f"--against needs a URL like redis://127.0.0.1:6379, not {url!r}")
    password = None if parts.password is None else unquote(parts.password)
    address = Address(_resolve(parts.hostname), port, unquote(parts.username or "") or None, password)
    server = Server(f"{parts.hostname}:{port}", address, None)
    return Server(server.name, address, _local_pid(server.info()))


def _resolve(host: str) -> str:
    try:
        return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise BenchError(f"cannot find the host {host!r}: {error.strerror}") from error


def _local_pid(info: dict[str, str]) -> int | None:
    """The server's process id if that process, with that age, is on this machine."""
    try:
        pid, age_s = int(info["process_id"]), int(info["uptime_in_seconds"])
        # After the command name, which may hold spaces: field 22 is the start time in clock ticks since boot.
        started_ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        boot_age_s = float(Path("/proc/uptime").read_text().split()[0])
    except (KeyError, ValueError, OSError, IndexError):
        return None
    # Without this check, a server in a container or elsewhere would be taken for whatever has its number here.
    same_age = abs(boot_age_s - started_ticks / os.sysconf("SC_CLK_TCK") - age_s) < 5
    return pid if same_age else None


def allow_open_files(needed: int) -> None:
    """Raise this process's limit of open files, which its children inherit, as far as it goes.

    Raises:
        BenchError: `needed` is more than the hard limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BenchError(f"needs {needed:,} open files but the limit is {hard:,}: raise it with `ulimit -n {needed}`")
    if soft < hard or hard == resource.RLIM_INFINITY:
        target = max(soft, needed) if hard == resource.RLIM_INFINITY else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
