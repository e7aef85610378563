"""Conversations of subscribers and publishers. On redis-server each is, byte for byte, what Redis says."""

import pytest
from peers import Error

SUBSCRIBES = [("SUBSCRIBE", "UNSUBSCRIBE"), ("PSUBSCRIBE", "PUNSUBSCRIBE"), ("SSUBSCRIBE", "SUNSUBSCRIBE")]


def refused(command: str) -> Error:
    return Error(
        f"ERR Can't execute '{command}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
        "are allowed in this context"
    )


# --- messages ---------------------------------------------------------------------------------------------------------


def test_publish_reaches_every_subscriber_in_order(peers, protocol):
    alice, carol, bob = peers(3, protocol)
    alice.do("SUBSCRIBE news", ["subscribe", "news", 1])
    carol.do("SUBSCRIBE other news", ["subscribe", "other", 1], ["subscribe", "news", 2])
    bob.do("PUBLISH news hi", 2)
    bob.do("PUBLISH other x", 1)
    bob.do("PUBLISH news again", 2)
    alice.gets(["message", "news", "hi"], ["message", "news", "again"])
    carol.gets(["message", "news", "hi"], ["message", "other", "x"], ["message", "news", "again"])
    for peer in (alice, carol, bob):
        peer.gets_nothing()


def test_publish_to_nobody_counts_nobody(peers):
    (alice,) = peers(1)
    alice.do("PUBLISH news hi", 0)
    alice.do("SPUBLISH news hi", 0)


def test_frames_are_arrays_in_resp2_and_pushes_in_resp3(peers):
    (bob,) = peers(1)
    for protocol, mark, null in ((2, b"*", b"$-1"), (3, b">", b"_")):
        (alice,) = peers(1, protocol)
        alice.asks("SUBSCRIBE a")
        alice.gets_bytes(mark + b"3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n")
        alice.asks("PSUBSCRIBE a*")
        alice.gets_bytes(mark + b"3\r\n$10\r\npsubscribe\r\n$2\r\na*\r\n:2\r\n")
        alice.asks("SSUBSCRIBE a")
        alice.gets_bytes(mark + b"3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n")
        bob.do("PUBLISH a x", 2)
        bob.do("SPUBLISH a y", 1)
        alice.gets_bytes(mark + b"3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n")
        alice.gets_bytes(mark + b"4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$1\r\na\r\n$1\r\nx\r\n")
        alice.gets_bytes(mark + b"3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\ny\r\n")
        alice.asks("UNSUBSCRIBE")
        alice.gets_bytes(mark + b"3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n")
        alice.asks("UNSUBSCRIBE")
        alice.gets_bytes(mark + b"3\r\n$11\r\nunsubscribe\r\n" + null + b"\r\n:1\r\n")
        alice.asks("PUNSUBSCRIBE a*")
        alice.gets_bytes(mark + b"3\r\n$12\r\npunsubscribe\r\n$2\r\na*\r\n:0\r\n")
        alice.asks("SUNSUBSCRIBE")
        alice.gets_bytes(mark + b"3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n")


