"""XSCHEDULE, XSCHEDULED, XUNSCHEDULE: Airwave's own."""

from types import SimpleNamespace

import pytest
from memory import Node
from peers import Error

from airwave import keyspace
from airwave.commands import scheduling
from airwave.errors import CommandError

ours = pytest.mark.unlike_redis_7_0("Airwave's own")
FAR = 4_000_000_000_000  # the year 2096
SYNTAX = Error("ERR syntax error")
NOT_AN_INTEGER = Error("ERR value is not an integer or out of range")
WRONG_TYPE = Error("WRONGTYPE Operation against a key holding the wrong kind of value")
NEGATIVE = Error("ERR The time must be a number of milliseconds from 0, behind AT since 1970")


@pytest.fixture
def node():
    return Node()


@pytest.fixture
def alice(node):
    return node.peer()


def values(peer, key="s"):
    """The value of the first field of each entry."""
    return [entry[1][1].decode() for entry in peer.ask(f"XRANGE {key} - +")]


def next_tick(node):
    """One tick of those that were asked for by now; False: none was."""
    due = [timer for timer in node.host.timers_ns if timer <= node.host.ns]
    if not due:
        return node.turn()
    node.host.timers_ns.remove(due[0])
    node.broker.tick()
    return True


def tokens(peer, key="s"):
    return [each[0].decode() for each in peer.ask(f"XSCHEDULED {key}")]


# --- what can be asked ------------------------------------------------------------------------------------------------


