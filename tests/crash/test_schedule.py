"""Entries that are scheduled while a server is killed again and again: each comes once, in order, unless cancelled."""

import random
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from live import DEADLINE_S, Peer, Start, wait_for

from crash.load import Request
from crash.state import ask

AHEAD_MS = 150  # within which they are due
OPTIONS = ("--appendonly", "yes", "--appendfsync", "no")


class Sender:
    """Schedules and cancels, and remembers what was answered.

    Attributes:
        tokens: their XSCHEDULE was answered.
        cancelled: XUNSCHEDULE was answered with 1.
        unclear: sent, not answered.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.tokens: list[bytes] = []
        self.cancelled: set[bytes] = set()
        self.unclear: set[bytes] = set()
        self._count = 0

    def work(self, peer: Peer) -> None:
        """One pipeline."""
        rng = self.rng
        requests: list[Request] = []
        self.unclear.clear()
        for _ in range(rng.randint(1, 20)):
            self._count += 1
            token, due_ms = b"t%d" % self._count, int(time.time() * 1000) + rng.randint(-5, AHEAD_MS)
            self.unclear.add(token)
            requests.append(("XSCHEDULE", "s", "AT", due_ms, "ID", token, "token", token))
            if self.tokens and rng.random() < 0.2:
                token = rng.choice(self.tokens[-50:])
                self.unclear.add(token)
                requests.append(("XUNSCHEDULE", "s", token))
        replies = ask(peer, requests)
        for request, reply in zip(requests, replies, strict=True):
            if request[0] == "XSCHEDULE":
                assert reply == request[5]
                self.tokens.append(reply)
            elif reply:
                self.cancelled.add(bytes(request[2]))
        self.unclear.clear()

    def check(self, peer: Peer) -> int:
        """Wait until all is due, and look at what came; returns how many."""
        wait_for(lambda: peer.do("XSCHEDULED", "s") == [], "all that was scheduled")
        came = [fields[1] for _, fields in peer.do("XRANGE", "s", "-", "+")]
        assert len(came) == len(set(came)), "an entry came twice"
        wanted = set(self.tokens) - self.cancelled - self.unclear
        assert wanted <= set(came), f"lost: {sorted(wanted.difference(came))}"
        assert not self.cancelled.intersection(came), "what was cancelled came"
        assert set(came) <= wanted | self.unclear
        return len(came)


def send_until_it_dies(sender: Sender, peer: Peer) -> None:
    with suppress(EOFError, ConnectionError), peer:
        while True:
            sender.work(peer)


@pytest.mark.slow
def test_each_entry_comes_once_though_the_server_is_killed(start: Start, tmp_path: Path) -> None:
    rng = random.Random(1)
    came = 0
    for _ in range(4):
        sender = Sender(rng)
        node = start("--dir", str(tmp_path), *OPTIONS)
        with node.connect() as peer:
            peer.do("DEL", "s")
        thread = threading.Thread(target=send_until_it_dies, args=(sender, node.connect()))
        thread.start()
        wanted = rng.randint(40, 400)  # the moment of the kill is random
        wait_for(lambda sender=sender, wanted=wanted: len(sender.tokens) >= wanted, "some that are scheduled")
        node.kill()
        thread.join(DEADLINE_S)
        node = start("--dir", str(tmp_path), *OPTIONS)
        with node.connect() as peer:
            came += sender.check(peer)
        node.kill()
    assert came > 50


def test_an_entry_arrives_after_kill_9(start: Start, tmp_path: Path) -> None:
    node = start("--dir", str(tmp_path), *OPTIONS)
    with node.connect() as peer:
        assert peer.do("XSCHEDULE", "s", "IN", 300, "ID", "a", "f", "v") == b"a"
        assert peer.do("XSCHEDULE", "s", "IN", 10_000_000, "ID", "b", "f", "v") == b"b"
    node.kill()
    node = start("--dir", str(tmp_path), *OPTIONS)
    with node.connect() as peer:
        ((_, ((_, fields),)),) = peer.do("XREAD", "BLOCK", 30_000, "STREAMS", "s", "0")
        assert fields == [b"f", b"v"]
        assert peer.do("XSCHEDULE", "s", "IN", 0, "ID", "a", "f", "again") == b"a"
        assert [each[0] for each in peer.do("XSCHEDULED", "s")] == [b"b"]
        assert peer.do("XLEN", "s") == 1
