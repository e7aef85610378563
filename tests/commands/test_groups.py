"""XGROUP."""

import pytest
from peers import Error

NO_KEY = Error(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option "
    "to create an empty stream automatically."
)


def fields(reply):
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


def group(**expected):
    """What XINFO GROUPS says of the only group."""

    def fits(reply):
        (only,) = reply
        found = fields(only)
        wanted = {name.replace("_", "-"): value for name, value in expected.items()}
        assert {name: found[name] for name in wanted} == wanted
        return True

    return fits


def test_create_and_destroy(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("XGROUP CREATE s g 0", NO_KEY)
    alice.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    alice.do("TYPE s", "stream")
    alice.do("XGROUP CREATE s g 0 MKSTREAM", Error("BUSYGROUP Consumer Group name already exists"))
    alice.do("XINFO GROUPS s", group(name="g", last_delivered_id="0-0", entries_read=None, consumers=0, pending=0))
    alice.do("XGROUP DESTROY s g", 1)
    alice.do("XGROUP DESTROY s g", 0)
    alice.do("XGROUP DESTROY t g", NO_KEY)
    alice.do("XINFO GROUPS s", [])


@pytest.mark.parametrize(("where", "stands"), [("0", "0-0"), ("5", "5-0"), ("1-1", "1-1"), ("$", "2-2")])
def test_where_a_group_begins(peers, where, stands):
    (alice,) = peers(1)
    for entry_id in ("1-1", "2-2"):
        alice.do(f"XADD s {entry_id} f v", entry_id)
    alice.do(f"XGROUP CREATE s g {where}", "OK")
    alice.do("XINFO GROUPS s", group(last_delivered_id=stands, entries_read=None))
    alice.do("XGROUP SETID s g 7-7", "OK")
    alice.do(f"XGROUP SETID s g {where} ENTRIESREAD 1", "OK")
    alice.do("XINFO GROUPS s", group(last_delivered_id=stands, entries_read=1))
    alice.do("XGROUP SETID s g -", "OK")
    alice.do("XINFO GROUPS s", group(last_delivered_id="0-0", entries_read=None))
    alice.do("XGROUP SETID s g +", "OK")
    alice.do("XINFO GROUPS s", group(last_delivered_id="18446744073709551615-18446744073709551615"))


@pytest.mark.unlike_redis_7_0("7.0 takes any number")
def test_entries_read_is_at_most_what_was_added(peers):
    (alice,) = peers(1)
    alice.do("XADD s 1-1 f v", "1-1")
    alice.do("XGROUP CREATE s g 0 ENTRIESREAD 5 MKSTREAM", "OK")
    alice.do("XINFO GROUPS s", group(entries_read=1))
    alice.do("XGROUP SETID s g 0 ENTRIESREAD 7", "OK")
    alice.do("XINFO GROUPS s", group(entries_read=1))


def test_consumers(peers):
    (alice,) = peers(1)
    for entry_id in ("1-1", "2-2"):
        alice.do(f"XADD s {entry_id} f v", entry_id)
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do("XGROUP CREATECONSUMER s g c", 1)
    alice.do("XGROUP CREATECONSUMER s g c", 0)
    alice.do("XREADGROUP GROUP g d STREAMS s >", lambda reply: len(reply[0][1]) == 2)
    alice.do("XINFO CONSUMERS s g", lambda reply: [fields(each)["name"] for each in reply] == ["c", "d"])
    alice.do("XGROUP DELCONSUMER s g c", 0)
    alice.do("XGROUP DELCONSUMER s g d", 2)
    alice.do("XGROUP DELCONSUMER s g d", 0)
    alice.do("XPENDING s g", [0, None, None, None])
    alice.do("XINFO CONSUMERS s g", [])


SYNTAX = "ERR unknown subcommand or wrong number of arguments for '{}'. Try XGROUP HELP."
NO_GROUP = "NOGROUP No such consumer group 'h' for key name 's'"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("XGROUP", "ERR wrong number of arguments for 'xgroup' command"),
        ("XGROUP CREATE s g", "ERR wrong number of arguments for 'xgroup|create' command"),
        ("XGROUP SETID s g", "ERR wrong number of arguments for 'xgroup|setid' command"),
        ("XGROUP DESTROY s g x", "ERR wrong number of arguments for 'xgroup|destroy' command"),
        ("XGROUP nonsense s g", "ERR unknown subcommand 'nonsense'. Try XGROUP HELP."),
        ("XGROUP create s h 0 x", SYNTAX.format("create")),
        ("XGROUP CREATE t h 0 MKSTREAM ENTRIESREAD", SYNTAX.format("CREATE")),
        ("XGROUP CREATE s h 0 MKSTREAM MKSTREAM MKSTREAM MKSTREAM", SYNTAX.format("CREATE")),
        ("XGROUP CREATE t h 0 ENTRIESREAD 1 ENTRIESREAD 2", str(NO_KEY)),
        ("XGROUP CREATE s h 0 ENTRIESREAD x", "ERR value is not an integer or out of range"),
        ("XGROUP CREATE s h 0 ENTRIESREAD -2", "ERR value for ENTRIESREAD must be positive or -1"),
        ("XGROUP CREATE string h x ENTRIESREAD -2", "ERR value for ENTRIESREAD must be positive or -1"),
        ("XGROUP CREATE string h x", WRONG_TYPE),
        ("XGROUP CREATE s g x", "ERR Invalid stream ID specified as stream command argument"),
        ("XGROUP CREATE s h +", "ERR Invalid stream ID specified as stream command argument"),
        ("XGROUP CREATE t h x MKSTREAM", "ERR Invalid stream ID specified as stream command argument"),
        ("XGROUP SETID s g x", "ERR Invalid stream ID specified as stream command argument"),
        ("XGROUP SETID s h x", NO_GROUP),
        ("XGROUP SETID s g 0 MKSTREAM", SYNTAX.format("SETID")),
        ("XGROUP SETID s g 0 ENTRIESREAD 1 ENTRIESREAD 1", SYNTAX.format("SETID")),
        ("XGROUP SETID string h x", WRONG_TYPE),
        ("XGROUP SETID t h x", str(NO_KEY)),
        ("XGROUP CREATECONSUMER s h c", NO_GROUP),
        ("XGROUP CREATECONSUMER t h c", str(NO_KEY)),
        ("XGROUP DELCONSUMER s h c", NO_GROUP),
        ("XGROUP DESTROY string g", WRONG_TYPE),
    ],
)
def test_errors(peers, line, error):
    (alice,) = peers(1)
    alice.do("SET string x", "OK")
    alice.do("XADD s 1-1 f v", "1-1")
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do(line, Error(error))
    alice.do("EXISTS t", 0)


