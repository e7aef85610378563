"""COMMAND and its subcommands, and the syntax they are made from."""

from typing import Any

import pytest

from airwave.command import COMMANDS, all_commands
from airwave.commands.syntax import Argument, arguments

from .conftest import Ask, Peer, parsed

NOT_IN_REDIS_7_0 = {"client|setinfo", "client|no-touch", "xackdel", "xcfgset", "xdelex", "xnack"}
# No Redis has them; each with the page that tells of it.
OURS = dict.fromkeys(("xschedule", "xscheduled", "xunschedule"), "streams.md#") | dict.fromkeys(
    (*("client|capa", "pubsub|history", "pubsub|remembered", "pubsub|replay", "pubsub|subscribers"),),
    "remember.md#",
)
NOTED = {"eval", "getex", "set", "xadd"}  # Redis adds a note for people to their key specifications
CONTAINERS = {row.name for row in all_commands() if row.subcommands}


# --- COMMAND INFO -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resp3", [False, True], ids=["resp2", "resp3"])
def test_commands_describe_themselves_as_in_redis(alice: Peer, oracle: Ask, resp3: bool) -> None:
    if resp3:
        alice.ask("HELLO 3")
    for row in all_commands():
        if row.name not in NOT_IN_REDIS_7_0 | CONTAINERS | NOTED | OURS.keys():
            line = f"COMMAND INFO {row.name}"
            assert alice.raw(line) == oracle(line, resp3=resp3)


def test_key_specifications_are_those_of_redis_but_for_notes(alice: Peer, oracle: Ask) -> None:
    alice.ask("HELLO 3")
    for name in sorted(NOTED):
        line = f"COMMAND INFO {name}"
        (theirs,) = parsed(oracle(line, resp3=True))
        del theirs[8][0][b"notes"]
        assert alice.ask(line) == [theirs]


def test_containers_describe_themselves_and_their_subcommands(alice: Peer, oracle: Ask) -> None:
    for name in sorted(CONTAINERS):
        (ours,), (theirs,) = alice.ask(f"COMMAND INFO {name}"), parsed(oracle(f"COMMAND INFO {name}"))
        assert ours[:9] == theirs[:9]
        known = {sub[0]: sub for sub in theirs[9]}
        for sub in ours[9]:
            assert sub[0].decode() in NOT_IN_REDIS_7_0 | OURS.keys() or sub == known[sub[0]]


@pytest.mark.parametrize("resp3", [False, True], ids=["resp2", "resp3"])
@pytest.mark.parametrize(
    "line",
    [
        "COMMAND COUNT x",
        "COMMAND DOCS nosuch",
        "COMMAND GETKEYS",
        "COMMAND GETKEYS CLIENT",
        "COMMAND GETKEYS CLIENT ID x",
        "COMMAND GETKEYS CLIENT nosuch",
        *(f"COMMAND GETKEYS EVAL x {tail}" for tail in ("0", "0 a", "2 a", "2 a b c", "-1 a", "z a")),
        "COMMAND GETKEYS EVAL x",
        "COMMAND GETKEYS MEMORY USAGE",
        "COMMAND GETKEYS MEMORY USAGE k",
        "COMMAND GETKEYS MEMORY|USAGE k x",
        "COMMAND GETKEYS PING x",
        "COMMAND GETKEYS SPUBLISH a b",
        "COMMAND GETKEYS WATCH a b c",
        "COMMAND GETKEYS MSET a 1 b 2",
        "COMMAND GETKEYS MSET a 1 b",
        "COMMAND GETKEYS RENAME a b",
        "COMMAND GETKEYS OBJECT ENCODING a",
        "COMMAND GETKEYS XREAD STREAMS a b 1 2",
        "COMMAND GETKEYS XREAD COUNT 1 streams a b c 1",
        "COMMAND GETKEYS XREAD COUNT 1 a b",
        "COMMAND GETKEYS XREAD COUNT 1 STREAMS",
        "COMMAND GETKEYS XREADGROUP GROUP STREAMS c STREAMS a >",
        "COMMAND GETKEYSANDFLAGS XREADGROUP GROUP g c STREAMS a b > >",
        "COMMAND GETKEYSANDFLAGS EVALSHA x 2 a b c",
        "COMMAND GETKEYSANDFLAGS XADD a * f v",
        "COMMAND GETKEYSANDFLAGS COPY a b",
        "COMMAND GETKEYSANDFLAGS DEL a b c",
        "COMMAND GETKEYSANDFLAGS MSET a 1 b 2",
        "COMMAND GETKEYSANDFLAGS RENAMENX a b",
        "COMMAND GETKEYSANDFLAGS SET a b",
        "COMMAND GETKEYSANDFLAGS SET a GET",
        "COMMAND GETKEYSANDFLAGS SET a b get",
        "COMMAND GETKEYS nosuch x",
        "COMMAND GETKEYSANDFLAGS MEMORY USAGE k",
        "COMMAND GETKEYSANDFLAGS SSUBSCRIBE a b",
        "COMMAND GETKEYSANDFLAGS WATCH a b",
        "COMMAND INFO nosuch PING client|nosuch|x WATCH",
        "COMMAND LIST FILTERBY",
        "COMMAND LIST FILTERBY ACLCAT nosuch",
        "COMMAND LIST FILTERBY MODULE x",
        "COMMAND LIST FILTERBY PATTERN psub*",
        "COMMAND LIST FILTERBY PATTERN watch x",
        "COMMAND LIST FILTERBY nosuch x",
        "COMMAND LIST nosuch",
        "COMMAND nosuch",
    ],
)
def test_replies_are_those_of_redis(alice: Peer, oracle: Ask, line: str, resp3: bool) -> None:
    if resp3:
        alice.ask("HELLO 3")
    assert alice.raw(line) == oracle(line, resp3=resp3)