@pytest.mark.parametrize("size", [0, 1, 16 * 1024, 3_000_000])
def test_payloads_and_names_are_bytes(peers, protocol, size):
    alice, bob = peers(2, protocol)
    channel = b"\x00\xff\r\n$1\r\n*"
    payload = (b"\r\n*3\r\n$1\r\n\x00\xfe>" * (size // 14 + 1))[:size]
    mark = b"*" if protocol == 2 else b">"
    alice.asks(["SUBSCRIBE", channel])
    alice.gets_bytes(mark + b"3\r\n$9\r\nsubscribe\r\n$%d\r\n%b\r\n:1\r\n" % (len(channel), channel))
    bob.do(["PUBLISH", channel, payload], 1)
    alice.gets_bytes(
        mark + b"3\r\n$7\r\nmessage\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(channel), channel, len(payload), payload)
    )
    alice.gets_nothing()


def test_a_client_gets_a_message_once_for_each_subscription_that_matches(peers, protocol):
    alice, bob = peers(2, protocol)
    alice.do("SUBSCRIBE news.tech", ["subscribe", "news.tech", 1])
    alice.do("PSUBSCRIBE news.*", ["psubscribe", "news.*", 2])
    alice.do("SUBSCRIBE news.tech", ["subscribe", "news.tech", 2])
    alice.do("PSUBSCRIBE news.*", ["psubscribe", "news.*", 2])
    bob.do("PUBLISH news.tech x", 2)
    alice.gets(["message", "news.tech", "x"], ["pmessage", "news.*", "news.tech", "x"])
    bob.do("PUBLISH news.art y", 1)
    alice.gets(["pmessage", "news.*", "news.art", "y"])
    bob.do("PUBLISH news z", 0)
    alice.gets_nothing()


def test_several_patterns_of_one_client_each_get_the_message(peers, protocol):
    alice, bob = peers(2, protocol)
    patterns = ["*", "n*", "n?ws", "[m-o]ews", "news"]
    for count, pattern in enumerate(patterns, 1):
        alice.do(["PSUBSCRIBE", pattern], ["psubscribe", pattern, count])
    bob.do("PUBLISH news x", 5)
    bob.do("PUBLISH nose x", 2)
    frames = []
    for _ in range(7):  # in no particular order: Redis keeps patterns in a hash table
        alice.gets(lambda frame: frames.append(frame) or True)
    alice.gets_nothing()
    for pattern in patterns:
        assert ["pmessage", pattern, "news", "x"] in frames
    for pattern in patterns[:2]:
        assert ["pmessage", pattern, "nose", "x"] in frames


def test_a_duplicate_in_one_command_is_confirmed_twice_and_heard_once(peers, protocol):
    alice, bob = peers(2, protocol)
    alice.do("SUBSCRIBE a a b", ["subscribe", "a", 1], ["subscribe", "a", 1], ["subscribe", "b", 2])
    bob.do("PUBLISH a x", 1)
    alice.gets(["message", "a", "x"])
    alice.do("UNSUBSCRIBE a a", ["unsubscribe", "a", 1], ["unsubscribe", "a", 1])
    bob.do("PUBLISH a x", 0)
    alice.gets_nothing()


@pytest.mark.unlike_redis_7_0(reason="7.0 sends the push before the reply; since 7.2 the reply comes first")
@pytest.mark.parametrize(
    ("subscribe", "publish", "message"),
    [
        ("SUBSCRIBE a", "PUBLISH a x", [["message", "a", "x"]]),
        ("PSUBSCRIBE a", "PUBLISH a x", [["pmessage", "a", "a", "x"]]),
        ("SSUBSCRIBE a", "SPUBLISH a x", [["smessage", "a", "x"]]),
    ],
)
def test_who_publishes_to_itself_gets_the_reply_first(peers, subscribe, publish, message):
    alice, bob = peers(2, 3)
    alice.do(subscribe, lambda frame: frame[2] == 1)
    bob.do(publish, 1)
    alice.do(publish, *message, 1, *message)  # what was there before comes before
    alice.sends(b"PING\r\nECHO 1\r\n%b\r\nECHO 2\r\n" % publish.encode())
    alice.gets("PONG", "1", 1, *message, "2")


@pytest.mark.unlike_redis_7_0(reason="7.0 sends the push before the reply; since 7.2 the reply comes first")
def test_who_publishes_to_itself_in_a_transaction_gets_the_whole_reply_first(peers):
    (alice,) = peers(1, 3)
    alice.do("SUBSCRIBE a", ["subscribe", "a", 1])
    alice.do("MULTI", "OK")
    alice.do("PUBLISH a x", "QUEUED")
    alice.do("PING", "QUEUED")
    alice.do("PUBLISH a y", "QUEUED")
    alice.do("EXEC", [1, "PONG", 1], ["message", "a", "x"], ["message", "a", "y"])
    alice.gets_nothing()


# --- counts -----------------------------------------------------------------------------------------------------------


def test_counts_add_channels_and_patterns_but_not_shard_channels(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("SUBSCRIBE a b", ["subscribe", "a", 1], ["subscribe", "b", 2])
    alice.do("SSUBSCRIBE a s", ["ssubscribe", "a", 1], ["ssubscribe", "s", 2])
    alice.do("PSUBSCRIBE p* q*", ["psubscribe", "p*", 3], ["psubscribe", "q*", 4])
    alice.do("UNSUBSCRIBE a nosuch", ["unsubscribe", "a", 3], ["unsubscribe", "nosuch", 3])
    alice.do("SUNSUBSCRIBE s nosuch", ["sunsubscribe", "s", 1], ["sunsubscribe", "nosuch", 1])
    alice.do("PUNSUBSCRIBE p* nosuch", ["punsubscribe", "p*", 2], ["punsubscribe", "nosuch", 2])
    alice.do("UNSUBSCRIBE b", ["unsubscribe", "b", 1])
    alice.do("PUNSUBSCRIBE", ["punsubscribe", "q*", 0])
    alice.do("SUNSUBSCRIBE", ["sunsubscribe", "a", 0])


@pytest.mark.parametrize(("subscribe", "unsubscribe"), SUBSCRIBES)
def test_unsubscribing_without_arguments_drops_all(peers, protocol, subscribe, unsubscribe):
    alice, bob = peers(2, protocol)
    alice.do(
        f"{subscribe} a b c",
        [subscribe.lower(), "a", 1],
        [subscribe.lower(), "b", 2],
        [subscribe.lower(), "c", 3],
    )
    frames = []
    alice.asks(unsubscribe)
    for _ in range(3):  # in no particular order
        alice.gets(lambda frame: frames.append(frame) or True)
    assert {frame[0] for frame in frames} == {unsubscribe.lower()}
    assert {frame[1] for frame in frames} == {"a", "b", "c"}
    assert {frame[2] for frame in frames} == {2, 1, 0}
    alice.do(unsubscribe, [unsubscribe.lower(), None, 0])
    bob.do("PUBLISH a x", 0)
    bob.do("SPUBLISH a x", 0)
    alice.do("ECHO free", "free")


@pytest.mark.parametrize(("subscribe", "unsubscribe"), SUBSCRIBES)
def test_unsubscribing_from_what_one_does_not_have(peers, protocol, subscribe, unsubscribe):
    (alice,) = peers(1, protocol)
    alice.do(unsubscribe, [unsubscribe.lower(), None, 0])
    alice.do(f"{unsubscribe} x y", [unsubscribe.lower(), "x", 0], [unsubscribe.lower(), "y", 0])
    alice.do(f"{subscribe}", Error(f"ERR wrong number of arguments for '{subscribe.lower()}' command"))
    alice.do("ECHO free", "free")


def test_unsubscribing_without_arguments_tells_what_is_left(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("PSUBSCRIBE p", ["psubscribe", "p", 1])
    alice.do("SSUBSCRIBE s", ["ssubscribe", "s", 1])
    alice.do("UNSUBSCRIBE", ["unsubscribe", None, 1])
    alice.do("SUNSUBSCRIBE x", ["sunsubscribe", "x", 1])
    alice.do("SUNSUBSCRIBE", ["sunsubscribe", "s", 0])
    alice.do("SUNSUBSCRIBE", ["sunsubscribe", None, 0])
    alice.do("PUNSUBSCRIBE", ["punsubscribe", "p", 0])
    alice.do("PUNSUBSCRIBE", ["punsubscribe", None, 0])


# --- the state of a subscriber ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("subscribe", "unsubscribe"), SUBSCRIBES)
def test_a_resp2_subscriber_may_only_subscribe_ping_quit_and_reset(peers, subscribe, unsubscribe):
    (alice,) = peers(1)
    alice.do(f"{subscribe} a", [subscribe.lower(), "a", 1])
    for line, name in (
        ("PUBLISH a x", "publish"),
        ("SPUBLISH a x", "spublish"),
        ("ECHO x", "echo"),
        ("MULTI", "multi"),
        ("SELECT 1", "select"),
        ("HELLO 3", "hello"),
        ("AUTH x", "auth"),
        ("CLIENT ID", "client|id"),
        ("PUBSUB NUMPAT", "pubsub|numpat"),
        ("CONFIG GET x", "config|get"),
        ("INFO", "info"),
    ):
        alice.do(line, refused(name))
    alice.do("EXEC", Error(f"EXECABORT Transaction discarded because of: {str(refused('exec')).removeprefix('ERR ')}"))
    alice.do("NOSUCH", Error("ERR unknown command 'NOSUCH', with args beginning with: "))
    alice.do("CLIENT NOSUCH", Error("ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP."))
    alice.do("ECHO", Error("ERR wrong number of arguments for 'echo' command"))
    alice.do("PING", ["pong", ""])
    alice.do("ping hello", ["pong", "hello"])
    alice.do("PING a b", Error("ERR wrong number of arguments for 'ping' command"))
    alice.do("SUBSCRIBE s", lambda frame: frame[:2] == ["subscribe", "s"])
    alice.do("PSUBSCRIBE p", lambda frame: frame[:2] == ["psubscribe", "p"])
    alice.do("SSUBSCRIBE h", lambda frame: frame[:2] == ["ssubscribe", "h"])
    alice.do("UNSUBSCRIBE s", lambda frame: frame[:2] == ["unsubscribe", "s"])
    alice.do("PUNSUBSCRIBE p", lambda frame: frame[:2] == ["punsubscribe", "p"])
    alice.do("SUNSUBSCRIBE h", lambda frame: frame[:2] == ["sunsubscribe", "h"])
    alice.do("ECHO x", refused("echo"))
    alice.do(f"{unsubscribe} a", [unsubscribe.lower(), "a", 0])
    alice.do("ECHO free", "free")
    alice.do("PING", "PONG")
    alice.do("PING x", "x")


@pytest.mark.parametrize(("subscribe", "unsubscribe"), SUBSCRIBES)
def test_a_resp3_subscriber_may_do_anything(peers, subscribe, unsubscribe):
    alice, bob = peers(2, 3)
    alice.do(f"{subscribe} a", [subscribe.lower(), "a", 1])
    alice.do("PING", "PONG")
    alice.do("PING x", "x")
    alice.do("ECHO x", "x")
    alice.do("PUBLISH other x", 0)
    alice.do("MULTI", "OK")
    alice.do("ECHO x", "QUEUED")
    bob.do("PUBLISH a 1", 0 if subscribe == "SSUBSCRIBE" else 1)
    alice.do("EXEC", *([] if subscribe == "SSUBSCRIBE" else [lambda frame: frame[-1] == "1"]), ["x"])
    alice.do(f"{unsubscribe} a", [unsubscribe.lower(), "a", 0])


def test_hello_changes_the_format_of_messages_that_come_afterwards(peers):
    alice, bob = peers(2, 3)
    alice.do("SUBSCRIBE a", ["subscribe", "a", 1])
    alice.do("PSUBSCRIBE *", ["psubscribe", "*", 2])
    alice.do("SSUBSCRIBE s", ["ssubscribe", "s", 1])
    bob.do("PUBLISH a 1", 2)
    alice.gets_bytes(
        b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n>4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$1\r\n1\r\n"
    )
    alice.do("HELLO 2", lambda reply: reply[4:6] == ["proto", 2])
    bob.do("PUBLISH a 2", 2)
    bob.do("SPUBLISH s 3", 1)
    alice.gets_bytes(
        b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n2\r\n*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$1\r\n2\r\n"
    )
    alice.gets_bytes(b"*3\r\n$8\r\nsmessage\r\n$1\r\ns\r\n$1\r\n3\r\n")
    alice.do("ECHO x", refused("echo"))
    alice.do("UNSUBSCRIBE a", ["unsubscribe", "a", 1])
    bob.do("PUBLISH a 4", 1)
    alice.gets(["pmessage", "*", "a", "4"])


def test_a_channel_is_heard_in_both_formats_at_once(peers):
    (alice,), (bob,), (carol,) = peers(1, 2), peers(1, 3), peers(1, 3)
    for peer in (alice, bob):
        peer.do("SUBSCRIBE a", ["subscribe", "a", 1])
    carol.do("PUBLISH a x", 2)
    alice.gets_bytes(b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n")
    bob.gets_bytes(b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n")


@pytest.mark.parametrize("leave", ["RESET", "QUIT"])
def test_who_leaves_hears_no_more(peers, protocol, leave):
    alice, bob = peers(2, protocol)
    for line in ("SUBSCRIBE a", "PSUBSCRIBE *", "SSUBSCRIBE a"):
        alice.do(line, lambda frame: frame[2] >= 1)
    alice.do(leave, "OK" if leave == "QUIT" else "RESET")
    bob.do("PUBLISH a x", 0)
    bob.do("SPUBLISH a x", 0)
    bob.do("PUBSUB NUMPAT", 0)
    bob.do("PUBSUB CHANNELS", [])
    if leave == "QUIT":
        alice.closed()
    else:
        alice.do("ECHO free", "free")


def test_shard_channels_are_a_world_of_their_own(peers, protocol):
    alice, carol, bob = peers(3, protocol)
    alice.do("SSUBSCRIBE a", ["ssubscribe", "a", 1])
    carol.do("PSUBSCRIBE *", ["psubscribe", "*", 1])
    carol.do("SUBSCRIBE a", ["subscribe", "a", 2])
    bob.do("SPUBLISH a s", 1)
    bob.do("PUBLISH a x", 2)
    alice.gets(["smessage", "a", "s"])
    carol.gets(["message", "a", "x"], ["pmessage", "*", "a", "x"])
    alice.gets_nothing()
    carol.gets_nothing()


# --- transactions -----------------------------------------------------------------------------------------------------


def test_subscribing_in_a_transaction(peers, protocol):
    alice, bob = peers(2, protocol)
    alice.do("MULTI", "OK")
    alice.do("SUBSCRIBE a", "QUEUED")
    alice.do("ECHO x", "QUEUED")
    alice.do("PSUBSCRIBE p", "QUEUED")
    bob.do("PUBLISH a early", 0)
    mark = b"*" if protocol == 2 else b">"
    alice.asks("EXEC")
    alice.gets_bytes(
        b"*3\r\n"
        + (mark + b"3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n")
        + b"$1\r\nx\r\n"
        + (mark + b"3\r\n$10\r\npsubscribe\r\n$1\r\np\r\n:2\r\n")
    )
    bob.do("PUBLISH a x", 1)
    alice.gets(["message", "a", "x"])
    alice.do("ECHO x", refused("echo") if protocol == 2 else "x")


def test_publishing_in_a_transaction(peers, protocol):
    alice, bob = peers(2, protocol)
    alice.do("SUBSCRIBE a", ["subscribe", "a", 1])
    bob.do("MULTI", "OK")
    bob.do("PUBLISH a x", "QUEUED")
    bob.do("PUBLISH b x", "QUEUED")
    alice.gets_nothing()
    bob.do("EXEC", [1, 0])
    alice.gets(["message", "a", "x"])


# --- PUBSUB -----------------------------------------------------------------------------------------------------------


def test_pubsub_counts(peers, protocol):
    alice, carol, bob = peers(3, protocol)
    bob.do("PUBSUB NUMSUB", [])
    bob.do("PUBSUB SHARDNUMSUB", [])
    bob.do("PUBSUB NUMPAT", 0)
    alice.do("SUBSCRIBE a", ["subscribe", "a", 1])
    alice.do("PSUBSCRIBE * x*", ["psubscribe", "*", 2], ["psubscribe", "x*", 3])
    alice.do("SSUBSCRIBE s", ["ssubscribe", "s", 1])
    carol.do("SUBSCRIBE a b", ["subscribe", "a", 1], ["subscribe", "b", 2])
    carol.do("PSUBSCRIBE *", ["psubscribe", "*", 3])
    bob.do("PUBSUB NUMSUB a b s nosuch a", ["a", 2, "b", 1, "s", 0, "nosuch", 0, "a", 2])
    bob.do("PUBSUB SHARDNUMSUB s a", ["s", 1, "a", 0])
    bob.do("PUBSUB NUMPAT", 2)
    carol.do("PUNSUBSCRIBE", ["punsubscribe", "*", 2])
    bob.do("PUBSUB NUMPAT", 2)
    alice.do("PUNSUBSCRIBE *", ["punsubscribe", "*", 2])
    bob.do("PUBSUB NUMPAT", 1)


def test_numsub_is_flat_in_both_protocols(peers, protocol):
    (bob,) = peers(1, protocol)
    bob.asks("PUBSUB NUMSUB a b")
    bob.gets_bytes(b"*4\r\n$1\r\na\r\n:0\r\n$1\r\nb\r\n:0\r\n")


def test_pubsub_channels_lists_what_somebody_named(peers, protocol):
    alice, bob = peers(2, protocol)
    bob.do("PUBSUB CHANNELS", [])
    alice.do("SUBSCRIBE a1 a2 b", *[["subscribe", name, count] for count, name in enumerate(("a1", "a2", "b"), 1)])
    alice.do("PSUBSCRIBE p*", ["psubscribe", "p*", 4])
    alice.do("SSUBSCRIBE s1", ["ssubscribe", "s1", 1])
    bob.do("PUBSUB CHANNELS", lambda names: sorted(names) == ["a1", "a2", "b"])
    bob.do("PUBSUB CHANNELS a*", lambda names: sorted(names) == ["a1", "a2"])
    bob.do("pubsub channels B", [])
    bob.do("PUBSUB CHANNELS b", ["b"])
    bob.do("PUBSUB CHANNELS p*", [])
    bob.do("PUBSUB SHARDCHANNELS", ["s1"])
    bob.do("PUBSUB SHARDCHANNELS a*", [])
    alice.do("UNSUBSCRIBE b", ["unsubscribe", "b", 3])
    bob.do("PUBSUB CHANNELS b", [])


def test_pubsub_help(peers, protocol):
    (bob,) = peers(1, protocol)
    bob.do("PUBSUB HELP", lambda lines: lines[0].startswith("PUBSUB <subcommand>") and lines[-2] == "HELP")


def test_a_client_that_hangs_up_is_no_subscriber(peers, protocol):
    alice, bob = peers(2, protocol)
    alice.do("SUBSCRIBE a", ["subscribe", "a", 1])
    alice.do("PSUBSCRIBE *", ["psubscribe", "*", 2])
    bob.do(["CLIENT", "KILL", "TYPE", "pubsub"], 1)
    alice.closed()
    bob.do("PUBLISH a x", 0)
    bob.do("PUBSUB NUMPAT", 0)
