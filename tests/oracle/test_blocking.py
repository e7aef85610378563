"""Clients that wait for entries: XREAD BLOCK and XREADGROUP BLOCK, among others who write.

That a client waits is seen, never assumed: `blocks` asks the server until it says so.
"""

import re
from collections.abc import Callable

import pytest
from peers import Error, Peer, fields

REASON = "7.2 and later run the command again when the key has changed; 7.0 answers with errors of its own"
NO_GROUP = Error("NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option")
WRONG_TYPE = Error("WRONGTYPE Operation against a key holding the wrong kind of value")
UNBLOCKED = Error("UNBLOCKED client unblocked via CLIENT UNBLOCK")

ENTRY = ["1-1", ["a", "1"]]


def parts(peer: Peer) -> list[Peer]:
    """The one or two clients that a peer is."""
    return list(getattr(peer, "peers", [peer]))


def are_blocked(watcher: Peer, count: int) -> None:
    """Wait until so many clients are blocked."""
    for part in parts(watcher):
        for _ in range(20_000):
            if b"\r\nblocked_clients:%d\r\n" % count in part.ask("INFO clients"):
                break
        else:
            raise AssertionError(f"never {count} clients are blocked: {part.ask('CLIENT LIST')}")


def blocks(peer: Peer, line: str, watcher: Peer, count: int = 1) -> None:
    """Send a command that blocks; it is the client `count` to do so."""
    peer.asks(line)
    are_blocked(watcher, count)


def let_pass(peer: Peer, seconds: float) -> None:
    """The clock of the core in memory moves when told; servers have one that goes by itself."""
    for part in parts(peer):
        if hasattr(part, "node"):
            part.node.advance(seconds)


def news(protocol: int, **streams: list[list[object]]) -> object:
    """What XREAD and XREADGROUP answer."""
    return streams if protocol == 3 else [[key, entries] for key, entries in streams.items()]


# --- XREAD ------------------------------------------------------------------------------------------------------------


def test_who_waits_gets_what_is_added(peers, protocol):
    alice, bob = peers(2, protocol)
    blocks(alice, "XREAD BLOCK 0 STREAMS s $", bob)
    bob.do("XADD s 1-1 a 1", "1-1")
    alice.gets(news(protocol, s=[ENTRY]))
    bob.do("XADD s 1-2 a 1", "1-2")
    alice.gets_nothing()
    are_blocked(bob, 0)


@pytest.mark.parametrize("start", ["$", "0", "1-1", "1"])
def test_only_newer_entries_wake(peers, protocol, start):
    alice, bob = peers(2, protocol)
    bob.do("XADD s 1-1 a 1", "1-1")
    bob.do("XDEL s 1-1", 1)
    blocks(alice, f"XREAD BLOCK 0 STREAMS s {start}", bob)
    bob.do("XADD s 1-2 b 2", "1-2")
    alice.gets(news(protocol, s=[["1-2", ["b", "2"]]]))


def test_an_entry_that_is_not_newer_wakes_nobody(peers, protocol):
    alice, bob = peers(2, protocol)
    blocks(alice, "XREAD BLOCK 0 STREAMS s 5-0", bob)
    bob.do("XADD s 4-0 a 1", "4-0")
    bob.do("XADD s 5-0 a 1", "5-0")
    are_blocked(bob, 1)
    bob.do("XADD s 5-1 a 1", "5-1")
    alice.gets(news(protocol, s=[["5-1", ["a", "1"]]]))


def test_what_is_there_is_answered_at_once(peers, protocol):
    alice, _ = peers(2, protocol)
    alice.do("XADD s 1-1 a 1", "1-1")
    alice.do("XREAD BLOCK 0 STREAMS s 0", news(protocol, s=[ENTRY]))
    alice.do("XREAD COUNT 1 BLOCK 0 STREAMS none s 0 0", news(protocol, s=[ENTRY]))


def test_a_transaction_wakes_with_all_it_added(peers, protocol):
    alice, bob = peers(2, protocol)
    blocks(alice, "XREAD BLOCK 0 STREAMS s $", bob)
    bob.do("MULTI", "OK")
    bob.do("XADD s 1-1 a 1", "QUEUED")
    bob.do("XADD s 1-2 b 2", "QUEUED")
    bob.do("EXEC", ["1-1", "1-2"])
    alice.gets(news(protocol, s=[ENTRY, ["1-2", ["b", "2"]]]))