@ours
def test_what_is_scheduled_can_be_seen_and_cancelled(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do(f"XSCHEDULE s AT {FAR + 5} ID b name Ben age 7", "b")
    alice.do(f"XSCHEDULE s AT {FAR} ID a name Ann", "a")
    alice.do("XLEN s", 0)
    ann, ben = ["a", FAR, ["name", "Ann"]], ["b", FAR + 5, ["name", "Ben", "age", "7"]]
    alice.do("XSCHEDULED s", [ann, ben])
    alice.do("XSCHEDULED s COUNT 1", [ann])
    alice.do("XSCHEDULED s count 3", [ann, ben])
    alice.do("XSCHEDULED s b", [ben])
    alice.do("XSCHEDULED s nosuch", [])
    alice.do("XUNSCHEDULE s a nosuch a", 1)
    alice.do("XSCHEDULED s", [ben])
    alice.do("XUNSCHEDULE s a b", 1)
    alice.do("XSCHEDULED s", [])
    alice.do("TYPE s", "stream")


@ours
def test_a_token_is_made_when_none_is_given(peers):
    (alice,) = peers(1)
    made = {alice.ask(f"XSCHEDULE s AT {FAR} f {number}") for number in range(3)}
    assert len(made) == 3
    assert all(token.startswith(b"%d-" % FAR) for token in made)
    assert [each[2][1] for each in alice.ask("XSCHEDULED s")] == [b"0", b"1", b"2"]
    alice.do(["XUNSCHEDULE", "s", *made], 3)


@ours
def test_it_is_scheduled_in_so_many_ms(peers):
    (alice,) = peers(1)
    seconds = int(alice.ask("TIME")[0])
    alice.do("XSCHEDULE s in 3600000 f v", lambda token: int(token.split("-")[0]) >= (seconds + 3600) * 1000)
    alice.do("XSCHEDULED s", lambda reply: reply[0][1] - (seconds + 3600) * 1000 < 60_000)


@ours
def test_what_is_sent_again_changes_nothing(peers):
    (alice,) = peers(1)
    alice.do(f"XSCHEDULE s AT {FAR} ID a f old", "a")
    alice.do(f"XSCHEDULE s AT {FAR + 9} ID a f new", "a")
    alice.do("XSCHEDULED s", [["a", FAR, ["f", "old"]]])
    alice.do("XUNSCHEDULE s a", 1)
    alice.do(f"XSCHEDULE s AT {FAR + 9} ID a f new", "a")
    alice.do("XSCHEDULED s", [["a", FAR + 9, ["f", "new"]]])


@ours
def test_a_time_that_is_over_is_due_at_once(peers):
    (alice,) = peers(1)
    alice.do("MULTI", "OK")
    for line in ("XSCHEDULE s AT 1000 ID a f v", "XSCHEDULE s IN 0 f w", "XSCHEDULE s AT 7 ID a f again", "XLEN s"):
        alice.do(line, "QUEUED")
    alice.do("EXEC", lambda replies: replies[0] == "a" and replies[2:] == ["a", 2])
    assert values(alice) == ["v", "w"]
    alice.do("XSCHEDULED s", [])


@ours
def test_entries_come_by_themselves(peers):
    alice, bob = peers(2)
    bob.asks("XREAD BLOCK 60000 STREAMS s $")
    alice.ask("PING")
    alice.do("XSCHEDULE s IN 3 ID a f v", "a")
    if hasattr(alice, "node"):
        alice.node.advance(0.003)
    bob.gets(lambda reply: [entry[1] for entry in reply[0][1]] == [["f", "v"]])
    alice.do("XSCHEDULED s", [])


@ours
def test_fields_are_binary_safe(peers):
    (alice,) = peers(1)
    words = [b"\r\n", b"\x00\xff", b"", b"$5\r\n"]
    alice.ask("XSCHEDULE", "s", "AT", str(FAR), "ID", b"\xff\r\n", *words)
    assert alice.ask("XSCHEDULED s") == [[b"\xff\r\n", FAR, words]]
    alice.ask("XSCHEDULE", "t", "AT", "1", *words)
    alice.ask("XADD", "u", "*", *words)
    assert [alice.ask(f"XRANGE {key} - +")[0][1] for key in "tu"] == [words, words]


@ours
@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("XSCHEDULE s AT 5 f", Error("ERR wrong number of arguments for 'xschedule' command")),
        ("XSCHEDULE s AT 5 f v g", Error("ERR wrong number of arguments for 'xschedule' command")),
        ("XSCHEDULE s AT 5 ID t", Error("ERR wrong number of arguments for 'xschedule' command")),
        ("XSCHEDULE s AT 5 ID t f", Error("ERR wrong number of arguments for 'xschedule' command")),
        ("XSCHEDULE s ON 5 f v", SYNTAX),
        ("XSCHEDULE s AT x f v", NOT_AN_INTEGER),
        ("XSCHEDULE s AT 1.5 f v", NOT_AN_INTEGER),
        ("XSCHEDULE s AT 9223372036854775808 f v", NOT_AN_INTEGER),
        ("XSCHEDULE s AT -1 f v", NEGATIVE),
        ("XSCHEDULE s IN -1 f v", NEGATIVE),
        ("XSCHEDULE s IN 9223372036854775807 f v", NEGATIVE),
        (["XSCHEDULE", "s", "IN", "5", "ID", "", "f", "v"], Error("ERR The token must not be empty")),
        (f"XSCHEDULE s IN 5 ID {'x' * 1025} f v", Error("ERR The token must have at most 1024 bytes")),
        ("XSCHEDULED s COUNT 0", Error("ERR COUNT must be > 0")),
        ("XSCHEDULED s COUNT -1", Error("ERR COUNT must be > 0")),
        ("XSCHEDULED s COUNT x", NOT_AN_INTEGER),
        ("XSCHEDULED s a b", SYNTAX),
        ("XSCHEDULED s COUNT 1 2", SYNTAX),
        ("XUNSCHEDULE s", Error("ERR wrong number of arguments for 'xunschedule' command")),
        ("XSCHEDULE string IN 5 f v", WRONG_TYPE),
        ("XSCHEDULED string", WRONG_TYPE),
        ("XUNSCHEDULE string t", WRONG_TYPE),
    ],
)
def test_what_is_wrong_is_refused_and_changes_nothing(peers, line, error):
    (alice,) = peers(1)
    alice.do("SET string v", "OK")
    alice.do(line, error)
    alice.do("EXISTS s", 0)


@ours
def test_what_is_not_there_has_nothing_scheduled(peers):
    (alice,) = peers(1)
    alice.do("XADD s 1-1 f v", "1-1")
    for key in ("s", "nosuch"):
        alice.do(f"XSCHEDULED {key}", [])
        alice.do(f"XSCHEDULED {key} a", [])
        alice.do(f"XUNSCHEDULE {key} a", 0)
    alice.do("EXISTS nosuch", 0)


@ours
def test_the_largest_time_and_a_token_called_count(peers):
    (alice,) = peers(1)
    alice.do("XSCHEDULE s AT 9223372036854775807 ID COUNT f v", "COUNT")
    alice.do("XSCHEDULED s COUNT", [["COUNT", 9223372036854775807, ["f", "v"]]])


@ours
def test_xinfo_says_nothing_of_it(peers):
    (alice,) = peers(1)
    alice.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    alice.do("XGROUP CREATE t g $ MKSTREAM", "OK")
    alice.do(f"XSCHEDULE t AT {FAR} ID a f v", "a")
    for line in ("XINFO STREAM {}", "XINFO STREAM {} FULL", "XINFO GROUPS {}"):
        assert alice.ask(line.format("s")) == alice.ask(line.format("t"))


