"""Strings and counters. On redis-server each conversation is, byte for byte, what Redis says."""

import pytest
from memory import Node
from peers import Error

WRONG_TYPE = Error("WRONGTYPE Operation against a key holding the wrong kind of value")
NOT_AN_INTEGER = Error("ERR value is not an integer or out of range")
SYNTAX = Error("ERR syntax error")


def invalid_time(name: str) -> Error:
    return Error(f"ERR invalid expire time in '{name}' command")


# --- SET, GET ---------------------------------------------------------------------------------------------------------


def test_set_and_get(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("GET k", None)
    alice.do("SET k v", "OK")
    alice.do("GET k", "v")
    alice.do(["SET", "k", b"\x00\r\n"], "OK")
    alice.do("GET k", "\x00\r\n")
    alice.do(["SET", "", ""], "OK")
    alice.do(["GET", ""], "")


def test_set_only_if_it_is_there_or_not(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("SET k v xx", None)
    alice.do("SET k v NX", "OK")
    alice.do("SET k w nx", None)
    alice.do("GET k", "v")
    alice.do("SET k w XX", "OK")
    alice.do("GET k", "w")
    alice.do("SETNX k x", 0)
    alice.do("SETNX other x", 1)


def test_set_may_give_what_was_there(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("SET k a GET", None)
    alice.do("SET k b get", "a")
    alice.do("SET k c NX GET", "b")
    alice.do("GET k", "b")
    alice.do("SET other c NX GET", None)
    alice.do("GET other", "c")
    alice.do("SET none c XX GET", None)
    alice.do("EXISTS none", 0)


def test_set_takes_the_expiry_time_away_unless_told_to_keep_it(peers):
    (alice,) = peers(1)
    alice.do("SET k v EX 100", "OK")
    alice.do("TTL k", 100)
    alice.do("SET k v KEEPTTL", "OK")
    alice.do("TTL k", 100)
    alice.do("SET k v", "OK")
    alice.do("TTL k", -1)
    alice.do("SET k v PX 100000", "OK")
    alice.do("TTL k", 100)
    alice.do("SET k v EXAT 33000000000", "OK")
    alice.do("EXPIRETIME k", 33000000000)
    alice.do("SET k v PXAT 33000000000123", "OK")
    alice.do("PEXPIRETIME k", 33000000000123)
    alice.do("SETEX k 100 w", "OK")
    alice.do("TTL k", 100)
    alice.do("PSETEX k 200000 x", "OK")
    alice.do("TTL k", 200)
    alice.do("GET k", "x")
    alice.do("SETNX k y", 0)
    alice.do("MSET k y", "OK")
    alice.do("TTL k", -1)


def test_a_time_that_is_over_already(peers):
    (alice,) = peers(1)
    alice.do("SET k v EXAT 1", "OK")
    alice.do("GET k", None)
    alice.do("SET k v", "OK")
    alice.do("GETEX k PXAT 1", "v")
    alice.do("EXISTS k", 0)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("SET k v EX 0", invalid_time("set")),
        ("SET k v EX -1", invalid_time("set")),
        ("SET k v PXAT 0", invalid_time("set")),
        ("SET k v EX 9223372036854775807", invalid_time("set")),
        ("SET k v PX 9223372036854775807", invalid_time("set")),
        ("SET k v EXAT 9223372036854775807", invalid_time("set")),
        ("SET k v EX x", NOT_AN_INTEGER),
        ("SET k v EX 9223372036854775808", NOT_AN_INTEGER),
        ("SET k v EX", SYNTAX),
        ("SET k v x", SYNTAX),
        ("SET k v NX XX", SYNTAX),
        ("SET k v EX 1 PX 1", SYNTAX),
        ("SET k v EX 1 KEEPTTL", SYNTAX),
        ("SET k v KEEPTTL EXAT 1", SYNTAX),
        ("SET k v PERSIST", SYNTAX),
        ("SETEX k 0 v", invalid_time("setex")),
        ("SETEX k x v", NOT_AN_INTEGER),
        ("PSETEX k -5 v", invalid_time("psetex")),
        ("GETEX k EX 0", invalid_time("getex")),
        ("GETEX k EX x", NOT_AN_INTEGER),
        ("GETEX k KEEPTTL", SYNTAX),
        ("GETEX k EX 1 PERSIST", SYNTAX),
        ("GETEX k PERSIST PX 1", SYNTAX),
        ("GETEX k NX", SYNTAX),
        ("MSET k", Error("ERR wrong number of arguments for 'mset' command")),
        ("MSET k v w", Error("ERR wrong number of arguments for 'mset' command")),
        ("INCRBY k x", NOT_AN_INTEGER),
        ("INCRBY k 1.5", NOT_AN_INTEGER),
        ("INCR k", NOT_AN_INTEGER),
        ("DECRBY k -9223372036854775808", Error("ERR decrement would overflow")),
    ],
)
def test_what_is_refused_changes_nothing(peers, line, error):
    (alice,) = peers(1)
    alice.do("SET k value", "OK")
    alice.do(line, error)
    alice.do("GET k", "value")
    alice.do("TTL k", -1)
    alice.do("DBSIZE", 1)


def test_options_may_be_repeated_as_in_redis(peers):
    (alice,) = peers(1)
    alice.do("SET k v EX 10 EX 200", "OK")
    alice.do("TTL k", 200)
    alice.do("SET k v XX XX GET GET KEEPTTL KEEPTTL", "v")
    alice.do("TTL k", 200)


def test_getdel_and_getex(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("GETDEL k", None)
    alice.do("GETEX k EX 0", None)
    alice.do("SET k v", "OK")
    alice.do("GETEX k EX 100", "v")
    alice.do("TTL k", 100)
    alice.do("GETEX k", "v")
    alice.do("TTL k", 100)
    alice.do("GETEX k PERSIST", "v")
    alice.do("TTL k", -1)
    alice.do("GETDEL k", "v")
    alice.do("EXISTS k", 0)


def test_several_at_once(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("MSET a 1 b 2 a 3", "OK")
    alice.do("XADD s 1-1 f v", "1-1")
    alice.do("MGET a s none b a", ["3", None, None, "2", "3"])


def test_strlen_and_append(peers):
    (alice,) = peers(1)
    alice.do("STRLEN k", 0)
    alice.do("APPEND k abc", 3)
    alice.do("EXPIRE k 100", 1)
    alice.do("APPEND k de", 5)
    alice.do("GET k", "abcde")
    alice.do("TTL k", 100)
    alice.do("STRLEN k", 5)
    alice.do(["APPEND", "new", ""], 0)
    alice.do("EXISTS new", 1)


def test_a_string_has_a_longest_length(peers):
    (alice,) = peers(1)
    alice.do("CONFIG SET proto-max-bulk-len 1mb", "OK")
    alice.do(["SET", "k", "x" * 1_000_000], "OK")
    alice.do(["APPEND", "k", "x" * 100_000], Error("ERR string exceeds maximum allowed size (proto-max-bulk-len)"))
    alice.do("STRLEN k", 1_000_000)


# --- counters ---------------------------------------------------------------------------------------------------------


def test_counters(peers):
    (alice,) = peers(1)
    alice.do("INCR n", 1)
    alice.do("INCRBY n 41", 42)
    alice.do("DECR n", 41)
    alice.do("DECRBY n 100", -59)
    alice.do("DECRBY n -9", -50)
    alice.do("GET n", "-50")
    alice.do("DECR other", -1)
    alice.do("EXPIRE n 100", 1)
    alice.do("INCR n", -49)
    alice.do("TTL n", 100)


def test_counters_have_64_bits(peers):
    (alice,) = peers(1)
    overflow = Error("ERR increment or decrement would overflow")
    alice.do("SET n 9223372036854775807", "OK")
    alice.do("INCR n", overflow)
    alice.do("INCRBY n -9223372036854775808", -1)
    alice.do("SET n -9223372036854775808", "OK")
    alice.do("DECR n", overflow)
    alice.do("DECRBY n 1", overflow)
    alice.do("INCR n", -9223372036854775807)


@pytest.mark.parametrize("text", ["", " 1", "1 ", "+1", "01", "-0", "1.0", "9223372036854775808", "x"])
def test_what_is_no_number_is_not_counted(peers, text):
    (alice,) = peers(1)
    alice.do(["SET", "n", text], "OK")
    alice.do("INCR n", NOT_AN_INTEGER)
    alice.do("DECRBY n 1", NOT_AN_INTEGER)
    alice.do("GET n", text)


# --- other kinds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    ["GET s", "GETDEL s", "GETEX s", "GETEX s EX 0", "SET s v GET", "INCR s", "DECRBY s 1", "APPEND s x", "STRLEN s"],
)
def test_a_stream_is_no_string(peers, line):
    (alice,) = peers(1)
    alice.do("XADD s 1-1 f v", "1-1")
    alice.do(line, WRONG_TYPE)
    alice.do("XLEN s", 1)


def test_set_replaces_whatever_is_there(peers):
    (alice,) = peers(1)
    alice.do("XADD s 1-1 f v", "1-1")
    alice.do("EXPIRE s 100", 1)
    alice.do("SETNX s v", 0)
    alice.do("SET s v KEEPTTL", "OK")
    alice.do("TYPE s", "string")
    alice.do("TTL s", 100)
    alice.do("XADD t 1-1 f v", "1-1")
    alice.do("EXPIRE t 100", 1)
    alice.do("SET t v", "OK")
    alice.do("TTL t", -1)
    alice.do("DBSIZE", 2)


# --- who is told ------------------------------------------------------------------------------------------------------

STORY = {
    "SET k v EX 100": ["new", "set", "expire"],
    "SET k v": ["set"],
    "SET k v KEEPTTL": ["set"],
    "SET k v PX 9000 GET": ["set", "expire"],
    "SET k v NX": [],
    "SET k v NX GET": [],
    "GET k": [],
    "GET none": ["keymiss"],
    "SET none v XX": [],
    "SETEX k 10 v": ["set", "expire"],
    "SETNX k v": [],
    "SETNX j 5": ["new", "set"],
    "MSET k 1 l 2": ["set", "new", "set"],
    "INCR k": ["incrby"],
    "DECRBY k 2": ["incrby"],
    "INCR m": ["new", "incrby"],
    "APPEND k x": ["append"],
    "APPEND o x": ["new", "append"],
    "GETEX k EX 100": ["expire"],
    "GETEX k PERSIST": ["persist"],
    "GETEX k": [],
    "GETEX k EXAT 1": ["del"],
    "GETDEL j": ["del"],
    "GETDEL none": ["keymiss"],
    "MGET l none": ["keymiss"],
    "STRLEN none": ["keymiss"],
}


def test_keyspace_notifications(peers):
    alice, bob = peers(2)
    alice.do("CONFIG SET notify-keyspace-events EAmn", "OK")
    bob.do("PSUBSCRIBE __keyevent@0__:*", lambda reply: reply[2] == 1)
    for line, events in STORY.items():
        alice.asks(line)
        alice.hears()
        bob.gets(*[(lambda frame, event=event: frame[2].endswith(f":{event}")) for event in events])
        bob.gets_nothing()


def test_what_changes_a_string_breaks_a_watch(peers):
    alice, bob = peers(2)
    for line in ("SET k v", "APPEND k x", "GETEX k EX 100", "GETDEL k", "INCR k", "SETNX other x", "MSET other y"):
        alice.do("WATCH k other", "OK")
        bob.asks(line)
        bob.hears()
        alice.do("MULTI", "OK")
        alice.do("PING", "QUEUED")
        alice.do("EXEC", None)
    for line in ("GET k", "STRLEN k", "SETNX k x", "SET k x NX", "GETEX k"):
        alice.do("WATCH k", "OK")
        bob.asks(line)
        bob.hears()
        alice.do("MULTI", "OK")
        alice.do("PING", "QUEUED")
        alice.do("EXEC", ["PONG"])


def test_hits_and_misses_are_counted_as_in_redis(peers):
    (alice,) = peers(1)
    alice.do("CONFIG RESETSTAT", "OK")
    for line in (
        *("SET k v", "GET k", "GET none", "MGET k none", "SET k v GET", "SET none v XX GET", "GETEX k", "GETDEL none"),
        *("STRLEN k", "INCR n", "APPEND k x", "SETNX k v", "EXISTS k none", "TYPE k", "TTL none", "OBJECT REFCOUNT k"),
        *("OBJECT ENCODING none", "TOUCH k none", "DUMP none", "RENAME k l", "COPY l m", "DEL none", "PERSIST k"),
    ):
        alice.asks(line)
        alice.hears()

    def counted(text: str) -> bool:
        return "keyspace_hits:10\r\n" in text and "keyspace_misses:9\r\n" in text

    alice.do("INFO stats", counted)


def test_a_string_takes_what_it_says():
    alice = Node().peer()
    alice.ask("SET k v")
    small = alice.ask("MEMORY USAGE k")
    alice.ask("APPEND", "k", "x" * 1000)
    assert alice.ask("MEMORY USAGE k") == small + 1000