def test_a_pipeline_wakes_with_its_first_entry(peers, protocol):
    alice, bob = peers(2, protocol)
    blocks(alice, "XREAD BLOCK 0 STREAMS s $", bob)
    for number in (1, 2, 3):
        bob.asks(f"XADD s 1-{number} a {number}")
    bob.gets("1-1", "1-2", "1-3")
    alice.gets(news(protocol, s=[ENTRY]))
    alice.gets_nothing()


def test_count_holds_when_woken(peers, protocol):
    alice, bob = peers(2, protocol)
    blocks(alice, "XREAD COUNT 1 BLOCK 0 STREAMS s $", bob)
    bob.do("MULTI", "OK")
    bob.do("XADD s 1-1 a 1", "QUEUED")
    bob.do("XADD s 1-2 b 2", "QUEUED")
    bob.do("EXEC", ["1-1", "1-2"])
    alice.gets(news(protocol, s=[ENTRY]))


def test_all_who_wait_get_it_and_each_once(peers, protocol):
    *waiting, bob = peers(4, protocol)
    for count, peer in enumerate(waiting, 1):
        blocks(peer, "XREAD BLOCK 0 STREAMS s $", bob, count)
    bob.do("XADD s 1-1 a 1", "1-1")
    for peer in waiting:
        peer.gets(news(protocol, s=[ENTRY]))
        peer.gets_nothing()


def test_one_of_several_streams_is_enough(peers, protocol):
    alice, bob = peers(2, protocol)
    blocks(alice, "XREAD BLOCK 0 STREAMS s t u $ $ $", bob)
    bob.do("XADD t 1-1 a 1", "1-1")
    alice.gets(news(protocol, t=[ENTRY]))
    blocks(alice, "XREAD BLOCK 0 STREAMS s t u $ $ $", bob)
    bob.do("XADD t 1-1 a 1", Error("ERR The ID specified in XADD is equal or smaller than the target stream top item"))
    bob.do("XADD u 1-1 a 1", "1-1")
    alice.gets(news(protocol, u=[ENTRY]))
    bob.do("XADD s 1-1 a 1", "1-1")
    alice.gets_nothing()


def test_the_same_stream_may_be_named_twice(peers, protocol):
    alice, bob = peers(2, protocol)
    blocks(alice, "XREAD BLOCK 0 STREAMS s s $ $", bob)
    bob.do("XADD s 1-1 a 1", "1-1")
    alice.gets(lambda reply: reply in (news(2, s=[ENTRY]), news(2, s=[ENTRY]) * 2, {"s": [ENTRY]}))
    alice.gets_nothing()
    are_blocked(bob, 0)


@pytest.mark.parametrize("how", ["RENAME t s", "RENAMENX t s", "COPY t s", "MOVE", "SWAPDB 0 1", "MULTI"])
def test_a_stream_that_comes_under_the_name_wakes(peers, protocol, how):
    alice, bob = peers(2, protocol)
    if how in ("MOVE", "SWAPDB 0 1"):
        bob.do("SELECT 1", "OK")
    source = "s" if how in ("MOVE", "SWAPDB 0 1") else "t"
    bob.do(f"XADD {source} 1-1 a 1", "1-1")
    blocks(alice, "XREAD BLOCK 0 STREAMS s 0", bob)
    if how == "MULTI":
        bob.do("MULTI", "OK")
        bob.do("RENAME t x", "QUEUED")
        bob.do("RENAME x s", "QUEUED")
        bob.do("EXEC", ["OK", "OK"])
    else:
        bob.do("MOVE s 0" if how == "MOVE" else how, lambda reply: reply in (1, "OK"))
    alice.gets(news(protocol, s=[ENTRY]))


def test_a_stream_that_is_restored_wakes(peers, protocol):
    alice, bob = peers(2, protocol)
    bob.do("XADD t 1-1 a 1", "1-1")
    blocks(alice, "XREAD BLOCK 0 STREAMS s 0", bob)
    for part in parts(bob):
        assert part.ask("RESTORE", "s", "0", part.ask("DUMP t")) == b"OK"
    alice.gets(news(protocol, s=[ENTRY]))


