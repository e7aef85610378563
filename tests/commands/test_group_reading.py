"""XREADGROUP: what is new, what is pending, what is claimed; alone and blocked."""

import pytest
from memory import Node
from peers import Error

from airwave.command import COMMANDS
from airwave.journal import Journal
from airwave.streams.chunk import Cold

CLAIM = pytest.mark.unlike_redis_7_0("CLAIM: 8.4")
MOVES_TIME = pytest.mark.core_only("time has to pass")


def add(peer, key, *ids):
    for entry_id in ids:
        peer.do(f"XADD {key} {entry_id} f v{entry_id}", entry_id)


def entries(*ids):
    return [[entry_id, ["f", f"v{entry_id}"]] for entry_id in ids]


def claimed(*items):
    """Entries as they are shown with CLAIM: ID, milliseconds since they were delivered, how often."""
    return [[entry_id, ["f", f"v{entry_id}"], idle_ms, count] for entry_id, idle_ms, count in items]


def reply(protocol, **streams):
    served = {key: found if found and type(found[0]) is list else entries(*found) for key, found in streams.items()}
    return served if protocol == 3 else [[key, found] for key, found in served.items()]


def pending(*items):
    """What XPENDING says: ID, consumer, how often it was delivered; the time is not looked at."""

    def fits(found):
        assert [(entry_id, owner, count) for entry_id, owner, _, count in found] == list(items)
        return True

    return fits


def group_says(**expected):
    def fits(found):
        found = [each if isinstance(each, dict) else dict(zip(each[::2], each[1::2], strict=True)) for each in found]
        wanted = {name.replace("_", "-"): value for name, value in expected.items()}
        assert {name: found[0][name] for name in wanted} == wanted
        return True

    return fits


def wait_until_blocked(bob, count=1):
    for peer in getattr(bob, "peers", (bob,)):
        while f"blocked_clients:{count}\r".encode() not in peer.ask("INFO clients"):
            pass


# --- new entries ------------------------------------------------------------------------------------------------------


def test_each_entry_goes_to_one_consumer(peers, protocol):
    alice, bob = peers(2, protocol)
    add(alice, "s", "1-1", "2-1", "3-1", "4-1")
    alice.do("XGROUP CREATE s g 1-1", "OK")
    alice.do("XREADGROUP GROUP g alice COUNT 1 STREAMS s >", reply(protocol, s=["2-1"]))
    bob.do("XREADGROUP GROUP g bob COUNT 5 STREAMS s >", reply(protocol, s=["3-1", "4-1"]))
    bob.do("XREADGROUP GROUP g bob STREAMS s >", None)
    alice.do("XPENDING s g - + 10", pending(("2-1", "alice", 1), ("3-1", "bob", 1), ("4-1", "bob", 1)))
    alice.do("XINFO GROUPS s", group_says(pending=3, consumers=2, last_delivered_id="4-1", entries_read=4, lag=0))


def test_noack_leaves_nothing_pending(peers):
    (alice,) = peers(1)
    add(alice, "s", "1-1", "2-1")
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do("XREADGROUP GROUP g c NOACK COUNT 1 STREAMS s >", reply(2, s=["1-1"]))
    alice.do("XPENDING s g", [0, None, None, None])
    alice.do("XINFO GROUPS s", group_says(pending=0, last_delivered_id="1-1", entries_read=1))


def test_long_streams(peers):
    (alice,) = peers(1)
    ids = [f"{number}-{number % 3}" for number in range(1, 701)]
    add(alice, "s", *ids)
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do("XREADGROUP GROUP g a COUNT 300 STREAMS s >", reply(2, s=ids[:300]))
    alice.do("XREADGROUP GROUP g b STREAMS s >", reply(2, s=ids[300:]))
    alice.do("XPENDING s g", [700, ids[0], ids[-1], [["a", "300"], ["b", "400"]]])
    alice.do("XREADGROUP GROUP g b COUNT 2 STREAMS s 310-1", reply(2, s=ids[310:312]))
    alice.do(["XACK", "s", "g", *ids[200:400]], 200)
    alice.do("XPENDING s g", [500, ids[0], ids[-1], [["a", "200"], ["b", "300"]]])
    alice.do("XREADGROUP GROUP g b COUNT 2 STREAMS s 0", reply(2, s=ids[400:402]))


