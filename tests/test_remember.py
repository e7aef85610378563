"""Channels that remember: what PUBLISH adds, limits take away, a failed commit takes back, and what is replayed."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory import Disk, MemoryPeer, Node
from peers import parsed

from airwave.remember import message_of
from airwave.settings import ConfigSetError
from airwave.streams import ids as entry_ids

MISCONF = b"-MISCONF Errors writing to the AOF file: No space left on device\r\n"


def remembering(*rules: str, journal: Disk | None = None) -> Node:
    return Node(*[("remember", rule) for rule in rules], journal=journal)


def texts(peer: MemoryPeer, channel: str) -> list[bytes]:
    return [fields[1] for _, fields in peer.ask(f"XRANGE {channel} - +")]


def parsed_id(text: bytes) -> int:
    return entry_ids.parse(text)


# --- publishing -------------------------------------------------------------------------------------------------------


def test_a_message_is_an_entry_before_the_reply() -> None:
    node = remembering("news:*")
    alice, bob = node.peer(), node.peer()
    alice.ask("SUBSCRIBE news:1")
    assert bob.ask("PUBLISH news:1 hi") == 1
    alice.gets(["message", "news:1", "hi"])
    ((entry_id, fields),) = bob.ask("XRANGE news:1 - +")
    assert fields == [b"message", b"hi"]
    assert parsed_id(entry_id) >> 64 == node.host.wall_ms()
    assert bob.ask("PUBLISH other hi") == 0
    assert bob.ask("EXISTS other") == 0


@pytest.mark.parametrize("payload", [b"", b"x", b"\r\n$3\r\n", b"y" * 5000, bytes(range(256))])
def test_any_payload_comes_back_as_it_was(payload: bytes) -> None:
    node = remembering("a")
    alice = node.peer()
    alice.ask("PUBLISH", "a", payload)
    assert texts(alice, "a") == [payload]
    assert [message for _, _, message in node.broker.memory.replay([b"a"], [], 0, 10)] == [payload]


def test_streams_are_in_database_0_whatever_the_publisher_selected() -> None:
    node = remembering("a")
    alice = node.peer()
    alice.ask("SELECT 3")
    alice.ask("PUBLISH a x")
    assert alice.ask("XLEN a") == 0
    alice.ask("SELECT 0")
    assert alice.ask("XLEN a") == 1


def test_the_first_rule_that_matches_counts() -> None:
    node = remembering("a:1 maxlen 1", "a:* maxlen 3")
    alice = node.peer()
    for channel in ("a:1", "a:2"):
        for number in range(5):
            alice.ask(f"PUBLISH {channel} {number}")
    assert texts(alice, "a:1") == [b"4"]
    assert texts(alice, "a:2") == [b"2", b"3", b"4"]


def test_a_reader_that_blocks_is_served_by_a_publish_one_by_one_and_in_a_pipeline() -> None:
    node = remembering("a")
    alice, bob = node.peer(), node.peer()
    for publish in (b"PUBLISH a 1\r\n", b"PUBLISH a 2\r\n" * 3):
        alice.asks("XREAD BLOCK 0 STREAMS a $")
        bob.sends(publish)
        ((name, entries),) = parsed(alice.hears())
        assert name == b"a"
        assert [fields for _, fields in entries] == [[b"message", publish[10:11]]]


def test_groups_share_the_messages_of_a_channel() -> None:
    node = remembering("orders")
    alice, bob = node.peer(), node.peer()
    alice.ask("XGROUP CREATE orders g $ MKSTREAM")
    for number in range(4):
        bob.ask(f"PUBLISH orders {number}")
    for consumer in ("one", "two"):
        ((_, entries),) = alice.ask(f"XREADGROUP GROUP g {consumer} COUNT 2 STREAMS orders >")
        assert len(entries) == 2
    assert alice.ask("XPENDING orders g")[0] == 4


def test_a_pipeline_does_what_its_commands_do_one_by_one() -> None:
    single, piped = remembering("a*", "never"), remembering("a*", "never")
    requests = [b"PUBLISH a1 %d\r\n" % n for n in range(5)] + [
        b"PUBLISH b x\r\n",
        b"PUBLISH a2 y\r\n",
        b"PUBLISH a1\r\n",
    ]
    one, many = single.peer(), piped.peer()
    one_by_one = b"".join([one.raw(request.decode()) for request in requests])
    many.sends(b"".join([packed(request) for request in requests]))
    assert many.reads() == one_by_one
    for channel in ("a1", "a2"):
        assert texts(one, channel) == texts(many, channel)
    assert one.ask("EXISTS b") == many.ask("EXISTS b") == 0


def packed(line: bytes) -> bytes:
    words = line.split()
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])


def test_a_key_of_another_type_refuses_the_message_and_nobody_gets_it() -> None:
    node = remembering("a")
    alice, bob = node.peer(), node.peer()
    alice.ask("SUBSCRIBE a")
    bob.ask("SET a 1")
    wrong = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
    assert bob.raw("PUBLISH a x") == wrong
    bob.sends(packed(b"PUBLISH a x") * 3)
    assert bob.reads() == wrong * 3
    alice.gets_nothing()


def test_names_that_begin_with_two_underscores_are_never_remembered() -> None:
    node = Node(("remember", "*"), ("notify-keyspace-events", "KEA"))
    alice, bob = node.peer(), node.peer()
    alice.ask("SUBSCRIBE __keyevent@0__:xadd")
    bob.ask("PUBLISH a x")  # its notification, of a channel that matches, must not be an entry with a notification
    alice.gets(["message", "__keyevent@0__:xadd", "a"])
    assert bob.ask("KEYS *") == [b"a"]


def test_messages_carry_ids_for_those_who_asked() -> None:
    node = remembering("a")
    alice, carol, bob = node.peer(), node.peer(), node.peer()
    assert alice.ask("CLIENT CAPA redirect IDS") == b"OK"
    carol.ask("HELLO 3")
    carol.ask("CLIENT CAPA ids")
    for peer in (alice, carol):
        peer.ask("SUBSCRIBE a b")
        peer.hears()
        peer.ask("PSUBSCRIBE ?")
    bob.ask("PUBLISH a x")
    bob.ask("PUBLISH b y")
    ((entry_id, _),) = bob.ask("XRANGE a - +")
    shown = entry_id.decode()
    for peer in (alice, carol):
        peer.gets(["message", "a", "x", shown], ["pmessage", "?", "a", "x", shown])
        peer.gets(["message", "b", "y"], ["pmessage", "?", "b", "y"])
    alice.ask("RESET")
    alice.ask("SUBSCRIBE a")
    bob.ask("PUBLISH a z")
    alice.gets(["message", "a", "z"])


def test_ids_grow_over_all_channels_also_when_somebody_adds_by_hand_or_the_clock_goes_back() -> None:
    node = remembering("*")
    alice = node.peer()
    given: list[int] = []

    def publish(channel: str) -> None:
        alice.ask(f"PUBLISH {channel} x")
        given.append(parsed_id(alice.ask(f"XREVRANGE {channel} + - COUNT 1")[0][0]))

    for channel in ("a", "b", "a"):
        publish(channel)
    alice.ask("XADD b * by hand")
    publish("b")
    node.host.ns -= 2_000_000_000
    publish("c")
    node.host.ns += 3_000_000_000
    publish("a")
    assert given == sorted(set(given))
    far = node.host.wall_ms() + 10_000
    alice.ask(f"XADD b {far}-5 by hand")
    publish("b")
    assert given.pop() == far << 64 | 6
    publish("a")  # is not drawn along
    assert given[-1] >> 64 == node.host.wall_ms()


def test_a_stream_without_an_id_left_refuses() -> None:
    node = remembering("a")
    alice = node.peer()
    alice.ask(f"XADD a {(1 << 64) - 1}-{(1 << 64) - 1} x y")
    assert alice.raw("PUBLISH a x").startswith(b"-ERR The stream has exhausted the last possible ID")


# --- rules ------------------------------------------------------------------------------------------------------------


def test_rules_change_while_the_node_runs() -> None:
    node = Node()
    alice, bob = node.peer(), node.peer()
    alice.ask("SUBSCRIBE a")
    bob.ask("PUBLISH a 1")
    bob.ask("CONFIG", "SET", "remember", "a maxlen 10")
    bob.ask("PUBLISH a 2")
    bob.ask("CONFIG", "SET", "remember", "")
    bob.ask("PUBLISH a 3")
    alice.gets(["message", "a", "1"], ["message", "a", "2"], ["message", "a", "3"])
    assert texts(bob, "a") == [b"2"]


@pytest.mark.parametrize("rule", ["a ttl", "a ttl 0", "a maxlen -1", "a maxlen 1 maxlen 2", " a", "a a", "a ttl 1x"])
def test_rules_that_cannot_be_are_refused_and_the_old_ones_stay(rule: str) -> None:
    node = remembering("b")
    with pytest.raises(ConfigSetError):
        node.broker.settings.set([(b"remember", rule.encode())])
    assert node.peer().ask("CONFIG GET remember") == [b"remember", b"b"]


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_length_is_kept_exactly_also_over_chunks() -> None:
    node = remembering("a maxlen 250")
    alice = node.peer()
    for number in range(600):
        alice.ask(f"PUBLISH a {number}")
    assert texts(alice, "a") == [b"%d" % number for number in range(350, 600)]


def test_messages_go_by_their_own_age_without_another_message() -> None:
    node = remembering("a ttl 10")
    alice = node.peer()
    for number in range(3):
        alice.ask(f"PUBLISH a {number}")
        node.advance(4)
    assert texts(alice, "a") == [b"1", b"2"]  # 12 s, 8 s and 4 s old
    node.advance(3)
    assert texts(alice, "a") == [b"2"]
    node.advance(4)
    assert texts(alice, "a") == []
    assert alice.ask("EXISTS a") == 1  # its last ID is still of use to those who come back
    node.advance(10)
    assert alice.ask("EXISTS a") == 0


def test_a_stream_that_groups_read_is_not_removed_when_it_is_empty() -> None:
    node = remembering("a ttl 1")
    alice = node.peer()
    alice.ask("PUBLISH a x")
    alice.ask("XGROUP CREATE a g 0")
    node.advance(5)
    node.advance(5)
    assert alice.ask("XLEN a") == 0
    assert alice.ask("EXISTS a") == 1


def test_an_age_is_applied_to_streams_that_were_there_before_the_rule() -> None:
    node = Node()
    alice = node.peer()
    alice.ask("XADD a * message x")
    node.advance(5)
    alice.ask("CONFIG", "SET", "remember", "a ttl 3")
    node.advance(1)
    assert alice.ask("XLEN a") == 0


def test_channels_whose_keys_were_deleted_are_forgotten() -> None:
    node = remembering("*")
    alice = node.peer()
    for number in range(1100):
        alice.ask(f"PUBLISH channel:{number} x")
    alice.ask("FLUSHALL")
    node.advance(0.1)
    assert node.broker.memory.channels() == []


# --- a commit that fails ----------------------------------------------------------------------------------------------


def test_what_could_not_be_written_is_taken_back_from_all_who_were_to_get_it() -> None:
    disk = Disk()
    node = remembering("news", journal=disk)
    node.host.quiet = False
    alice, carol, dave, bob = [node.peer() for _ in range(4)]
    carol.ask("CLIENT CAPA ids")
    for peer, command in ((alice, "SUBSCRIBE news other"), (carol, "SUBSCRIBE news"), (dave, "PSUBSCRIBE n*")):
        peer.raw(command)
    disk.full = True
    bob.sends(b"PUBLISH news lost\r\nPUBLISH other kept\r\n")
    assert bob.reads() == MISCONF + b":1\r\n"
    alice.gets(["message", "other", "kept"])
    for peer in (alice, carol, dave):
        peer.gets_nothing()
    assert bob.raw("PUBLISH news refused") == MISCONF
    assert bob.ask("PUBLISH other x") == 1  # others go on
    disk.full = False
    node.advance(0.1)
    assert bob.ask("PUBLISH news again") == 3
    assert texts(bob, "news") == [b"again"]
    alice.gets(["message", "other", "x"], ["message", "news", "again"])


def test_it_is_taken_back_also_if_somebody_subscribed_behind_it() -> None:
    disk = Disk()
    node = remembering("news", journal=disk)
    node.host.quiet = False
    alice, carol, bob = [node.peer() for _ in range(3)]
    alice.raw("SUBSCRIBE news")
    disk.full = True
    bob.sends(b"PUBLISH news lost\r\n")
    carol.sends(b"PSUBSCRIBE n*\r\n")  # its route is found anew
    assert bob.reads() == MISCONF
    carol.gets(["psubscribe", "n*", 1])
    for peer in (alice, carol):
        peer.gets_nothing()


def test_a_pipeline_that_could_not_be_written_is_refused_as_a_whole() -> None:
    disk = Disk()
    node = remembering("news", journal=disk)
    node.host.quiet = False
    alice, bob = node.peer(), node.peer()
    alice.raw("SUBSCRIBE news")
    disk.full = True
    bob.sends(packed(b"PUBLISH news x") * 4)
    assert bob.reads() == MISCONF * 4
    alice.gets_nothing()


# --- replay -----------------------------------------------------------------------------------------------------------


def replayed(node: Node, channels: list[bytes], patterns: list[bytes], after: int, count: int = 100) -> list[bytes]:
    return [message for _, _, message in node.broker.memory.replay(channels, patterns, after, count)]


def test_several_channels_are_replayed_in_the_order_of_publishing_each_message_once() -> None:
    node = remembering("*")
    alice = node.peer()
    for number in range(450):
        alice.ask(f"PUBLISH {'abc'[number % 3]} {number}")
    alice.ask("XADD a * field other")  # no message of the channel
    wanted = [b"%d" % number for number in range(450) if number % 3 != 2]
    assert replayed(node, [b"a", b"b"], [], 0, 1000) == wanted
    assert replayed(node, [b"a"], [b"[ab]"], 0, 1000) == wanted
    assert replayed(node, [], [b"[ab]"], 0, 7) == wanted[:7]
    page: list[bytes] = []
    after = 0
    while messages := node.broker.memory.replay([b"a"], [b"b"], after, 64):
        page += [message for _, _, message in messages]
        after = messages[-1][0]
    assert page == wanted


@pytest.mark.parametrize("count", [0, 1, 5, 149, 150, 151])
def test_the_last_so_many(count: int) -> None:
    node = remembering("*")
    alice = node.peer()
    for number in range(150):
        alice.ask(f"PUBLISH {'ab'[number % 2]} {number}")
    after = node.broker.memory.last([b"a"], [b"b"], count)
    assert (
        replayed(node, [b"a"], [b"b"], after, 1000)
        == [b"%d" % number for number in range(150)][150 - min(count, 150) :]
    )


@pytest.mark.parametrize("made", ["XGROUP CREATE a g $ MKSTREAM", "XADD a * field other"])
def test_a_stream_that_something_else_has_made_is_known_and_held_to_its_age(made: str) -> None:
    node = remembering("* ttl 10")
    alice = node.peer()
    alice.ask(made)
    alice.ask("PUBLISH a x")
    assert replayed(node, [], [b"*"], 0) == [b"x"]
    node.advance(11)
    assert alice.ask("XLEN a") == 0


def test_a_new_channel_is_found_by_a_pattern_that_was_asked_for_before() -> None:
    node = remembering("*")
    alice = node.peer()
    alice.ask("PUBLISH a1 x")
    assert replayed(node, [], [b"a*"], 0) == [b"x"]
    alice.ask("PUBLISH a2 y")
    assert replayed(node, [], [b"a*"], 0) == [b"x", b"y"]
    alice.ask("DEL a1")
    assert replayed(node, [], [b"a*"], 0) == [b"y"]


def has_gap(node: Node, channel: bytes, after: int) -> bool:
    return after < node.broker.memory.lost([channel], [])


@pytest.mark.parametrize("limit", ["maxlen 5", "ttl 100"])
def test_there_is_a_gap_only_if_something_behind_that_was_trimmed_away(limit: str) -> None:
    node = remembering(f"a {limit}")
    alice = node.peer()
    alice.ask("PUBLISH a first")
    after = node.broker.memory.last_id
    assert not has_gap(node, b"a", after)
    if limit.startswith("ttl"):
        node.advance(101)
    for number in range(5):
        alice.ask(f"PUBLISH a {number}")
    assert not has_gap(node, b"a", after)  # the first has gone, and nothing behind it
    if limit.startswith("ttl"):
        node.advance(101)
    alice.ask("PUBLISH a last")
    assert has_gap(node, b"a", after)
    assert not has_gap(node, b"a", node.broker.memory.last_id)


def test_who_comes_back_to_a_channel_that_was_removed_has_a_gap_only_if_it_was_away_for_long() -> None:
    node = remembering("a ttl 1")
    alice = node.peer()
    alice.ask("PUBLISH a x")
    long_ago = node.broker.memory.last_id
    node.advance(5)
    node.advance(5)
    assert alice.ask("EXISTS a") == 0
    assert has_gap(node, b"a", long_ago)
    assert not has_gap(node, b"a", node.host.wall_ms() << 64)


def test_who_comes_back_by_a_pattern_has_a_gap_if_channels_were_removed_that_may_have_matched() -> None:
    node = remembering("a:* ttl 1", "b:*", journal=Disk())
    memory = node.broker.memory
    alice = node.peer()
    alice.ask("PUBLISH a:1 seen")
    seen = memory.last_id
    alice.ask("PUBLISH a:1 missed")
    missed = memory.last_id
    node.advance(5)
    node.advance(5)
    assert alice.ask("EXISTS a:1") == 0
    assert memory.lost([], [b"a:*"]) == memory.lost([], [b"*"]) == missed > seen
    assert memory.lost([], [b"b:*"]) == 0


def test_behind_a_start_what_was_removed_before_is_not_known() -> None:
    node = remembering("a:* ttl 10", "b:*", journal=Disk())
    node.broker.loaded()
    assert node.broker.memory.lost([], [b"a:1*"]) == node.host.wall_ms() - 20_000 << 64
    assert node.broker.memory.lost([], [b"b:*"]) == 0


def test_what_a_node_without_a_disk_had_before_its_start_is_a_gap() -> None:
    node = remembering("a")
    assert has_gap(node, b"a", (node.host.wall_ms() - 1) << 64)
    assert not has_gap(remembering("a", journal=Disk()), b"a", 1)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 3)), max_size=60), st.integers(1, 8))
def test_who_was_here_at_any_time_misses_nothing_or_is_told(told: list[tuple[str, int]], maxlen: int) -> None:
    """A model: all that was published, and who comes back after any message."""
    node = remembering(f"* maxlen {maxlen}")
    alice = node.peer()
    published: list[tuple[int, bytes, bytes]] = []
    for number, (channel, later_ms) in enumerate(told):
        node.host.ns += later_ms * 1_000_000
        alice.ask(f"PUBLISH {channel} {number}")
        published.append((node.broker.memory.last_id, channel.encode(), b"%d" % number))
    memory = node.broker.memory
    for channels in ([b"a"], [b"b"], [b"a", b"b"]):
        mine = [each for each in published if each[1] in channels]
        for place, (seen, _, _) in enumerate(mine):
            missed = mine[place + 1 :]
            whole = memory.replay(channels, [], seen, 1000) == missed
            assert whole == (seen >= memory.lost(channels, []))


# --- entries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("add", "message"),
    [
        ("XADD s * message x", b"x"),
        ("XADD s * message", None),
        ("XADD s * message x more y", None),
        ("XADD s * other x", None),
        ("XADD s 18446744073709551615-18446744073709551614 message x", b"x"),
    ],
)
def test_only_entries_like_those_of_publish_are_messages(add: str, message: bytes | None) -> None:
    node = Node()
    alice = node.peer()
    alice.raw(add)
    value: Callable[..., object] = node.broker.keyspace.databases[0].find
    stream = value(b"s")
    entries = stream.tail.items if stream else []  # type: ignore[attr-defined]
    assert [message_of(entry) for entry in entries] == ([message] if entries else [])