def test_help(peers):
    (alice,) = peers(1)
    alice.do("XGROUP HELP", lambda reply: reply[1] == "CREATE <key> <groupname> <id|$> [option]")


def test_notifications(peers):
    alice, bob = peers(2)
    alice.do("CONFIG SET notify-keyspace-events KEA", "OK")
    alice.do("XADD s 9-9 f v", "9-9")
    bob.do("PSUBSCRIBE __keyspace*", lambda _: True)
    for line in (
        "XGROUP CREATE s g 0 MKSTREAM",
        "XGROUP CREATECONSUMER s g c",
        "XGROUP CREATECONSUMER s g c",
        "XGROUP SETID s g 5",
        "XREADGROUP GROUP g d STREAMS s >",
        "XREADGROUP GROUP g d STREAMS s >",
        "XGROUP DELCONSUMER s g c",
        "XGROUP DELCONSUMER s g c",
        "XGROUP DESTROY s g",
        "XGROUP DESTROY s g",
    ):
        alice.do(line, lambda _: True)
    for event in ("create", "createconsumer", "setid", "createconsumer", "delconsumer", "destroy"):
        bob.gets(["pmessage", "__keyspace*", "__keyspace@0__:s", f"xgroup-{event}"])
    bob.gets_nothing()


def test_watch_does_not_see_groups(peers):
    alice, bob = peers(2)
    alice.do("XADD s 1-1 f v", "1-1")
    alice.do("WATCH s t", "OK")
    for line in (
        "XGROUP CREATE s g 0",
        "XGROUP SETID s g 0",
        "XREADGROUP GROUP g c STREAMS s >",
        "XCLAIM s g d 0 1-1",
        "XACK s g 1-1",
        "XGROUP DELCONSUMER s g c",
        "XGROUP DESTROY s g",
    ):
        bob.do(line, lambda _: True)
    alice.do("MULTI", "OK")
    alice.do("PING", "QUEUED")
    alice.do("EXEC", ["PONG"])
    alice.do("WATCH s t", "OK")
    bob.do("XGROUP CREATE t g 0 MKSTREAM", "OK")
    alice.do("MULTI", "OK")
    alice.do("EXEC", None)
