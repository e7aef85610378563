"""Power cuts: the load of load.py on a store in this process, on a disk that forgets what was not synced.

The core runs in memory with the durable journal, one turn of the loop for each pipeline, and `Disk` records what
becomes of its files. Then, for many moments, the files are rebuilt as a power cut at that moment may leave them,
checked, opened and compared with what a second core in memory had after each turn: a turn is a transaction. Time moves
only when told, so the two agree to the last bit.

    python tests/crash/power.py            a new seed, which it prints
    python tests/crash/power.py --seed 7   the same load again
"""

import argparse
import hashlib
import random
import shutil
import sys
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import hiredis

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from memory import Node

from airwave.store import SqliteJournal, keeper, maintenance
from crash.disk import Disk, restored
from crash.load import TRIM, Place, Script, Unit
from crash.model import said_again
from crash.state import State, View, ask, difference, keys_of, look

DATABASES = [0, 1, 2]
TURN_S = 0.003  # how long one takes, in the time of the cores
TURNS_MAX = 70  # until the core is restarted
MEMORY_BYTES = 50_000  # so little that entries are put away and fetched
EXACT = View(exact=True)


class Client:
    """A client of a core in memory; the interface of `crash.state.Peer`. Each request is a turn of the loop."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._peer = node.peer()
        self._reader = hiredis.Reader(notEnoughData=...)

    def send_raw(self, data: bytes) -> None:
        """Requests, and the turn that answers them."""
        self._peer.sends(data)
        self.node.settle()
        self._reader.feed(self._peer.wire.data)
        self._peer.wire.data = b""

    def read(self) -> Any:
        """The next reply."""
        reply = self._reader.gets()
        assert reply is not ..., "no reply"
        return reply


@contextmanager
def opened(folder: Path, fsync: str = "always", at_ns: int | None = None, *, quiet: bool = True) -> Iterator[Node]:
    """A core that keeps its data in a folder; `at_ns` is its clock, `quiet` as in `FakeHost`."""
    journal = SqliteJournal(folder, fsync=fsync, memory_bytes=MEMORY_BYTES)
    try:
        node = Node(journal=journal)
        node.host.quiet = quiet
        if at_ns is not None:
            node.host.ns = at_ns
        journal.load(node.broker.keyspace)
        yield node
    finally:
        journal.close()


class States:
    """The states of a core in memory, one after each turn.

    Attributes:
        now: the last.
        digests: of all; the first is that of no keys.
    """

    def __init__(self) -> None:
        self.node = Node()
        self._speaker, self._looker = Client(self.node), Client(self.node)
        self.now: State = {}
        self._parts: dict[Place, bytes] = {}
        self.digests = [digest({})]

    def reconnect(self) -> None:
        """The client is a new one."""
        ask(self._speaker, [("SELECT", 0)])

    def do(self, units: list[Unit]) -> None:
        """One turn more; without units it is one that changed nothing."""
        if units:
            ask(self._speaker, [request for unit in units for request in unit.requests])
        places = {place for unit in units for place in unit.touches or ()}
        if any(unit.touches is None for unit in units):
            places.update(self.now, keys_of(self._looker, DATABASES))
        for place in places:
            self.now.pop(place, None)
            self._parts.pop(place, None)
        found = look(self._looker, places, EXACT)
        self.now |= found
        self._parts |= {place: _part(value) for place, value in found.items()}
        self.digests.append(_whole(self._parts))


def digest(state: State) -> bytes:
    """A state in a few bytes."""
    return _whole({place: _part(value) for place, value in state.items()})


def _part(value: Any) -> bytes:
    return hashlib.sha256(repr(value).encode()).digest()


def _whole(parts: dict[Place, bytes]) -> bytes:
    return hashlib.sha256(repr(sorted(parts.items())).encode()).digest()


@dataclass
class Run:
    """A load that was recorded.

    Attributes:
        fsync: `always`, `everysec` or `no`.
        disk: what became of the files.
        marks: for each turn how many events there had been when its replies left.
        turns: what was asked in each.
        digests: of the state after each turn, see `States`.
        ends_ns: the clock at the end.
    """

    fsync: str
    disk: Disk
    marks: list[int] = field(default_factory=list)
    turns: list[list[Unit]] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    ends_ns: int = 0

    def may_have(self, cut: int) -> range:
        """After how many turns the state may be that a power cut leaves."""
        answered = safe = bisect_right(self.marks, cut)
        if self.fsync != "always":  # as far as the last sync of the WAL came
            syncs = [each for each in self.disk.events[:cut] if each.kind == "sync" and each.name.endswith("-wal")]
            safe = bisect_right(self.marks, syncs[-1].at) if syncs else 0
        return range(safe, min(answered + 1, len(self.marks)) + 1)


def record(folder: Path, seed: int, turns: int, fsync: str) -> Run:
    """Do so many turns on a store in an empty folder, with a restart now and then."""
    script = Script(random.Random(seed), b"c", DATABASES, alone=True, newer=True)
    states = States()
    with Disk(folder) as disk:
        run = Run(fsync, disk, digests=states.digests)
        while len(run.turns) < turns:
            with opened(folder, fsync, at_ns=states.node.host.ns) as node:
                _work(run, script, node, states, min(turns, len(run.turns) + TURNS_MAX))
        run.ends_ns = states.node.host.ns
    return run


def _work(run: Run, script: Script, node: Node, states: States, turns: int) -> None:
    """Do turns until there are so many; at the end everything is as it must be, and stays so when the core ends."""
    client = Client(node)
    states.reconnect()
    first = len(run.turns)
    for number in range(first, turns):
        units = script.connected() if number == first else script.pipeline()
        if not number % 20:  # compacts in the turns that follow
            ask(client, [("BGREWRITEAOF",)])
        replies = iter(ask(client, [request for unit in units for request in unit.requests]))
        run.marks.append(len(run.disk.events))
        said = []
        for unit in units:
            reply = [next(replies) for _ in unit.requests][-1]
            script.hear(unit, reply)
            # What a trim with ~ leaves depends on chunks, and these on restarts.
            said.append(replace(unit, requests=said_again(unit, reply)) if unit.kind == TRIM else unit)
        run.turns.append(said)
        states.do(said)
        for each in (node, states.node):
            each.advance(TURN_S)
    differs = difference(states.now, look(client, keys_of(client, DATABASES), EXACT))
    assert not differs, f"before any cut, after {turns} turns:\n{differs}"


def cut_power(run: Run, cut: int, rng: random.Random, folder: Path) -> None:
    """Build what a power cut leaves, open and check it.

    Raises:
        AssertionError: it cannot be opened, is damaged, or lacks what must be there.
    """
    may_have = run.may_have(cut)
    files = run.disk.after_cut(cut, rng)
    restored(files, folder)
    if cut >= run.marks[0]:  # there is a database
        problems = maintenance.check(folder).problems
        assert not problems, f"after event {cut}: {problems}"
    with opened(folder, at_ns=run.ends_ns) as node:
        client = Client(node)
        found = look(client, keys_of(client, range(16)), EXACT)
        if digest(found) not in run.digests[may_have.start : may_have.stop]:
            raise AssertionError(_why(run, cut, may_have, found))
    shutil.rmtree(folder)


def _why(run: Run, cut: int, may_have: range, found: State) -> str:
    """What is wrong with a state."""
    known = [number for number, each in enumerate(run.digests) if each == digest(found)]
    if known:
        return f"after event {cut}: the state after {known[-1]} turns, not one of {may_have}"
    states, nearest = States(), ""
    for number, units in enumerate(run.turns[: may_have.stop]):
        if not number % TURNS_MAX:
            states.reconnect()
        if number >= may_have.start:
            differs = difference(states.now, found)
            nearest = min(nearest or differs, differs, key=len)
        states.do(units)
        states.node.advance(TURN_S)
    return f"after event {cut}: no state that ever was; it may be one of {may_have}. The nearest differs:\n{nearest}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--cuts", type=int, default=150, help="of each run")
    parser.add_argument("--turns", type=int, default=250, help="of the loop, in each run")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    with hasty_keeper():
        for number in range(seed, seed + options.runs):
            fsync = ("always", "everysec", "no")[number % 3]
            print(f"seed {number}, appendfsync {fsync}", flush=True)
            with tempfile.TemporaryDirectory(prefix="airwave-power-") as name:
                cut_often(Path(name), number, options.turns, options.cuts, fsync)
    print(f"{options.runs * options.cuts} power cuts: all that was synced was there")
    return 0


def cut_often(base: Path, seed: int, turns: int, cuts: int, fsync: str) -> None:
    """A load, and power cuts at random moments of it.

    Raises:
        AssertionError: see `cut_power`.
    """
    folder = base / "data"
    folder.mkdir()
    run = record(folder, seed, turns, fsync)
    rng = random.Random(seed)
    for number in range(cuts):
        cut_power(run, rng.randrange(1, len(run.disk.events) + 1), rng, base / f"cut{number}")


@contextmanager
def hasty_keeper() -> Iterator[None]:
    """Syncs and checkpoints come so often that a short load meets them."""
    hasty = {"SYNC_S": 0.02, "CHECKPOINT_BYTES": 150_000, "WAL_BYTES_MAX": 300_000, "LEFT_FRAMES_MAX": 20}
    usual = {name: getattr(keeper, name) for name in hasty}
    try:
        vars(keeper).update(hasty)
        yield
    finally:
        vars(keeper).update(usual)


if __name__ == "__main__":
    sys.exit(main())
