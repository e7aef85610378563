"""XCLAIM and XAUTOCLAIM."""

import pytest
from peers import Error

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
INVALID = "ERR Invalid stream ID specified as stream command argument"
NO_GROUP = "NOGROUP No such key '{}' or consumer group '{}'"
MOVES_TIME = pytest.mark.core_only("time has to pass")


def deliver(peer, *consumers):
    """Entries 1-1, 2-1, ... in a stream, one for each consumer named."""
    peer.do("XGROUP CREATE s g 0 MKSTREAM", "OK")
    for number, consumer in enumerate(consumers, 1):
        peer.do(f"XADD s {number}-1 f v{number}", f"{number}-1")
        peer.do(f"XREADGROUP GROUP g {consumer} STREAMS s >", lambda reply: len(reply) == 1)


def entries(*numbers):
    return [[f"{number}-1", ["f", f"v{number}"]] for number in numbers]


def items(*wanted):
    def fits(found):
        assert [(entry_id, owner, count) for entry_id, owner, _, count in found] == list(wanted)
        return True

    return fits


# --- XCLAIM -----------------------------------------------------------------------------------------------------------


def test_claim(peers, protocol):
    (alice,) = peers(1, protocol)
    deliver(alice, "a", "a", "b", "b")
    alice.do("XCLAIM s g c 0 3-1 1-1 9-9", entries(3, 1))
    alice.do("XCLAIM s g c 0 1-1 4-1 JUSTID", ["1-1", "4-1"])
    alice.do("XCLAIM s g c 100000 2-1", [])
    alice.do("XCLAIM s g c -5 1-1 1-1", entries(1, 1))
    alice.do("XPENDING s g - + 9", items(("1-1", "c", 4), ("2-1", "a", 1), ("3-1", "c", 2), ("4-1", "c", 1)))
    alice.do("XPENDING s g", [4, "1-1", "4-1", [["a", "1"], ["c", "3"]]])
    alice.do("XCLAIM s g b 0 1-1 RETRYCOUNT 9", entries(1))
    alice.do("XCLAIM s g b 0 2-1 RETRYCOUNT 0 JUSTID", ["2-1"])
    alice.do("XCLAIM s g b 0 3-1 RETRYCOUNT -1", entries(3))
    alice.do("XPENDING s g - + 9", items(("1-1", "b", 9), ("2-1", "b", 0), ("3-1", "b", 3), ("4-1", "c", 1)))


def test_claim_of_what_is_not_pending(peers):
    (alice,) = peers(1)
    deliver(alice, "a")
    for number in (2, 3, 4):
        alice.do(f"XADD s {number}-1 f v{number}", f"{number}-1")
    alice.do("XCLAIM s g b 0 2-1 9-9", [])
    alice.do("XCLAIM s g b 100 2-1 9-9 FORCE", entries(2))
    alice.do("XCLAIM s g b 100 3-1 FORCE JUSTID", ["3-1"])
    alice.do("XCLAIM s g b 0 4-1 force retrycount 6 lastid 3-1", entries(4))
    alice.do("XPENDING s g - + 9", items(("1-1", "a", 1), ("2-1", "b", 2), ("3-1", "b", 1), ("4-1", "b", 6)))
    alice.do("XREADGROUP GROUP g c STREAMS s >", [["s", entries(4)]])


def test_claim_of_deleted_entries(peers):
    (alice,) = peers(1)
    deliver(alice, "a", "a", "a")
    alice.do("XDEL s 1-1 3-1", 2)
    alice.do("XCLAIM s g b 100000 1-1", [])
    alice.do("XCLAIM s g b 0 1-1 2-1 3-1 JUSTID", ["2-1"])
    alice.do("XPENDING s g", [1, "2-1", "2-1", [["b", "1"]]])


@MOVES_TIME
def test_claim_and_time(peers):
    (alice,) = peers(1)
    deliver(alice, "a", "a")
    alice.node.advance(0.1)
    alice.do("XCLAIM s g b 101 1-1", [])
    alice.do("XCLAIM s g b 100 1-1 IDLE 40", entries(1))
    alice.do("XPENDING s g - + 9", [["1-1", "b", 40, 2], ["2-1", "a", 100, 1]])
    now_ms = alice.node.host.wall_ms()
    for when, idle_ms in ((now_ms - 7, 7), (now_ms + 1, 0), (-5, 0), (0, now_ms)):
        alice.do(f"XCLAIM s g b 0 1-1 TIME {when} JUSTID", ["1-1"])
        alice.do("XPENDING s g - + 1", [["1-1", "b", idle_ms, 2]])


@pytest.mark.unlike_redis_7_0("XNACK: 8.8")
def test_claim_of_released_entries(peers):
    (alice,) = peers(1)
    deliver(alice, "a", "a", "a")
    alice.do("XNACK s g FATAL IDS 3 1-1 2-1 3-1", 3)
    alice.do("XDEL s 3-1", 1)
    alice.do("XCLAIM s g b 100000 1-1 3-1", entries(1))
    alice.do("XAUTOCLAIM s g b 100000 0 JUSTID", ["0-0", ["2-1"], []])
    alice.do("XPENDING s g - + 9", items(("1-1", "b", (1 << 63) - 1), ("2-1", "b", (1 << 63) - 1)))
    alice.do("XCLAIM s g b 100000 1-1", [])


