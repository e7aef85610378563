"""CLIENT: clients about themselves and about each other; CLIENT REPLY and CLIENT PAUSE."""

import pytest
from peers import Error, fields, packed

SYNTAX = Error("ERR syntax error")
NO_SUCH = Error("ERR No such client")


def names(text):
    """The names of the clients in a CLIENT LIST, without those that have none."""
    lines = text.removeprefix("txt:").splitlines()
    found = [dict(pair.split("=", 1) for pair in line.split())["name"] for line in lines]
    return {name for name in found if name}


def named(make, *wanted, protocol=2):
    made = make(len(wanted), protocol)
    for peer, name in zip(made, wanted, strict=True):
        peer.do(f"CLIENT SETNAME {name}", "OK")
    return made


# --- about oneself ----------------------------------------------------------------------------------------------------


def test_ids_grow(peers):
    alice, bob = peers(2)
    seen = []
    for peer in (alice, bob):
        peer.do("CLIENT ID", lambda number: seen.append(number) or isinstance(number, int))
        peer.do("client id", lambda number: number in seen)
    half = len(seen) // 2
    assert all(first < second for first, second in zip(seen[:half], seen[half:], strict=True))


def test_names(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("CLIENT GETNAME", None)
    alice.do("CLIENT SETNAME alice", "OK")
    alice.do("CLIENT GETNAME", "alice")
    refused = Error("ERR Client names cannot contain spaces, newlines or special characters.")
    for name in ("a b", "a\n", "\x00", "é", "\x7f"):
        alice.do(["CLIENT", "SETNAME", name.encode()], refused)
    alice.do(["CLIENT", "SETNAME", "!~"], "OK")
    alice.do("CLIENT GETNAME", "!~")
    alice.do(["CLIENT", "SETNAME", ""], "OK")
    alice.do("CLIENT GETNAME", None)


def test_info_tells_about_oneself(peers, protocol):
    (alice,) = named(peers, "alice", protocol=protocol)
    alice.do("SELECT 3", "OK")
    alice.do("CLIENT INFO", fields(name="alice", db=3, sub=0, psub=0, multi=-1, resp=protocol, cmd="client|info"))
    alice.do("CLIENT INFO", fields(user="default", redir=-1, oll=0, omem=0))


def test_list_counts_subscriptions(peers):
    alice, bob = named(peers, "alice", "bob", protocol=3)
    alice.do("SUBSCRIBE a b", ["subscribe", "a", 1], ["subscribe", "b", 2])
    alice.do("PSUBSCRIBE p*", ["psubscribe", "p*", 3])
    alice.do(
        "CLIENT INFO", lambda text: fields(sub=2, psub=1, name="alice")(text) and "P" in text.split("flags=")[1][:3]
    )
    bob.do(
        "CLIENT INFO", lambda text: fields(sub=0, psub=0, name="bob")(text) and "P" not in text.split("flags=")[1][:3]
    )


@pytest.mark.unlike_redis_7_0(reason="CLIENT SETINFO, NO-TOUCH and ssub= are of 7.2")
def test_what_newer_clients_tell(peers):
    (alice,) = peers(1, 3)
    alice.do("CLIENT SETINFO LIB-NAME redis-py", "OK")
    alice.do("CLIENT SETINFO lib-ver 8.1", "OK")
    alice.do("CLIENT SETINFO nosuch x", Error("ERR Unrecognized option 'nosuch'"))
    for value in ("a b", "a\n"):
        text = "ERR lib-name cannot contain spaces, newlines or special characters."
        alice.do(["CLIENT", "SETINFO", "LIB-NAME", value], Error(text))
    alice.do("SSUBSCRIBE s", ["ssubscribe", "s", 1])
    alice.do("CLIENT NO-TOUCH ON", "OK")
    alice.do("CLIENT INFO", fields(lib_name="redis-py", lib_ver="8.1", ssub=1))
    alice.do("CLIENT NO-TOUCH OFF", "OK")
    alice.do("CLIENT NO-TOUCH x", SYNTAX)
    alice.do(["CLIENT", "SETINFO", "LIB-NAME", ""], "OK")
    alice.do("CLIENT INFO", fields(lib_name=""))


def test_no_evict(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("CLIENT NO-EVICT ON", "OK")
    alice.do("CLIENT INFO", lambda text: "e" in text.split("flags=")[1].split()[0])
    alice.do("CLIENT NO-EVICT off", "OK")
    alice.do("CLIENT INFO", lambda text: "e" not in text.split("flags=")[1].split()[0])
    alice.do("CLIENT NO-EVICT maybe", SYNTAX)


def test_small_ones(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("CLIENT GETREDIR", -1)
    alice.do("CLIENT UNBLOCK 999999", 0)
    alice.do("CLIENT UNBLOCK 999999 TIMEOUT", 0)
    alice.do("CLIENT UNBLOCK 999999 error", 0)
    alice.do("CLIENT UNBLOCK 1 x", Error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"))
    alice.do("CLIENT UNBLOCK x", Error("ERR value is not an integer or out of range"))
    alice.do("CLIENT HELP", lambda lines: lines[0].startswith("CLIENT <subcommand>") and lines[-2] == "HELP")


# --- LIST and KILL ----------------------------------------------------------------------------------------------------


def test_list_and_its_filters(peers, protocol):
    alice, bob, carol = named(peers, "alice", "bob", "carol", protocol=protocol)
    ids = alice.id, carol.id
    bob.do("PSUBSCRIBE x", ["psubscribe", "x", 1])
    alice.do("CLIENT LIST", lambda text: names(text) == {"alice", "bob", "carol"})
    alice.do("CLIENT LIST TYPE pubsub", lambda text: names(text) == {"bob"})
    alice.do("CLIENT LIST type NORMAL", lambda text: names(text) == {"alice", "carol"})
    alice.do("CLIENT LIST TYPE master", lambda text: names(text) == set())
    alice.do("CLIENT LIST TYPE replica", lambda text: names(text) == set())
    alice.do(["CLIENT", "LIST", "ID", *ids, "999999"], lambda text: names(text) == {"alice", "carol"})
    alice.do(["CLIENT", "LIST", "ID", ids[1]], lambda text: names(text) == {"carol"})
    alice.do("CLIENT LIST ID 999999", lambda text: names(text) == set())
    alice.do("CLIENT LIST ID x", Error("ERR Invalid client ID"))
    alice.do("CLIENT LIST TYPE x", Error("ERR Unknown client type 'x'"))
    for line in ("CLIENT LIST x", "CLIENT LIST TYPE", "CLIENT LIST ID", "CLIENT LIST TYPE normal x"):
        alice.do(line, SYNTAX)


def test_kill_by_id(peers, protocol):
    alice, bob = named(peers, "alice", "bob", protocol=protocol)
    alice.do(["CLIENT", "KILL", "ID", bob.id], 1)
    bob.closed()
    alice.do("CLIENT LIST", lambda text: names(text) == {"alice"})
    alice.do("CLIENT KILL ID 999999", 0)
    alice.do("CLIENT KILL ID 0", Error("ERR client-id should be greater than 0"))
    alice.do("CLIENT KILL ID x", Error("ERR client-id should be greater than 0"))


@pytest.mark.unlike_redis_7_0(reason="it listens on a Unix socket here, where all clients have the same address")
def test_kill_by_address(peers):
    alice, bob, carol = named(peers, "alice", "bob", "carol")
    alice.do(["CLIENT", "KILL", bob.field("addr")], "OK")
    bob.closed()
    alice.do(["CLIENT", "KILL", "ADDR", carol.field("addr"), "TYPE", "normal"], 1)
    carol.closed()
    alice.do("CLIENT KILL 127.0.0.1:1", NO_SUCH)
    alice.do(["CLIENT", "KILL", "LADDR", "127.0.0.1:1"], 0)
    alice.do(["CLIENT", "KILL", alice.field("addr")], "OK")
    alice.closed()


def test_kill_filters_must_all_fit(peers):
    alice, bob, carol = named(peers, "alice", "bob", "carol")
    bob.do("SUBSCRIBE a", ["subscribe", "a", 1])
    alice.do(["CLIENT", "KILL", "TYPE", "pubsub", "ID", carol.id], 0)
    alice.do(["CLIENT", "KILL", "TYPE", "normal", "ID", carol.id, "USER", "default"], 1)
    carol.closed()
    alice.do("CLIENT KILL TYPE pubsub", 1)
    bob.closed()
    for kind in ("master", "replica", "slave"):
        alice.do(f"CLIENT KILL TYPE {kind}", 0)
    alice.do("CLIENT KILL TYPE x", Error("ERR Unknown client type 'x'"))
    alice.do("CLIENT KILL USER nobody", Error("ERR No such user 'nobody'"))
    for line in ("CLIENT KILL ID 1 ID", "CLIENT KILL SKIPME x", "CLIENT KILL nosuch x"):
        alice.do(line, SYNTAX)


def test_kill_skips_oneself_unless_told(peers, protocol):
    (alice,) = peers(1, protocol)
    number = alice.id
    alice.do(["CLIENT", "KILL", "ID", number], 0)
    alice.do(["CLIENT", "KILL", "ID", number, "SKIPME", "yes"], 0)
    alice.do(["CLIENT", "KILL", "ID", number, "SKIPME", "no"], 1)  # it still gets the reply
    alice.closed()


def test_who_is_killed_hears_nothing_of_what_came_meanwhile(peers):
    alice, bob = peers(2)
    bob.do("SUBSCRIBE a", ["subscribe", "a", 1])
    alice.sends(packed("CLIENT KILL TYPE pubsub") + packed("PUBLISH a x"))
    alice.gets(1, 0)
    bob.closed()


# --- REPLY ------------------------------------------------------------------------------------------------------------


def test_reply_off_until_on(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("CLIENT REPLY OFF")
    for line in (
        "PING",
        "NOSUCH",
        "ECHO",
        "CLIENT REPLY x",
        "CLIENT REPLY SKIP",
        "CLIENT REPLY OFF",
        "PING a b",
        "PING",
    ):
        alice.asks(line)
    alice.do("CLIENT REPLY ON", "OK")
    alice.do("PING", "PONG")
    alice.do("client reply on", "OK")


def test_reply_skip_the_next(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("CLIENT REPLY SKIP")
    alice.do("ECHO skipped")
    alice.do("ECHO a", "a")
    alice.do("CLIENT REPLY SKIP")
    alice.do("NOSUCH")
    alice.do("ECHO b", "b")
    alice.do("CLIENT REPLY SKIP")
    alice.do("ECHO")
    alice.do("ECHO c", "c")
    alice.do("CLIENT REPLY SKIP")
    alice.do("client reply skip")
    alice.do("ECHO skipped")
    alice.do("ECHO d", "d")
    alice.do("CLIENT REPLY SKIP")
    alice.do("CLIENT REPLY ON", "OK")
    alice.do("CLIENT REPLY SKIP")
    alice.do("CLIENT REPLY OFF")
    alice.do("ECHO skipped")
    alice.do("CLIENT REPLY ON", "OK")


def test_reply_errors(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("CLIENT REPLY", Error("ERR wrong number of arguments for 'client|reply' command"))
    alice.do("CLIENT REPLY maybe", SYNTAX)
    alice.do("CLIENT REPLY ON x", Error("ERR wrong number of arguments for 'client|reply' command"))


def test_messages_and_confirmations_come_with_replies_off(peers):
    alice, bob = peers(2, 3)
    alice.do("CLIENT REPLY OFF")
    alice.do("SUBSCRIBE a b", ["subscribe", "a", 1], ["subscribe", "b", 2])
    alice.do("UNSUBSCRIBE b", ["unsubscribe", "b", 1])
    alice.asks("ECHO x")
    bob.do("PUBLISH a x", 1)
    alice.gets(["message", "a", "x"])
    alice.do("PUBLISH a y", ["message", "a", "y"])
    alice.do("CLIENT REPLY ON", "OK")


def test_a_resp2_subscriber_with_replies_off(peers):
    alice, bob = peers(2)
    alice.do("CLIENT REPLY SKIP")
    alice.do("SUBSCRIBE a", ["subscribe", "a", 1])
    alice.do("PING x", ["pong", "x"])
    alice.do("UNSUBSCRIBE a", ["unsubscribe", "a", 0])
    alice.do("CLIENT REPLY OFF")
    alice.do("PSUBSCRIBE a", ["psubscribe", "a", 1])
    alice.asks("ECHO refused")
    bob.do("PUBLISH a y", 1)
    alice.gets(["pmessage", "a", "a", "y"])
    alice.do("RESET", "RESET")  # turns replies on
    alice.do("PING", "PONG")


def test_a_transaction_with_replies_off(peers, protocol):
    alice, bob = peers(2, protocol)
    bob.do("SUBSCRIBE a", ["subscribe", "a", 1])
    alice.do("CLIENT REPLY OFF")
    for line in ("MULTI", "PUBLISH a x", "EXEC"):
        alice.asks(line)
    alice.do("CLIENT REPLY ON", "OK")
    bob.gets(["message", "a", "x"])


@pytest.mark.core_only(reason="redis-server 7.0 keeps a client with replies off that says QUIT")
def test_quit_with_replies_off(peers):
    (alice,) = peers(1)
    alice.do("CLIENT REPLY OFF")
    alice.asks("QUIT")
    alice.closed()


# --- PAUSE ------------------------------------------------------------------------------------------------------------

LONG = 1_000_000_000  # ms


def test_pause_errors(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("CLIENT PAUSE", Error("ERR wrong number of arguments for 'client|pause' command"))
    alice.do("CLIENT PAUSE x", Error("ERR timeout is not an integer or out of range"))
    alice.do("CLIENT PAUSE -1", Error("ERR timeout is negative"))
    alice.do("CLIENT PAUSE 10 x", Error("ERR CLIENT PAUSE mode must be WRITE or ALL"))
    alice.do("CLIENT UNPAUSE", "OK")
    alice.do("CLIENT UNPAUSE x", Error("ERR wrong number of arguments for 'client|unpause' command"))


def test_pause_write_holds_back_what_publishes(peers, protocol):
    alice, bob, carol = peers(3, protocol)
    carol.do("SUBSCRIBE a", ["subscribe", "a", 1])
    alice.do(f"CLIENT PAUSE {LONG} WRITE", "OK")
    alice.do("PING", "PONG")
    bob.sends(b"".join(map(packed, ("ECHO 1", "PUBLISH a x", "ECHO 2", "PUBLISH a y"))))
    bob.gets("1")
    alice.do("PUBSUB NUMSUB a", ["a", 1])
    carol.gets_nothing()
    alice.do("CLIENT UNPAUSE", "OK")
    bob.gets(1, "2", 1)
    carol.gets(["message", "a", "x"], ["message", "a", "y"])


def test_pause_write_holds_back_a_transaction_that_publishes(peers, protocol):
    alice, bob, carol = peers(3, protocol)
    alice.do(f"CLIENT PAUSE {LONG} write", "OK")
    bob.do("MULTI", "OK")
    bob.do("PING", "QUEUED")
    bob.do("EXEC", ["PONG"])
    carol.do("MULTI", "OK")
    carol.sends(packed("FLUSHALL") + packed("EXEC") + packed("ECHO x"))
    alice.do("PING", "PONG")
    alice.do("CLIENT UNPAUSE", "OK")
    carol.gets("QUEUED", ["OK"], "x")


def test_several_clients_wait_and_go_on_in_order(peers):
    alice, bob, carol, dave = peers(4)
    alice.do("SUBSCRIBE a", ["subscribe", "a", 1])
    dave.do(f"CLIENT PAUSE {LONG} WRITE", "OK")
    for name, peer in (("bob", bob), ("carol", carol)):
        for number in range(3):
            peer.sends(packed(f"PUBLISH a {name}-{number}") + packed(f"ECHO {number}"))
        dave.do("PING", "PONG")
    dave.do("CLIENT UNPAUSE", "OK")
    for peer in (bob, carol):
        peer.gets(1, "0", 1, "1", 1, "2")
    alice.gets(*[["message", "a", f"{name}-{number}"] for name in ("bob", "carol") for number in range(3)])


def test_a_short_pause_of_everything(peers, protocol):
    alice, bob = peers(2, protocol)
    alice.do("CLIENT PAUSE 1", "OK")
    for peer in (alice, bob):
        peer.sends(packed("ECHO 1") + packed("ECHO 2"))
        if hasattr(peer, "node"):
            peer.node.advance(0.01)
        for side in getattr(peer, "peers", ()):
            if hasattr(side, "node"):
                side.node.advance(0.01)
    for peer in (alice, bob):
        peer.gets("1", "2")


def test_pause_of_everything_ends_when_its_time_is_over(node, alice):
    bob = node.peer("127.0.0.1:2")
    assert alice.raw("CLIENT PAUSE 1000 ALL") == b"+OK\r\n"
    assert bob.raw("PING") == b""
    bob.asks("ECHO x")
    bob.sends(b"PI")
    node.advance(0.999)
    assert bob.reads() == b""
    assert node.broker.held == [bob.session]
    bob.sends(b"NG\r\n")
    node.advance(0.001)
    assert bob.reads() == b"+PONG\r\n$1\r\nx\r\n+PONG\r\n"
    assert alice.raw("PING") == b"+PONG\r\n"


def test_a_pause_only_becomes_longer_and_stricter(node, alice):
    bob = node.peer("127.0.0.1:2")
    alice.raw("CLIENT PAUSE 5000 WRITE")
    alice.raw("CLIENT PAUSE 1000 WRITE")
    node.advance(2)
    assert bob.raw("PUBLISH a x") == b""
    alice.raw("CLIENT PAUSE 1000 ALL")
    assert alice.raw("PING") == b""
    node.advance(2.999)
    assert alice.reads() == bob.reads() == b""
    node.advance(0.001)
    assert alice.reads() == b"+PONG\r\n"
    assert bob.reads() == b":0\r\n"


def test_a_newcomer_is_paused_as_well(node, alice):
    alice.raw("CLIENT PAUSE 1000 ALL")
    bob = node.peer("127.0.0.1:2")
    assert bob.raw("PING") == b""
    node.advance(1)
    assert bob.reads() == b"+PONG\r\n"


def test_messages_come_during_a_pause(node, alice):
    bob = node.peer("127.0.0.1:2")
    alice.raw("SUBSCRIBE a")
    bob.sends(packed("PUBLISH a x") + packed("CLIENT PAUSE 1000 ALL") + packed("PUBLISH a y"))
    assert alice.reads() == b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"
    node.advance(1)
    assert alice.reads() == b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\ny\r\n"


def test_a_reply_to_be_skipped_is_skipped_after_a_pause(node, alice):
    bob = node.peer("127.0.0.1:2")
    bob.raw("CLIENT REPLY SKIP")
    alice.raw("CLIENT PAUSE 1000 ALL")
    bob.sends(packed("ECHO skipped") + packed("ECHO x"))
    node.advance(1)
    assert bob.reads() == b"$1\r\nx\r\n"


def test_a_client_that_goes_during_a_pause_is_forgotten(node, alice):
    bob = node.peer("127.0.0.1:2")
    alice.raw("CLIENT PAUSE 1000 WRITE")
    bob.raw("PUBLISH a x")
    bob.close()
    assert node.broker.held == []
    alice.raw("CLIENT UNPAUSE")
    node.settle()


def test_what_is_sent_during_a_pause_has_a_bound(node, alice):
    node.host.quiet = False
    bob = node.peer("127.0.0.1:2")
    node.broker.limits.buffer_max = 1000
    alice.raw("CLIENT PAUSE 1000 ALL")
    for _ in range(30):
        bob.asks(["ECHO", "x" * 50])
    bob.closed()
    assert node.broker.stats.query_buffer_disconnections == 1
    node.advance(1)
    assert alice.raw("PING") == b"+PONG\r\n"