@pytest.mark.parametrize("how", ["SET s x", "SET t x", "XGROUP CREATE s g 0 MKSTREAM", "XADD t 1-1 a 1"])
def test_what_is_no_new_entry_wakes_nobody(peers, protocol, how):
    alice, bob = peers(2, protocol)
    blocks(alice, "XREAD BLOCK 0 STREAMS s $", bob)
    bob.do(how, lambda _: True)
    are_blocked(bob, 1)
    bob.do("DEL s", lambda _: True)
    are_blocked(bob, 1)
    bob.do("XADD s 1-1 a 1", "1-1")
    alice.gets(news(protocol, s=[ENTRY]))


@pytest.mark.parametrize(
    "how", ["DEL s", "UNLINK s", "FLUSHDB", "FLUSHALL", "RENAME s x", "MOVE s 2", "SWAPDB 0 1", "SET s x"]
)
def test_a_reader_outlives_its_stream(peers, protocol, how):
    alice, bob = peers(2, protocol)
    bob.do("XADD s 5-1 a 1", "5-1")
    blocks(alice, "XREAD BLOCK 0 STREAMS s $", bob)
    bob.do(how, lambda reply: reply in (1, "OK"))
    are_blocked(bob, 1)
    bob.do("DEL s", lambda _: True)
    bob.do("XADD s 5-1 a 1", "5-1")
    are_blocked(bob, 1)
    bob.do("XADD s 5-2 b 2", "5-2")
    alice.gets(news(protocol, s=[["5-2", ["b", "2"]]]))


def test_databases_are_apart(peers, protocol):
    alice, bob = peers(2, protocol)
    blocks(alice, "XREAD BLOCK 0 STREAMS s $", bob)
    bob.do("SELECT 1", "OK")
    bob.do("XADD s 1-1 x x", "1-1")
    bob.do("SELECT 0", "OK")
    are_blocked(bob, 1)
    bob.do("XADD s 1-1 a 1", "1-1")
    alice.gets(news(protocol, s=[ENTRY]))


@pytest.mark.unlike_redis_7_0("7.0 answers an empty list: " + REASON)
def test_an_entry_that_its_own_transaction_deletes_wakes_nobody(peers, protocol):
    alice, bob = peers(2, protocol)
    blocks(alice, "XREAD BLOCK 0 STREAMS s $", bob)
    bob.do("MULTI", "OK")
    bob.do("XADD s 1-1 a 1", "QUEUED")
    bob.do("XDEL s 1-1", "QUEUED")
    bob.do("EXEC", ["1-1", 1])
    are_blocked(bob, 1)
    bob.do("XADD s 1-2 b 2", "1-2")
    alice.gets(news(protocol, s=[["1-2", ["b", "2"]]]))


# --- until when -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["XREAD BLOCK 20 STREAMS s $", "XREAD BLOCK 1 STREAMS s t 0 $"])
def test_the_time_is_over(peers, protocol, line):
    (alice,) = peers(1, protocol)
    alice.asks(line)
    let_pass(alice, 0.05)
    alice.gets(None)
    alice.do("PING", "PONG")
    are_blocked(alice, 0)


def test_the_time_of_a_group_reader_is_over(peers, protocol):
    alice, bob = peers(2, protocol)
    alice.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    alice.asks("XREADGROUP GROUP g alice BLOCK 20 STREAMS s >")
    let_pass(alice, 0.05)
    alice.gets(None)
    bob.do("XADD s 1-1 a 1", "1-1")
    bob.do("XREADGROUP GROUP g bob STREAMS s >", news(protocol, s=[ENTRY]))


def test_each_waits_as_long_as_it_said(peers, protocol):
    alice, bob, carol = peers(3, protocol)
    blocks(alice, "XREAD BLOCK 0 STREAMS s $", carol, 1)
    blocks(bob, "XREAD BLOCK 60000 STREAMS s $", carol, 2)
    carol.asks("XREAD BLOCK 20 STREAMS s $")
    let_pass(carol, 0.05)
    carol.gets(None)
    are_blocked(carol, 2)
    carol.do("XADD s 1-1 a 1", "1-1")
    alice.gets(news(protocol, s=[ENTRY]))
    bob.gets(news(protocol, s=[ENTRY]))