@pytest.mark.unlike_redis_7_0("7.0 creates consumers when they get something")
@pytest.mark.parametrize("line", ["XCLAIM s g new 0 9-9", "XAUTOCLAIM s g new 100000 0"])
def test_the_consumer_is_created(peers, line):
    alice, bob = peers(2)
    deliver(alice, "a")
    alice.do("CONFIG SET notify-keyspace-events KA", "OK")
    bob.do("SUBSCRIBE __keyspace@0__:s", lambda _: True)
    alice.do(line, lambda _: True)
    alice.do(line, lambda _: True)
    bob.gets(["message", "__keyspace@0__:s", "xgroup-createconsumer"])
    bob.gets_nothing()


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ("s g c 0", "ERR wrong number of arguments for 'xclaim' command"),
        ("string g c x 1-1", WRONG_TYPE),
        ("missing g c x 1-1", NO_GROUP.format("missing", "g")),
        ("s h c x 1-1", NO_GROUP.format("s", "h")),
        ("s g c x y", "ERR Invalid min-idle-time argument for XCLAIM"),
        ("s g c 0 y", "ERR Unrecognized XCLAIM option 'y'"),
        ("s g c 0 1-1 -", "ERR Unrecognized XCLAIM option '-'"),
        ("s g c 0 1-1 FORCE 2-1", "ERR Unrecognized XCLAIM option '2-1'"),
        ("s g c 0 1-1 IDLE", "ERR Unrecognized XCLAIM option 'IDLE'"),
        ("s g c 0 1-1 IDLE x", "ERR Invalid IDLE option argument for XCLAIM"),
        ("s g c 0 1-1 TIME x", "ERR Invalid TIME option argument for XCLAIM"),
        ("s g c 0 1-1 RETRYCOUNT x", "ERR Invalid RETRYCOUNT option argument for XCLAIM"),
        ("s g c 0 1-1 LASTID x", INVALID),
    ],
)
def test_claim_errors(peers, args, error):
    (alice,) = peers(1)
    deliver(alice, "a")
    alice.do("SET string x", "OK")
    alice.do(f"XCLAIM {args}", Error(error))
    alice.do("XPENDING s g - + 9", items(("1-1", "a", 1)))


# --- XAUTOCLAIM -------------------------------------------------------------------------------------------------------


def test_autoclaim(peers, protocol):
    (alice,) = peers(1, protocol)
    deliver(alice, "a", "a", "b", "b", "a")
    alice.do("XAUTOCLAIM s g c 0 - COUNT 2", ["3-1", entries(1, 2), []])
    alice.do("XAUTOCLAIM s g c 0 3-1 COUNT 2 JUSTID", ["5-1", ["3-1", "4-1"], []])
    alice.do("XAUTOCLAIM s g c 0 (4-1", ["0-0", entries(5), []])
    alice.do("XAUTOCLAIM s g c 100000 0", ["0-0", [], []])
    alice.do("XAUTOCLAIM s g c 0 6", ["0-0", [], []])
    alice.do(
        "XPENDING s g - + 9",
        items(("1-1", "c", 2), ("2-1", "c", 2), ("3-1", "c", 1), ("4-1", "c", 1), ("5-1", "c", 2)),
    )
    alice.do("XPENDING s g", [5, "1-1", "5-1", [["c", "5"]]])


def test_autoclaim_of_deleted_entries(peers):
    (alice,) = peers(1)
    deliver(alice, "a", "a", "a", "a", "a")
    alice.do("XDEL s 1-1 3-1 5-1", 3)
    alice.do("XAUTOCLAIM s g b 0 0 COUNT 2", ["3-1", entries(2), ["1-1"]])
    alice.do("XAUTOCLAIM s g b 100000 0", ["0-0", [], ["3-1", "5-1"]])
    alice.do("XPENDING s g - + 9", items(("2-1", "b", 2), ("4-1", "a", 1)))


def test_autoclaim_looks_at_ten_times_count(peers):
    (alice,) = peers(1)
    deliver(alice, *["a"] * 25)
    alice.do("XAUTOCLAIM s g b 100000 0 COUNT 1", ["11-1", [], []])
    alice.do("XAUTOCLAIM s g b 100000 11 COUNT 1", ["21-1", [], []])
    alice.do("XAUTOCLAIM s g b 100000 21 COUNT 1", ["0-0", [], []])


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ("s g c 0", "ERR wrong number of arguments for 'xautoclaim' command"),
        ("string g c x y COUNT 0", "ERR Invalid min-idle-time argument for XAUTOCLAIM"),
        ("string g c 0 y COUNT 0", INVALID),
        (
            "string g c 0 (18446744073709551615-18446744073709551615",
            "ERR invalid start ID for the interval",
        ),
        ("string g c 0 0 COUNT 0", "ERR COUNT must be > 0"),
        ("string g c 0 0 COUNT x", "ERR COUNT must be > 0"),
        ("string g c 0 0 COUNT 576460752303423488", "ERR COUNT must be > 0"),
        ("string g c 0 0 COUNT", "ERR syntax error"),
        ("string g c 0 0 x", "ERR syntax error"),
        ("string g c 0 0 JUSTID", WRONG_TYPE),
        ("missing g c 0 0", NO_GROUP.format("missing", "g")),
        ("s h c 0 0", NO_GROUP.format("s", "h")),
    ],
)
def test_autoclaim_errors(peers, args, error):
    (alice,) = peers(1)
    deliver(alice, "a")
    alice.do("SET string x", "OK")
    alice.do(f"XAUTOCLAIM {args}", Error(error))
