"""Streams read and changed as a whole. On redis-server each conversation is, byte for byte, what Redis says."""

import pytest
from memory import Node
from peers import Error

WRONG_TYPE = Error("WRONGTYPE Operation against a key holding the wrong kind of value")
INVALID_ID = Error("ERR Invalid stream ID specified as stream command argument")
NO_KEY = Error("ERR no such key")
NOT_AN_INTEGER = Error("ERR value is not an integer or out of range")
SYNTAX = Error("ERR syntax error")


def fill(peer, count, key="s"):
    for number in range(1, count + 1):
        peer.do(f"XADD {key} {number}-{number} n {number}", f"{number}-{number}")


def entry(number):
    return [f"{number}-{number}", ["n", str(number)]]


def between(first, last):
    step = 1 if first <= last else -1
    return [entry(number) for number in range(first, last + step, step)]


# --- XLEN, XRANGE, XREVRANGE ------------------------------------------------------------------------------------------


def test_a_stream_that_is_not_there(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("XLEN s", 0)
    alice.do("XRANGE s - +", [])
    alice.do("XRANGE s - + COUNT 0", [])
    alice.do("XREVRANGE s + -", [])
    alice.do("XDEL s 1-1", 0)
    alice.do("XDEL s x", 0)
    alice.do("XTRIM s MAXLEN 1", 0)
    alice.do("XSETID s 1-1", NO_KEY)


def test_a_key_of_another_kind(peers):
    (alice,) = peers(1)
    alice.do("SET s x", "OK")
    for line in ("XLEN s", "XRANGE s - +", "XREVRANGE s + -", "XDEL s 1-1", "XTRIM s MAXLEN 1", "XSETID s 1-1"):
        alice.do(line, WRONG_TYPE)


@pytest.mark.parametrize("count", [5, 127, 128, 129, 300])
def test_ranges(peers, protocol, count):
    (alice,) = peers(1, protocol)
    fill(alice, count)
    alice.do("XLEN s", count)
    alice.do("XRANGE s - +", between(1, count))
    alice.do("XREVRANGE s + -", between(count, 1))
    for first, last in ((2, 4), (1, count), (3, 3), (count, count), (1, 1), (count // 2, count - 1)):
        alice.do(f"XRANGE s {first}-{first} {last}-{last}", between(first, last))
        alice.do(f"XRANGE s {first} {last}", between(first, last))
        alice.do(f"XREVRANGE s {last} {first}", between(last, first))
        for limit in (1, 2, 200):
            alice.do(f"XRANGE s {first} {last} COUNT {limit}", between(first, last)[:limit])
            alice.do(f"XREVRANGE s {last} {first} COUNT {limit}", between(last, first)[:limit])
    alice.do("XRANGE s 4 2", [])
    alice.do("XREVRANGE s 2 4", [])
    alice.do(f"XRANGE s {count + 1} +", [])
    alice.do("XRANGE s - 0-5", [])


def test_bounds_of_ranges(peers):
    (alice,) = peers(1)
    fill(alice, 5)
    alice.do("XRANGE s (2-2 (4-4", between(3, 3))
    alice.do("XRANGE s (2 4", between(2, 4))
    alice.do("XRANGE s 2 (4", between(2, 4))  # 4-18446744073709551615 is excluded
    alice.do("XRANGE s 2 (4-4", between(2, 3))
    alice.do("XRANGE s (2-1 4-3", between(2, 3))
    alice.do("XREVRANGE s (4-4 (2-2", between(3, 3))
    alice.do("XRANGE s + -", [])
    biggest = "18446744073709551615-18446744073709551615"
    alice.do(f"XRANGE s ({biggest} +", Error("ERR invalid start ID for the interval"))
    alice.do("XRANGE s - (0-0", Error("ERR invalid end ID for the interval"))
    alice.do(f"XREVRANGE s + ({biggest}", Error("ERR invalid start ID for the interval"))
    for wrong in ("x", "(", "(-", "(x", "1-", "1-x"):
        alice.do(f"XRANGE s {wrong} +", INVALID_ID)
        alice.do(f"XRANGE s - {wrong}", INVALID_ID)
        alice.do(f"XREVRANGE nosuch {wrong} +", INVALID_ID)


def test_count(peers, protocol):
    (alice,) = peers(1, protocol)
    fill(alice, 5)
    alice.do("XRANGE s - + COUNT 0", None)
    alice.do("XRANGE s - + COUNT -1", None)
    alice.do("XREVRANGE s + - COUNT -5", None)
    alice.do("XRANGE s - + count 2 COUNT 3", between(1, 3))
    alice.do("XRANGE s - + COUNT", SYNTAX)
    alice.do("XRANGE s - + COUNT x", NOT_AN_INTEGER)
    alice.do("XRANGE s - + LIMIT 3", SYNTAX)
    alice.do("XRANGE s - + COUNT 3 x", SYNTAX)


# --- XDEL, XDELEX -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [5, 300])
def test_deleted_entries_are_not_seen(peers, count):
    (alice,) = peers(1)
    fill(alice, count)
    alice.do("XDEL s 2-2", 1)
    alice.do("XDEL s 2-2 2-1 9999 4-4 4-4", 1)
    alice.do(f"XDEL s {count}", 0)
    alice.do(f"XDEL s {count}-{count}", 1)
    left = [entry(number) for number in range(1, count) if number not in (2, 4)]
    alice.do("XRANGE s - +", left)
    alice.do("XREVRANGE s + -", left[::-1])
    alice.do("XRANGE s 2 4", between(3, 3))
    alice.do("XREVRANGE s 4 2 COUNT 2", between(3, 3))
    alice.do("XLEN s", len(left))
    alice.do("XDEL s 1-1", 1)
    alice.do("XRANGE s - + COUNT 1", between(3, 3))
    alice.do("XDEL s 3-3 x", INVALID_ID)
    alice.do("XLEN s", len(left) - 1)
    alice.do(["XDEL", "s", *[id_ for id_, _ in left]], len(left) - 1)
    alice.do("XRANGE s - +", [])
    alice.do("TYPE s", "stream")
    alice.do(
        f"XADD s {count} a b", Error("ERR The ID specified in XADD is equal or smaller than the target stream top item")
    )
    alice.do(f"XADD s {count + 1} a b", f"{count + 1}-0")


def pending_group(peer):
    """A group that has 1-1 to 3-3 pending and has yet to read 4-4 and 5-5."""
    fill(peer, 5)
    peer.do("XGROUP CREATE s g 0", "OK")
    peer.do("XREADGROUP GROUP g c COUNT 3 STREAMS s >", lambda reply: reply)


def pending_ids(peer):
    return [item[0].decode() for item in peer.ask("XPENDING s g - + 10")]


@pytest.mark.unlike_redis_7_0(reason="8.2")
def test_xdelex_keeps_references(peers):
    (alice,) = peers(1)
    pending_group(alice)
    alice.do("XDELEX s IDS 2 2-2 9-9", [1, -1])
    alice.do("XDELEX s KEEPREF IDS 1 3-3", [1])
    assert pending_ids(alice) == ["1-1", "2-2", "3-3"]
    alice.do("XLEN s", 3)


@pytest.mark.unlike_redis_7_0(reason="8.2")
def test_xdelex_deletes_references(peers):
    (alice,) = peers(1)
    pending_group(alice)
    alice.do("XDEL s 1-1", 1)
    alice.do("XDELEX s IDS 3 1-1 2-2 4-4 DELREF", [-1, 1, 1])
    assert pending_ids(alice) == ["3-3"]
    alice.do("XRANGE s - +", [entry(3), entry(5)])


@pytest.mark.unlike_redis_7_0(reason="8.2")
def test_xdelex_spares_what_is_referenced(peers):
    (alice,) = peers(1)
    pending_group(alice)
    alice.do("XDELEX s ACKED IDS 3 2-2 4-4 9-9", [2, 2, 2])
    alice.do("XACK s g 2-2", 1)
    alice.do("XDELEX s ACKED IDS 4 2-2 2-2 4-4 0-5", [1, -1, 2, -1])
    alice.do("XGROUP DESTROY s g", 1)
    alice.do("XDELEX s ACKED IDS 2 1-1 4-4", [1, 1])
    alice.do("XLEN s", 2)


@pytest.mark.unlike_redis_7_0(reason="8.2")
def test_xdelex_arguments(peers):
    (alice,) = peers(1)
    alice.do("XDELEX s IDS 2 1-1 x", [-1, -1])
    fill(alice, 2)
    alice.do("XDELEX s IDS 1 x", INVALID_ID)
    for wrong in ("0", "-1", "x", "9223372036854775808"):
        alice.do(f"XDELEX s IDS {wrong} 1-1", Error("ERR Number of IDs must be a positive integer"))
    alice.do("XDELEX s IDS 2 1-1", Error("ERR The `numids` parameter must match the number of arguments"))
    alice.do("XDELEX s IDS 1 1-1 2-2", SYNTAX)
    alice.do("XDELEX s KEEPREF DELREF IDS 1 1-1", SYNTAX)
    alice.do("XDELEX s KEEPREF NOSUCH 1 1-1", SYNTAX)
    alice.do("XDELEX s IDS 1 1-1 IDS 1 2-2", [1])
    alice.do("XRANGE s - +", between(1, 1))
    alice.do("XDELEX s IDS 1", Error("ERR wrong number of arguments for 'xdelex' command"))
    alice.do("SET x y", "OK")
    alice.do("XDELEX x a b c", WRONG_TYPE)


# --- XTRIM ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [5, 300])
def test_trimming(peers, count):
    (alice,) = peers(1)
    fill(alice, count)
    alice.do(f"XTRIM s MAXLEN {count}", 0)
    alice.do(f"XTRIM s MAXLEN = {count - 1}", 1)
    alice.do("XTRIM s MINID 2-2", 0)
    alice.do("XTRIM s MINID 2-3", 1)
    alice.do("XRANGE s - + COUNT 1", [entry(3)])
    alice.do("XTRIM s MAXLEN ~ 1 LIMIT 1", 0)
    alice.do(f"XDEL s {count - 1}-{count - 1}", 1)
    alice.do("XTRIM s MAXLEN 1", count - 4)
    alice.do("XRANGE s - +", [entry(count)])
    alice.do("XTRIM s MINID ~ 999 LIMIT 0", 1)
    alice.do("XLEN s", 0)
    alice.do("XTRIM s MAXLEN 0", 0)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("x 1", "ERR syntax error"),
        ("MAXLEN x", "ERR value is not an integer or out of range"),
        ("MAXLEN -1", "ERR The MAXLEN argument must be >= 0."),
        ("MAXLEN = -1", "ERR The MAXLEN argument must be >= 0."),
        ("MINID x", "ERR Invalid stream ID specified as stream command argument"),
        ("MINID -", "ERR Invalid stream ID specified as stream command argument"),
        ("MAXLEN 1 MINID 1", "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"),
        ("MAXLEN 1 MAXLEN 1", "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"),
        ("MAXLEN ~ 1 LIMIT -1", "ERR The LIMIT argument must be >= 0."),
        ("MAXLEN ~ 1 LIMIT x", "ERR value is not an integer or out of range"),
        ("MAXLEN ~ 1 LIMIT", "ERR syntax error"),
        ("MAXLEN 1 LIMIT 5", "ERR syntax error, LIMIT cannot be used without the special ~ option"),
        ("MAXLEN = 1 LIMIT 0", "ERR syntax error, LIMIT cannot be used without the special ~ option"),
        ("LIMIT 5", "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"),
        ("LIMIT 0", "ERR syntax error, XTRIM must be called with a trimming strategy"),
        ("MAXLEN ~", "ERR value is not an integer or out of range"),
        ("MAXLEN = 1 2", "ERR syntax error"),
        ("NOMKSTREAM MAXLEN 1", "ERR syntax error"),
    ],
)
def test_wrong_trimming(peers, options, error):
    (alice,) = peers(1)
    fill(alice, 1)
    alice.do(f"XTRIM s {options}", Error(error))
    if error != "ERR syntax error" and "XTRIM" not in error:
        alice.do(f"XADD s {options} * a b", Error(error))
    alice.do("XLEN s", 1)


@pytest.mark.unlike_redis_7_0(reason="8.2")
@pytest.mark.parametrize("command", ["XTRIM s {}", "XADD s {} 5-5 n 5"])
def test_trimming_and_references(peers, command):
    (alice,) = peers(1)
    adds = command.startswith("XADD")

    def trim(options):
        alice.ask(command.format(options))

    def begin():
        alice.do("FLUSHALL", "OK")
        fill(alice, 4 if adds else 5)
        alice.do("XGROUP CREATE s g 0", "OK")
        alice.do("XREADGROUP GROUP g c COUNT 3 STREAMS s >", lambda reply: reply)

    begin()
    trim("KEEPREF MAXLEN 3")
    assert pending_ids(alice) == ["1-1", "2-2", "3-3"]
    begin()
    trim("MAXLEN = 3 DELREF")
    assert pending_ids(alice) == ["3-3"]
    alice.do("XRANGE s - +", between(3, 5))
    begin()
    trim("MINID 3-3 DELREF")
    assert pending_ids(alice) == ["3-3"]
    alice.do("XRANGE s - +", between(3, 5))
    begin()
    alice.do("XACK s g 2-2", 1)
    trim("MAXLEN 1 ACKED")
    alice.do("XRANGE s - +", [entry(1), *between(3, 5)])
    assert pending_ids(alice) == ["1-1", "3-3"]
    begin()
    alice.do("XACK s g 1-1 2-2 3-3", 3)
    trim("MAXLEN ~ 3 ACKED")
    alice.do("XRANGE s - +", between(3, 5))
    begin()
    alice.do("XACK s g 1-1 3-3", 2)
    trim("MINID 3-0 ACKED")
    alice.do("XRANGE s - +", between(2, 5))


# --- XSETID -----------------------------------------------------------------------------------------------------------


def test_setting_the_last_id(peers):
    (alice,) = peers(1)
    fill(alice, 3)
    alice.do("XSETID s 9-9", "OK")
    alice.do("XADD s 9-* n 10", "9-10")
    alice.do("XSETID s 9-9", Error("ERR The ID specified in XSETID is smaller than the target stream top item"))
    alice.do("XDEL s 9-10", 1)
    alice.do("XSETID s 9-10 ENTRIESADDED 3 MAXDELETEDID 0-0", "OK")
    alice.do(
        "XSETID s 9-10 entriesadded 2",
        Error("ERR The entries_added specified in XSETID is smaller than the target stream length"),
    )
    alice.do("XSETID s 9-10 ENTRIESADDED -1", Error("ERR entries_added must be positive"))
    alice.do("XSETID s 9-10 ENTRIESADDED x", NOT_AN_INTEGER)
    alice.do(
        "XSETID s 9-10 MAXDELETEDID 9-11",
        Error("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id"),
    )
    alice.do("XSETID s 9-10 MAXDELETEDID x", INVALID_ID)
    alice.do("XSETID s 9-10 MAXDELETEDID", SYNTAX)
    alice.do("XSETID s 9-10 x", SYNTAX)
    alice.do("XSETID s x", INVALID_ID)
    alice.do("XSETID nosuch 1-1 ENTRIESADDED 1", NO_KEY)
    alice.do("XSETID s 20 ENTRIESADDED 50 MAXDELETEDID 15", "OK")
    alice.do("XINFO STREAM s", lambda reply: reply[reply.index("max-deleted-entry-id") + 1] == "15-0")
    alice.do("XINFO STREAM s", lambda reply: reply[reply.index("entries-added") + 1] == 50)
    alice.do("XADD s 20-* a b", "20-1")


@pytest.mark.unlike_redis_7_0(reason="7.0 does not check")
def test_the_last_id_is_not_below_what_was_deleted(peers):
    (alice,) = peers(1)
    fill(alice, 3)
    alice.do("XDEL s 3-3", 1)
    alice.do("XSETID s 3-2", Error("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"))
    alice.do("XSETID s 3-3", "OK")


@pytest.mark.unlike_redis_7_0(reason="8.x lowers the groups' counters too")
def test_setting_entries_added_lowers_what_groups_have_read(peers):
    (alice,) = peers(1)
    fill(alice, 3)
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do("XREADGROUP GROUP g c STREAMS s >", lambda reply: reply)
    alice.do("XDEL s 1-1 2-2", 2)
    alice.do("XSETID s 3-3 ENTRIESADDED 2", "OK")
    alice.do("XINFO GROUPS s", lambda groups: groups[0][groups[0].index("entries-read") + 1] == 2)


# --- XCFGSET ----------------------------------------------------------------------------------------------------------


def iids(peer):
    flat = peer.ask("XINFO STREAM s")
    return [
        flat[flat.index(name) + 1] for name in (b"pids-tracked", b"iids-tracked", b"iids-added", b"iids-duplicates")
    ]


@pytest.mark.unlike_redis_7_0(reason="8.6")
def test_how_long_and_how_many_idempotent_ids(peers):
    (alice,) = peers(1)
    first = alice.ask("XADD s IDMP p 1 * a b").decode()
    alice.do("XADD s IDMP p 1 * a b", first)
    assert iids(alice) == [1, 1, 1, 1]
    alice.do("XCFGSET s IDMP-DURATION 100 IDMP-MAXSIZE 100", "OK")
    assert iids(alice) == [1, 1, 1, 1]
    alice.do("XCFGSET s IDMP-MAXSIZE 2", "OK")
    assert iids(alice) == [0, 0, 1, 1]
    second = alice.ask("XADD s IDMP p 1 * a b").decode()
    assert second != first
    for number in (2, 3):
        alice.ask(f"XADD s IDMP p {number} * a b")
    assert iids(alice) == [1, 2, 4, 1]
    alice.do("XADD s IDMP p 1 * a b", lambda reply: reply != second)
    alice.do("XCFGSET s idmp-duration 7", "OK")
    alice.do("XINFO STREAM s", lambda reply: reply[14:18] == ["idmp-duration", 7, "idmp-maxsize", 2])


@pytest.mark.core_only(reason="the clock is moved")
def test_idempotent_ids_are_forgotten():
    node = Node()
    alice = node.peer()
    first = alice.ask("XADD s IDMP p 1 * a b").decode()
    alice.ask("XADD s IDMP q 1 * a b")
    node.host.ns += 99_999_000_000
    alice.do("XADD s IDMP p 1 * a b", first)
    alice.ask("XADD s IDMP q 2 * a b")
    node.host.ns += 1_000_000
    alice.do("XADD s IDMP p 1 * a b", lambda reply: reply != first)
    assert iids(alice) == [2, 2, 4, 1]


@pytest.mark.unlike_redis_7_0(reason="8.6")
def test_wrong_configuration(peers):
    (alice,) = peers(1)
    alice.do("XCFGSET s x", NO_KEY)
    alice.do("SET s x", "OK")
    alice.do("XCFGSET s IDMP-DURATION 5", WRONG_TYPE)
    alice.do("XADD t 1-1 a b", "1-1")
    for value in ("0", "86401", "x", "-1"):
        alice.do(f"XCFGSET t IDMP-DURATION {value}", Error("ERR IDMP-DURATION must be between 1 and 86400 seconds"))
    for value in ("0", "10001", "x"):
        alice.do(f"XCFGSET t IDMP-MAXSIZE {value}", Error("ERR IDMP-MAXSIZE must be between 1 and 10000 entries"))
    alice.do("XCFGSET t IDMP-DURATION 5 IDMP-DURATION 5", Error("ERR IDMP-DURATION specified multiple times"))
    alice.do("XCFGSET t IDMP-MAXSIZE 5 IDMP-MAXSIZE 5", Error("ERR IDMP-MAXSIZE specified multiple times"))
    alice.do("XCFGSET t NOSUCH 5", SYNTAX)
    alice.do("XCFGSET t IDMP-DURATION", SYNTAX)
    alice.do("XCFGSET t", Error("ERR At least one parameter must be specified"))


# --- who is told ------------------------------------------------------------------------------------------------------


def test_notifications(peers):
    alice, bob = peers(2)
    fill(alice, 5)
    alice.do("CONFIG SET notify-keyspace-events Et", "OK")
    bob.do("PSUBSCRIBE *", ["psubscribe", "*", 1])

    def event(name):
        return ["pmessage", "*", f"__keyevent@0__:{name}", "s"]

    alice.do("XDEL s 1-1 2-2", 2)
    bob.gets(event("xdel"))
    alice.do("XDEL s 1-1", 0)
    alice.do("XTRIM s MAXLEN 2", 1)
    bob.gets(event("xtrim"))
    alice.do("XTRIM s MAXLEN 2", 0)
    alice.do("XSETID s 7-7", "OK")
    bob.gets(event("xsetid"))
    alice.do("XRANGE s - +", between(4, 5))
    bob.gets_nothing()


@pytest.mark.unlike_redis_7_0(reason="8.2")
def test_xdelex_tells_once(peers):
    alice, bob = peers(2)
    fill(alice, 5)
    alice.do("CONFIG SET notify-keyspace-events Et", "OK")
    bob.do("PSUBSCRIBE *", ["psubscribe", "*", 1])
    alice.do("XDELEX s IDS 3 1-1 2-2 9-9", [1, 1, -1])
    alice.do("XDELEX s IDS 1 9-9", [-1])
    bob.gets(["pmessage", "*", "__keyevent@0__:xdel", "s"])
    bob.gets_nothing()
