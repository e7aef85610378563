"""Keys and databases. On redis-server each conversation is, byte for byte, what Redis says."""

import pytest
from memory import Node
from peers import Error

NO_SUCH_KEY = Error("ERR no such key")
NOT_AN_INTEGER = Error("ERR value is not an integer or out of range")
SAME = Error("ERR source and destination objects are the same")
SYNTAX = Error("ERR syntax error")
NO_DATABASE = Error("ERR DB index is out of range")
NO_INT = Error("ERR value is out of range, value must between -2147483648 and 2147483647")


def these(*keys: str):
    """These keys, in any order."""
    return lambda reply: sorted(reply) == sorted(keys)


def filled(peer, *keys: str) -> None:
    peer.do(["MSET", *[word for key in keys for word in (key, key)]], "OK")


# --- removing, asking -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
def test_removing(peers, command):
    (alice,) = peers(1)
    filled(alice, "a", "b", "c")
    alice.do("XADD s 1-1 f v", "1-1")
    alice.do(f"{command} a none s a", 2)
    alice.do("EXISTS a b s c b", 3)
    alice.do("DBSIZE", 2)


def test_type_exists_touch(peers, protocol):
    (alice,) = peers(1, protocol)
    filled(alice, "k")
    alice.do("XADD s 1-1 f v", "1-1")
    alice.do("TYPE k", "string")
    alice.do("TYPE s", "stream")
    alice.do("TYPE none", "none")
    alice.do("EXISTS k", 1)
    alice.do("EXISTS none", 0)
    alice.do("TOUCH k k none s", 3)


# --- names ------------------------------------------------------------------------------------------------------------


def test_rename(peers):
    (alice,) = peers(1)
    filled(alice, "a", "b")
    alice.do("EXPIRE a 100", 1)
    alice.do("RENAME a b", "OK")
    alice.do("GET b", "a")
    alice.do("TTL b", 100)
    alice.do("EXISTS a", 0)
    alice.do("RENAME a b", NO_SUCH_KEY)
    alice.do("RENAME a a", NO_SUCH_KEY)
    alice.do("RENAME b b", "OK")
    filled(alice, "c")
    alice.do("RENAMENX b c", 0)
    alice.do("RENAMENX b b", 0)
    alice.do("RENAMENX b a", 1)
    alice.do("RENAMENX b a", NO_SUCH_KEY)
    alice.do("GET a", "a")
    alice.do("DBSIZE", 2)


def test_a_key_in_place_of_one_that_expires_does_not(peers):
    (alice,) = peers(1)
    filled(alice, "a", "b")
    alice.do("EXPIRE b 100", 1)
    alice.do("RENAME a b", "OK")
    alice.do("TTL b", -1)
    alice.do("INFO keyspace", lambda text: "keys=1,expires=0,avg_ttl=0" in text)


def test_move(peers):
    (alice,) = peers(1)
    filled(alice, "a", "b")
    alice.do("EXPIRE a 100", 1)
    alice.do("MOVE a 1", 1)
    alice.do("MOVE a 1", 0)
    alice.do("EXISTS a", 0)
    alice.do("SELECT 1", "OK")
    alice.do("GET a", "a")
    alice.do("TTL a", 100)
    filled(alice, "b")
    alice.do("MOVE b 0", 0)
    alice.do("MOVE b 1", SAME)
    alice.do("MOVE none 1", SAME)
    for index, error in (("99", NO_DATABASE), ("-1", NO_DATABASE), ("x", NOT_AN_INTEGER), ("9999999999", NO_INT)):
        alice.do(f"MOVE b {index}", error)


# --- copies -----------------------------------------------------------------------------------------------------------


def test_copy(peers):
    (alice,) = peers(1)
    filled(alice, "a", "b")
    alice.do("EXPIRE a 100", 1)
    alice.do("COPY none c", 0)
    alice.do("COPY a b", 0)
    alice.do("COPY a b REPLACE", 1)
    alice.do("TTL b", 100)
    alice.do("GET b", "a")
    alice.do("PERSIST a", 1)
    alice.do("COPY a b replace", 1)
    alice.do("TTL b", -1)
    alice.do("COPY a a DB 1", 1)
    alice.do("COPY a a DB 1", 0)
    alice.do("APPEND a x", 2)
    alice.do("COPY a a replace db 1", 1)
    alice.do("SELECT 1", "OK")
    alice.do("GET a", "ax")