def test_command_alone_and_info_without_names_describe_all(alice: Peer) -> None:
    reply = alice.raw("COMMAND")
    assert reply == alice.raw("COMMAND INFO")
    assert [row[0].decode() for row in parsed(reply)] == list(COMMANDS)
    assert alice.ask("COMMAND COUNT") == len(COMMANDS)


def test_command_list_has_subcommands_too(alice: Peer) -> None:
    assert alice.ask("COMMAND LIST") == [row.name.encode() for row in all_commands()]
    assert set(alice.ask("COMMAND LIST FILTERBY ACLCAT TRANSACTION")) == {
        b"multi",
        b"exec",
        b"discard",
        b"watch",
        b"unwatch",
    }
    assert alice.ask("COMMAND LIST FILTERBY PATTERN *|USAGE") == [b"memory|usage"]


# --- COMMAND DOCS -----------------------------------------------------------------------------------------------------


def shape(documented: list[dict[bytes, Any]]) -> list[Any]:
    """What a client shows as a hint: tokens, names of values, what is optional and what may be repeated."""
    result = []
    for argument in documented:
        kind = argument[b"type"]
        shown: Any = shape(argument.get(b"arguments", []))
        if kind not in (b"block", b"oneof"):
            shown = None if kind == b"pure-token" else (argument[b"name"], kind, argument.get(b"key_spec_index"))
        result.append((kind == b"oneof", argument.get(b"token"), shown, sorted(argument.get(b"flags", []))))
    return result


# Redis 7.0 documents these otherwise, or not at all.
DIFFERENT = {
    # Newer options, or newer names of arguments.
    *("set", "xadd", "xclaim", "xinfo|stream", "xpending", "xread", "xreadgroup", "xsetid", "xtrim"),
    *("xgroup|create", "xgroup|createconsumer", "xgroup|delconsumer", "xgroup|destroy", "xgroup|setid"),
    "xinfo|consumers",
    "client|kill",  # MAXAGE, which is newer
    "client|list",  # a block around one argument
    "command|getkeys",
    "command|getkeysandflags",
    "config|get",  # a block around one argument
    "debug",
    "lolwut",
    "psubscribe",  # a block around one argument
}