@pytest.mark.parametrize("begin", ["0", "5-1"])  # from $ on 7.0 says more than 8 does
def test_entries_read(peers, begin):
    """Follows Redis's estimate through deleted entries: the oracle is asked after each step."""
    (alice,) = peers(1)
    add(alice, "s", *[f"{number}-1" for number in range(1, 10)])
    alice.do(f"XGROUP CREATE s g {begin}", "OK")
    add(alice, "s", "20-1", "21-1", "22-1")
    for line in (
        "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
        "XREADGROUP GROUP g c COUNT 2 STREAMS s >",
        "XADD s 30-1 f v",
        "XDEL s 30-1",
        "XADD s 31-1 f v",
        "XREADGROUP GROUP g c COUNT 3 STREAMS s >",
        "XREADGROUP GROUP g c STREAMS s >",
        "XADD s 40-1 f v",
        "XREADGROUP GROUP g c STREAMS s >",
    ):
        alice.asks(line)
        alice.hears()
        alice.asks("XINFO GROUPS s")
        alice.hears()


def test_a_group_that_is_set_back_delivers_again(peers):
    (alice,) = peers(1)
    add(alice, "s", "1-1", "2-1", "3-1")
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do("XREADGROUP GROUP g a STREAMS s >", reply(2, s=["1-1", "2-1", "3-1"]))
    alice.do("XREADGROUP GROUP g a STREAMS s 0", reply(2, s=["1-1", "2-1", "3-1"]))
    alice.do("XACK s g 1-1", 1)
    alice.do("XGROUP SETID s g 0", "OK")
    alice.do("XREADGROUP GROUP g b COUNT 2 STREAMS s >", reply(2, s=["1-1", "2-1"]))
    alice.do("XPENDING s g - + 10", pending(("1-1", "b", 1), ("2-1", "b", 1), ("3-1", "a", 2)))
    alice.do("XPENDING s g", [3, "1-1", "3-1", [["a", "1"], ["b", "2"]]])


def test_several_streams(peers, protocol):
    (alice,) = peers(1, protocol)
    add(alice, "s", "1-1")
    add(alice, "t", "2-1", "2-2")
    for key in "stu":
        alice.do(f"XGROUP CREATE {key} g 0 MKSTREAM", "OK")
    alice.do("XREADGROUP GROUP g c COUNT 1 STREAMS u t s > > >", reply(protocol, t=["2-1"], s=["1-1"]))
    alice.do("XREADGROUP GROUP g c STREAMS s u t > > 0", reply(protocol, t=["2-1"]))


def test_the_same_stream_twice(peers):
    (alice,) = peers(1)
    add(alice, "s", "1-1", "2-1")
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do("XREADGROUP GROUP g c COUNT 1 STREAMS s s > >", [["s", entries("1-1")], ["s", entries("2-1")]])
    alice.do("XPENDING s g - + 10", pending(("1-1", "c", 1), ("2-1", "c", 1)))


# --- history ----------------------------------------------------------------------------------------------------------


def test_history(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("XGROUP CREATE s g 0 MKSTREAM", "OK")
    alice.do("XREADGROUP GROUP g a STREAMS s 0", reply(protocol, s=[]))
    add(alice, "s", "1-1", "2-1", "3-1")
    alice.do("XREADGROUP GROUP g a STREAMS s >", reply(protocol, s=["1-1", "2-1", "3-1"]))
    alice.do("XREADGROUP GROUP g b STREAMS s 0", reply(protocol, s=[]))
    alice.do("XDEL s 2-1", 1)
    alice.do("XREADGROUP GROUP g a STREAMS s 1", reply(protocol, s=[*entries("1-1"), ["2-1", None], *entries("3-1")]))
    alice.do("XREADGROUP GROUP g a COUNT 1 STREAMS s 1-1", reply(protocol, s=[["2-1", None]]))
    alice.do("XREADGROUP GROUP g a BLOCK 0 STREAMS s 3-1", reply(protocol, s=[]))
    alice.do("XPENDING s g - + 10", pending(("1-1", "a", 2), ("2-1", "a", 1), ("3-1", "a", 2)))
    alice.do("XACK s g 1-1 2-1", 2)
    alice.do("XREADGROUP GROUP g a NOACK STREAMS s 0", reply(protocol, s=["3-1"]))


# --- errors -----------------------------------------------------------------------------------------------------------

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
INVALID = "ERR Invalid stream ID specified as stream command argument"


def no_group(key, name="g"):
    return f"NOGROUP No such key '{key}' or consumer group '{name}' in XREADGROUP with GROUP option"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("XREADGROUP GROUP g c STREAMS s", "ERR wrong number of arguments for 'xreadgroup' command"),
        ("XREADGROUP COUNT 1 NOACK STREAMS s >", "ERR Missing GROUP option for XREADGROUP"),
        ("XREADGROUP GROUP g c COUNT 1 s >", "ERR syntax error"),
        ("XREADGROUP GROUP g c COUNT x s >", "ERR value is not an integer or out of range"),
        ("XREADGROUP GROUP g c STREAMS missing x", no_group("missing")),
        ("XREADGROUP GROUP h c STREAMS s x", no_group("s", "h")),
        ("XREADGROUP GROUP g c STREAMS string x", WRONG_TYPE),
        ("XREADGROUP GROUP g c STREAMS s x", INVALID),
        ("XREADGROUP GROUP g c STREAMS s string x >", INVALID),
        ("XREADGROUP GROUP g c STREAMS s missing > >", no_group("missing")),
        ("XREADGROUP GROUP g c STREAMS s -", INVALID),
        (
            "XREADGROUP GROUP g c STREAMS s $",
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer "
            "by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty "
            "result set.",
        ),
    ],
)
def test_errors(peers, line, error):
    (alice,) = peers(1)
    alice.do("SET string x", "OK")
    alice.do("XADD s 1-1 f v", "1-1")
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do(line, Error(error))
    alice.do("XINFO CONSUMERS s g", [])