def test_a_copied_stream_goes_its_own_way(peers):
    (alice,) = peers(1)
    for entry in range(1, 400):
        alice.do(f"XADD s {entry}-1 f v", f"{entry}-1")
    alice.do("XDEL s 5-1 399-1", 2)
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do("XREADGROUP GROUP g alice COUNT 10 STREAMS s >", lambda reply: len(reply[0][1]) == 10)
    alice.do("XACK s g 3-1", 1)
    alice.do("COPY s t", 1)
    alice.do("XTRIM s MAXLEN 0", 397)
    alice.do("XGROUP DESTROY s g", 1)
    alice.do("XLEN t", 397)
    alice.do("XPENDING t g", [9, "1-1", "11-1", [["alice", "9"]]])
    alice.do("XADD t 399-1 f v", lambda reply: "equal or smaller" in str(reply))
    alice.do("XADD t 400-1 f v", "400-1")
    alice.do("XREADGROUP GROUP g bob COUNT 1 STREAMS t >", [["t", [["12-1", ["f", "v"]]]]])
    alice.do("XRANGE t 398-1 +", [["398-1", ["f", "v"]], ["400-1", ["f", "v"]]])


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("COPY a a", SAME),
        ("COPY none none", SAME),
        ("COPY a b DB", SYNTAX),
        ("COPY a b x", SYNTAX),
        ("COPY a b REPLACE DB 99", NO_DATABASE),
        ("COPY a b DB x", NOT_AN_INTEGER),
        ("COPY a b DB 9999999999", NO_INT),
        ("SWAPDB 0 99", NO_DATABASE),
        ("SWAPDB x y", Error("ERR invalid first DB index")),
        ("SWAPDB 0 y", Error("ERR invalid second DB index")),
        ("SWAPDB 0 9999999999", Error("ERR invalid second DB index")),
        ("FLUSHDB now", SYNTAX),
        ("FLUSHALL SYNC SYNC", SYNTAX),
        ("SCAN x", Error("ERR invalid cursor")),
        ("SCAN 18446744073709551616", Error("ERR invalid cursor")),
        ("SCAN 0 COUNT 0", SYNTAX),
        ("SCAN 0 COUNT x", NOT_AN_INTEGER),
        ("SCAN 0 MATCH", SYNTAX),
        ("SCAN 0 x y", SYNTAX),
    ],
)
def test_what_is_refused(peers, line, error):
    (alice,) = peers(1)
    filled(alice, "a")
    alice.do(line, error)
    alice.do("DBSIZE", 1)


# --- databases --------------------------------------------------------------------------------------------------------


def test_databases_are_apart_and_can_be_exchanged(peers):
    alice, bob = peers(2)
    bob.do("SELECT 1", "OK")
    filled(alice, "a")
    bob.do("EXISTS a", 0)
    bob.do("SET b x EX 100", "OK")
    alice.do("SWAPDB 0 1", "OK")
    alice.do("SWAPDB 3 3", "OK")
    alice.do("KEYS *", ["b"])
    bob.do("KEYS *", ["a"])
    alice.do("TTL b", 100)
    alice.do("INFO keyspace", lambda text: "db0:keys=1,expires=1" in text and "db1:keys=1,expires=0" in text)
    bob.do("FLUSHDB", "OK")
    bob.do("DBSIZE", 0)
    alice.do("DBSIZE", 1)
    bob.do("FLUSHALL ASYNC", "OK")
    alice.do("DBSIZE", 0)
    alice.do("INFO keyspace", lambda text: text.removeprefix("txt:") == "# Keyspace\r\n")


def test_keys_by_glob(peers):
    (alice,) = peers(1)
    filled(alice, "one", "two", "three", "four")
    alice.do("SET gone x PXAT 1", "OK")
    alice.do("KEYS *", these("one", "two", "three", "four"))
    alice.do("KEYS t*", these("two", "three"))
    alice.do("KEYS [ot]*[eo]", these("one", "two", "three"))
    alice.do("KEYS none", [])
    alice.do(["KEYS", ""], [])


