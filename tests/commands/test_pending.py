"""XACK, XACKDEL, XNACK, XPENDING."""

import pytest
from peers import Error

SINCE_8 = pytest.mark.unlike_redis_7_0("XACKDEL: 8.2; XNACK: 8.8")
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
INVALID = "ERR Invalid stream ID specified as stream command argument"
NO_GROUP = "NOGROUP No such key '{}' or consumer group '{}'"
FATAL = (1 << 63) - 1


def deliver(peer, *consumers, key="s", group="g"):
    """Entries 1-1, 2-1, ... in a stream, one for each consumer named."""
    peer.do(f"XGROUP CREATE {key} {group} 0 MKSTREAM", "OK")
    for number, consumer in enumerate(consumers, 1):
        peer.do(f"XADD {key} {number}-1 f v", f"{number}-1")
        peer.do(f"XREADGROUP GROUP {group} {consumer} STREAMS {key} >", lambda reply: len(reply) == 1)


def items(*wanted):
    """Of each ID, consumer, and how often it was delivered; the time only says whether somebody has it."""

    def fits(found):
        assert [(entry_id, owner, count) for entry_id, owner, _, count in found] == list(wanted)
        assert all((idle_ms == -1) == (owner == "") for _, owner, idle_ms, _ in found)
        return True

    return fits


# --- XACK -------------------------------------------------------------------------------------------------------------


def test_ack(peers):
    (alice,) = peers(1)
    deliver(alice, "a", "b", "a", "b")
    alice.do("XACK s g 1-1 9-9 1-1 2-1 0", 2)
    alice.do("XACK s g 1-1", 0)
    alice.do("XPENDING s g", [2, "3-1", "4-1", [["a", "1"], ["b", "1"]]])
    alice.do("XACK s g 4-1 3-1", 2)
    alice.do("XPENDING s g", [0, None, None, None])
    alice.do("XACK missing g x", 0)
    alice.do("XACK s missing x", 0)


IDS = (
    *("1-1", "1", "01-1", "1-01", "+1-1", " 1-1", "18446744073709551615-18446744073709551615"),
    *(
        "x",
        "",
        "-",
        "+",
        "1-",
        "-1",
        "1-1-1",
        "1--1",
        "1-x",
        "1_0-1",
        "1-1,2-1",
        "1,1",
        "1-+1",
        "1- 1",
        "1 -1",
        "\u0661-1",
    ),
    *("18446744073709551616-1", "1-18446744073709551616", "1" * 127, "0" * 126 + "1-1", "1-1\r\n"),
)


@pytest.mark.parametrize("word", IDS)
def test_ids(peers, word):
    (alice,) = peers(1)
    deliver(alice, "a")
    for words in ([word], ["5-5", word], [word, "5-5", "6-6", "7"]):
        alice.asks(["XACK", "s", "g", *words])
        alice.hears()


def test_errors_change_nothing(peers):
    (alice,) = peers(1)
    deliver(alice, "a")
    alice.do("XACK s g 1-1 x", Error(INVALID))
    alice.do("SET string x", "OK")
    alice.do("XACK string g x", Error(WRONG_TYPE))
    alice.do("XACK s g", Error("ERR wrong number of arguments for 'xack' command"))
    alice.do("XPENDING s g", [1, "1-1", "1-1", [["a", "1"]]])


# --- XPENDING ---------------------------------------------------------------------------------------------------------


def test_pending(peers, protocol):
    (alice,) = peers(1, protocol)
    deliver(alice, "b", "a", "b", "a", "b")
    alice.do("XPENDING s g", [5, "1-1", "5-1", [["a", "2"], ["b", "3"]]])
    alice.do("XPENDING s g - + 2", items(("1-1", "b", 1), ("2-1", "a", 1)))
    alice.do("XPENDING s g (1-1 3 9", items(("2-1", "a", 1), ("3-1", "b", 1)))
    alice.do("XPENDING s g - + 9 b", items(("1-1", "b", 1), ("3-1", "b", 1), ("5-1", "b", 1)))
    alice.do("XPENDING s g 2 (5-1 1 b", items(("3-1", "b", 1)))
    alice.do("XPENDING s g - + 9 b ignored", items(("1-1", "b", 1), ("3-1", "b", 1), ("5-1", "b", 1)))
    for nothing in ("- + 0", "- + -1", "5-2 + 9", "+ - 9", "- + 9 nobody", "IDLE 100000 - + 9", "IDLE 100000 - + 9 a"):
        alice.do(f"XPENDING s g {nothing}", [])
    for all_of_a in ("IDLE 0 - + 9 a", "IDLE -5 - + 9 a"):
        alice.do(f"XPENDING s g {all_of_a}", items(("2-1", "a", 1), ("4-1", "a", 1)))


