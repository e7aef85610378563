"""A few rounds of what `make crash` does, and whether it would notice if something were lost."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from live import Peer, Start
from servers import need_redis_server

from crash import load
from crash.load import Place
from crash.model import WrongError
from crash.rounds import DATABASES, Directory, Plan, crash, directory
from crash.state import ask, keys_of, look
from crash.workers import JOBS, number


@pytest.mark.slow
def test_what_was_answered_is_there_after_kill_9() -> None:
    crash(Plan(seed=3, rounds=5))


@pytest.mark.slow
def test_the_rounds_are_right_about_redis() -> None:
    need_redis_server()
    crash(Plan("redis", seed=1, rounds=2))


@pytest.mark.slow
def test_an_idempotent_id_is_known_after_kill_9(start: Start, tmp_path: Path) -> None:
    """The server gives the entry IDs of such an XADD, and forgets by the clock: it is not in the random load."""
    request = ("XADD", "s", "IDMP", "producer", "request-1", "*", "field", "value")
    options = ("--dir", str(tmp_path), "--appendonly", "yes", "--appendfsync", "always")
    node = start(*options)
    with node.connect() as peer:
        entry_id = peer.do(*request)
        assert peer.do(*request) == entry_id
    for _ in range(2):
        node.kill()
        node = start(*options)
        with node.connect() as peer:
            assert peer.do(*request) == entry_id
            assert peer.do("XLEN", "s") == 1


# --- would it be noticed? ---------------------------------------------------------------------------------------------

Key = bytes
Spoil = Callable[[Peer, Key], bool]
"""Spoils what is at a key; False: there is nothing to spoil."""


def first_pending(peer: Peer, key: Key) -> tuple[bytes, bytes, bytes] | None:
    """A group, an ID that is pending in it, and its consumer."""
    for group in peer.do("XINFO", "GROUPS", key):
        for entry_id, consumer, _, _ in peer.do("XPENDING", key, group[1], "-", "+", 1):
            return group[1], entry_id, consumer
    return None


def acknowledges(peer: Peer, key: Key) -> bool:
    found = first_pending(peer, key)
    return found is not None and peer.do("XACK", key, *found[:2]) == 1


def gives_to_another(peer: Peer, key: Key) -> bool:
    found = first_pending(peer, key)
    return found is not None and bool(peer.do("XCLAIM", key, found[0], "nobody", 0, found[1], "JUSTID"))


def counts_a_delivery(peer: Peer, key: Key) -> bool:
    found = first_pending(peer, key)
    return found is not None and bool(peer.do("XCLAIM", key, found[0], found[2], 0, found[1], "RETRYCOUNT", 77))


def makes_pending(peer: Peer, key: Key) -> bool:
    """An entry that is not pending, though delivered, becomes pending again."""
    for entry_id, _ in peer.do("XRANGE", key, "-", "+"):
        for group in peer.do("XINFO", "GROUPS", key):
            name, last = group[1], group[7]
            pending = peer.do("XPENDING", key, name, entry_id, entry_id, 1)
            if not pending and number(entry_id) <= number(last):
                return bool(peer.do("XCLAIM", key, name, "anna", 0, entry_id, "FORCE", "JUSTID"))
    return False


def loses_the_oldest(peer: Peer, key: Key) -> bool:
    return peer.do("XTRIM", key, "MAXLEN", "=", peer.do("XLEN", key) - 1) == 1


def loses_the_newest(peer: Peer, key: Key) -> bool:
    newest = peer.do("XREVRANGE", key, "+", "-", "COUNT", 1)
    return bool(newest) and peer.do("XDEL", key, newest[0][0]) == 1


def adds(peer: Peer, key: Key) -> bool:
    return isinstance(peer.do("XADD", key, "*", "field", "value"), bytes)


def counts_an_entry(peer: Peer, key: Key) -> bool:
    fields = peer.do("XINFO", "STREAM", key)
    info = dict(zip(fields[::2], fields[1::2], strict=True))
    last, count = info[b"last-generated-id"], info[b"entries-added"]
    return peer.do("XSETID", key, last, "ENTRIESADDED", count + 1, "MAXDELETEDID", "0-0") == b"OK"


def moves_a_group(peer: Peer, key: Key) -> bool:
    groups = peer.do("XINFO", "GROUPS", key)
    return bool(groups) and peer.do("XGROUP", "SETID", key, groups[0][1], "0-7") == b"OK"


def loses_a_group(peer: Peer, key: Key) -> bool:
    groups = peer.do("XINFO", "GROUPS", key)
    return bool(groups) and peer.do("XGROUP", "DESTROY", key, groups[0][1]) == 1


def makes_a_group(peer: Peer, key: Key) -> bool:
    return peer.do("XGROUP", "CREATE", key, "stranger", "0") == b"OK"


OF_STREAMS: list[Spoil] = [
    *(acknowledges, gives_to_another, counts_a_delivery, makes_pending, loses_the_oldest, loses_the_newest, adds),
    *(counts_an_entry, moves_a_group, loses_a_group, makes_a_group),
]
OF_SCHEDULES: list[Spoil] = [
    lambda peer, key: any(peer.do("XUNSCHEDULE", key, token) for token, *_ in peer.do("XSCHEDULED", key)),
    lambda peer, key: peer.do("XSCHEDULE", key, "AT", load.FAR_MS, "ID", "spoiled", "f", "v") == b"spoiled",
]
OF_STRINGS: list[Spoil] = [
    lambda peer, key: isinstance(peer.do("APPEND", key, "0"), int),
    lambda peer, key: peer.do("SET", key, "other", "KEEPTTL") == b"OK",
]
OF_ALL: list[Spoil] = [
    lambda peer, key: peer.do("DEL", key) == 1,
    lambda peer, key: peer.do("PEXPIREAT", key, 4_444_444_444_444) == 1,
    lambda peer, key: peer.do("MOVE", key, 15) == 1,
]
OF_JOBS: list[Spoil] = [acknowledges, makes_pending, loses_the_newest, adds, moves_a_group]


BACKUP = b"shared:backup"  # a key that no owner has


def notices(rounds: Directory, peer: Peer, place: Place, spoil: Spoil) -> bool | None:
    """Spoil a key, look whether that is noticed, and put it right again; None: there was nothing to spoil."""
    database, key = place
    later = ask(peer, [("SELECT", database), ("COPY", key, BACKUP, "DB", 14, "REPLACE"), ("XSCHEDULED", key)])[-1]
    noticed = None
    if spoil(peer, key):
        try:
            rounds.compare(peer)
            noticed = False
        except WrongError:
            noticed = True
    ask(peer, [("SELECT", 15), ("FLUSHDB",), ("SELECT", 14), ("COPY", BACKUP, key, "DB", database, "REPLACE")])
    if isinstance(later, list):  # of Airwave: what COPY leaves out
        again = [("XSCHEDULE", key, "AT", due_ms, "ID", token, *fields) for token, due_ms, fields in later]
        ask(peer, [("SELECT", database), *again])
    return noticed


@pytest.mark.slow
@pytest.mark.parametrize("server", ["airwave", "redis"])
def test_what_is_spoiled_is_noticed(server: str) -> None:
    if server == "redis":
        need_redis_server()
    with directory(Plan(server), random.Random(5)) as rounds:
        rounds.load(400, quiet=True)
        with rounds.server.connect() as peer:
            rounds.compare(peer)
            places = [place for place in keys_of(peer, range(DATABASES)) if b":f" not in place[1]]
            found = look(peer, [place for place in places if not place[1].startswith(b"shared:")])
            streams = [place for place in found if found[place][0] == b"stream"]
            strings = [place for place in found if found[place][0] == b"string"]
            for spoils, places in (
                (OF_STREAMS, streams),
                (OF_SCHEDULES if server == "airwave" else [], streams),
                (OF_STRINGS, strings),
                (OF_ALL, streams + strings),
                (OF_JOBS, [(0, JOBS)]),
            ):
                for spoil in spoils:
                    tried = (notices(rounds, peer, place, spoil) for place in places)
                    noticed = next((result for result in tried if result is not None), None)
                    assert noticed is not None, f"{spoil} found nothing to spoil"
                    assert noticed, f"{spoil} was not noticed"
            rounds.compare(peer)