@CLAIM
@pytest.mark.parametrize(
    ("line", "error"),
    [
        (
            "XREADGROUP GROUP g c STREAMS s t >",
            "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
        ),
        ("XREADGROUP GROUP g c CLAIM x STREAMS s >", "ERR min-idle-time is not an integer or out of range"),
        ("XREADGROUP GROUP g c CLAIM -1 STREAMS s >", "ERR min-idle-time must be a positive integer"),
        (
            "XREADGROUP GROUP g c STREAMS s +",
            "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer "
            "by specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty "
            "result set.",
        ),
        ("XREADGROUP COUNT 2 MAXCOUNT 1 STREAMS s >", "ERR Missing GROUP option for XREADGROUP"),
    ],
)
def test_newer_errors(peers, line, error):
    (alice,) = peers(1)
    alice.do("XGROUP CREATE s g 0 MKSTREAM", "OK")
    alice.do(line, Error(error))


# --- limits of the reply ----------------------------------------------------------------------------------------------


@CLAIM
def test_what_is_beyond_maxcount_and_maxsize_is_not_delivered(peers):
    (alice,) = peers(1)
    add(alice, "s", "1-1", "2-1", "3-1")
    add(alice, "t", "4-1")
    for key in "st":
        alice.do(f"XGROUP CREATE {key} g 0", "OK")
    alice.do("XREADGROUP GROUP g a MAXCOUNT 1 STREAMS s t > >", reply(2, s=["1-1"]))
    alice.do("XINFO CONSUMERS t g", [])
    alice.do("XREADGROUP GROUP g b MAXSIZE 1 STREAMS s t > >", reply(2, s=["2-1"]))
    alice.do("XPENDING s g", [2, "1-1", "2-1", [["a", "1"], ["b", "1"]]])
    alice.do("XREADGROUP GROUP g c MAXSIZE 1000 STREAMS s t > >", reply(2, s=["3-1"], t=["4-1"]))
    alice.do("XREADGROUP GROUP g a MAXCOUNT 1 STREAMS s t 0 >", reply(2, s=["1-1"]))
    alice.do("XREADGROUP GROUP g c MAXSIZE 10 STREAMS s t 0 0", reply(2, s=["3-1"]))


# --- claiming ---------------------------------------------------------------------------------------------------------


@CLAIM
@MOVES_TIME
def test_claims_what_was_pending_for_long_then_reads_what_is_new(peers, protocol):
    (alice,) = peers(1, protocol)
    add(alice, "s", "1-1", "2-1", "3-1", "4-1")
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do("XREADGROUP GROUP g a COUNT 1 STREAMS s >", reply(protocol, s=["1-1"]))
    alice.node.advance(0.1)
    alice.do("XREADGROUP GROUP g a COUNT 2 STREAMS s >", reply(protocol, s=["2-1", "3-1"]))
    alice.node.advance(0.1)
    alice.do("XREADGROUP GROUP g b CLAIM 150 STREAMS s >", reply(protocol, s=claimed(("1-1", 200, 1), ("4-1", 0, 0))))
    alice.do("XPENDING s g - + 10", pending(("1-1", "b", 2), ("2-1", "a", 1), ("3-1", "a", 1), ("4-1", "b", 1)))
    alice.do("XREADGROUP GROUP g b CLAIM 150 STREAMS s >", None)
    alice.do("XREADGROUP GROUP g b CLAIM 100 COUNT 1 STREAMS s >", reply(protocol, s=claimed(("2-1", 100, 1))))
    alice.do("XREADGROUP GROUP g a CLAIM 100 COUNT 9 STREAMS s >", reply(protocol, s=claimed(("3-1", 100, 1))))
    alice.do("XINFO GROUPS s", group_says(pending=4, entries_read=4))


