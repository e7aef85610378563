"""XREAD, alone and blocked."""

import pytest
from peers import Error

NOT_7_0 = pytest.mark.unlike_redis_7_0("MAXCOUNT, MAXSIZE: 8.10; +: 7.4")


def add(peer, key, *ids):
    for entry_id in ids:
        peer.do(f"XADD {key} {entry_id} f v{entry_id}", entry_id)


def entries(*ids):
    return [[entry_id, ["f", f"v{entry_id}"]] for entry_id in ids]


def reply(protocol, **streams):
    served = {key: entries(*ids) for key, ids in streams.items()}
    return served if protocol == 3 else [[key, found] for key, found in served.items()]


def many(first, last):
    return [f"{number}-{number % 3}" for number in range(first, last + 1)]


# --- what it finds ----------------------------------------------------------------------------------------------------


def test_reads_what_comes_behind_an_id(peers, protocol):
    (alice,) = peers(1, protocol)
    add(alice, "s", "1-1", "1-2", "2-0", "5-5")
    alice.do("XREAD STREAMS s 0", reply(protocol, s=["1-1", "1-2", "2-0", "5-5"]))
    alice.do("XREAD STREAMS s 1", reply(protocol, s=["1-1", "1-2", "2-0", "5-5"]))
    alice.do("XREAD STREAMS s 1-1", reply(protocol, s=["1-2", "2-0", "5-5"]))
    alice.do("XREAD STREAMS s 2-0", reply(protocol, s=["5-5"]))
    for nothing in ("5-5", "5-6", "$", "18446744073709551615-18446744073709551615"):
        alice.do(f"XREAD STREAMS s {nothing}", None)
    alice.do("XREAD STREAMS missing 0", None)


def test_count_is_for_each_stream(peers, protocol):
    (alice,) = peers(1, protocol)
    add(alice, "s", "1-1", "2-1", "3-1")
    add(alice, "t", "4-1", "5-1")
    alice.do("XREAD COUNT 2 STREAMS s t 0 0", reply(protocol, s=["1-1", "2-1"], t=["4-1", "5-1"]))
    alice.do("XREAD COUNT 1 STREAMS t missing s 4-1 0 2", reply(protocol, t=["5-1"], s=["2-1"]))
    for unlimited in ("0", "-1", "-5"):
        alice.do(f"XREAD COUNT {unlimited} STREAMS s 0", reply(protocol, s=["1-1", "2-1", "3-1"]))
    alice.do("XREAD COUNT 1 COUNT 2 STREAMS s 0", reply(protocol, s=["1-1", "2-1"]))


def test_long_streams_and_deleted_entries(peers, protocol):
    (alice,) = peers(1, protocol)
    add(alice, "s", *many(1, 300))
    alice.do("XREAD STREAMS s 0", reply(protocol, s=many(1, 300)))
    alice.do("XREAD COUNT 150 STREAMS s 100-1", reply(protocol, s=many(101, 250)))
    alice.do(["XDEL", "s", *many(120, 129), *many(299, 300)], 12)
    alice.do("XREAD COUNT 150 STREAMS s 100-1", reply(protocol, s=many(101, 119) + many(130, 260)))
    alice.do("XREAD STREAMS s 298-1", None)
    alice.do("XREAD STREAMS s $", None)
    alice.do("XTRIM s MAXLEN 10", 278)
    alice.do("XREAD COUNT 3 STREAMS s 0", reply(protocol, s=many(289, 291)))


def test_the_same_stream_twice(peers):
    (alice,) = peers(1)
    add(alice, "s", "1-1", "2-1")
    alice.do("XREAD STREAMS s s 0 1-1", [["s", entries("1-1", "2-1")], ["s", entries("2-1")]])