def test_scan_in_one_call(peers):
    (alice,) = peers(1)
    alice.do("SCAN 0", ["0", []])
    filled(alice, "one", "two", "three")
    alice.do("SET gone x PXAT 1", "OK")
    alice.do("XADD s 1-1 f v", "1-1")
    alice.do("SCAN 0 COUNT 100", lambda reply: reply[0] == "0" and these("one", "two", "three", "s")(reply[1]))
    alice.do("SCAN 0 match t* COUNT 100", lambda reply: reply[0] == "0" and these("two", "three")(reply[1]))
    alice.do("SCAN 0 COUNT 100 type STREAM", ["0", ["s"]])
    alice.do("SCAN 0 COUNT 100 TYPE hash", ["0", []])
    alice.do(["SCAN", "", "COUNT", "9", "COUNT", "100"], lambda reply: reply[0] == "0" and len(reply[1]) == 4)


def test_scan_in_many_calls(peers):
    (alice,) = peers(1)
    keys = [f"key-{number}" for number in range(1000)]
    filled(alice, *keys)
    cursor, found = "0", []

    def noted(reply: list) -> bool:
        nonlocal cursor
        cursor = reply[0]
        found.extend(reply[1])
        return True

    for _ in range(1000):
        for peer in getattr(alice, "peers", (alice,))[-1:]:  # cursors are each server's own
            peer.do(f"SCAN {cursor} COUNT 7", noted)
        if cursor == "0":
            break
    assert cursor == "0"
    assert {*found} == {*keys}


@pytest.mark.parametrize("cursor", ["5", "-1", "+99999", "18446744073709551615"])
def test_any_cursor_is_taken(cursor):
    alice = Node().peer()
    alice.ask("SET k v")
    assert alice.ask(f"SCAN {cursor}") == [b"0", []]


