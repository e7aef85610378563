"""Starting, pinning, measuring and ending the servers. Only what was started here is ever ended, by its process id."""

import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from airwave.bench.errors import BenchError
from airwave.bench.wire import Address, ask, connect

START_S_MAX = 15.0
STOP_S_MAX = 10.0
# More than the largest crowd (10,000 subscribers and a few more); both servers refuse clients past it.
CLIENTS_MAX = 15_000

Argv = Callable[[int], Sequence[str]]


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        name: what the report calls it.
        pid: its process id, None when it runs elsewhere; then its CPU and memory are not measured.
    """

    name: str
    address: Address
    pid: int | None

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


@dataclass(frozen=True)
class Cores:
    """Which core the server runs on and which the load; both None when there is only one core."""

    server: int | None
    load: int | None

    @staticmethod
    def choose() -> "Cores":
        """The first two cores that this process may use."""
        usable = sorted(os.sched_getaffinity(0))
        return Cores(usable[0], usable[1]) if len(usable) > 1 else Cores(None, None)

    def pin_load(self) -> None:
        """Move this process, and what it starts from now on, to the load's core."""
        if self.load is not None:
            os.sched_setaffinity(0, {self.load})

    def pin_server(self) -> None:
        """Move this process, and what it starts from now on, to the server's core."""
        if self.server is not None:
            os.sched_setaffinity(0, {self.server})

    def release(self) -> None:
        """Let this process run on both cores again."""
        if self.server is not None and self.load is not None:
            os.sched_setaffinity(0, {self.server, self.load})


def airwave_argv(port: int) -> list[str]:
    """Airwave as it is measured: Pub/Sub output limits off, as for Redis, and nothing on disk."""
    return [sys.executable, "-m", "airwave", "serve", *_options(port)]


def redis_argv(port: int) -> list[str]:
    """redis-server as it is measured.

    Raises:
        BenchError: redis-server is not installed.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise BenchError("redis-server is not installed: install it, or compare with --against redis://HOST:PORT")
    return [program, *_options(port)]


def _options(port: int) -> list[str]:
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "client-output-buffer-limit": "pubsub 0 0 0",
        "maxclients": str(CLIENTS_MAX),
        "save": "",
        "appendonly": "no",
        "loglevel": "warning",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


@contextmanager
def started(name: str, argv: Argv, cores: Cores) -> Iterator[Server]:
    """Start a server on a free port of 127.0.0.1, pinned to its core, and end it afterwards.

    Args:
        argv: makes the command line for a port.

    Raises:
        BenchError: it did not come up; the text has its last line of output.
    """
    port = free_port()
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="airwave-bench-"))
        log = stack.enter_context(open(Path(directory) / "log", "w+b"))
        # A child inherits the affinity, so all its threads are pinned from their first instruction.
        cores.pin_server()
        try:
            process = subprocess.Popen(
                argv(port), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=directory
            )
        except OSError as error:
            raise BenchError(f"cannot start {name}: {error.strerror} ({argv(port)[0]})") from error
        finally:
            cores.pin_load()
        stack.callback(_end, process)
        address = Address("127.0.0.1", port)
        _await_listening(name, process, address, Path(directory) / "log")
        yield Server(name, address, process.pid)


def _await_listening(name: str, process: "subprocess.Popen[bytes]", address: Address, log: Path) -> None:
    deadline_s = time.monotonic() + START_S_MAX
    while True:
        try:
            socket.create_connection((address.host, address.port), timeout=1).close()
            return
        except OSError:
            said = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
            if process.poll() is not None:
                raise BenchError(f"{name} ended with code {process.returncode} at start: {said}") from None
            if time.monotonic() > deadline_s:
                raise BenchError(f"{name} does not listen on port {address.port}: {said}") from None
            time.sleep(0.02)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nothing listens right now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


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
