"""A stream that several clients share: producers, and workers of one group that read, acknowledge and claim.

Nobody knows the order in which the server did what different clients asked, so here is no oracle. What is checked holds
in any order: nothing added is lost, nothing acknowledged is pending, nothing delivered is forgotten, all counts agree.
Each entry carries a token, its producer and a number. Most workers acknowledge as one does who wants each job done
once: XACK and an entry in the stream of results, in one transaction.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

import hiredis
from live import Peer

from crash.load import Request
from crash.model import WrongError
from crash.state import View, ask

JOBS, RESULTS, GROUP = b"shared:jobs", b"shared:results", b"workers"
PRODUCERS = [b"p1", b"p2"]
WORKERS = [b"plain", b"careful", b"patient"]
CLAIMER = b"claimer"

Ids = set[bytes]


@dataclass
class Shift:
    """What one client did in a round. `open_` is what it was doing when the server died.

    Attributes:
        added: IDs of a producer's entries by token; `open_added` its tokens without a reply, in order.
        got: entries that were given to it, and their tokens; `open_read` how many more it may have been given.
        acked, open_acked: what it acknowledged, with a result or without.
    """

    added: dict[bytes, bytes] = field(default_factory=dict)
    open_added: list[bytes] = field(default_factory=list)
    got: dict[bytes, bytes] = field(default_factory=dict)
    open_read: int = 0
    acked: Ids = field(default_factory=set)
    open_acked: Ids = field(default_factory=set)


class Producer:
    """Adds entries."""

    def __init__(self, name: bytes, rng: random.Random) -> None:
        self.name = name
        self._rng = rng
        self._number = 0
        self.shift = Shift()

    def work(self, peer: Peer) -> None:
        """One pipeline. Raises EOFError or OSError when the server dies."""
        tokens = [b"%s:%d" % (self.name, self._number + each) for each in range(self._rng.randint(1, 8))]
        self._number += len(tokens)
        self.shift.open_added = list(tokens)
        send(peer, [("XADD", JOBS, "*", "token", token) for token in tokens])
        for token in tokens:
            self.shift.added[token] = peer.read()
            self.shift.open_added.pop(0)


class Worker:
    """Reads and acknowledges; the claimer takes over what others have not acknowledged."""

    def __init__(self, name: bytes, rng: random.Random) -> None:
        self.name = name
        self._rng = rng
        self._todo: dict[bytes, bytes] = {}
        self.shift = Shift()

    def begin(self, todo: dict[bytes, bytes]) -> None:
        """A new shift, with what was left."""
        self._todo = todo
        self.shift = Shift()

    def work(self, peer: Peer) -> None:
        """One read or claim, or one acknowledgement. Raises EOFError or OSError when the server dies."""
        if self._rng.random() < 0.5 or not self._todo:
            self._fetch(peer)
        else:
            self._acknowledge(peer)

    def _fetch(self, peer: Peer) -> None:
        most = self._rng.choice((1, 5, 20))
        self.shift.open_read = most
        words: Request
        if self.name == CLAIMER:
            words = ("XAUTOCLAIM", JOBS, GROUP, CLAIMER, 0, "0", "COUNT", most)
        else:
            wait: Request = ("BLOCK", 20) if self.name == b"patient" else ()
            words = ("XREADGROUP", "GROUP", GROUP, self.name, "COUNT", most, *wait, "STREAMS", JOBS, ">")
        send(peer, [words])
        reply = peer.read()
        self.shift.open_read = 0
        if isinstance(reply, Exception):
            raise WrongError(f"{words} was answered with {reply}")
        entries = reply[1] if self.name == CLAIMER else reply[0][1] if reply else []
        got = {entry_id: fields[1] for entry_id, fields in entries}
        self.shift.got |= got
        self._todo |= got

    def _acknowledge(self, peer: Peer) -> None:
        count = min(len(self._todo), self._rng.randint(1, 10))
        ids = self._rng.sample(sorted(self._todo), count)
        requests: list[Request] = [("XACK", JOBS, GROUP, *ids)]
        if self.name != b"plain":
            results: list[Request] = [("XADD", RESULTS, "*", "token", self._todo[each]) for each in ids]
            requests = [("MULTI",), *requests, *results, ("EXEC",)]
        self.shift.open_acked = set(ids)
        send(peer, requests)
        for _ in requests:
            reply = peer.read()
        assert not isinstance(reply, Exception), reply
        self.shift.acked |= self.shift.open_acked
        self.shift.open_acked = set()
        for each in ids:
            del self._todo[each]


def send(peer: Peer, requests: list[Request]) -> None:
    """Send requests in one piece."""
    peer.send_raw(b"".join([hiredis.pack_command(request) for request in requests]))


def number(entry_id: bytes) -> tuple[int, int]:
    """An ID as something that can be compared."""
    ms, _, sequence = entry_id.partition(b"-")
    return int(ms), int(sequence)


@dataclass
class Seen:
    """The shared streams as the server has them.

    Attributes:
        jobs: tokens by ID.
        results: how often each token is among the results.
        pending: by ID: for whom, how often delivered.
        last, read: the group's last ID and count of entries.
    """

    jobs: dict[bytes, bytes]
    results: Counter[bytes]
    pending: dict[bytes, tuple[bytes, int]]
    last: bytes
    read: int


def see(peer: Peer, view: View) -> Seen:
    """Read the shared streams; what the server says twice must agree."""
    jobs, results, summary, extended, groups, consumers = ask(
        peer,
        [
            ("XRANGE", JOBS, "-", "+"),
            ("XRANGE", RESULTS, "-", "+"),
            ("XPENDING", JOBS, GROUP),
            ("XPENDING", JOBS, GROUP, "-", "+", 10_000_000),
            ("XINFO", "GROUPS", JOBS),
            ("XINFO", "CONSUMERS", JOBS, GROUP),
        ],
    )
    (flat,) = groups
    group = dict(zip(flat[::2], flat[1::2], strict=True))
    pending = {item[0]: (item[1], item[3]) for item in extended}
    owners = Counter(owner for owner, _ in pending.values())
    ids = sorted(pending, key=number)
    expect(len(pending) == len(extended), "XPENDING lists an entry twice")
    wanted = [len(ids), ids[0], ids[-1]] if ids else [0, None, None]
    expect(summary[:3] == wanted, f"XPENDING says {summary[:3]}, its list {wanted}")
    counted = {name: int(count) for name, count in summary[3] or []}
    expect(counted == owners, f"XPENDING says {counted}, its list {owners}")
    counted = {each[1]: each[3] for each in consumers if each[3]}
    expect(counted == owners, f"XINFO CONSUMERS says {counted}, XPENDING {owners}")
    expect(group[b"pending"] == len(pending), f"XINFO GROUPS says {group[b'pending']} pending, XPENDING {len(pending)}")
    last = group[b"last-delivered-id"]
    behind, lag = sum(number(each) > number(last) for each, _ in jobs), group[b"lag"]
    expect(not view.counted or lag == behind, f"the lag is {lag}, but {behind} entries are behind {last!r}")
    tokens = Counter(fields[1] for _, fields in results)
    return Seen({each: fields[1] for each, fields in jobs}, tokens, pending, last, group[b"entries-read"])


def expect(holds: bool, otherwise: str) -> None:
    """Raises WrongError."""
    if not holds:
        raise WrongError(f"shared stream: {otherwise}")


class Crew:
    """The clients of the shared stream, and what they may find after a crash."""

    def __init__(self, rng: random.Random, view: View) -> None:
        self._view = view
        self.producers = [Producer(name, random.Random(rng.random())) for name in PRODUCERS]
        self.workers = [Worker(name, random.Random(rng.random())) for name in (*WORKERS, CLAIMER)]
        self._before: Seen | None = None

    @property
    def members(self) -> list[Producer | Worker]:
        """All of them."""
        return [*self.producers, *self.workers]

    def begin(self, peer: Peer) -> None:
        """Prepare a round: make the group if it is not there, trim what everybody has had."""
        ask(peer, [("SELECT", 0), ("XGROUP", "CREATE", JOBS, GROUP, "0", "MKSTREAM", "ENTRIESREAD", 0)])
        seen = see(peer, self._view)
        oldest = min([*seen.pending, seen.last], key=number)
        ask(peer, [("XTRIM", JOBS, "MINID", "=", oldest), ("DEL", RESULTS), ("XADD", RESULTS, "*", "token", "first")])
        seen = self._before = see(peer, self._view)
        for producer in self.producers:
            producer.shift = Shift()
        for worker in self.workers:
            mine = [each for each, (owner, _) in seen.pending.items() if owner == worker.name]
            worker.begin({each: seen.jobs[each] for each in mine})

    def check(self, peer: Peer) -> None:
        """Compare with what was answered.

        Raises:
            WrongError: the server has not what it must have.
        """
        ask(peer, [("SELECT", 0)])
        before, now = self._before, see(peer, self._view)
        assert before is not None
        self._check_entries(before, now)
        self._check_pending(before, now)
        self._check_results(now)
        given = [each for worker in self.workers for each in worker.shift.got]
        newest = max([before.last, *given], key=number)
        expect(number(now.last) >= number(newest), f"the group went back to {now.last!r}, it was at {newest!r}")
        if not self._view.counted:
            return
        delivered = sum(number(before.last) < number(each) <= number(now.last) for each in now.jobs)
        expect(now.read == before.read + delivered, f"entries-read is {now.read}, not {before.read} + {delivered}")

    def _check_entries(self, before: Seen, now: Seen) -> None:
        wanted = dict(before.jobs)
        for producer in self.producers:
            wanted |= {entry_id: token for token, entry_id in producer.shift.added.items()}
        lost = wanted.items() - now.jobs.items()
        expect(not lost, f"entries were lost: {sorted(lost)[:10]}")
        extra = [token for entry_id, token in now.jobs.items() if entry_id not in wanted]
        for producer in self.producers:
            mine = [token for token in extra if token.startswith(producer.name + b":")]
            unanswered = producer.shift.open_added
            expect(mine == unanswered[: len(mine)], f"{mine} were added, but {unanswered} were on their way")
            extra = [token for token in extra if token not in mine]
        expect(not extra, f"entries that nobody added: {extra}")

    def _check_pending(self, before: Seen, now: Seen) -> None:
        claimer = self.workers[-1].shift
        got = {entry_id: worker.name for worker in self.workers[:-1] for entry_id in worker.shift.got}
        acked = {each for worker in self.workers for each in worker.shift.acked}
        open_acked = {each for worker in self.workers for each in worker.shift.open_acked}
        again = acked & now.pending.keys()
        expect(not again, f"acknowledged, yet pending: {sorted(again)[:10]}")
        forgotten = (before.pending.keys() | got.keys()) - acked - open_acked - now.pending.keys()
        expect(not forgotten, f"delivered and not acknowledged, yet not pending: {sorted(forgotten)[:10]}")

        unheard: Counter[bytes] = Counter()
        taken = 0
        for entry_id, (owner, count) in now.pending.items():
            first = got.get(entry_id) or before.pending.get(entry_id, (None, 0))[0]
            if first is None:  # delivered by a read whose reply was lost, and perhaps claimed by then
                expect(number(entry_id) > number(before.last), f"{entry_id!r} is pending again, for {owner!r}")
                unheard[owner] += 1
            elif owner != first:
                expect(owner == CLAIMER, f"{entry_id!r} was given to {first!r} and is pending for {owner!r}")
                taken += entry_id not in claimer.got
            elif owner != CLAIMER:
                expect(entry_id not in claimer.got, f"{entry_id!r} was claimed and is pending for {owner!r}")
            expect(count >= 1, f"{entry_id!r} is pending and was delivered {count} times")
        expect(taken <= claimer.open_read, f"{taken} entries changed their owner, {claimer.open_read} might")
        unheard.pop(CLAIMER, None)
        for worker in self.workers[:-1]:
            most = worker.shift.open_read
            expect(unheard[worker.name] <= most, f"{worker.name!r} has {unheard[worker.name]} unheard of, {most} might")
        known = got.keys() | before.pending.keys() | now.pending.keys() | claimer.got.keys()
        skipped = [each for each in now.jobs if number(before.last) < number(each) <= number(now.last)]
        skipped = [each for each in skipped if each not in known]
        expect(not skipped, f"the group is beyond them, yet nobody was given them: {skipped[:10]}")

    def _check_results(self, now: Seen) -> None:
        """An acknowledgement and its result are one transaction."""
        pending = {now.jobs[each] for each in now.pending}
        both = pending & now.results.keys()
        expect(not both, f"there is a result, yet the job is pending: {sorted(both)[:10]}")
        for worker in self.workers:
            if worker.name == b"plain":
                continue
            without = [each for each in worker.shift.acked if now.jobs[each] not in now.results]
            expect(not without, f"acknowledged by {worker.name!r}, yet without a result: {without[:10]}")
            others = {each for other in self.workers for each in other.shift.acked}
            others |= {each for other in self.workers if other is not worker for each in other.shift.open_acked}
            alone = [each for each in worker.shift.open_acked - others if each not in now.pending]
            without = [each for each in alone if now.jobs[each] not in now.results]
            expect(not without, f"half of a transaction of {worker.name!r} was done: {without[:10]}")