def test_how_many_there_may_be_has_a_bound(alice, monkeypatch):
    monkeypatch.setattr(scheduling, "ENTRIES_MAX", 2)
    for token in "ab":
        alice.do(f"XSCHEDULE s IN 1000 ID {token} f v", token)
    alice.do("XSCHEDULE s IN 1000 ID a f v", "a")
    assert alice.error("XSCHEDULE s IN 1000 ID c f v").startswith("ERR 1000000 entries are scheduled for this stream")
    alice.do("XSCHEDULE other IN 1000 ID c f v", "c")
    alice.do("XUNSCHEDULE s a", 1)
    alice.do("XSCHEDULE s IN 1000 ID c f v", "c")


def test_what_is_too_large_for_xadd_is_too_large(alice, monkeypatch):
    monkeypatch.setattr(scheduling, "ENTRY_BYTES_MAX", 1000)
    alice.do(["XSCHEDULE", "s", "IN", "5", "f", "v" * 1000], Error("ERR Elements are too large to be stored"))
    alice.do("EXISTS s", 0)


def test_made_tokens_are_none_that_clients_chose(node, alice):
    number = node.broker.keyspace.last_number
    due_ms = node.host.wall_ms() + 1000
    alice.do(f"XSCHEDULE s AT {due_ms} ID {due_ms}-{number + 3} f v", f"{due_ms}-{number + 3}")
    made = [alice.ask(f"XSCHEDULE s AT {due_ms} f v") for _ in range(4)]
    assert len({*made, b"%d-%d" % (due_ms, number + 3)}) == 5
    assert len(tokens(alice)) == 5


# --- when it is due ---------------------------------------------------------------------------------------------------


def test_what_is_due_is_added_in_order_each_once(node, alice):
    for number, in_ms in enumerate((300, 100, 200, 100)):
        alice.ask(f"XSCHEDULE s IN {in_ms} f {number}")
    node.advance(0.099)
    assert values(alice) == []
    node.advance(0.001)
    assert values(alice) == ["1", "3"]
    node.advance(1)
    assert values(alice) == ["1", "3", "2", "0"]
    node.advance(10)
    assert len(values(alice)) == 4


def test_streams_take_turns_by_time(node, alice):
    bob = node.peer()
    alice.do("CONFIG SET notify-keyspace-events Et", "OK")
    bob.do("SUBSCRIBE __keyevent@0__:xadd", ["subscribe", "__keyevent@0__:xadd", 1])
    for key, in_ms in (("a", 30), ("b", 20), ("a", 10)):
        alice.ask(f"XSCHEDULE {key} IN {in_ms} f v")
    node.advance(1)
    bob.gets(*[["message", "__keyevent@0__:xadd", key] for key in "aba"])


def test_an_entry_is_what_xadd_would_have_added(node, alice):
    alice.ask("XSCHEDULE s IN 10 field value other x")
    node.advance(0.01)
    scheduled = alice.raw("XRANGE s - +")
    alice.ask("XADD t * field value other x")
    assert alice.raw("XRANGE t - +") == scheduled
    alice.do("XINFO STREAM s", lambda reply: reply[reply.index("entries-added") + 1] == 1)


def test_ticks_come_when_something_is_due_and_not_before(node, alice):
    alice.ask("XSCHEDULE s IN 1500 f v")
    assert node.host.timers_ns == [node.host.ns + 1_500_000_000]
    alice.ask("XSCHEDULE s IN 2000 f v")
    alice.ask("PING")
    assert len(node.host.timers_ns) == 1
    node.advance(1.5)
    assert node.host.timers_ns == [node.host.ns + 500_000_000]
    node.advance(0.5)
    assert node.host.timers_ns == []
    assert len(values(alice)) == 2


def test_the_clock_of_the_wall_may_jump(node, alice, monkeypatch):
    alice.ask("XSCHEDULE s IN 100000 f v")
    now = node.host.wall_ms()
    monkeypatch.setattr(node.host, "wall_ms", lambda: now + 100_001)
    monkeypatch.setattr(node.broker.keyspace, "now_ms", lambda: now + 100_001)
    node.advance(0)  # what cron does
    assert values(alice) == ["v"]


