"""When a key is gone. On redis-server each conversation is, byte for byte, what Redis says."""

import pytest
from memory import Node
from peers import Error

NOT_AN_INTEGER = Error("ERR value is not an integer or out of range")


def test_expiry_times_in_four_forms(peers):
    (alice,) = peers(1)
    alice.do("SET k v", "OK")
    alice.do("TTL k", -1)
    alice.do("PTTL k", -1)
    alice.do("EXPIRETIME k", -1)
    alice.do("EXPIRE k 100", 1)
    alice.do("TTL k", 100)
    alice.do("PTTL k", lambda reply: 98_000 < reply <= 100_000)
    alice.do("PEXPIRE k 200000", 1)
    alice.do("TTL k", 200)
    alice.do("EXPIREAT k 33000000000", 1)
    alice.do("PEXPIRETIME k", 33000000000000)
    alice.do("PEXPIREAT k 33000000000567", 1)
    alice.do("PEXPIRETIME k", 33000000000567)
    alice.do("EXPIRETIME k", 33000000001)
    alice.do("PERSIST k", 1)
    alice.do("PERSIST k", 0)
    alice.do("PEXPIRETIME k", -1)


def test_a_key_that_is_not_there(peers):
    (alice,) = peers(1)
    for line in ("TTL k", "PTTL k", "EXPIRETIME k", "PEXPIRETIME k"):
        alice.do(line, -2)
    for line in ("EXPIRE k 10", "PEXPIRE k 10", "EXPIREAT k 10", "PEXPIREAT k 10", "PERSIST k", "EXPIRE k -1"):
        alice.do(line, 0)


@pytest.mark.parametrize("line", ["EXPIRE k 0", "EXPIRE k -1", "PEXPIRE k -9", "EXPIREAT k 1", "PEXPIREAT k -1"])
def test_a_time_that_is_no_future_removes_the_key(peers, line):
    (alice,) = peers(1)
    alice.do("SET k v", "OK")
    alice.do(line, 1)
    alice.do("EXISTS k", 0)


def test_conditions(peers):
    (alice,) = peers(1)
    alice.do("SET k v", "OK")
    alice.do("EXPIRE k 100 XX", 0)
    alice.do("EXPIRE k 100 GT", 0)
    alice.do("EXPIRE k 100 xx lt", 0)
    alice.do("EXPIRE k 100 LT", 1)
    alice.do("EXPIRE k 50 NX", 0)
    alice.do("EXPIRE k 50 GT", 0)
    alice.do("EXPIRE k 200 LT", 0)
    alice.do("EXPIRE k 200 gt XX", 1)
    alice.do("EXPIRE k 150 LT XX XX", 1)
    alice.do("TTL k", 150)
    alice.do("PERSIST k", 1)
    alice.do("EXPIRE k 10 NX NX", 1)
    alice.do("EXPIRE k -1 GT", 0)
    alice.do("EXPIRE k -1 LT", 1)
    alice.do("EXISTS k", 0)


@pytest.mark.parametrize("command", ["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"])
def test_what_is_refused(peers, command):
    (alice,) = peers(1)
    alice.do("SET k v", "OK")
    alice.do(f"{command} k x", NOT_AN_INTEGER)
    alice.do(f"{command} k 9223372036854775808", NOT_AN_INTEGER)
    for options in ("NX XX", "NX GT", "lt nx"):
        error = Error("ERR NX and XX, GT or LT options at the same time are not compatible")
        alice.do(f"{command} k 1 {options}", error)
    alice.do(f"{command} k x GT LT", Error("ERR GT and LT options at the same time are not compatible"))
    alice.do(f"{command} k 1 nx Foo", Error("ERR Unsupported option Foo"))
    invalid = Error(f"ERR invalid expire time in '{command.lower()}' command")
    if command != "PEXPIREAT":
        alice.do(f"{command} none 9223372036854775807", invalid)
    if command in ("EXPIRE", "EXPIREAT"):
        alice.do(f"{command} k -9223372036854775808", invalid)


def test_who_is_told(peers):
    alice, bob = peers(2)
    alice.do("CONFIG SET notify-keyspace-events KAmn", "OK")
    bob.do("SUBSCRIBE __keyspace@0__:k", ["subscribe", "__keyspace@0__:k", 1])
    story = [
        ("SET k v", ["new", "set"]),
        ("EXPIRE k 100", ["expire"]),
        ("EXPIRE k 50 GT", []),
        ("PERSIST k", ["persist"]),
        ("PERSIST k", []),
        ("PEXPIREAT k 99999999999999", ["expire"]),
        ("PEXPIRETIME k", []),
        ("EXPIRE k -1", ["del"]),
        ("PTTL k", ["keymiss"]),
        ("EXPIRE k 10", []),
    ]
    for line, events in story:
        alice.asks(line)
        alice.hears()
        bob.gets(*[["message", "__keyspace@0__:k", event] for event in events])
        bob.gets_nothing()


def test_a_key_whose_time_comes_is_told_of_before_the_one_who_asked(peers):
    alice, bob = peers(2)
    alice.do("CONFIG SET notify-keyspace-events KAm", "OK")
    bob.do("SUBSCRIBE __keyspace@0__:k", ["subscribe", "__keyspace@0__:k", 1])
    alice.do("SET k v PXAT 1", "OK")
    alice.do("GET k", None)
    bob.gets(*[["message", "__keyspace@0__:k", event] for event in ("set", "expire", "expired", "keymiss")])
    bob.gets_nothing()


def test_a_watched_key_whose_time_comes_breaks_the_watch():
    node = Node()
    alice, bob = node.peer(), node.peer()
    bob.ask("SET k v PX 50")
    alice.ask("WATCH k")
    node.advance(0.1)
    alice.ask("MULTI")
    alice.ask("PING")
    assert alice.ask("EXEC") is None


def test_keys_go_by_themselves_and_info_counts_them():
    node = Node()
    alice, bob = node.peer(), node.peer()
    alice.ask("CONFIG SET notify-keyspace-events Ex")
    bob.ask("SUBSCRIBE __keyevent@0__:expired")
    alice.ask("SET a v PX 50")
    alice.ask("SET b v PX 500")
    assert alice.ask("INFO keyspace") == b"# Keyspace\r\ndb0:keys=2,expires=2,avg_ttl=275\r\n"
    node.advance(0.1)
    bob.gets(["message", "__keyevent@0__:expired", "a"])
    assert alice.ask("DBSIZE") == 1
    assert b"expired_keys:1\r\n" in alice.ask("INFO stats")
    assert alice.ask("PTTL b") == 400
    node.advance(0.3994)
    assert alice.ask("TTL b") == 0
    node.advance(0.1)
    assert alice.ask("INFO keyspace") == b"# Keyspace\r\n"