@NOT_7_0
def test_plus_is_the_last_entry(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("XREAD STREAMS s +", None)
    add(alice, "s", *many(1, 200))
    add(alice, "t", "0-1")
    alice.do("XREAD COUNT 5 STREAMS s t + +", reply(protocol, s=["200-2"], t=["0-1"]))
    alice.do("XDEL s 200-2", 1)
    alice.do("XREAD STREAMS s +", reply(protocol, s=["199-1"]))


@NOT_7_0
def test_maxcount_is_for_all_streams(peers, protocol):
    (alice,) = peers(1, protocol)
    add(alice, "s", "1-1", "2-1", "3-1")
    add(alice, "t", "4-1", "5-1")
    alice.do("XREAD MAXCOUNT 4 STREAMS s t 0 0", reply(protocol, s=["1-1", "2-1", "3-1"], t=["4-1"]))
    alice.do("XREAD COUNT 2 MAXCOUNT 3 STREAMS s t 0 0", reply(protocol, s=["1-1", "2-1"], t=["4-1"]))
    alice.do("XREAD MAXCOUNT 3 STREAMS s t 0 0", reply(protocol, s=["1-1", "2-1", "3-1"]))


@NOT_7_0
def test_maxsize_ends_the_reply_once_it_is_reached(peers):
    (alice,) = peers(1)
    add(alice, "s", "1-1", "2-1", "3-1")
    add(alice, "t", "4-1")
    entry = len(b"*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$4\r\nv1-1\r\n")
    head = len(b"*2\r\n$1\r\ns\r\n")
    alice.do("XREAD MAXSIZE 1 STREAMS s t 0 0", reply(2, s=["1-1"]))
    alice.do(f"XREAD MAXSIZE {head + entry} STREAMS s t 0 0", reply(2, s=["1-1"]))
    alice.do(f"XREAD MAXSIZE {head + entry + 1} STREAMS s t 0 0", reply(2, s=["1-1", "2-1"]))
    alice.do(f"XREAD MAXSIZE {2 * (head + 2 * entry)} COUNT 1 STREAMS s t 0 0", reply(2, s=["1-1"], t=["4-1"]))
    alice.do("XREAD MAXSIZE 100000 STREAMS s t 0 0", reply(2, s=["1-1", "2-1", "3-1"], t=["4-1"]))
    alice.do("MULTI", "OK")
    alice.do(f"XREAD MAXSIZE {head + entry + 1} STREAMS s 0", "QUEUED")
    alice.do(f"XREAD MAXSIZE {head + entry + 1} STREAMS s 0", "QUEUED")
    alice.do("EXEC", [reply(2, s=["1-1", "2-1"])] * 2)


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("XREAD COUNT 1 s 0", "ERR syntax error"),
        ("XREAD s s s", "ERR syntax error"),
        ("XREAD COUNT x STREAMS s 0", "ERR value is not an integer or out of range"),
        ("XREAD BLOCK x STREAMS s 0", "ERR timeout is not an integer or out of range"),
        ("XREAD BLOCK -1 STREAMS s 0", "ERR timeout is negative"),
        ("XREAD NOACK STREAMS s 0", "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."),
        (
            "XREAD GROUP g c STREAMS s 0",
            "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        ("XREAD STREAMS s x", "ERR Invalid stream ID specified as stream command argument"),
        ("XREAD STREAMS s -", "ERR Invalid stream ID specified as stream command argument"),
        ("XREAD STREAMS string 0", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("XREAD STREAMS string x", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("XREAD STREAMS s string x 0", "ERR Invalid stream ID specified as stream command argument"),
        ("XREAD COUNT x BLOCK x STREAMS s", "ERR value is not an integer or out of range"),
        (
            "XREAD STREAMS s >",
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        ),
        ("XREAD COUNT STREAMS s 0", "ERR value is not an integer or out of range"),
        ("XREAD COUNT 1 STREAMS", "ERR syntax error"),
        ("XREAD STREAMS 0", "ERR wrong number of arguments for 'xread' command"),
    ],
)
def test_errors(peers, line, error):
    (alice,) = peers(1)
    alice.do("SET string x", "OK")
    alice.do(line, Error(error))


@NOT_7_0
@pytest.mark.parametrize(
    ("line", "error"),
    [
        (
            "XREAD STREAMS s t 0",
            "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified.",
        ),
        (
            "XREAD CLAIM 5 STREAMS s 0",
            "ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        ("XREAD BLOCK 9223372036854775807 STREAMS s 0", "ERR timeout is out of range"),
        ("XREAD MAXCOUNT 0 STREAMS s 0", "ERR MAXCOUNT must be a positive integer"),
        ("XREAD MAXSIZE -1 STREAMS s 0", "ERR MAXSIZE must be a positive integer"),
        ("XREAD MAXSIZE x STREAMS s 0", "ERR value is not an integer or out of range"),
        ("XREAD COUNT 3 MAXCOUNT 2 STREAMS s 0", "ERR MAXCOUNT must be greater than or equal to COUNT"),
    ],
)
def test_newer_errors(peers, line, error):
    (alice,) = peers(1)
    alice.do(line, Error(error))


# --- blocked ----------------------------------------------------------------------------------------------------------


def wait_until_blocked(bob, count=1):
    """Wait until so many clients are blocked."""
    for peer in getattr(bob, "peers", (bob,)):
        while f"blocked_clients:{count}\r".encode() not in peer.ask("INFO clients"):
            pass


def test_waits_for_an_entry(peers, protocol):
    alice, bob = peers(2, protocol)
    add(bob, "s", "1-1")
    alice.asks("XREAD BLOCK 0 STREAMS s t $ 0")
    wait_until_blocked(bob)
    bob.do("XADD s 2-1 f v2-1", "2-1")
    alice.gets(reply(protocol, s=["2-1"]))
    alice.asks("XREAD BLOCK 0 STREAMS s t $ 0")
    wait_until_blocked(bob)
    bob.do("XADD t 1-1 f v1-1", "1-1")
    alice.gets(reply(protocol, t=["1-1"]))
    alice.gets_nothing()


def test_does_not_wait_when_there_is_something(peers):
    (alice,) = peers(1)
    add(alice, "s", "1-1")
    alice.do("XREAD BLOCK 0 STREAMS s 0", reply(2, s=["1-1"]))


def test_time_ends_the_wait(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.asks("XREAD BLOCK 1 STREAMS s $")
    for peer in (alice, *getattr(alice, "peers", ())):
        if hasattr(peer, "node"):
            peer.node.advance(0.01)
    alice.gets(None)


def test_all_who_wait_are_served(peers):
    alice, carol, dave, bob = peers(4)
    for peer in (alice, carol):
        peer.asks("XREAD BLOCK 0 STREAMS s $")
    dave.asks("XREAD BLOCK 0 COUNT 1 STREAMS s $")
    wait_until_blocked(bob, 3)
    for line, answer in (("MULTI", "OK"), ("XADD s 1-1 f v1-1", "QUEUED"), ("XADD s 1-2 f v1-2", "QUEUED")):
        bob.do(line, answer)
    bob.do("EXEC", ["1-1", "1-2"])
    for peer in (alice, carol):
        peer.gets(reply(2, s=["1-1", "1-2"]))
    dave.gets(reply(2, s=["1-1"]))


@pytest.mark.unlike_redis_7_0("7.0 answers with an empty array")
def test_an_entry_that_is_deleted_at_once_wakes_nobody(peers):
    alice, bob = peers(2)
    alice.asks("XREAD BLOCK 0 STREAMS s 0")
    wait_until_blocked(bob)
    for line, answer in (("MULTI", "OK"), ("XADD s 1-1 f v", "QUEUED"), ("XDEL s 1-1", "QUEUED")):
        bob.do(line, answer)
    bob.do("EXEC", ["1-1", 1])
    bob.do("XADD s 1-2 f v1-2", "1-2")
    alice.gets(reply(2, s=["1-2"]))


@pytest.mark.parametrize("away", ["DEL s", "SET s x", "FLUSHALL", "RENAME s other"])
def test_goes_on_waiting_when_the_key_goes(peers, away):
    alice, bob = peers(2)
    add(bob, "s", "1-1")
    alice.asks("XREAD BLOCK 0 STREAMS s $")
    wait_until_blocked(bob)
    bob.do(away, lambda _: True)
    bob.do("DEL s", lambda _: True)
    bob.do("XADD s 1-1 f v", "1-1")
    bob.do("XADD s 2-1 f v2-1", "2-1")
    alice.gets(reply(2, s=["2-1"]))


@NOT_7_0
def test_plus_waits_for_the_last_entry(peers):
    alice, bob = peers(2)
    alice.asks("XREAD BLOCK 0 STREAMS s +")
    wait_until_blocked(bob)
    for line, answer in (("MULTI", "OK"), ("XADD s 1-1 f v1-1", "QUEUED"), ("XADD s 1-2 f v1-2", "QUEUED")):
        bob.do(line, answer)
    bob.do("EXEC", ["1-1", "1-2"])
    alice.gets(reply(2, s=["1-2"]))


def test_a_transaction_does_not_wait(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("MULTI", "OK")
    alice.do("XREAD BLOCK 0 STREAMS s $", "QUEUED")
    alice.do("EXEC", [None])


def test_client_unblock(peers):
    alice, bob = peers(2)
    for how, answer in (("", None), (" ERROR", Error("UNBLOCKED client unblocked via CLIENT UNBLOCK"))):
        number = alice.id
        alice.asks("XREAD BLOCK 0 STREAMS s $")
        wait_until_blocked(bob)
        bob.do(["CLIENT", "UNBLOCK", number, *how.split()], 1)
        alice.gets(answer)