def test_many_are_added_a_part_at_a_time(node, alice, monkeypatch):
    monkeypatch.setattr(keyspace, "_DUE_MAX", 10)
    for number in range(25):
        alice.ask(f"XSCHEDULE s IN 50 f {number}")
    node.host.ns += 50_000_000
    lengths = []
    while next_tick(node):
        lengths.append(node.broker.keyspace.databases[0].values[b"s"].length)
    assert lengths == [10, 20, 25]
    # What is due at once does not overtake them.
    alice.ask("XSCHEDULE s IN 10 f a")
    node.host.ns += 10_000_000
    alice.ask("XSCHEDULE s IN 0 f b")
    alice.ask("XSCHEDULE s AT 0 f before")
    assert values(alice) == [*map(str, range(25)), "a", "b", "before"]


def test_large_ones_are_added_a_part_at_a_time(node, alice, monkeypatch):
    monkeypatch.setattr(keyspace, "_DUE_BYTES_MAX", 1000)
    for _ in range(6):
        alice.ask(f"XSCHEDULE s IN 50 f {'v' * 400}")
    node.host.ns += 50_000_000
    next_tick(node)
    assert node.broker.keyspace.databases[0].values[b"s"].length == 3
    while next_tick(node):
        pass
    assert len(values(alice)) == 6


def test_what_overdue_entries_wait_for_comes_behind_them(node, alice, monkeypatch):
    """A time that is over by less than that of those still waiting."""
    monkeypatch.setattr(keyspace, "_DUE_MAX", 1)
    for number in range(3):
        alice.ask(f"XSCHEDULE s IN 10 f {number}")
    node.host.ns += 20_000_000
    now = node.host.wall_ms()
    alice.asks(f"XSCHEDULE s AT {now - 5} f last")
    alice.asks(f"XSCHEDULE s AT {now - 15} f first")
    alice.hears()
    alice.hears()
    while next_tick(node):
        pass
    assert values(alice) == ["first", "0", "1", "2", "last"]


def test_chosen_tokens_are_remembered_when_the_entry_was_added(node, alice):
    alice.do("XSCHEDULE s IN 10 ID a f v", "a")
    alice.ask("XSCHEDULE s IN 10 f made")
    node.advance(0.01)
    alice.do("XSCHEDULE s IN 10 ID a f again", "a")
    assert tokens(alice) == []
    flat = alice.ask("XINFO STREAM s")
    assert [flat[flat.index(name) + 1] for name in (b"iids-tracked", b"iids-duplicates")] == [1, 1]
    node.host.ns += 101_000_000_000  # IDMP-DURATION is 100 s
    alice.do("XSCHEDULE s IN 10 ID a f later", "a")
    assert tokens(alice) == ["a"]


def test_who_adds_now_what_is_scheduled_is_told_its_token(node, alice):
    alice.do("XSCHEDULE s IN 10 ID a f v", "a")
    made = alice.ask("XSCHEDULE s IN 10 f made").decode()
    alice.do("XADD s IDMP schedule a * f again", "a")
    alice.do("XLEN s", 0)
    alice.ask("XADD s IDMP other a * f v")  # another producer's
    alice.ask(f"XADD s IDMP schedule {made} * f v")  # no token that a client chose
    alice.do("XLEN s", 2)
    node.advance(0.01)
    alice.do("XLEN s", 4)
    alice.do("XADD s IDMP schedule a * f again", lambda reply: "-" in reply)  # it has an ID now
    alice.do("XLEN s", 4)


def test_a_stream_without_ids_keeps_what_is_due(node, alice):
    alice.ask("XSCHEDULE s IN 10 ID a f v")
    alice.do("XSETID s 18446744073709551615-18446744073709551615", "OK")
    node.advance(0.01)
    assert tokens(alice) == ["a"]
    alice.do("XSCHEDULE t AT 1 f v", lambda _: True)
    alice.do("XSETID t 18446744073709551615-18446744073709551615", "OK")
    assert alice.error("XSCHEDULE t AT 1 f v").startswith("ERR The stream has exhausted the last possible ID")
    alice.do("XSETID s 1-1", "OK")
    node.advance(10)
    assert (values(alice), tokens(alice)) == (["v"], [])


# --- who is told ------------------------------------------------------------------------------------------------------


def test_watchers_see_the_entry_but_not_the_schedule(node, alice):
    bob = node.peer()
    bob.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    for when, result in (("IN 10", []), ("IN 0", None)):
        bob.do("WATCH s", "OK")
        alice.ask(f"XSCHEDULE s {when} f v")
        bob.do("MULTI", "OK")
        bob.do("EXEC", result)
    bob.do("WATCH s", "OK")
    node.advance(0.01)
    bob.do("MULTI", "OK")
    bob.do("EXEC", None)


def test_watchers_see_that_the_key_came(node, alice):
    bob = node.peer()
    bob.do("WATCH s", "OK")
    alice.ask("XSCHEDULE s IN 10 f v")
    bob.do("MULTI", "OK")
    bob.do("EXEC", None)