@pytest.mark.core_only("time has to pass")
def test_pending_for_how_long(peers):
    (alice,) = peers(1)
    deliver(alice, "a")
    alice.node.advance(0.05)
    alice.do("XPENDING s g - + 9", [["1-1", "a", 50, 1]])
    alice.do("XPENDING s g IDLE 51 - + 9", [])
    alice.do("XPENDING s g IDLE 50 - + 9", [["1-1", "a", 50, 1]])


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ("s", "ERR wrong number of arguments for 'xpending' command"),
        ("missing g", NO_GROUP.format("missing", "g")),
        ("s h", NO_GROUP.format("s", "h")),
        ("string g", WRONG_TYPE),
        ("s g -", "ERR syntax error"),
        ("s g - +", "ERR syntax error"),
        ("s g IDLE x - +", "ERR value is not an integer or out of range"),
        ("s g IDLE 1 - +", "ERR syntax error"),
        ("s g IDLE 1 - + 9 a b", "ERR syntax error"),
        ("string h - + x", "ERR value is not an integer or out of range"),
        ("string h - x 1", INVALID),
        ("string h (- + 1", INVALID),
        ("string h - (0-0 1", "ERR invalid end ID for the interval"),
        (
            "string h (18446744073709551615-18446744073709551615 + 1",
            "ERR invalid start ID for the interval",
        ),
    ],
)
def test_pending_errors(peers, args, error):
    (alice,) = peers(1)
    deliver(alice, "a")
    alice.do("SET string x", "OK")
    alice.do(f"XPENDING {args}", Error(error))


# --- XNACK ------------------------------------------------------------------------------------------------------------


@SINCE_8
def test_nack(peers):
    (alice,) = peers(1)
    deliver(alice, "a", "b", "a", "b")
    alice.do("XNACK s g SILENT IDS 2 1-1 9-9", 1)
    alice.do("XNACK s g fail ids 1 2-1", 1)
    alice.do("XNACK s g FATAL IDS 1 3-1", 1)
    alice.do("XPENDING s g - + 9", items(("1-1", "", 0), ("2-1", "", 1), ("3-1", "", FATAL), ("4-1", "b", 1)))
    alice.do("XPENDING s g", [4, "1-1", "4-1", [["b", "1"]]])
    alice.do("XPENDING s g IDLE 100000 - + 9", items(("1-1", "", 0), ("2-1", "", 1), ("3-1", "", FATAL)))
    alice.do("XNACK s g SILENT IDS 3 1-1 3-1 3-1", 3)
    alice.do("XNACK s g FAIL RETRYCOUNT 7 IDS 1 2-1", 1)
    alice.do("XNACK s g FATAL IDS 1 4-1 RETRYCOUNT 0", 1)
    alice.do("XPENDING s g - + 9", items(("1-1", "", 0), ("2-1", "", 7), ("3-1", "", FATAL - 2), ("4-1", "", 0)))
    alice.do("XPENDING s g", [4, "1-1", "4-1", []])
    alice.do("XREADGROUP GROUP g a STREAMS s 0", [["s", []]])
    alice.do("XACK s g 1-1 2-1 3-1", 3)
    alice.do("XPENDING s g", [1, "4-1", "4-1", []])


@SINCE_8
def test_nack_force(peers):
    (alice,) = peers(1)
    deliver(alice, "a")
    for number in (2, 3, 4):
        alice.do(f"XADD s {number}-1 f v", f"{number}-1")
    alice.do("XNACK s g SILENT IDS 3 2-1 2-1 9-9", 0)
    alice.do("XNACK s g SILENT FORCE IDS 3 2-1 2-1 9-9", 2)
    alice.do("XNACK s g FATAL IDS 1 3-1 FORCE", 1)
    alice.do("XNACK s g FAIL IDS 1 4-1 FORCE RETRYCOUNT 5", 1)
    alice.do("XPENDING s g - + 9", items(("1-1", "a", 1), ("2-1", "", 0), ("3-1", "", FATAL), ("4-1", "", 5)))