def test_nothing_blocks_in_a_transaction(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    alice.do("MULTI", "OK")
    alice.do("XREAD BLOCK 0 STREAMS s $", "QUEUED")
    alice.do("XREADGROUP GROUP g alice BLOCK 0 STREAMS s >", "QUEUED")
    alice.do("XREAD BLOCK 0 STREAMS none 0", "QUEUED")
    alice.do("EXEC", [None, None, None])


@pytest.mark.parametrize(
    ("reason", "reply"),
    [("", None), (" TIMEOUT", None), (" timeout", None), (" ERROR", UNBLOCKED), (" error", UNBLOCKED)],
)
@pytest.mark.parametrize("line", ["XREAD BLOCK 0 STREAMS s $", "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >"])
def test_a_client_is_unblocked_by_another(peers, protocol, line, reason, reply):
    alice, bob = peers(2, protocol)
    bob.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    name = alice.id
    blocks(alice, line, bob)
    bob.do(_unblock(name, reason), 1)
    alice.gets(reply)
    bob.do(_unblock(name, reason), 0)
    alice.do("PING", "PONG")
    bob.do("XADD s 1-1 a 1", "1-1")
    alice.gets_nothing()


def _unblock(name: object, reason: str) -> list[object]:
    return ["CLIENT", "UNBLOCK", name, *reason.split()]


def test_who_does_not_wait_is_not_unblocked(peers, protocol):
    alice, bob = peers(2, protocol)
    name = alice.id
    bob.do(_unblock(name, ""), 0)
    bob.do(_unblock(bob.id, ""), 0)
    bob.do("CLIENT UNBLOCK 99999999", 0)
    blocks(alice, "XREAD BLOCK 0 STREAMS s $", bob)
    wrong = Error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    bob.do(_unblock(name, "NOSUCH"), wrong)
    are_blocked(bob, 1)


# --- groups -----------------------------------------------------------------------------------------------------------


def test_consumers_are_served_in_the_order_they_came(peers, protocol):
    *consumers, bob = peers(4, protocol)
    bob.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    for count, peer in enumerate(consumers, 1):
        blocks(peer, f"XREADGROUP GROUP g c{count} BLOCK 0 STREAMS s >", bob, count)
    for number, peer in enumerate(consumers, 1):
        bob.do(f"XADD s {number}-0 a 1", f"{number}-0")
        peer.gets(news(protocol, s=[[f"{number}-0", ["a", "1"]]]))
        are_blocked(bob, 3 - number)
    bob.do("XPENDING s g", [3, "1-0", "3-0", [["c1", "1"], ["c2", "1"], ["c3", "1"]]])


def test_who_comes_again_is_the_last(peers, protocol):
    alice, bob, carol = peers(3, protocol)
    carol.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    blocks(alice, "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >", carol, 1)
    blocks(bob, "XREADGROUP GROUP g bob BLOCK 0 STREAMS s >", carol, 2)
    carol.do("XADD s 1-0 a 1", "1-0")
    alice.gets(news(protocol, s=[["1-0", ["a", "1"]]]))
    blocks(alice, "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >", carol, 2)
    carol.do("XADD s 2-0 a 1", "2-0")
    bob.gets(news(protocol, s=[["2-0", ["a", "1"]]]))
    carol.do("XADD s 3-0 a 1", "3-0")
    alice.gets(news(protocol, s=[["3-0", ["a", "1"]]]))


def test_a_transaction_is_shared_by_count(peers, protocol):
    alice, bob, carol = peers(3, protocol)
    carol.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    blocks(alice, "XREADGROUP GROUP g alice COUNT 1 BLOCK 0 STREAMS s >", carol, 1)
    blocks(bob, "XREADGROUP GROUP g bob COUNT 2 BLOCK 0 STREAMS s >", carol, 2)
    carol.do("MULTI", "OK")
    for number in range(1, 5):
        carol.do(f"XADD s {number}-0 a 1", "QUEUED")
    carol.do("EXEC", ["1-0", "2-0", "3-0", "4-0"])
    alice.gets(news(protocol, s=[["1-0", ["a", "1"]]]))
    bob.gets(news(protocol, s=[["2-0", ["a", "1"]], ["3-0", ["a", "1"]]]))
    carol.do("XPENDING s g", [3, "1-0", "3-0", [["alice", "1"], ["bob", "2"]]])


def test_groups_and_readers_do_not_take_from_each_other(peers, protocol):
    alice, bob, carol, dave = peers(4, protocol)
    dave.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    dave.do("XGROUP CREATE s h $", "OK")
    blocks(alice, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >", dave, 1)
    blocks(bob, "XREADGROUP GROUP h c NOACK BLOCK 0 STREAMS s >", dave, 2)
    blocks(carol, "XREAD BLOCK 0 STREAMS s $", dave, 3)
    dave.do("XADD s 1-1 a 1", "1-1")
    for peer in (alice, bob, carol):
        peer.gets(news(protocol, s=[ENTRY]))
    dave.do("XPENDING s g - + 9", lambda rows: [row[:2] for row in rows] == [["1-1", "c"]])
    dave.do("XPENDING s h", [0, None, None, None])


def test_a_consumer_waits_for_several_streams(peers, protocol):
    alice, bob = peers(2, protocol)
    for key in ("s", "t"):
        bob.do(f"XGROUP CREATE {key} g $ MKSTREAM", "OK")
    blocks(alice, "XREADGROUP GROUP g c BLOCK 0 STREAMS s t > >", bob)
    bob.do("XADD t 1-1 a 1", "1-1")
    alice.gets(news(protocol, t=[ENTRY]))
    bob.do("XADD s 1-1 a 1", "1-1")
    alice.do("XREADGROUP GROUP g c BLOCK 0 STREAMS s t > >", news(protocol, s=[ENTRY]))


def test_history_never_blocks(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    alice.do("XREADGROUP GROUP g c BLOCK 0 STREAMS s 0", news(protocol, s=[]))
    alice.do("XADD s 1-1 a 1", "1-1")
    alice.do("XREADGROUP GROUP g c BLOCK 0 STREAMS s >", news(protocol, s=[ENTRY]))
    alice.do("XREADGROUP GROUP g c BLOCK 0 STREAMS s 0", news(protocol, s=[ENTRY]))


def test_a_dead_consumer_gets_nothing(peers, protocol):
    alice, bob, carol = peers(3, protocol)
    carol.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    blocks(alice, "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >", carol, 1)
    blocks(bob, "XREADGROUP GROUP g bob BLOCK 0 STREAMS s >", carol, 2)
    alice.close()
    are_blocked(carol, 1)
    carol.do("XADD s 1-1 a 1", "1-1")
    bob.gets(news(protocol, s=[ENTRY]))
    carol.do("XPENDING s g", [1, "1-1", "1-1", [["bob", "1"]]])


def test_a_consumer_that_is_killed_gets_nothing(peers, protocol):
    alice, carol = peers(2, protocol)
    carol.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    name = alice.id
    blocks(alice, "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >", carol)
    carol.do(["CLIENT", "KILL", "ID", name], 1)
    alice.closed()
    are_blocked(carol, 0)
    carol.do("XADD s 1-1 a 1", "1-1")
    carol.do("XPENDING s g", [0, None, None, None])


@pytest.mark.parametrize("how", ["RENAME t s", "COPY t s REPLACE", "SWAPDB 0 1"])
def test_a_stream_with_the_group_comes_under_the_name(peers, protocol, how):
    alice, bob = peers(2, protocol)
    bob.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    source = "t"
    if how == "SWAPDB 0 1":
        source = "s"
        bob.do("SELECT 1", "OK")
    bob.do(f"XADD {source} 1-1 a 1", "1-1")
    bob.do(f"XGROUP CREATE {source} g 0", "OK")
    blocks(alice, "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >", bob)
    bob.do(how, lambda reply: reply in (1, "OK"))
    alice.gets(news(protocol, s=[ENTRY]))


@pytest.mark.unlike_redis_7_0(REASON)
@pytest.mark.parametrize(
    "how",
    [
        "DEL s",
        "UNLINK s",
        "FLUSHDB",
        "FLUSHALL",
        "FLUSHALL ASYNC",
        "RENAME s x",
        "RENAME t s",
        "MOVE s 2",
        "SWAPDB 0 1",
        "EXPIRE s -1",
        "XGROUP DESTROY s g",
    ],
)
def test_a_consumer_is_told_that_its_group_is_gone(peers, protocol, how):
    alice, bob = peers(2, protocol)
    bob.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    bob.do("XADD t 1-1 a 1", "1-1")
    blocks(alice, "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >", bob)
    bob.do(how, lambda reply: reply in (1, "OK"))
    alice.gets(NO_GROUP)
    are_blocked(bob, 0)
    alice.do("PING", "PONG")


@pytest.mark.unlike_redis_7_0(REASON)
@pytest.mark.parametrize("how", ["SET s x", "RENAME t s", "COPY t s REPLACE", "SETEX s 100 x", "MSET a 1 s 2"])
def test_a_consumer_is_told_that_its_key_is_no_stream_now(peers, protocol, how):
    alice, bob = peers(2, protocol)
    bob.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    bob.do("SET t x", "OK")
    blocks(alice, "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >", bob)
    bob.do(how, lambda reply: reply in (1, "OK"))
    alice.gets(WRONG_TYPE)
    are_blocked(bob, 0)


@pytest.mark.unlike_redis_7_0(REASON)
def test_a_consumer_is_told_when_a_transaction_made_its_stream_anew(peers, protocol):
    alice, bob = peers(2, protocol)
    bob.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    blocks(alice, "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >", bob)
    bob.do("MULTI", "OK")
    bob.do("DEL s", "QUEUED")
    bob.do("XADD s 1-1 a 1", "QUEUED")
    bob.do("EXEC", [1, "1-1"])
    alice.gets(NO_GROUP)


@pytest.mark.unlike_redis_7_0(REASON)
def test_a_group_that_a_transaction_made_anew_is_the_group(peers, protocol):
    alice, bob = peers(2, protocol)
    bob.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    blocks(alice, "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >", bob)
    bob.do("MULTI", "OK")
    bob.do("DEL s", "QUEUED")
    bob.do("XADD s 1-1 a 1", "QUEUED")
    bob.do("XGROUP CREATE s g 0", "QUEUED")
    bob.do("EXEC", [1, "1-1", "OK"])
    alice.gets(news(protocol, s=[ENTRY]))
    bob.do("XPENDING s g", [1, "1-1", "1-1", [["alice", "1"]]])


@pytest.mark.unlike_redis_7_0("its key-space events are told only when a key is found to be expired; " + REASON)
def test_a_consumer_is_told_when_its_stream_expires(peers, protocol):
    alice, bob = peers(2, protocol)
    bob.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    blocks(alice, "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >", bob)
    bob.do("PEXPIRE s 20", 1)
    let_pass(bob, 0.05)
    alice.gets(NO_GROUP)


def test_an_unknown_group_does_not_block(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("XREADGROUP GROUP g alice BLOCK 0 STREAMS s >", NO_GROUP)
    alice.do("XADD s 1-1 a 1", "1-1")
    alice.do("XREADGROUP GROUP g alice BLOCK 0 STREAMS s >", NO_GROUP)
    alice.do("SET s x", "OK")
    alice.do("XREADGROUP GROUP g alice BLOCK 0 STREAMS s >", WRONG_TYPE)
    alice.do("XREAD BLOCK 0 STREAMS s $", WRONG_TYPE)


def test_a_deleted_consumer_is_there_again_when_it_gets_something(peers, protocol):
    alice, bob = peers(2, protocol)
    bob.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    bob.do("XGROUP CREATECONSUMER s g alice", 1)
    blocks(alice, "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >", bob)
    bob.do("XGROUP DELCONSUMER s g alice", 0)
    bob.do("XADD s 1-1 a 1", "1-1")
    alice.gets(news(protocol, s=[ENTRY]))
    bob.do("XPENDING s g", [1, "1-1", "1-1", [["alice", "1"]]])


# --- what else a client that waits may meet ---------------------------------------------------------------------------


def test_what_is_sent_meanwhile_is_answered_afterwards(peers, protocol):
    alice, bob = peers(2, protocol)
    alice.do("SET n 1", "OK")
    alice.asks("XREAD BLOCK 0 STREAMS s $")
    alice.asks("INCR n")
    alice.asks("XREAD BLOCK 0 STREAMS s 1-1")
    alice.asks("PING again")
    are_blocked(bob, 1)
    bob.do("GET n", "1")
    bob.do("XADD s 1-1 a 1", "1-1")
    alice.gets(news(protocol, s=[ENTRY]), 2)
    are_blocked(bob, 1)
    bob.do("XADD s 1-2 b 2", "1-2")
    alice.gets(news(protocol, s=[["1-2", ["b", "2"]]]), "again")


def test_a_transaction_may_stand_behind_a_read(peers, protocol):
    alice, bob = peers(2, protocol)
    for line in ("XREAD BLOCK 0 STREAMS s $", "MULTI", "XLEN s", "EXEC", "QUIT"):
        alice.asks(line)
    are_blocked(bob, 1)
    bob.do("XADD s 1-1 a 1", "1-1")
    alice.gets(news(protocol, s=[ENTRY]), "OK", "QUEUED", [1], "OK")
    alice.closed()


def test_what_stands_behind_a_read_is_run_when_its_time_is_over(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.asks("XREAD BLOCK 20 STREAMS s $")
    alice.asks("PING behind")
    let_pass(alice, 0.05)
    alice.gets(None, "behind")


def is_waiting(expected: bool) -> Callable[[str], bool]:
    return lambda line: expected == ("b" in re.search(r" flags=(\w+)", line)[1])


def test_a_blocked_client_is_listed_as_such(peers, protocol):
    alice, bob = peers(2, protocol)
    alice.do("CLIENT SETNAME alice", "OK")
    name = alice.id
    bob.do(["CLIENT", "LIST", "ID", name], is_waiting(False))
    blocks(alice, "XREAD BLOCK 0 STREAMS s $", bob)
    bob.do(["CLIENT", "LIST", "ID", name], fields(cmd="xread", name="alice", multi=-1))
    bob.do(["CLIENT", "LIST", "ID", name], is_waiting(True))
    bob.do("XADD s 1-1 a 1", "1-1")
    alice.gets(news(protocol, s=[ENTRY]))
    bob.do(["CLIENT", "LIST", "ID", name], is_waiting(False))


def test_pushes_reach_a_resp3_client_that_waits(peers):
    alice, bob = peers(2, 3)
    alice.do("SUBSCRIBE news", ["subscribe", "news", 1])
    blocks(alice, "XREAD BLOCK 0 STREAMS s $", bob)
    bob.do("PUBLISH news hi", 1)
    alice.gets(["message", "news", "hi"])
    bob.do("XADD s 1-1 a 1", "1-1")
    alice.gets({"s": [ENTRY]})


def test_a_pause_of_writes_puts_off_what_is_waited_for(peers, protocol):
    alice, bob, carol = peers(3, protocol)
    blocks(alice, "XREAD BLOCK 0 STREAMS s $", carol)
    carol.do("CLIENT PAUSE 100000 WRITE", "OK")
    bob.asks("XADD s 1-1 a 1")
    carol.do("XLEN s", 0)
    carol.do("CLIENT UNPAUSE", "OK")
    bob.gets("1-1")
    alice.gets(news(protocol, s=[ENTRY]))


def test_a_read_that_would_block_waits_for_the_end_of_a_pause(peers, protocol):
    alice, bob = peers(2, protocol)
    bob.do("CLIENT PAUSE 20 ALL", "OK")
    alice.asks("XREAD BLOCK 0 STREAMS s $")
    let_pass(alice, 0.05)
    are_blocked(bob, 1)
    bob.do("XADD s 1-1 a 1", "1-1")
    alice.gets(news(protocol, s=[ENTRY]))


def test_a_writer_may_wait_itself_afterwards(peers, protocol):
    alice, bob = peers(2, protocol)
    blocks(alice, "XREAD BLOCK 0 STREAMS question $", bob)
    bob.asks("XADD question 1-1 a 1")
    bob.asks("XREAD BLOCK 0 STREAMS answer $")
    alice.gets(news(protocol, question=[ENTRY]))
    bob.gets("1-1")
    are_blocked(alice, 1)
    alice.do("XADD answer 1-1 a 1", "1-1")
    bob.gets(news(protocol, answer=[ENTRY]))


def test_replies_that_are_switched_off_stay_off(peers):
    alice, bob = peers(2)
    alice.asks("CLIENT REPLY OFF")
    blocks(alice, "XREAD BLOCK 0 STREAMS s $", bob)
    bob.do("XADD s 1-1 a 1", "1-1")
    are_blocked(bob, 0)
    alice.do("CLIENT REPLY ON", "OK")
