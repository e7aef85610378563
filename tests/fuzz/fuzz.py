"""Throws broken and hostile input at a live server and looks whether everybody else is still served.

    python tests/fuzz/fuzz.py --seconds 300             a new seed each time, which it prints
    python tests/fuzz/fuzz.py --steps 500 --seed 7      the same steps again
    python tests/fuzz/fuzz.py --replay FILE             what a failed run saved

Every so many steps it checks that the process lives, that a healthy client gets its PONG and its messages, that the log
tells of no fault, and that memory and file descriptors are bounded. Nearly everything is drawn from one random number
generator; only how far the server has come when the next bytes arrive is not. Failures are saved as one JSON object a
line: what was sent, on which connection.
"""

import argparse
import base64
import json
import random
import socket
import struct
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from live import Node, wait_for

STEPS_BETWEEN_CHECKS = 100
CONNECTIONS_MAX = 60
RSS_MAX_BYTES = 300 << 20
SAVED_BYTES_MAX = 32 << 20
SERVER_OPTIONS = [
    *("--client-query-buffer-limit", "2mb", "--proto-max-bulk-len", "1mb"),
    *("--client-output-buffer-limit", "normal 2mb 0 0 pubsub 2mb 1mb 5", "--slowlog-log-slower-than", "1000"),
]
# They end or stop the server for everybody, which is no finding.
LEFT_OUT = {b"shutdown", b"debug", b"client|pause", b"config|rewrite", b"config|set", b"client|kill"}
LEFT_BEHIND = ["pubsub_channels", "pubsub_patterns", "pubsubshard_channels", "lagging_clients", "monitor_clients"]
HARMLESS_SETTINGS = [b"hz", b"slowlog-max-len", b"latency-tracking", b"slow-subscriber-policy", b"fan-out-slice"]
WORDS = [
    *b"0 1 -1 2 3 4 10 16 9223372036854775807 -9223372036854775809 1e400 nan 00 +1 on off yes no skip".split(),
    *b"help auth setname type pubsub normal id addr laddr user default skipme maxage lib-name lib-ver filterby".split(),
    *b"aclcat pattern module all everything version samples async sync publish client maxclients drop-oldest".split(),
    *rb"a news news:1 * news:* [a- \ a*a*a*a*a*b [^a]?".split(),
    *(b"", b"\xff\x00\r\n", b"\x1b[31m", b"x" * 100, b"a" * 20_000),
]
HEADERS = [
    *(b"*200000000\r\n", b"*1048577\r\n", b"*1048576\r\n", b"*-1\r\n", b"*0\r\n", b"*\r\n", b"*1\r\n"),
    *(b"*99999999999999\r\n", b"$536870913\r\n", b"*1\r\n$1048577\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$1048576\r\n"),
    *(b"%200000000\r\n", b"~9\r\n", b">2\r\n", b"|1\r\n", b"_\r\n", b"#f\r\n", b"#t\r\n", b",1.5\r\n", b":1\r\n"),
    *(b"(123456789012345678901\r\n", b"=7\r\ntxt:abc\r\n", b"*2\r\n*1\r\n*1\r\n*1\r\n", b"*1\r\n" * 50, b"+OK\r\n"),
    *(b"*2\r\n$4\r\nPING\r\n:1\r\n", b"-ERR x\r\n", b"!5\r\nERROR\r\n", b"$?\r\n;4\r\nabcd\r\n;0\r\n", b"*?\r\n.\r\n"),
    *(b"*1\r\n#f\r\n", b"*1\r\n_\r\n", b"*01\r\n$04\r\nPING\r\n"),
]
INLINE = [
    *(b"PING\r\n", b"ping\n", b"\r\n", b"\n", b"ECHO 'a b' \r\n", b'ECHO "\\x00\\xff"\r\n', b"ECHO 'open\r\n"),
    *(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00\x01", b"\x00" * 64),
    *(b"A" * 70_000, b'"\r\n', b"PUBLISH news inline\r\n", b"SUBSCRIBE news\r\n", b"hello 3\r\n", b"QUIT\r\n"),
    b"MULTI\nPING\nEXEC\n",
]


def encoded(argv: list[bytes]) -> bytes:
    """A well-formed request."""
    return b"*%d\r\n" % len(argv) + b"".join(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in argv)


class Inputs:
    """What to send, drawn from a random number generator.

    Args:
        arities: the server's commands and their arity.
    """

    def __init__(self, rng: random.Random, arities: dict[bytes, int]) -> None:
        self._rng = rng
        self._commands = sorted(arities.items())
        self._earlier: deque[bytes] = deque(maxlen=50)  # to splice from

    def argv(self) -> list[bytes]:
        """One request that may be right."""
        rng = self._rng
        if rng.random() < 0.3:
            return rng.choice(
                [
                    [rng.choice([b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE"]), rng.choice(WORDS[:60]), b"news"],
                    [rng.choice([b"UNSUBSCRIBE", b"PUNSUBSCRIBE", b"SUNSUBSCRIBE"])],
                    [rng.choice([b"PUBLISH", b"SPUBLISH"]), b"news", bytes(rng.choice([1, 50, 5000]))],
                    [b"HELLO", rng.choice([b"2", b"3"])],
                    [b"CONFIG", b"SET", rng.choice(HARMLESS_SETTINGS), rng.choice(WORDS)],
                    [b"CLIENT", b"KILL", b"ID", b"%d" % rng.randrange(1_000_000)],
                ]
            )
        name, arity = rng.choice(self._commands)
        fewest = abs(arity) - name.count(b"|") - 1
        count = fewest if arity > 0 else fewest + rng.choice([0, 0, 1, 1, 2, 3, 7])
        if rng.random() < 0.1:
            count = max(0, count + rng.choice([-1, 1, 20]))
        return [*name.split(b"|"), *[rng.choice(WORDS) for _ in range(count)]]

    def piece(self) -> bytes:
        """Some bytes: requests, broken or not."""
        rng = self._rng
        kind = rng.random()
        if kind < 0.7:
            data = b"".join(encoded(self.argv()) for _ in range(rng.choice([1, 1, 2, 5, 30])))
        elif kind < 0.82:
            data = rng.choice(HEADERS) + rng.choice([b"", encoded(self.argv()), rng.randbytes(20)])
        elif kind < 0.95:
            data = b"".join(rng.choice(INLINE) for _ in range(rng.choice([1, 2, 4])))
        else:
            data = rng.randbytes(rng.choice([1, 10, 1000]))
        self._earlier.append(data[:5000])
        return self._mutated(data) if rng.random() < 0.6 else data

    def _mutated(self, data: bytes) -> bytes:
        rng = self._rng
        work = bytearray(data)
        for _ in range(rng.choice([1, 1, 1, 2, 5])):
            place = rng.randrange(len(work) + 1)
            match rng.randrange(7):
                case 0 if place < len(work):
                    work[place] ^= 1 << rng.randrange(8)
                case 1 if place < len(work):
                    work[place] = rng.choice(b"*$:+-\r\n%~>|_#,(=!\x00\xff09")
                case 2:
                    del work[place : place + rng.choice([1, 2, 10])]
                case 3:
                    del work[place:]
                case 4:
                    work[place:place] = rng.choice(self._earlier)
                case 5:
                    work[place:place] = rng.choice(HEADERS)
                case 6:
                    work[place:place] = rng.randbytes(rng.choice([1, 3]))
        return bytes(work)

    def flood(self) -> bytes:
        """Requests with large or many replies; whoever sends it reads none of them."""
        rng = self._rng
        argv = rng.choice(
            [
                [b"ECHO", b"e" * 10_000],
                [b"PING"],
                [b"INFO", b"everything"],
                [b"COMMAND"],
                [b"PUBLISH", b"news", b"p" * rng.choice([10, 1000, 50_000])],
                [b"CLIENT", b"LIST"],
                [b"SUBSCRIBE", *[b"flood:%d" % number for number in range(200)]],
                [b"PSUBSCRIBE", *[b"flood:%d:*" % number for number in range(200)]],
            ]
        )
        return encoded(argv) * rng.choice([10, 100, 300])


class Failed(Exception):  # noqa: N818  (the outcome of a run)
    """A check did not hold."""


class Fuzzer:
    """One run against one server.

    Args:
        node: the server, started with SERVER_OPTIONS.
        seed: of all that is drawn.
    """

    def __init__(self, node: Node, seed: int) -> None:
        self.rng = random.Random(seed)
        self.node = node
        self.sent: deque[tuple[int, str, bytes]] = deque()
        self.steps = 0
        self.rss_peak_bytes = 0
        self._sent_bytes = 0
        self._sockets: dict[int, socket.socket] = {}
        self._next_socket = 0
        self._seen_lines = 0
        with node.connect() as peer:
            rows = peer.do("COMMAND")
            peer.do("CONFIG", "GET", "*")
        self.inputs = Inputs(self.rng, _arities(rows))
        self._base_descriptors = node.descriptors

    # --- steps ------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Do one hostile thing."""
        self.steps += 1
        rng = self.rng
        kind = rng.random()
        number = rng.choice([*self._sockets]) if self._sockets and rng.random() < 0.6 else self.open()
        if kind < 0.75:
            data = self.inputs.piece()
            cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice([0, 0, 1, 3])))
            for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
                self.send(number, data[begin:end])
        elif kind < 0.85:
            self.send(number, self.inputs.flood())
        elif kind < 0.9:
            self.send(number, b"*1\r\n$1000000\r\n" + bytes(rng.choice([0, 1000, 900_000])))
        elif kind < 0.95:
            self.receive(number)
        else:
            self.close(number, abort=rng.random() < 0.5)
        if rng.random() < 0.1:
            self.receive(number)
        if len(self._sockets) > CONNECTIONS_MAX:
            self.close(rng.choice([*self._sockets]), abort=rng.random() < 0.5)
        if self.steps % STEPS_BETWEEN_CHECKS == 0:
            self.check()

    def open(self) -> int:
        self._next_socket += 1
        self._note(self._next_socket, "open")
        sock = socket.create_connection((self.node.host, self.node.port), timeout=30)
        sock.setblocking(False)
        self._sockets[self._next_socket] = sock
        return self._next_socket

    def send(self, number: int, data: bytes) -> None:
        """Send what the kernel takes at once; the rest is left out, as by a client that was cut off."""
        self._note(number, "send", data)
        if (sock := self._sockets.get(number)) is None:
            return
        try:
            sock.send(data)
        except BlockingIOError:
            pass
        except OSError:  # the server has closed it
            self._sockets.pop(number).close()

    def receive(self, number: int) -> None:
        self._note(number, "receive")
        sock = self._sockets.get(number)
        with suppress(OSError):
            while sock is not None and sock.recv(1 << 18):
                pass

    def close(self, number: int, *, abort: bool) -> None:
        self._note(number, "abort" if abort else "close")
        if (sock := self._sockets.pop(number, None)) is not None:
            if abort:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()

    def close_all(self) -> None:
        for number in [*self._sockets]:
            self.close(number, abort=False)

    def _note(self, number: int, what: str, data: bytes = b"") -> None:
        self.sent.append((number, what, data))
        self._sent_bytes += len(data) + 100
        while self._sent_bytes > SAVED_BYTES_MAX:
            self._sent_bytes -= len(self.sent.popleft()[2]) + 100

    # --- checks -----------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raises Failed when somebody is harmed."""
        if self.node.process.poll() is not None:
            raise Failed(f"the server ended with code {self.node.process.returncode}")
        self._check_log()
        try:
            self._check_healthy_client()
        except (OSError, EOFError):  # perhaps a CLIENT KILL hit it: a second time is no chance
            try:
                self._check_healthy_client()
            except (OSError, EOFError) as error:
                raise Failed(f"a healthy client is not served: {error!r}") from error
        rss_bytes = self.node.rss_bytes
        self.rss_peak_bytes = max(self.rss_peak_bytes, rss_bytes)
        if rss_bytes > RSS_MAX_BYTES:
            raise Failed(f"the server uses {rss_bytes >> 20} MB")
        self._check_log()

    def _check_log(self) -> None:
        lines = self.node.log[self._seen_lines :]
        self._seen_lines += len(lines)
        for place, line in enumerate(lines):
            if "internal error" in line or "Traceback" in line or " ! " in line or not line.isprintable():
                raise Failed("the log tells of a fault:\n" + "\n".join(lines[place : place + 60]))

    def _check_healthy_client(self) -> None:
        with self.node.connect() as subscriber, self.node.connect(resp3=True) as publisher:
            if publisher.do("PING") != "PONG" and publisher.do("PING") != b"PONG":
                raise Failed("a healthy client got no PONG")
            subscriber.do("SUBSCRIBE", "healthy")
            message = b"%d" % self.steps
            got = publisher.do("PUBLISH", "healthy", message)  # a hostile client may have subscribed to everything
            heard = subscriber.read()
            if not isinstance(got, int) or got < 1 or heard != [b"message", b"healthy", message]:
                raise Failed(f"a healthy client got {got!r} and {heard!r}")

    def check_end(self) -> None:
        """Everybody leaves: nothing may stay behind."""
        self.close_all()
        try:
            wait_for(lambda: self.node.descriptors <= self._base_descriptors, "descriptors to come back")
            with self.node.connect() as peer:
                wait_for(lambda: peer.info("clients")["connected_clients"] == "1", "clients to be forgotten")
                info = peer.info()
        except AssertionError as error:
            raise Failed(f"{error}: {self.node.descriptors} descriptors, {self._base_descriptors} before") from error
        for name in (
            "pubsub_channels",
            "pubsub_patterns",
            "pubsubshard_channels",
            "lagging_clients",
            "monitor_clients",
        ):
            if info[name] != "0":
                raise Failed(f"{name}:{info[name]} though all clients have gone")
        self.check()


def _arities(rows: list[list[object]]) -> dict[bytes, int]:
    """Names (`client|id`) and arities out of COMMAND's reply."""
    found: dict[bytes, int] = {}
    for row in rows:
        subcommands = row[9]
        assert isinstance(subcommands, list)
        for each in subcommands or [row]:
            found[each[0]] = each[1]
    return {name: arity for name, arity in found.items() if name not in LEFT_OUT}


def fuzz(seed: int, go_on: Callable[[Fuzzer], bool], save_to: Path) -> Fuzzer:
    """Run until `go_on` says no.

    Raises:
        Failed: with what was wrong, the seed, and where the inputs are.
    """
    with Node(*SERVER_OPTIONS) as node:
        fuzzer = Fuzzer(node, seed)
        try:
            while go_on(fuzzer):
                fuzzer.step()
            fuzzer.check_end()
        except (Failed, OSError) as error:
            save(fuzzer, save_to)
            raise Failed(f"seed {seed}, step {fuzzer.steps}, inputs in {save_to}: {error}") from error
        finally:
            fuzzer.close_all()
    return fuzzer


def save(fuzzer: Fuzzer, path: Path) -> None:
    """Write the last inputs."""
    with path.open("w") as file:
        for number, what, data in fuzzer.sent:
            file.write(json.dumps({"client": number, "do": what, "data": base64.b64encode(data).decode()}) + "\n")


def replay(path: Path) -> None:
    """Send saved inputs again and check behind each; raises Failed."""
    with Node(*SERVER_OPTIONS) as node:
        fuzzer = Fuzzer(node, 0)
        numbers: dict[int, int] = {}
        for line in path.read_text().splitlines():
            each = json.loads(line)
            client = each["client"]
            if each["do"] == "open" or client not in numbers:
                numbers[client] = fuzzer.open()
            number = numbers[client]
            match each["do"]:
                case "send":
                    fuzzer.send(number, base64.b64decode(each["data"]))
                case "receive":
                    fuzzer.receive(number)
                case "close" | "abort":
                    fuzzer.close(number, abort=each["do"] == "abort")
            if fuzzer.node.process.poll() is not None:
                break
        fuzzer.check()
        fuzzer.check_end()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--steps", type=int, help="instead of --seconds")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--save", type=Path, help="where the inputs of a failed run go")
    parser.add_argument("--replay", type=Path, help="send what a failed run saved")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    end = time.monotonic() + options.seconds

    def go_on(fuzzer: Fuzzer) -> bool:
        return fuzzer.steps < options.steps if options.steps else time.monotonic() < end

    try:
        if options.replay:
            replay(options.replay)
            print("the saved inputs do no harm")
            return 0
        print(f"seed {seed}", flush=True)
        fuzzer = fuzz(seed, go_on, options.save or Path(tempfile.gettempdir(), f"airwave-fuzz-{seed}.jsonl"))
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    print(f"{fuzzer.steps} steps, the server used at most {fuzzer.rss_peak_bytes >> 20} MB: all well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
