"""Keyspace notifications: which messages a command sends, and in which order, in the core and on redis-server."""

import contextlib
import shlex
from collections.abc import Iterator

import pytest
from memory import Node
from peers import Error, Peer, SocketPeer, meaning
from servers import Address

from oracle.sweeping import conversations, node_of_today

HEAD = "SET a 1;SET t text;SET e x EX 1000;XADD s 1-1 x 1;XADD s 2-1 y 2;XGROUP CREATE s g 0"
EVENTS = {
    HEAD: """
SET a 2;SET n x;SET a 2 EX 100;SET a 2 PX 100000;SET a 2 EXAT 4000000000;SET a 2 KEEPTTL;SET a x NX;SET q x NX;
SET r x XX;SET s x
SET a 2 GET;SET z 2 GET;SET a 2 EXAT 1;GET a;SETEX a 100 x;PSETEX b 100000 x;SETNX a x;SETNX m x;SETEX a 0 x;
SET a x EX 0
MSET a 1 b 2 c 3 a 4;MGET a none t s;GET a;GET none;GET s;STRLEN a;STRLEN none;APPEND a x;APPEND new x;
APPEND t '';APPEND s x
GETDEL a;GETDEL none;GETEX t;GETEX t EX 100;GETEX t PERSIST;GETEX t PERSIST;GETEX e EXAT 1;GETEX none EX 100;
GETEX none
INCR a;DECR a;INCRBY a 5;DECRBY a 5;INCR none;INCR t;INCR s;INCRBY a 0;INCR e;DECR fresh
DEL a;DEL a;DEL t s none;UNLINK e;UNLINK none;DEL s
EXISTS a none;TYPE a;TYPE none;TOUCH a none;TTL none;PTTL none;TTL a;EXPIRETIME none;OBJECT ENCODING none;
OBJECT ENCODING a;DUMP none
EXPIRE a 100;EXPIRE a 100 NX;EXPIRE a 50 GT;EXPIRE none 100;PEXPIRE a 100000;EXPIREAT a 4000000000;
PEXPIREAT a 4000000000000;EXPIRE a -1;EXPIRE s 0;EXPIREAT t 1
PERSIST a;PERSIST e;PERSIST e;PERSIST none;EXPIRE e x;EXPIRE e 1 NX XX
RENAME a b;RENAME b t;RENAME t t;RENAME none x;RENAME s a;RENAMENX a e;RENAMENX a x;RENAMENX x x;RENAMENX none x
COPY a b;COPY a b;COPY a b REPLACE;COPY s t REPLACE;COPY none x;COPY a c DB 3;COPY e f
MOVE a 1;MOVE none 1;MOVE s 1;SELECT 1;XADD s 3-1 a 1;MOVE s 0;MOVE a 0
SWAPDB 0 1;SWAPDB 0 1;FLUSHDB;SET a 1;FLUSHALL;SET a 1;SELECT 5;SET a 1;DEL a
KEYS *;SCAN 0 COUNT 100;RANDOMKEY x;DBSIZE
XADD s 3-1 a 1;XADD new 1-1 a 1;XADD s NOMKSTREAM 4-1 a 1;XADD none NOMKSTREAM 4-1 a 1;XADD s 1-1 a 1;
XADD a 1-1 a 1;XADD s x a 1
XADD s MAXLEN 1 5-1 a 1;XADD s MAXLEN 9 6-1 a 1;XADD s MINID 6 7-1 a 1;XADD s MAXLEN 0 8-1 a 1;
XADD fresh MAXLEN 0 1-1 a 1
XTRIM s MAXLEN 9;XTRIM s MAXLEN 1;XTRIM s MINID 9;XTRIM none MAXLEN 1;XTRIM a MAXLEN 1
XDEL s 1-1;XDEL s 1-1;XDEL s 9-9 2-1;XDEL none 1-1;XSETID s 9-9;XSETID none 1-1
XLEN s;XLEN none;XRANGE s - +;XRANGE none - +;XREVRANGE none + -;XREAD STREAMS s 0;
XREAD STREAMS s 2-1
XREAD STREAMS s 0;XREAD STREAMS s s 0 0
XGROUP CREATE s g 0;XGROUP CREATE s h 0;XGROUP CREATE none g 0;XGROUP CREATE new g 0 MKSTREAM;
XGROUP SETID s g 0;XGROUP SETID s nog 0
XGROUP CREATECONSUMER s g c;XGROUP CREATECONSUMER s g c;XGROUP DELCONSUMER s g c;XGROUP DELCONSUMER s g c;
XGROUP DESTROY s g;XGROUP DESTROY s g;XGROUP DESTROY none g
XREADGROUP GROUP g c COUNT 1 STREAMS s >;XREADGROUP GROUP g c STREAMS s >;XREADGROUP GROUP g c STREAMS s >;
XREADGROUP GROUP g c STREAMS s 0;XREADGROUP GROUP g c STREAMS none >
XREADGROUP GROUP g c NOACK STREAMS s >;XACK s g 1-1;XACK none g 1-1;XPENDING s g;XPENDING none g;XINFO STREAM s;
XINFO STREAM none;XINFO GROUPS none
XREADGROUP GROUP g c STREAMS s >;XCLAIM s g d 0 1-1;XCLAIM s g c 0 1-1;XAUTOCLAIM s g f 0 0;
XAUTOCLAIM s g c 0 0;XACK s g 1-1 2-1;XCLAIM none g c 0 1-1;XAUTOCLAIM none g c 0 0
XREADGROUP GROUP g c STREAMS s >;XDEL s 1-1;XCLAIM s g c 0 1-1;XTRIM s MAXLEN 0;XAUTOCLAIM s g c 0 0;
XGROUP DELCONSUMER s g c
MULTI;SET a 1;XADD s 3-1 a 1;GET none;DEL a;EXEC;MULTI;SET a 1;DISCARD;MULTI;SET a 1;NOSUCH;EXEC
SET p x PX 1;DEBUG SLEEP 0.003;GET p;GET p;SET p x PX 1;DEBUG SLEEP 0.003;SET p y;SET p x PX 1;DEBUG SLEEP 0.003;DEL p
SET p x PX 1;DEBUG SLEEP 0.003;INCR p;SET p x PX 1;DEBUG SLEEP 0.003;EXISTS p;SET p x PX 1;DEBUG SLEEP 0.003;
EXPIRE p 100;XADD u 1-1 a 1;PEXPIRE u 1;DEBUG SLEEP 0.003;XADD u 1-1 a 1
SET p x PX 1;DEBUG SLEEP 0.003;RENAME a p;SET r x PX 1;DEBUG SLEEP 0.003;COPY e r;SET v x PX 1;
DEBUG SLEEP 0.003;MSET v 1;SET w x PX 1;DEBUG SLEEP 0.003;GETEX w;SETNX w y
RESTORE x 0 bad;RESTORE a 0 bad REPLACE
""",
}
CONVERSATIONS = conversations(EVENTS)
CLASSES = [
    "KEA",
    "KEAnm",
    "KA",
    "EA",
    "Kg",
    "E$",
    "Kt",
    "Kx",
    "KEn",
    "Km",
    "Kgn",
    "E$t",
    "Kl",
    "A",
    "K",
    "m",
    "KEshzled",
]