def test_groups_are_given_the_entry(node, alice):
    bob = node.peer()
    alice.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    bob.asks("XREADGROUP GROUP g bob BLOCK 0 STREAMS s >")
    node.settle()
    alice.ask("XSCHEDULE s IN 10 f v")
    node.advance(0.01)
    bob.gets(lambda reply: [entry[1] for entry in reply[0][1]] == [["f", "v"]])


def test_notifications(node, alice):
    bob = node.peer()
    alice.do("CONFIG SET notify-keyspace-events KEA", "OK")
    bob.do("SUBSCRIBE __keyspace@0__:s", ["subscribe", "__keyspace@0__:s", 1])
    alice.ask("XSCHEDULE s IN 10 f v")
    alice.ask("XSCHEDULE s IN 20 ID a f v")
    alice.ask("XUNSCHEDULE s a")
    bob.gets_nothing()
    node.advance(0.05)
    bob.gets(["message", "__keyspace@0__:s", "xadd"])
    bob.gets_nothing()


# --- where the stream goes --------------------------------------------------------------------------------------------


GOING = ["DEL s", "UNLINK s", "FLUSHALL", "FLUSHDB", "SET s v", "RENAME other s", "PEXPIRE s 5"]


@pytest.mark.parametrize("how", GOING)
def test_it_is_gone_with_the_stream(node, alice, how):
    alice.do("XADD other 1-1 f v", "1-1")
    alice.ask("XSCHEDULE s IN 10 f v")
    alice.ask(how)
    node.advance(0.005)
    assert node.broker.keyspace.agenda.streams == {}
    node.advance(0.1)
    alice.do("XLEN s" if how != "SET s v" else "STRLEN s", 1 if how in ("RENAME other s", "SET s v") else 0)


def test_a_stream_that_expired_while_nobody_looked_gets_nothing(node, alice):
    alice.ask("XSCHEDULE s IN 10 f v")
    alice.do("PEXPIRE s 5", 1)
    node.host.ns += 20_000_000
    node.broker.tick()
    alice.do("EXISTS s", 0)
    assert node.broker.keyspace.expired == 1


@pytest.mark.parametrize(
    ("lines", "database", "key"),
    [
        (["RENAME s t"], 0, "t"),
        (["MOVE s 1"], 1, "s"),
        (["SWAPDB 0 1"], 1, "s"),
        (["SWAPDB 0 2", "FLUSHDB", "SWAPDB 2 1", "SELECT 1", "RENAME s t"], 1, "t"),
    ],
)
def test_it_goes_with_the_stream(node, alice, lines, database, key):
    alice.ask("XSCHEDULE s IN 10 ID a f v")
    for line in lines:
        alice.ask(line)
    alice.do(f"SELECT {database}", "OK")
    assert tokens(alice, key) == ["a"]
    node.advance(0.01)
    assert values(alice, key) == ["v"]


def test_copies_do_not_have_it(node, alice):
    alice.ask("XSCHEDULE s IN 10 ID a f v")
    alice.do("COPY s t", 1)
    dumped = alice.ask("DUMP s")
    alice.do([b"RESTORE", b"u", b"0", dumped], "OK")
    assert tokens(alice, "t") == tokens(alice, "u") == []
    node.advance(0.01)
    assert [values(alice, key) for key in "stu"] == [["v"], [], []]


# --- when nothing may be written --------------------------------------------------------------------------------------


def test_while_the_disk_fails_it_waits(node, alice):
    alice.ask("XSCHEDULE s IN 10 f v")
    node.broker._refuse_writes(CommandError("MISCONF no room"))
    node.broker.journal = SimpleNamespace(probe=lambda: False, durable=False)
    node.advance(0.02)
    alice.do("XLEN s", 0)
    assert len(tokens(alice)) == 1
    node.broker.journal = SimpleNamespace(probe=lambda: True, durable=False)
    node.host.quiet = False
    node.advance(0.1)
    assert values(alice) == ["v"]


def test_client_pause_holds_it_back(node, alice):
    alice.ask("XSCHEDULE s IN 10 f v")
    alice.do("CLIENT PAUSE 1000 WRITE", "OK")
    node.advance(0.5)
    alice.do("XLEN s", 0)
    node.advance(0.5)
    assert values(alice) == ["v"]
    alice.ask("XSCHEDULE s IN 10 f w")
    alice.do("CLIENT PAUSE 1000 WRITE", "OK")
    node.advance(0.5)
    alice.do("CLIENT UNPAUSE", "OK")
    assert values(alice) == ["v", "w"]