def test_randomkey(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("RANDOMKEY", None)
    alice.do("SET gone x PXAT 1", "OK")
    filled(alice, "a", "b")
    alice.do("RANDOMKEY", lambda key: key in ("a", "b"))


def test_every_key_is_drawn_sooner_or_later():
    alice = Node().peer()
    for key in range(20):
        alice.ask(f"SET {key} x")
    for key in range(10):
        alice.ask(f"DEL {key}")
    drawn = [alice.ask("RANDOMKEY") for _ in range(400)]
    assert {*drawn} == {b"%d" % key for key in range(10, 20)}
    assert max(drawn.count(key) for key in {*drawn}) < 80


# --- who is told ------------------------------------------------------------------------------------------------------

STORY = [
    ("MSET a 1 b 2", ["a set", "b set"]),
    ("DEL a none", ["a del"]),
    ("UNLINK b", ["b del"]),
    ("SET a 1", ["a set"]),
    ("RENAME a b", ["a rename_from", "b rename_to"]),
    ("RENAME b b", []),
    ("RENAMENX b c", ["b rename_from", "c rename_to"]),
    ("COPY c d", ["d copy_to"]),
    ("COPY c d", []),
    ("COPY c d REPLACE", ["d copy_to"]),
    ("TOUCH c", []),
    ("EXISTS c none", ["none keymiss"]),
    ("TYPE none", ["none keymiss"]),
    ("OBJECT ENCODING none", []),
    ("MEMORY USAGE none", []),
    ("DUMP none", ["none keymiss"]),
    ("KEYS *", []),
    ("RANDOMKEY", []),
    ("SWAPDB 0 1", []),
    ("FLUSHALL", []),
]


def test_keyspace_notifications(peers):
    alice, bob = peers(2)
    alice.do("CONFIG SET notify-keyspace-events KAm", "OK")
    bob.do("PSUBSCRIBE __keyspace@0__:*", lambda reply: reply[2] == 1)
    for line, events in STORY:
        alice.asks(line)
        alice.gets(lambda _: True)
        for event in events:
            key, _, name = event.partition(" ")
            bob.gets(["pmessage", "__keyspace@0__:*", f"__keyspace@0__:{key}", name])
        bob.gets_nothing()


@pytest.mark.unlike_redis_7_0("7.0 looks for the key of an XREAD twice, and tells so twice")
def test_reading_a_stream_that_is_not_there_is_one_miss(peers):
    alice, bob = peers(2)
    alice.do("CONFIG SET notify-keyspace-events Km", "OK")
    bob.do("SUBSCRIBE __keyspace@0__:none", lambda reply: reply[2] == 1)
    alice.do("XREAD STREAMS none 0", None)
    bob.gets(["message", "__keyspace@0__:none", "keymiss"])
    bob.gets_nothing()


def test_notifications_name_the_database_and_new_keys_come_first(peers):
    alice, bob = peers(2)
    alice.do("CONFIG SET notify-keyspace-events Egn", "OK")
    bob.do("PSUBSCRIBE __key*", lambda reply: reply[2] == 1)
    alice.do("SET a x", "OK")
    alice.do("MOVE a 1", 1)
    alice.do("SELECT 1", "OK")
    alice.do("RENAME a b", "OK")
    alice.do("COPY b c DB 2", 1)
    for channel, key in (
        ("0__:new", "a"),
        ("1__:new", "a"),
        ("0__:move_from", "a"),
        ("1__:move_to", "a"),
        ("1__:new", "b"),
        ("1__:rename_from", "a"),
        ("1__:rename_to", "b"),
        ("2__:new", "c"),
        ("2__:copy_to", "c"),
    ):
        bob.gets(["pmessage", "__key*", f"__keyevent@{channel}", key])
    bob.gets_nothing()


def test_notifications_can_be_switched_off_again(peers):
    alice, bob = peers(2)
    bob.do("PSUBSCRIBE __key*", lambda reply: reply[2] == 1)
    alice.do("SET a x", "OK")
    alice.do("CONFIG SET notify-keyspace-events KEA", "OK")
    alice.do(["CONFIG", "SET", "notify-keyspace-events", ""], "OK")
    alice.do("DEL a", 1)
    bob.gets_nothing()


@pytest.mark.parametrize(
    "line", ["DEL k", "RENAME k l", "RENAME l k", "MOVE k 1", "COPY l k REPLACE", "FLUSHDB", "FLUSHALL", "SWAPDB 0 1"]
)
def test_what_breaks_a_watch(peers, line):
    alice, bob = peers(2)
    filled(alice, "k", "l", "other")
    alice.do("WATCH k", "OK")
    bob.asks(line)
    bob.gets(lambda _: True)
    alice.do("MULTI", "OK")
    alice.do("PING", "QUEUED")
    alice.do("EXEC", None)


@pytest.mark.parametrize("line", ["DEL other", "RENAME other k2", "COPY k l REPLACE", "TOUCH k", "COPY l k"])
def test_what_does_not(peers, line):
    alice, bob = peers(2)
    filled(alice, "k", "l", "other")
    alice.do("WATCH k", "OK")
    bob.asks(line)
    bob.gets(lambda _: True)
    alice.do("MULTI", "OK")
    alice.do("PING", "QUEUED")
    alice.do("EXEC", ["PONG"])


def blocked(peer) -> None:
    """Wait until a client is blocked, on each of the servers side by side."""
    for each in getattr(peer, "peers", [peer]):
        while b"blocked_clients:1\r" not in each.ask("INFO clients"):
            pass


@pytest.mark.parametrize("line", ["RENAME t s", "COPY t s", "MOVE s 0", "SWAPDB 0 1"])
def test_a_stream_that_arrives_serves_who_waits_for_it(peers, line):
    alice, bob = peers(2)
    bob.do("XADD t 9-1 f v", "9-1")
    bob.do("COPY t s DB 1", 1)
    alice.asks("XREAD BLOCK 0 STREAMS s 0")
    blocked(bob)
    if line.startswith("MOVE"):
        bob.do("SELECT 1", "OK")
    bob.asks(line)
    bob.gets(lambda reply: reply in (1, "OK"))
    alice.gets([["s", [["9-1", ["f", "v"]]]]])