class Watched:
    """A server, somebody who writes to it and somebody who listens."""

    def __init__(self, writer: Peer, listener: Peer) -> None:
        self.writer, self.listener = writer, listener

    def __enter__(self) -> "Watched":
        self.writer.ask("FLUSHALL")
        self.listener.ask("PSUBSCRIBE __key*")
        self.listener.asks("SUBSCRIBE fence")
        self.listener.hears()
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.ask("CONFIG", "SET", "notify-keyspace-events", "")
        self.writer.ask("FLUSHALL")
        self.writer.close()
        self.listener.close()

    def events(self, line: list[str]) -> list[list[str]]:
        """The messages that a request causes: channel and text."""
        self.writer.ask(*line)
        if self.writer.ask("PUBLISH fence now") == b"QUEUED":
            return []
        return list(self._until_the_fence())

    def _until_the_fence(self) -> Iterator[list[str]]:
        while (message := meaning(self.listener.hears())) != ["message", "fence", "now"]:
            if message[0] == "pmessage":
                yield message[2:]


@contextlib.contextmanager
def both(address: Address, classes: str) -> Iterator[tuple[Watched, Watched]]:
    node = node_of_today()
    with (
        Watched(SocketPeer(address), SocketPeer(address)) as theirs,
        Watched(node.peer(), node.peer("127.0.0.1:50002")) as ours,
    ):
        for each in (theirs, ours):
            each.writer.ask("CONFIG", "SET", "notify-keyspace-events", classes)
        theirs.writer.ask("DEBUG SET-ACTIVE-EXPIRE 0")  # a key is found to be expired by who asks for it
        try:
            yield theirs, ours
        finally:
            theirs.writer.ask("DEBUG SET-ACTIVE-EXPIRE 1")


