"""OBJECT, DUMP and RESTORE. On redis-server each conversation is, byte for byte, what Redis says."""

from binascii import crc32

import pytest
from memory import Node
from peers import Error

NOT_AN_INTEGER = Error("ERR value is not an integer or out of range")
SYNTAX = Error("ERR syntax error")
BUSY = Error("BUSYKEY Target key name already exists.")
BAD_DUMP = Error("ERR DUMP payload version or checksum are wrong")


# --- OBJECT -----------------------------------------------------------------------------------------------------------


def test_encodings_are_called_as_in_redis(peers):
    (alice,) = peers(1)
    alice.do("XADD s 1-1 f v", "1-1")
    alice.do("OBJECT ENCODING s", "stream")
    for text, encoding in (
        *(("123", "int"), ("-5", "int"), ("9223372036854775807", "int"), ("9223372036854775808", "embstr")),
        *(("0123", "embstr"), ("", "embstr"), ("-0", "embstr"), ("x" * 44, "embstr"), ("x" * 45, "raw")),
    ):
        alice.do(["SET", "k", text], "OK")
        alice.do("OBJECT ENCODING k", encoding)


def test_what_else_object_says(peers, protocol):
    (alice,) = peers(1, protocol)
    for line in ("ENCODING", "IDLETIME", "FREQ", "REFCOUNT"):
        alice.do(f"OBJECT {line} none", None)
        alice.do(f"OBJECT {line}", Error(f"ERR wrong number of arguments for 'object|{line.lower()}' command"))
    alice.do("SET k v", "OK")
    alice.do("OBJECT REFCOUNT k", 1)
    alice.do("OBJECT IDLETIME k", 0)
    alice.do("OBJECT FREQ k", lambda error: str(error).startswith("ERR An LFU maxmemory policy is not selected"))
    alice.do("OBJECT nosuch k", Error("ERR unknown subcommand 'nosuch'. Try OBJECT HELP."))
    alice.do("OBJECT HELP", lambda lines: lines[0].startswith("OBJECT <subcommand> ") and lines[-2] == "HELP")


def test_what_counts_as_use():
    node = Node()
    alice = node.peer()
    alice.ask("SET k v")
    node.advance(100)
    for line in ("EXISTS k", "TYPE k", "TTL k", "OBJECT ENCODING k", "SCAN 0", "KEYS *", "RANDOMKEY", "MEMORY USAGE k"):
        alice.ask(line)
    assert alice.ask("OBJECT IDLETIME k") == 100
    for line in ("GET k", "TOUCH k", "EXPIRE k 1000", "DUMP k"):
        alice.ask(line)
        assert alice.ask("OBJECT IDLETIME k") == 0
        node.advance(50)
        assert alice.ask("OBJECT IDLETIME k") == 50


def test_memory_usage(peers):
    (alice,) = peers(1)
    alice.do("SET k v", "OK")
    alice.do("XADD s 1-1 f v", "1-1")
    for key in "ks":
        alice.do(f"MEMORY USAGE {key}", lambda reply: 20 < reply < 10_000)
        alice.do(f"MEMORY USAGE {key} SAMPLES 0", lambda reply: 20 < reply < 10_000)
    alice.do("MEMORY USAGE k SAMPLES -1", SYNTAX)
    alice.do("MEMORY USAGE none", None)


def test_memory_stats_and_info_count_keys():
    alice = Node().peer()
    alice.ask("HELLO 3")
    assert alice.ask("MEMORY STATS")[b"keys.bytes-per-key"] == 0
    alice.ask("MSET a 1 b 2")
    alice.ask("COPY a a DB 3")
    assert alice.ask("MEMORY STATS")[b"keys.count"] == 3
    assert alice.ask("INFO keyspace") == (
        b"# Keyspace\r\ndb0:keys=2,expires=0,avg_ttl=0\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n"
    )


# --- DUMP, RESTORE ----------------------------------------------------------------------------------------------------


def dumped(peer, key: str) -> list[bytes]:
    """A key's dump: of each server, where two are asked side by side."""
    return [each.ask("DUMP", key) for each in getattr(peer, "peers", [peer])]


def restores(peer, dumps: list[bytes], *words: str, expected: object = "OK") -> None:
    """RESTORE key ttl dump ...: each server its own."""
    for each, payload in zip(getattr(peer, "peers", [peer]), dumps, strict=True):
        each.do(["RESTORE", *words[:2], payload, *words[2:]], expected)


def test_a_string_there_and_back(peers):
    (alice,) = peers(1)
    alice.do("DUMP k", None)
    alice.do("SET k v EX 100", "OK")
    dumps = dumped(alice, "k")
    restores(alice, dumps, "other", "0")
    alice.do("GET other", "v")
    alice.do("TTL other", -1)
    restores(alice, dumps, "third", "50000")
    alice.do("TTL third", 50)
    restores(alice, dumps, "third", "33000000000000", "absttl", "REPLACE")
    alice.do("PEXPIRETIME third", 33000000000000)
    restores(alice, dumps, "third", "0", "REPLACE", "IDLETIME", "77")
    alice.do("OBJECT IDLETIME third", 77)
    restores(alice, dumps, "third", "0", "FREQ", "255", "REPLACE")
    alice.do("TTL third", -1)