@CLAIM
@MOVES_TIME
def test_released_entries_are_claimed_first(peers):
    (alice,) = peers(1)
    add(alice, "s", "1-1", "2-1", "3-1", "4-1")
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do("XREADGROUP GROUP g a STREAMS s >", reply(2, s=["1-1", "2-1", "3-1", "4-1"]))
    alice.do("XNACK s g FAIL IDS 2 3-1 2-1", 2)
    alice.do("XDEL s 1-1", 1)
    alice.node.advance(0.001)
    now_ms = alice.node.host.wall_ms()
    alice.do("XREADGROUP GROUP g b CLAIM 100 STREAMS s >", reply(2, s=claimed(("3-1", now_ms, 1), ("2-1", now_ms, 1))))
    alice.node.advance(0.1)
    alice.do("XREADGROUP GROUP g b CLAIM 100 COUNT 1 STREAMS s >", reply(2, s=claimed(("4-1", 101, 1))))
    alice.do("XPENDING s g - + 9", pending(("1-1", "a", 1), ("2-1", "b", 2), ("3-1", "b", 2), ("4-1", "b", 2)))


@CLAIM
def test_claim_is_ignored_from_a_history_on(peers):
    (alice,) = peers(1)
    for key in "st":
        add(alice, key, "1-1")
        alice.do(f"XGROUP CREATE {key} g 0", "OK")
        alice.do(f"XREADGROUP GROUP g a STREAMS {key} >", reply(2, **{key: ["1-1"]}))
    alice.do("XREADGROUP GROUP g b CLAIM 0 STREAMS s t 0 >", reply(2, s=[]))
    alice.do("XREADGROUP GROUP g b CLAIM 0 NOACK STREAMS s t > 0", lambda found: len(found[0][1][0]) == 4)
    alice.do("XPENDING s g - + 10", pending(("1-1", "b", 2)))


@CLAIM
@MOVES_TIME
def test_wakes_when_something_can_be_claimed(peers):
    alice, bob = peers(2)
    add(bob, "s", "1-1")
    bob.do("XGROUP CREATE s g 0", "OK")
    bob.do("XREADGROUP GROUP g bob STREAMS s >", reply(2, s=["1-1"]))
    alice.node.advance(0.05)
    alice.asks("XREADGROUP GROUP g alice BLOCK 0 CLAIM 200 STREAMS s >")
    wait_until_blocked(bob)
    alice.node.advance(0.149)
    wait_until_blocked(bob)
    alice.node.advance(0.001)
    alice.gets(reply(2, s=claimed(("1-1", 200, 1))))
    alice.asks("XREADGROUP GROUP g alice BLOCK 0 CLAIM 200 STREAMS s >")
    wait_until_blocked(bob)
    bob.do("XNACK s g SILENT IDS 1 1-1", 1)
    alice.gets(reply(2, s=claimed(("1-1", alice.node.host.wall_ms(), 1))))
    alice.do("XACK s g 1-1", 1)
    alice.asks("XREADGROUP GROUP g alice BLOCK 1000 CLAIM 200 STREAMS s >")
    wait_until_blocked(bob)
    for _ in range(10):
        alice.node.advance(0.1)
    alice.gets(None)


# --- blocked ----------------------------------------------------------------------------------------------------------


def test_one_of_those_who_wait_is_served(peers, protocol):
    alice, carol, bob = peers(3, protocol)
    bob.do("XGROUP CREATE s g 0 MKSTREAM", "OK")
    alice.asks("XREADGROUP GROUP g alice BLOCK 0 STREAMS s >")
    wait_until_blocked(bob)
    carol.asks("XREADGROUP GROUP g carol BLOCK 0 STREAMS s >")
    wait_until_blocked(bob, 2)
    add(bob, "s", "1-1")
    alice.gets(reply(protocol, s=["1-1"]))
    add(bob, "s", "2-1")
    carol.gets(reply(protocol, s=["2-1"]))
    bob.do("XPENDING s g - + 10", pending(("1-1", "alice", 1), ("2-1", "carol", 1)))


