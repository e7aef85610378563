"""Kills a server under load, again and again, and looks whether it has what it answered.

    python tests/crash/rounds.py --rounds 50            a new seed, which it prints
    python tests/crash/rounds.py --rounds 50 --seed 7   the same load again
    python tests/crash/rounds.py --server redis         a redis-server instead: are the tests right?

In each round clients of two kinds work at once: those that own their keys (load.py, checked by model.py), and those
that share a stream and its group (workers.py). At a random moment the server is killed with SIGKILL, then started on
the same directory, often with another `appendfsync`: none of them may lose what was answered. Every so many rounds the
directory is a new one. Some rounds end quietly: nothing is on its way, and everything is there to the last bit, the
times as well. What the clients do comes from the seed; how far they get before the kill does not.
"""

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from live import DEADLINE_S, Peer

from airwave.store import maintenance
from crash import nodes
from crash.load import Script, Unit
from crash.model import Model, Sent, WrongError
from crash.nodes import Server
from crash.state import State, View, ask, difference, keys_of, look
from crash.workers import Crew, Producer, Worker, send

DATABASES = 16
# A redis-server may answer with `everysec` what it has not written: while it waits for a sync that takes long.
SYNCS = {"airwave": ("always", "everysec", "no"), "redis": ("always",)}


@dataclass
class Plan:
    """What a run does.

    Attributes:
        server: `airwave` or `redis`.
        seed: of all that is random.
        rounds: kills in all; `rounds_each` in one directory.
        pipelines: answered ones before the server is killed, at most.
        options: of the server.
    """

    server: str = "airwave"
    seed: int = 1
    rounds: int = 50
    rounds_each: int = 10
    pipelines: int = 1500
    options: tuple[str, ...] = ()
    say: Callable[[str], None] = lambda _: None


@dataclass
class Counter:
    """Answered pipelines of all clients."""

    count: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self) -> None:
        """One more."""
        with self.changed:
            self.count += 1
            self.changed.notify_all()