def test_a_stream_there_and_back(peers):
    (alice,) = peers(1)
    for entry in range(1, 300):
        alice.do(f"XADD s {entry}-1 f v", f"{entry}-1")
    alice.do("XDEL s 2-1 200-1", 2)
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do("XREADGROUP GROUP g alice COUNT 150 STREAMS s >", lambda reply: len(reply[0][1]) == 150)
    alice.do("XGROUP CREATECONSUMER s g bob", 1)
    dumps = dumped(alice, "s")
    alice.do("FLUSHALL", "OK")
    restores(alice, dumps, "t", "0")
    alice.do("TYPE t", "stream")
    alice.do("XLEN t", 297)
    alice.do("XPENDING t g", [150, "1-1", "151-1", [["alice", "150"]]])
    alice.do("XPENDING t g - + 2 alice", lambda reply: [item[0] for item in reply] == ["1-1", "3-1"])
    alice.do("XADD t 299-1 f v", lambda reply: "equal or smaller" in str(reply))
    alice.do("XREADGROUP GROUP g bob COUNT 1 STREAMS t >", [["t", [["152-1", ["f", "v"]]]]])
    alice.do("XREVRANGE t + - COUNT 1", [["299-1", ["f", "v"]]])


def test_restore_in_place_of_another_key(peers):
    (alice,) = peers(1)
    alice.do("SET k v", "OK")
    alice.do("XADD s 1-1 f v", "1-1")
    alice.do("EXPIRE s 100", 1)
    dumps = dumped(alice, "k")
    restores(alice, dumps, "s", "0", expected=BUSY)
    restores(alice, dumps, "s", "-1", expected=BUSY)
    restores(alice, dumps, "s", "0", "REPLACE")
    alice.do("TYPE s", "string")
    alice.do("TTL s", -1)
    restores(alice, dumps, "s", "1", "ABSTTL", "REPLACE")
    alice.do("EXISTS s", 0)
    restores(alice, dumps, "s", "1", "ABSTTL")
    alice.do("EXISTS s", 0)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("k", "0"), BAD_DUMP),
        (("k", "0", "REPLACE"), BAD_DUMP),
        (("k", "-1"), Error("ERR Invalid TTL value, must be >= 0")),
        (("k", "x"), NOT_AN_INTEGER),
        (("k", "0", "x"), SYNTAX),
        (("k", "0", "IDLETIME"), SYNTAX),
        (("k", "0", "IDLETIME", "x"), NOT_AN_INTEGER),
        (("k", "0", "IDLETIME", "-1"), Error("ERR Invalid IDLETIME value, must be >= 0")),
        (("k", "0", "FREQ", "256"), Error("ERR Invalid FREQ value, must be >= 0 and <= 255")),
        (("k", "0", "FREQ", "1", "IDLETIME", "1"), SYNTAX),
        (("k", "0", "IDLETIME", "1", "FREQ", "1"), SYNTAX),
    ],
)
def test_what_is_refused(peers, words, error):
    (alice,) = peers(1)
    alice.do(["RESTORE", *words[:2], "no dump at all", *words[2:]], error)
    alice.do("SET k v", "OK")
    alice.do(["RESTORE", "k", "0", "no dump at all", "REPLACE"], BAD_DUMP)
    alice.do("GET k", "v")


def test_content_that_was_made_up_is_refused():
    alice = Node().peer()
    body = b"AWv\x01\x05"
    assert alice.error("RESTORE", "k", "0", body + crc32(body).to_bytes(4, "little")) == "ERR Bad data format"
    assert alice.ask("EXISTS k") == 0


def test_who_is_told(peers):
    alice, bob = peers(2)
    alice.do("SET k v", "OK")
    dumps = dumped(alice, "k")
    alice.do("CONFIG SET notify-keyspace-events Egn", "OK")
    bob.do("PSUBSCRIBE __key*", lambda reply: reply[2] == 1)
    restores(alice, dumps, "l", "0")
    restores(alice, dumps, "l", "0", "REPLACE")
    restores(alice, dumps, "l", "1", "ABSTTL", "REPLACE")
    restores(alice, dumps, "l", "1", "ABSTTL")
    for event in ("new", "restore", "new", "restore", "del"):
        bob.gets(["pmessage", "__key*", f"__keyevent@0__:{event}", "l"])
    bob.gets_nothing()


def blocked(peer) -> None:
    """Wait until a client is blocked, on each of the servers side by side."""
    for each in getattr(peer, "peers", [peer]):
        while b"blocked_clients:1\r" not in each.ask("INFO clients"):
            pass


def test_a_restored_stream_serves_who_waits_for_it_and_breaks_a_watch(peers):
    alice, bob, carol = peers(3)
    bob.do("XADD t 9-1 f v", "9-1")
    dumps = dumped(bob, "t")
    carol.do("WATCH s", "OK")
    alice.asks("XREAD BLOCK 0 STREAMS s 0")
    blocked(bob)
    restores(bob, dumps, "s", "0")
    alice.gets([["s", [["9-1", ["f", "v"]]]]])
    carol.do("MULTI", "OK")
    carol.do("PING", "QUEUED")
    carol.do("EXEC", None)