@SINCE_8
@pytest.mark.parametrize(
    ("args", "error"),
    [
        ("string g X IDS 1 x", WRONG_TYPE),
        ("missing g X IDS 1 x", NO_GROUP.format("missing", "g")),
        ("s h X IDS 1 x", NO_GROUP.format("s", "h")),
        ("s g X IDS 0 x", "ERR mode must be SILENT, FAIL, or FATAL"),
        ("s g FAIL IDS 0 x", "ERR numids must be a positive integer"),
        ("s g FAIL IDS x x", "ERR numids must be a positive integer"),
        ("s g FAIL IDS 2147483648 x", "ERR numids must be a positive integer"),
        ("s g FAIL IDS 2 1-1", "ERR number of IDs doesn't match numids"),
        ("s g FAIL IDS 1 1-1 2-1", "ERR Unrecognized XNACK option '2-1'"),
        ("s g FAIL IDS 1 1-1 RETRYCOUNT", "ERR Unrecognized XNACK option 'RETRYCOUNT'"),
        ("s g FAIL IDS 1 1-1 RETRYCOUNT x", "ERR value is not an integer or out of range"),
        ("s g FAIL IDS 1 1-1 RETRYCOUNT -1", "ERR Invalid RETRYCOUNT value, must be >= 0"),
        ("s g FAIL FORCE RETRYCOUNT 5", "ERR syntax error, expected IDS keyword"),
        ("s g FAIL IDS 2 1-1 x", INVALID),
        ("s g FAIL IDS 1", "ERR wrong number of arguments for 'xnack' command"),
    ],
)
def test_nack_errors(peers, args, error):
    (alice,) = peers(1)
    deliver(alice, "a")
    alice.do("SET string x", "OK")
    alice.do(f"XNACK {args}", Error(error))
    alice.do("XPENDING s g - + 9", items(("1-1", "a", 1)))


# --- XACKDEL ----------------------------------------------------------------------------------------------------------


def streams_left(peer, *ids):
    peer.do("XRANGE s - +", lambda found: [entry_id for entry_id, _ in found] == list(ids))


@SINCE_8
def test_ackdel(peers):
    (alice,) = peers(1)
    deliver(alice, "a", "b", "a")
    alice.do("XADD s 9-1 f v", "9-1")
    alice.do("XDEL s 2-1", 1)
    alice.do("XACKDEL s g IDS 5 1-1 2-1 9-1 1-1 7-7", [1, 1, -1, -1, -1])
    streams_left(alice, "3-1", "9-1")
    alice.do("XPENDING s g", [1, "3-1", "3-1", [["a", "1"]]])
    alice.do("XACKDEL missing g IDS 2 x y", [-1, -1])
    alice.do("XACKDEL s h IDS 2 x y", [-1, -1])


@SINCE_8
@pytest.mark.parametrize(
    ("policy", "answer", "left", "pending"),
    [("KEEPREF", 1, ["2-1"], 1), ("DELREF", 1, ["2-1"], 0), ("ACKED", 2, ["1-1", "2-1"], 1)],
)
def test_ackdel_when_another_group_needs_it(peers, policy, answer, left, pending):
    (alice,) = peers(1)
    deliver(alice, "a", "a")
    alice.do("XGROUP CREATE s other 0", "OK")
    alice.do("XREADGROUP GROUP other b COUNT 1 STREAMS s >", lambda reply: len(reply) == 1)
    alice.do(f"XACKDEL s g {policy} IDS 1 1-1", [answer])
    streams_left(alice, *left)
    alice.do("XPENDING s g", [1, "2-1", "2-1", [["a", "1"]]])
    alice.do("XPENDING s other", lambda found: found[0] == pending)
    if policy == "ACKED":
        alice.do("XACKDEL s other IDS 1 1-1 ACKED", [1])
        streams_left(alice, "2-1")
        alice.do("XACKDEL s g ACKED IDS 1 2-1", [2])  # the other group has yet to read it


@SINCE_8
@pytest.mark.parametrize(
    ("args", "error"),
    [
        ("string g X IDS 1 x", WRONG_TYPE),
        ("s g IDS 0 1-1 x", "ERR Number of IDs must be a positive integer"),
        ("s g IDS 2 1-1", "ERR The `numids` parameter must match the number of arguments"),
        ("s g IDS 1 1-1 2-1", "ERR syntax error"),
        ("s g ACKED DELREF IDS 1 1-1", "ERR syntax error"),
        ("s g IDS 2 1-1 x", INVALID),
        ("s g IDS 1", "ERR wrong number of arguments for 'xackdel' command"),
    ],
)
def test_ackdel_errors(peers, args, error):
    (alice,) = peers(1)
    deliver(alice, "a")
    alice.do("SET string x", "OK")
    alice.do(f"XACKDEL {args}", Error(error))
    alice.do("XPENDING s g - + 9", items(("1-1", "a", 1)))


@SINCE_8
def test_ackdel_is_noticed(peers):
    alice, bob = peers(2)
    deliver(alice, "a", "a")
    alice.do("XDEL s 1-1", 1)
    alice.do("CONFIG SET notify-keyspace-events KA", "OK")
    bob.do("SUBSCRIBE __keyspace@0__:s", lambda _: True)
    alice.do("XACKDEL s g IDS 1 1-1", [1])
    bob.gets_nothing()
    alice.do("XACKDEL s g IDS 1 2-1", [1])
    bob.gets(["message", "__keyspace@0__:s", "xdel"])
    bob.gets_nothing()