def test_arguments_are_documented_as_in_redis(alice: Peer, oracle: Ask) -> None:
    alice.ask("HELLO 3")
    for row in all_commands():
        if row.name in NOT_IN_REDIS_7_0 | DIFFERENT | CONTAINERS | OURS.keys():
            continue
        line, name = f"COMMAND DOCS {row.name}", row.name.encode()
        ours, theirs = alice.ask(line)[name], parsed(oracle(line, resp3=True))[name]
        assert shape(ours.get(b"arguments", [])) == shape(theirs.get(b"arguments", [])), row.name
        assert ours[b"group"] == theirs[b"group"]
        assert (ours[b"since"] == theirs[b"since"]) or row.name == "client|pause"  # Redis says 2.9.50 there


def test_docs_have_redis_form(alice: Peer) -> None:
    assert alice.raw("COMMAND DOCS ECHO nosuch") == (
        b"*2\r\n$4\r\necho\r\n*10\r\n$7\r\nsummary\r\n$18\r\nSay something back\r\n$5\r\nsince\r\n$5\r\n1.0.0\r\n"
        b"$5\r\ngroup\r\n$10\r\nconnection\r\n$10\r\ncomplexity\r\n$4\r\nO(1)\r\n"
        b"$9\r\narguments\r\n*1\r\n*4\r\n$4\r\nname\r\n$7\r\nmessage\r\n$4\r\ntype\r\n$6\r\nstring\r\n"
    )
    alice.ask("HELLO 3")
    docs = alice.ask("COMMAND DOCS client")[b"client"]
    assert docs[b"complexity"] == b"Depends on subcommand."
    assert b"client|id" in docs[b"subcommands"]
    assert [argument[b"name"] for argument in docs[b"subcommands"][b"client|pause"][b"arguments"]] == [
        b"timeout",
        b"write_all",
    ]


def test_every_command_is_documented(alice: Peer) -> None:
    alice.ask("HELLO 3")
    assert list(alice.ask("COMMAND DOCS")) == [name.encode() for name in COMMANDS]
    for row in all_commands():
        docs = alice.ask(f"COMMAND DOCS {row.name}")[row.name.encode()]
        assert all(docs[field] for field in (b"summary", b"since", b"group", b"complexity"))
        if not row.subcommands or row.arity == -1:
            assert row.about("Reply")
            where = OURS.get(row.name, "https://redis.io/docs/latest/commands/")
            assert row.about("Source").startswith(where)


# --- syntax -----------------------------------------------------------------------------------------------------------

KEYS = Argument("key", "key", multiple=True)


@pytest.mark.parametrize(
    ("syntax", "expected"),
    [
        ("", ()),
        ("key [key ...]", (KEYS,)),
        ("[pattern]", (Argument("pattern", "pattern", optional=True),)),
        ("[channel [channel ...]]", (Argument("channel", "string", optional=True, multiple=True),)),
        ("[SAMPLES count]", (Argument("count", "integer", "SAMPLES", optional=True),)),
        ("[NOW]", (Argument("now", "pure-token", "NOW", optional=True),)),
        ("[ID client-id [client-id ...]]", (Argument("client-id", "integer", "ID", optional=True, multiple=True),)),
        ("STREAMS key [key ...] id", (Argument("key", "key", "STREAMS", multiple=True), Argument("id", "string"))),
        (
            "[AUTH username password]",
            (
                Argument(
                    "username_password",
                    "block",
                    "AUTH",
                    optional=True,
                    parts=(Argument("username", "string"), Argument("password", "string")),
                ),
            ),
        ),
        (
            "key field value [field value ...]",
            (
                Argument("key", "key"),
                Argument(
                    "field_value",
                    "block",
                    multiple=True,
                    parts=(Argument("field", "string"), Argument("value", "string")),
                ),
            ),
        ),
        (
            "[TYPE <A | B>] <* | id>",
            (
                Argument(
                    "a_b",
                    "oneof",
                    "TYPE",
                    optional=True,
                    parts=(Argument("a", "pure-token", "A"), Argument("b", "pure-token", "B")),
                ),
                Argument("*_id", "oneof", parts=(Argument("*", "pure-token", "*"), Argument("id", "string"))),
            ),
        ),
    ],
)
def test_syntax(syntax: str, expected: tuple[Argument, ...]) -> None:
    assert arguments(syntax) == expected