class Client(threading.Thread):
    """A client that works until the server dies, or until it is told to stop.

    Attributes:
        fault: what went wrong that was not the server's death.
    """

    def __init__(self, peer: Peer, counter: Counter, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._peer = peer
        self._counter = counter
        self._enough = stop
        self.fault: Exception | None = None

    def run(self) -> None:
        try:
            self.begin(self._peer)
            while not self._enough.is_set():
                self.step(self._peer)
                self._counter.add()
        except (EOFError, ConnectionError):
            pass
        except Exception as error:  # told by whoever joins the thread
            self.fault = error
        finally:
            self._peer.close()

    def begin(self, peer: Peer) -> None:
        """What comes first."""

    def step(self, peer: Peer) -> None:
        """One pipeline. Raises EOFError or OSError when the server dies."""
        raise NotImplementedError


class Owner(Client):
    """A client with keys of its own."""

    def __init__(self, script: Script, peer: Peer, counter: Counter, stop: threading.Event) -> None:
        super().__init__(peer, counter, stop)
        self._script = script
        self.sent = Sent()

    def begin(self, peer: Peer) -> None:
        """See `Client`."""
        self._do(peer, self._script.connected())

    def step(self, peer: Peer) -> None:
        """See `Client`."""
        self._do(peer, self._script.pipeline())

    def _do(self, peer: Peer, units: list[Unit]) -> None:
        sent = self.sent
        sent.since_ms = int(time.time() * 1000)
        sent.unanswered = list(units)
        send(peer, [request for unit in units for request in unit.requests])
        for unit in units:
            for _ in unit.requests:
                reply = peer.read()
            sent.answered.append((unit, reply))
            sent.unanswered.pop(0)
            self._script.hear(unit, reply)


class Sharer(Client):
    """A client of the shared stream."""

    def __init__(self, member: Producer | Worker, peer: Peer, counter: Counter, stop: threading.Event) -> None:
        super().__init__(peer, counter, stop)
        self._member = member

    def step(self, peer: Peer) -> None:
        """See `Client`."""
        self._member.work(peer)


class Tidier(Client):
    """Has the server compact its data, now and then: no moment of that may be a bad one."""

    def __init__(self, rng: random.Random, peer: Peer, counter: Counter, stop: threading.Event) -> None:
        super().__init__(peer, counter, stop)
        self._rng = rng

    def step(self, peer: Peer) -> None:
        """See `Client`."""
        if self._rng.random() < 0.003:
            peer.do("BGREWRITEAOF")  # refused while one is under way
        else:
            peer.do("PING")


class Directory:
    """Rounds on one directory.

    Args:
        plan: what to do.
        rng: where the choices come from.
        folder: of the data.
        oracle: a server without data that keeps nothing.
    """

    def __init__(self, plan: Plan, rng: random.Random, folder: Path, oracle: Server) -> None:
        self._plan = plan
        self._rng = rng
        self._folder = folder
        self._oracle = oracle
        newer = plan.server != "redis"
        self._view = View(counted=newer, scheduled=newer)
        self._crew = Crew(rng, self._view)
        owners = [(b"c%d" % number, [0, 1], False) for number in range(4)]
        owners.append((b"swapper", [8, 9, 10], True))
        self._scripts = [
            Script(random.Random(rng.random()), owner, databases, alone=alone, newer=newer)
            for owner, databases, alone in owners
        ]
        self._models = [Model(oracle, owner, databases, self._view) for owner, databases, _ in owners]
        self._owners: list[Owner] = []
        self.server = self._start()

    def close(self) -> None:
        """End the server."""
        for model in self._models:
            model.close()
        self.server.kill()

    def _start(self) -> Server:
        plan, options = self._plan, self._plan.options
        if plan.server == "airwave":  # entries are put away and fetched
            options = ("--stream-memory", self._rng.choice(("0", "100kb")), *options)
        return nodes.durable(plan.server, self._folder, self._rng.choice(SYNCS[plan.server]), *options)

    def round(self) -> str:
        """Load, kill, restart, compare; returns what happened, in a few words.

        Raises:
            WrongError: something is not as it was answered.
        """
        quiet = self._rng.random() < 0.2
        answered = self.load(self._rng.randint(1, self._plan.pipelines), quiet=quiet)
        exact: State = {}
        if quiet:
            with self.server.connect() as peer:
                exact = self._everything(peer, exact=True)
            self.server.kill()
        if self._plan.server == "airwave":
            problems = maintenance.check(self._folder).problems
            if problems:
                raise WrongError("\n".join(problems))
        self.server = self._start()
        with self.server.connect() as peer:
            done = self.compare(peer)
            if quiet:
                self._compare_exactly(peer, exact)
        on_the_way = sum(len(owner.sent.unanswered) for owner in self._owners)
        end = "all answered" if quiet else f"{done} of {on_the_way} units on their way were done"
        return f"{answered} pipelines answered, {end}"

    def _flush_everything(self, peer: Peer) -> None:
        with self._oracle.connect() as oracle:
            for each in (peer, oracle):
                ask(each, [("FLUSHALL",)])
        for model in self._models:
            model.flushed()

    def load(self, pipelines: int, *, quiet: bool) -> int:
        """Let everybody work until so many pipelines were answered; then kill the server, or let everybody end.

        Returns:
            How many pipelines were answered.

        Raises:
            WrongError: not as the oracle answers.
        """
        with self.server.connect() as peer:
            if self._rng.random() < 0.1:
                self._flush_everything(peer)
            self._crew.begin(peer)
        counter, stop = Counter(), threading.Event()
        self._owners = [Owner(script, self.server.connect(), counter, stop) for script in self._scripts]
        sharers = [Sharer(member, self.server.connect(), counter, stop) for member in self._crew.members]
        tidier = Tidier(self._rng, self.server.connect(), counter, stop)
        clients: list[Client] = [*self._owners, *sharers, tidier]
        for client in clients:
            client.start()
        with counter.changed:
            counter.changed.wait_for(
                lambda: counter.count >= pipelines or any(client.fault for client in clients), DEADLINE_S
            )
        if quiet:
            stop.set()
        else:
            time.sleep(self._rng.random() * 0.003)  # the moment of the kill is random, within a pipeline as well
            self.server.kill()
        for client in clients:
            client.join(DEADLINE_S)
            if client.fault is not None:
                raise client.fault
        for model, owner in zip(self._models, self._owners, strict=True):
            model.learn(owner.sent)
        return counter.count

    def compare(self, peer: Peer) -> int:
        """Look at everything.

        Returns:
            How many of the units that were on their way have been done.

        Raises:
            WrongError: something is not as it was answered.
        """
        self._crew.check(peer)
        everything = self._everything(peer)
        done = 0
        for model, owner in zip(self._models, self._owners, strict=True):
            mine = {place: value for place, value in everything.items() if place[1].startswith(model.owner + b":")}
            done += model.check(mine, owner.sent)
            model.new_connection()
            everything = {place: value for place, value in everything.items() if place not in mine}
        strange = [place for place in everything if not place[1].startswith(b"shared:")]
        if strange:
            raise WrongError(f"keys that nobody owns: {strange}")
        return done

    def _everything(self, peer: Peer, *, exact: bool = False) -> State:
        # Keys whose time comes meanwhile are neither there nor gone.
        settled_ms = max(model.settled_ms for model in self._models)
        time.sleep(max(0.0, settled_ms / 1000 + 0.01 - time.time()))
        return look(peer, keys_of(peer, range(DATABASES)), replace(self._view, exact=exact))

    def _compare_exactly(self, peer: Peer, wanted: State) -> None:
        if differs := difference(wanted, self._everything(peer, exact=True)):
            raise WrongError(f"nothing was on its way, yet this differs:\n{differs}")


@contextmanager
def directory(plan: Plan, rng: random.Random) -> Iterator[Directory]:
    """A new directory, a server that keeps its data there, and an oracle. All goes when all was well."""
    base = Path(tempfile.mkdtemp(prefix="airwave-crash-"))
    folders = [base / "data", base / "oracle"]
    for folder in folders:
        folder.mkdir()
    with ExitStack() as stack:
        oracle = nodes.forgetful(plan.server, folders[1])
        stack.callback(oracle.kill)
        made = Directory(plan, rng, folders[0], oracle)
        stack.callback(made.close)
        try:
            yield made
        except (WrongError, AssertionError) as error:
            raise WrongError(f"data: {folders[0]}\n{error}") from error
    shutil.rmtree(base)


def crash(plan: Plan) -> None:
    """Do the rounds.

    Raises:
        WrongError: something was not as it was answered; the text says what, and how to do it again.
    """
    rng = random.Random(plan.seed)
    done = 0
    while done < plan.rounds:
        try:
            with directory(plan, rng) as rounds:
                for _ in range(min(plan.rounds_each, plan.rounds - done)):
                    done += 1
                    plan.say(f"round {done}: {rounds.round()}")
        except WrongError as error:
            raise WrongError(f"round {done} of --server {plan.server} --seed {plan.seed}; {error}") from error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--rounds-each", type=int, default=10, help="in one directory")
    parser.add_argument("--pipelines", type=int, default=1500, help="answered before the kill, at most")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--server", choices=("airwave", "redis"), default="airwave")
    parser.add_argument("option", nargs="*", help="of the server, behind --")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    plan = Plan(options.server, seed, options.rounds, options.rounds_each, options.pipelines, tuple(options.option))
    plan.say = lambda line: print(line, flush=True)
    try:
        crash(plan)
    except WrongError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{plan.rounds} times killed: all that was answered was there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