def compare(address: Address, conversation: str, classes: str) -> list[list[str]]:
    """Have a conversation with both; the messages must be the same after each request. Gives all of them."""
    everything = []
    with both(address, classes) as (theirs, ours):
        for line in conversation.split(";"):
            words = shlex.split(line)
            heard, expected = ours.events(words), theirs.events(words)
            assert heard == expected, f"{line}\n  Airwave: {heard}\n  Redis:   {expected}"
            everything += expected
    return everything


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=[line[len(HEAD) + 1 :][:100] for line in CONVERSATIONS])
def test_events_are_those_of_redis(redis_address: Address, conversation: str) -> None:
    assert compare(redis_address, conversation, "KEAnm")


@pytest.mark.parametrize("classes", CLASSES)
def test_classes_choose_among_events(redis_address: Address, classes: str) -> None:
    some = [
        HEAD,
        *(line.removeprefix(HEAD + ";") for line in CONVERSATIONS if "MULTI" not in line and "XREAD " not in line),
    ]
    messages = compare(redis_address, ";".join(line for line in some if "SELECT" not in line), classes)
    assert bool(messages) == (classes not in ("A", "K", "m", "Kl", "KEshzled"))


def test_nothing_is_sent_unless_asked_for(redis_address: Address) -> None:
    assert compare(redis_address, CONVERSATIONS[0], "") == []


def test_key_and_event_stand_in_each_others_place(peers, protocol):
    alice, bob = peers(2, protocol)
    bob.do("CONFIG SET notify-keyspace-events KEA", "OK")
    alice.do("PSUBSCRIBE __key*__:*", ["psubscribe", "__key*__:*", 1])
    bob.do("SELECT 3", "OK")
    bob.do("XADD s 1-1 a 1", "1-1")
    alice.gets(
        ["pmessage", "__key*__:*", "__keyspace@3__:s", "xadd"], ["pmessage", "__key*__:*", "__keyevent@3__:xadd", "s"]
    )


def test_a_key_that_nobody_asks_for_expires_all_the_same(peers, protocol):
    alice, bob = peers(2, protocol)
    bob.do("CONFIG SET notify-keyspace-events Ex", "OK")
    alice.do("SUBSCRIBE __keyevent@0__:expired", ["subscribe", "__keyevent@0__:expired", 1])
    bob.do("SET k x PX 20", "OK")
    for part in getattr(bob, "peers", [bob]):
        if hasattr(part, "node"):
            part.node.advance(1)
    alice.gets(["message", "__keyevent@0__:expired", "k"])
    bob.do("DBSIZE", 0)


@pytest.mark.unlike_redis_7_0("7.0 lets each command choose the order; 7.2 and later hold pushes back until the reply")
def test_who_writes_gets_the_reply_before_its_own_event(peers):
    (alice,) = peers(1, 3)
    alice.do("CONFIG SET notify-keyspace-events Kt", "OK")
    alice.do("SUBSCRIBE __keyspace@0__:s", ["subscribe", "__keyspace@0__:s", 1])
    alice.do("XADD s 1-1 a 1", "1-1", ["message", "__keyspace@0__:s", "xadd"])
    alice.do("XDEL s 1-1", 1, ["message", "__keyspace@0__:s", "xdel"])


@pytest.mark.parametrize(
    ("classes", "shown"),
    [("KEA", "AKE"), ("g$lshzxetd", "A"), ("AK", "AK"), ("", ""), ("Kg$", "g$K"), ("mnKE", "KEmn"), ("Am", "Am")],
)
def test_classes_are_shown_in_one_form(peers, classes, shown):
    (alice,) = peers(1)
    alice.do(["CONFIG", "SET", "notify-keyspace-events", classes], "OK")
    alice.do("CONFIG GET notify-keyspace-events", lambda reply: sorted(reply[1]) == sorted(shown))


@pytest.mark.parametrize("classes", ["Q", "KEAq", "1", "K E"])
def test_there_are_no_other_classes(peers, classes):
    (alice,) = peers(1)
    alice.do(
        ["CONFIG", "SET", "notify-keyspace-events", classes],
        lambda reply: isinstance(reply, Error) and "notify-keyspace-events" in str(reply),
    )
    alice.do("CONFIG GET notify-keyspace-events", ["notify-keyspace-events", ""])


def test_a_node_may_start_with_them() -> None:
    node = Node(("notify-keyspace-events", "KEA"))
    listener, writer = node.peer(), node.peer("127.0.0.1:50002")
    listener.do("PSUBSCRIBE *", ["psubscribe", "*", 1])
    writer.do("SET k x", "OK")
    listener.gets(["pmessage", "*", "__keyspace@0__:k", "set"], ["pmessage", "*", "__keyevent@0__:set", "k"])
