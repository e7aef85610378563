"""Restarts: how long a server takes, from its start to the first answer, when it has a log on disk.

What a server says while it still loads (-LOADING) is no answer. It is asked for the length of a stream, which must be
right: a server that answers before it knows what it has is not faster.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from airwave.bench.entries import fill, key, verify_length
from airwave.bench.errors import BenchError
from airwave.bench.model import Facts, Measure, Sample
from airwave.bench.program import Program
from airwave.bench.servers import Server
from airwave.bench.wire import Address, ask, connect, request

STREAMS = 10
ENTRIES = 2_000_000
ENTRIES_OPENED = 10_000_000
OPENED_S_MAX = 2.0
OPENED_BYTES_MAX = 300_000_000
POLL_S = 0.001
# Ending may take a while: everything that waits is to be on disk.
END_S_MAX = 120.0
ANSWER_S_MAX = 300.0

ABOUT_OPEN = (
    f"restart with {ENTRIES_OPENED:,} entries in {STREAMS} streams on disk: first answer in less than "
    f"{OPENED_S_MAX:g} s, RSS below {OPENED_BYTES_MAX // 1_000_000} MB"
)


@contextmanager
def restarts(server: Server, _: float) -> Iterator[Measure]:
    """Fill the server's streams once; each measurement is a restart, however many seconds it was to take."""
    restarted = server
    per_stream = ENTRIES // STREAMS
    _program(server)
    fill(server.address, STREAMS, per_stream)

    def measure(_: float) -> Sample:
        nonlocal restarted
        _end(_program(restarted))
        restarted, seconds = begin(restarted, per_stream)
        cpu_s = restarted.cpu_s()
        cpu_us = None if cpu_s is None else cpu_s * 1e6 / ENTRIES
        sample = Sample({"restart": seconds * 1e3}, seconds, ENTRIES, cpu_us, restarted.waited_s())
        _verify(restarted, per_stream)
        return sample

    yield measure


def run(server: Server, _: float) -> Facts:
    """Fill the server's streams, end it, start it, and look at time and memory.

    Returns:
        what was seen; times in seconds, memory and the log on disk in MB.

    Raises:
        BenchError: an entry was lost, or the server did not end or come back.
    """
    program = _program(server)
    per_stream = ENTRIES_OPENED // STREAMS
    start_s = time.perf_counter()
    fill(server.address, STREAMS, per_stream)
    filled_s = time.perf_counter()
    _end(program)
    ended_s = time.perf_counter()
    disk_bytes = sum(file.stat().st_size for file in program.setup.directory.rglob("*") if file.is_file())
    restarted, seconds = begin(server, per_stream)
    at_once_bytes = restarted.rss_bytes() or 0
    _verify(restarted, per_stream)
    rss_bytes = restarted.rss_bytes() or 0
    return {
        "entries": ENTRIES_OPENED,
        "fill_s": round(filled_s - start_s, 1),
        "end_s": round(ended_s - filled_s, 2),
        "disk_mb": round(disk_bytes / 1e6, 1),
        "first_answer_s": round(seconds, 3),
        "server_waited_s": round(restarted.waited_s() or 0.0, 3),
        "rss_mb": round(at_once_bytes / 1e6, 1),
        "rss_mb_after_a_look_at_each_stream": round(rss_bytes / 1e6, 1),
        "passed": seconds < OPENED_S_MAX and max(at_once_bytes, rss_bytes) < OPENED_BYTES_MAX,
    }


def _program(server: Server) -> Program:
    if server.program is None:
        raise BenchError("only a server that was started here can be restarted: leave this load out with --only")
    return server.program


def _end(program: Program) -> None:
    if not program.end(END_S_MAX):
        raise BenchError(f"{program.name} did not end within {END_S_MAX:g} s of SIGTERM")


def begin(server: Server, length: int) -> tuple[Server, float]:
    """Start a server again that was ended, and wait for its first answer.

    Args:
        length: how many entries its first stream must have.

    Returns:
        the same server with its new process id, and how long it took, in seconds.

    Raises:
        BenchError: it ended again, never answered, or answered something else.
    """
    program, expected = _program(server), b":%d\r\n" % length
    start_s = time.perf_counter()
    pid = program.begin()
    while (answer := _asked(server.address)) != expected:
        if answer and not answer.startswith(b"-LOADING"):
            raise BenchError(f"{server.name} answered {answer[:80]!r} after a restart, instead of {length:,} entries")
        program.check_alive()
        if time.perf_counter() > start_s + ANSWER_S_MAX:
            raise BenchError(f"{server.name} did not answer within {ANSWER_S_MAX:g} s after a restart")
        time.sleep(POLL_S)
    return replace(server, pid=pid), time.perf_counter() - start_s


def _asked(address: Address) -> bytes:
    """What the server says to XLEN, on a connection of its own; empty when it is not there yet."""
    try:
        with socket.create_connection((address.host, address.port), timeout=ANSWER_S_MAX) as sock:
            sock.sendall(request(b"XLEN", key()))
            answer = b""
            while not answer.endswith(b"\r\n"):
                data = sock.recv(4096)
                if not data:
                    return b""
                answer += data
            return answer
    except OSError:
        return b""


def _verify(server: Server, per_stream: int) -> None:
    """See that all entries are there, and read one of each stream."""
    for number in range(STREAMS):
        verify_length(server.address, key(number), per_stream)
        with connect(server.address) as sock:
            found = ask(sock, b"XREVRANGE", key(number), b"+", b"-", b"COUNT", b"1")
        if not isinstance(found, list) or len(found) != 1:
            raise BenchError(f"lost: the last entry of a stream is {found!r} after a restart")