@pytest.mark.parametrize("away", ["DEL s", "FLUSHALL", "XGROUP DESTROY s g", "RENAME s t"])
@pytest.mark.unlike_redis_7_0("7.0 has other texts")
def test_learns_that_the_group_is_gone(peers, away):
    alice, bob = peers(2)
    bob.do("XGROUP CREATE s g 0 MKSTREAM", "OK")
    alice.asks("XREADGROUP GROUP g c BLOCK 0 STREAMS s >")
    wait_until_blocked(bob)
    bob.do(away, lambda _: True)
    alice.gets(Error(no_group("s")))


@pytest.mark.unlike_redis_7_0("7.0 has another text")
def test_learns_that_the_key_is_something_else(peers):
    alice, bob = peers(2)
    bob.do("XGROUP CREATE s g 0 MKSTREAM", "OK")
    alice.asks("XREADGROUP GROUP g c BLOCK 0 STREAMS s >")
    wait_until_blocked(bob)
    bob.do("SET s x", "OK")
    alice.gets(Error(WRONG_TYPE))


def test_setting_a_group_back_wakes_nobody(peers):
    alice, bob = peers(2)
    add(bob, "s", "1-1")
    bob.do("XGROUP CREATE s g $", "OK")
    alice.asks("XREADGROUP GROUP g c BLOCK 0 STREAMS s >")
    wait_until_blocked(bob)
    bob.do("XGROUP SETID s g 0", "OK")
    add(bob, "s", "2-1")
    alice.gets(reply(2, s=["1-1", "2-1"]))


def test_a_transaction_does_not_wait(peers):
    (alice,) = peers(1)
    alice.do("XGROUP CREATE s g 0 MKSTREAM", "OK")
    alice.do("MULTI", "OK")
    alice.do("XREADGROUP GROUP g c BLOCK 0 STREAMS s >", "QUEUED")
    alice.do("EXEC", [None])


# --- entries that are on disk only ------------------------------------------------------------------------------------


class Disk(Journal):
    """A journal whose entries are all on disk: each command that needs some has to be run again.

    Attributes:
        told: what was told while a command had to wait; nothing may be.
    """

    durable = True

    def __init__(self):
        self.blobs = {}
        self.told = []
        self.waiting = 0

    def record(self, effect):
        self.told.append(effect)

    def put_away(self, stream):
        for chunk in stream.sealed:
            self.blobs[chunk], chunk.blob = chunk.blob, None

    def fetch(self, chunks):
        self.waiting += 1
        for chunk in chunks:
            chunk.blob = self.blobs[chunk]
        raise Cold


@pytest.mark.parametrize(
    "line",
    [
        "XREAD STREAMS s t 0 0",
        "XREAD STREAMS s t + 100",
        "XREADGROUP GROUP g new STREAMS s t > >",
        "XREADGROUP GROUP g new COUNT 3 STREAMS t s > >",
        "XREADGROUP GROUP g old STREAMS s t 0 >",
        "XREADGROUP GROUP g new CLAIM 0 STREAMS s t > >",
        "XREADGROUP GROUP g new BLOCK 5 CLAIM 999999 STREAMS t s > >",
        "XCLAIM s g new 0 1-1 130-1 250-1 LASTID 160-1",
        "XAUTOCLAIM s g new 0 0",
        "XNACK s g FAIL FORCE IDS 2 1-1 200-1",
        "XACKDEL s g IDS 2 1-1 2-1",
    ],
)
def test_what_is_on_disk_only_comes_before_any_change(line):
    journal = Disk()
    node = Node(journal=journal)
    alice = node.peer()
    for key in "st":
        add(alice, key, *[f"{number}-1" for number in range(1, 300)])
        alice.do(f"XGROUP CREATE {key} g 0", "OK")
        alice.do(f"XREADGROUP GROUP g old COUNT 150 STREAMS {key} >", lambda found: len(found[0][1]) == 150)
    streams = [node.broker.keyspace.databases[0].stream(key) for key in (b"s", b"t")]
    for stream in streams:
        journal.put_away(stream)
    handler = COMMANDS[line.split()[0].lower()].handler
    journal.told.clear()
    while True:
        try:
            handler(alice.session, line.encode().split())
            break
        except Cold:
            assert not journal.told
            assert all(set(stream.groups[b"g"].consumers) == {b"old"} for stream in streams)
    assert 1 <= journal.waiting < 10
