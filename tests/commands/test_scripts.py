"""The scripts that Airwave knows. redis-server runs their texts: each conversation is, byte for byte, the same."""

from collections.abc import Callable
from hashlib import sha1
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis.asyncio.lock
from memory import Node
from peers import Error, Peer
from redis.lock import Lock
from streams.disk import SlowDisk
from test_broker import Disk

from airwave.errors import CommandError

from .conftest import Ask


def _of_litestar(name: str) -> str:
    found = find_spec("litestar")
    assert found is not None
    assert found.origin is not None
    return (Path(found.origin).parent / "channels" / "backends" / name).read_text()


TEXTS = {
    "release": Lock.LUA_RELEASE_SCRIPT,
    "extend": Lock.LUA_EXTEND_SCRIPT,
    "reacquire": Lock.LUA_REACQUIRE_SCRIPT,
    "publish": _of_litestar("_redis_pubsub_publish.lua"),
    "add": _of_litestar("_redis_xadd_expire.lua"),
    "flush": _of_litestar("_redis_flushall_streams.lua"),
}
DIGESTS = {name: sha1(text.encode()).hexdigest() for name, text in TEXTS.items()}
NO_SCRIPT = Error("NOSCRIPT No matching script. Please use EVAL.")
NOT_AN_INTEGER = "ERR value is not an integer or out of range"
NIL_ARGUMENT = "ERR Lua redis lib command arguments must be strings or integers"


def within(name: str, line: int, text: str) -> Error:
    """An error of a command that a script called."""
    return Error(f"{text} script: {DIGESTS[name]}, on @user_script:{line}.")


def sha(name: str, *args: str) -> list[str]:
    """EVALSHA of a script, with the number of keys and what follows."""
    return ["EVALSHA", DIGESTS[name], *args]


def loaded(peers: Callable[..., list[Peer]], count: int = 1, protocol: int = 2) -> list[Peer]:
    """Clients of a server that has all scripts."""
    made = peers(count, protocol)
    for name, text in TEXTS.items():
        made[0].do(["SCRIPT", "LOAD", text], DIGESTS[name])
    return made


# --- locks ------------------------------------------------------------------------------------------------------------


def test_the_lock_of_asyncio_has_the_same_scripts():
    lock = redis.asyncio.lock.Lock
    for name in "release", "extend", "reacquire":
        assert getattr(lock, f"LUA_{name.upper()}_SCRIPT") == TEXTS[name]


def test_a_lock_is_released_by_whoever_has_it(peers, protocol):
    (alice,) = loaded(peers, 1, protocol)
    alice.do("SET lock alice NX PX 100000", "OK")
    alice.do(sha("release", "1", "lock", "bob"), 0)
    alice.do(sha("release", "1", "lock"), 0)
    alice.do("GET lock", "alice")
    alice.do(sha("release", "1", "lock", "alice"), 1)
    alice.do("EXISTS lock", 0)
    alice.do(sha("release", "1", "lock", "alice"), 0)
    alice.do(["EVAL", TEXTS["release"], "1", "lock", "alice"], 0)


def test_a_lock_is_extended(peers):
    (alice,) = loaded(peers)
    alice.do("SET lock alice PX 100000", "OK")
    alice.do(sha("extend", "1", "lock", "bob", "1000000", "0"), 0)
    alice.do(sha("extend", "1", "lock", "alice", "1000000", "0"), 1)
    alice.do("TTL lock", lambda ttl: 1090 < ttl <= 1100)
    alice.do(sha("extend", "1", "lock", "alice", "200000", "1"), 1)
    alice.do("TTL lock", lambda ttl: 190 < ttl <= 200)
    alice.do(sha("extend", "1", "lock", "alice", "300000"), 1)
    alice.do("TTL lock", lambda ttl: 290 < ttl <= 300)
    alice.do(sha("extend", "1", "lock", "alice", "-1000000", "0"), 1)
    alice.do("EXISTS lock", 0)
    alice.do(sha("extend", "1", "lock", "alice", "1000", "0"), 0)
    alice.do("SET lock alice", "OK")
    alice.do(sha("extend", "1", "lock", "alice", "1000", "0"), 0)
    alice.do(sha("extend", "1", "lock", "alice", "1000", "1"), 0)
    alice.do("TTL lock", -1)


@pytest.mark.parametrize("number", ["1e3", " 0x10 ", "1.", "+7", "0X1p4", "010", "-.0"])
def test_what_lua_takes_for_a_number_is_added(peers, number):
    (alice,) = loaded(peers)
    alice.do("SET lock alice PX 100000", "OK")
    alice.do(sha("extend", "1", "lock", "alice", number, "0"), 1)
    alice.do("TTL lock", lambda ttl: 90 < ttl <= 101)


@pytest.mark.parametrize("number", ["1.5", "1e30", "inf", "-infinity", "nan", ".25"])
def test_what_is_no_integer_in_the_end_is_refused(peers, number):
    (alice,) = loaded(peers)
    alice.do("SET lock alice PX 100000", "OK")
    alice.do(sha("extend", "1", "lock", "alice", number, "0"), within("extend", 18, NOT_AN_INTEGER))


@pytest.mark.parametrize("word", ["", "x", "1x", "1_0", "--1", "0x", "e1", "1 2", "."])
def test_lua_cannot_calculate_with_words(peers, word):
    (alice,) = loaded(peers)
    alice.do("SET lock alice PX 100000", "OK")
    error = "ERR user_script:16: attempt to perform arithmetic on field '?' (a string value)"
    alice.do(sha("extend", "1", "lock", "alice", word, "0"), within("extend", 16, error))
    alice.do(sha("extend", "1", "lock", "alice", word, "1"), within("extend", 18, NOT_AN_INTEGER))


def test_a_lock_is_reacquired(peers):
    (alice,) = loaded(peers)
    alice.do("SET lock alice", "OK")
    alice.do(sha("reacquire", "1", "lock", "bob", "100000"), 0)
    alice.do("TTL lock", -1)
    alice.do(sha("reacquire", "1", "lock", "alice", "100000"), 1)
    alice.do("TTL lock", lambda ttl: 90 < ttl <= 100)
    alice.do(sha("reacquire", "1", "lock", "alice", "0"), 1)
    alice.do("EXISTS lock", 0)


def test_errors_say_where_in_the_script_they_happened(peers, protocol):
    (alice,) = loaded(peers, 1, protocol)
    wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value"
    alice.do("XADD stream 1-1 a b", "1-1")
    alice.do("SET lock alice PX 100000", "OK")
    for name in "release", "extend", "reacquire":
        alice.do(sha(name, "1", "stream", "alice", "1", "0"), within(name, 2, wrong_type))
        alice.do(sha(name, "0"), within(name, 2, NIL_ARGUMENT))
        alice.do(sha(name, "0", "alice"), within(name, 2, NIL_ARGUMENT))
    alice.do(sha("extend", "1", "lock", "alice"), within("extend", 18, NIL_ARGUMENT))
    alice.do(sha("reacquire", "1", "lock", "alice"), within("reacquire", 6, NIL_ARGUMENT))
    alice.do(sha("reacquire", "1", "lock", "alice", "x"), within("reacquire", 6, NOT_AN_INTEGER))
    invalid = "ERR invalid expire time in 'pexpire' command"
    alice.do(sha("reacquire", "1", "lock", "alice", str((1 << 63) - 1)), within("reacquire", 6, invalid))


def test_the_events_are_those_of_the_commands(peers):
    alice, bob = loaded(peers, 2)
    alice.do("CONFIG SET notify-keyspace-events EA", "OK")
    bob.do("PSUBSCRIBE __keyevent@0__:*", ["psubscribe", "__keyevent@0__:*", 1])

    def event(name: str) -> list[str]:
        return ["pmessage", "__keyevent@0__:*", f"__keyevent@0__:{name}", "lock"]

    alice.do("SET lock alice PX 100000", "OK")
    bob.gets(event("set"), event("expire"))
    alice.do(sha("extend", "1", "lock", "alice", "100", "0"), 1)
    bob.gets(event("expire"))
    alice.do(sha("reacquire", "1", "lock", "alice", "500000"), 1)
    bob.gets(event("expire"))
    alice.do(sha("release", "1", "lock", "alice"), 1)
    bob.gets(event("del"))


def test_in_a_transaction(peers):
    alice, bob = loaded(peers, 2)
    alice.do("SET lock alice", "OK")
    alice.do("WATCH lock", "OK")
    bob.do(sha("release", "1", "lock", "bob"), 0)
    alice.do("MULTI", "OK")
    alice.do(sha("reacquire", "1", "lock", "alice", "5000"), "QUEUED")
    alice.do(sha("release", "1", "lock", "alice"), "QUEUED")
    alice.do(["EVALSHA", "0" * 40, "0"], "QUEUED")
    alice.do(sha("release", "1", "lock", "alice"), "QUEUED")
    alice.do("EXEC", [1, 1, NO_SCRIPT, 0])
    alice.do("SET lock alice", "OK")
    alice.do("WATCH lock", "OK")
    bob.do(sha("release", "1", "lock", "alice"), 1)
    alice.do("MULTI", "OK")
    alice.do("PING", "QUEUED")
    alice.do("EXEC", None)


def test_a_pause_of_writes_holds_scripts_back(peers):
    alice, bob = loaded(peers, 2)
    alice.do("SET lock alice", "OK")
    bob.do("CLIENT PAUSE 100000 WRITE", "OK")
    alice.asks(sha("release", "1", "lock", "alice"))
    bob.do("GET lock", "alice")
    bob.do("CLIENT UNPAUSE", "OK")
    alice.gets(1)


# --- channels ---------------------------------------------------------------------------------------------------------


def test_data_is_published_to_several_channels(peers, protocol):
    alice, bob = loaded(peers, 2, protocol)
    bob.do("SUBSCRIBE one", ["subscribe", "one", 1])
    alice.do(sha("publish", "2", "other", "one", "hi"), None)
    bob.gets(["message", "one", "hi"])
    alice.do(sha("publish", "0", "hi"), None)
    alice.do(sha("publish", "0"), None)
    alice.do(sha("publish", "1", "one"), within("publish", 4, NIL_ARGUMENT))


def test_data_is_added_to_several_streams(peers):
    (alice,) = loaded(peers)
    for data in "a", "b", "c":
        alice.do(sha("add", "2", "s1", "s2", data, "2", "100000", "1", "one", "two"), None)
    alice.do("XLEN s1", 2)
    for key, channel in ("s1", "one"), ("s2", "two"):
        alice.do(
            f"XRANGE {key} - +",
            lambda entries, channel=channel: (
                [fields for _, fields in entries] == [["data", data, "channel", channel] for data in ("b", "c")]
            ),
        )
        alice.do(f"TTL {key}", lambda ttl: 90 < ttl <= 100)
    alice.do(sha("add", "0"), None)


def test_what_was_added_before_an_error_stays(peers):
    (alice,) = loaded(peers)
    alice.do("SET text x", "OK")
    wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value"
    alice.do(sha("add", "2", "s", "text", "a", "2", "900000", "1", "one", "two"), within("add", 10, wrong_type))
    alice.do(sha("add", "2", "s", "t", "a", "2", "900000", "1", "one"), within("add", 10, NIL_ARGUMENT))
    alice.do(sha("add", "1", "s", "a", "x", "900000", "1", "one"), within("add", 10, NOT_AN_INTEGER))
    alice.do("XLEN s", 2)
    alice.do(sha("add", "1", "s", "a", "9", "x", "1", "one"), within("add", 12, NOT_AN_INTEGER))
    alice.do("XLEN s", 3)


def test_streams_are_flushed_by_pattern(peers):
    (alice,) = loaded(peers)
    for key in "ls_a", "ls_b", "ls_c", "other":
        alice.do(["SET", key, "x"], "OK")
    alice.do(sha("flush", "0", "ls_[ab]"), 2)
    alice.do(sha("flush", "0", "nothing*"), 0)
    alice.do("KEYS *", lambda keys: sorted(keys) == ["ls_c", "other"])
    alice.do(sha("flush", "0"), within("flush", 7, NIL_ARGUMENT))


# --- the commands -----------------------------------------------------------------------------------------------------


def test_what_is_known(peers, protocol):
    (alice,) = loaded(peers, 1, protocol)
    alice.do(["SCRIPT", "EXISTS", *DIGESTS.values(), "0" * 40, "", "é"], [1] * 6 + [0] * 3)
    alice.do(["SCRIPT", "EXISTS", DIGESTS["add"].upper()], [1])
    alice.do(["EVALSHA", DIGESTS["release"].upper(), "1", "lock", "alice"], 0)
    for text in TEXTS.values():
        alice.do(["EVAL", text, "-1"], Error("ERR Number of keys can't be negative"))


@pytest.mark.parametrize(
    "line",
    [
        *("EVAL", "EVAL x", "EVALSHA", "EVALSHA x", "SCRIPT", "SCRIPT nosuch", "SCRIPT LOAD", "SCRIPT LOAD a b"),
        *("EVALSHA x 0", "EVALSHA x x", f"EVALSHA {'0' * 40} 0", f"EVALSHA {'0' * 40} 1 key", f"EVALSHA {'é' * 20} 0"),
        *(f"EVALSHA {'0' * 40} {count} key arg" for count in ("x", "-1", "3", "1.0", "9" * 20, "+1")),
        *(f"EVAL x {count} key arg" for count in ("x", "-1", "3", "1.0", "9" * 20)),
        *("SCRIPT EXISTS", "SCRIPT EXISTS a b", "SCRIPT HELP x"),
        *("SCRIPT FLUSH", "SCRIPT FLUSH sync", "SCRIPT FLUSH ASYNC", "SCRIPT FLUSH x", "SCRIPT FLUSH SYNC ASYNC"),
    ],
)
def test_the_commands_answer_as_redis(oracle: Ask, line: str) -> None:
    assert Node().peer().raw(line) == oracle(line)


def test_other_scripts_are_refused_by_an_error_that_says_what_is_known():
    alice = Node().peer()
    for line in ("EVAL", "return 1", "0"), ("SCRIPT", "LOAD", "return 1"), ("EVAL", TEXTS["release"] + " ", "0"):
        alice.do(line, lambda reply: isinstance(reply, Error) and "no Lua" in str(reply) and "Lock" in str(reply))
    alice.do("SCRIPT FLUSH", "OK")
    alice.do(["SCRIPT", "EXISTS", *DIGESTS.values()], [1] * len(DIGESTS))


def test_help_names_the_subcommands():
    lines = Node().peer().ask("SCRIPT HELP")
    assert [line.split()[0] for line in lines[1::2]] == [b"EXISTS", b"FLUSH", b"LOAD", b"HELP"]


def test_monitor_shows_a_script():
    node = Node()
    alice, bob = node.peer(), node.peer("127.0.0.1:50002")
    bob.do("MONITOR", "OK")
    alice.do(sha("release", "1", "lock", "alice"), 0)
    bob.gets(lambda line: line.endswith(f'"EVALSHA" "{DIGESTS["release"]}" "1" "lock" "alice"'))


def test_monitor_shows_a_script_once_that_had_to_wait_for_the_disk():
    disk = SlowDisk()
    node = Node(journal=disk)
    alice, bob = node.peer(), node.peer("127.0.0.1:50002")
    alice.sends(b"XADD s * f v\r\n" * 300)
    alice.reads()
    bob.do("MONITOR", "OK")
    alice.asks(sha("add", "1", "s", "a", "200", "100000", "1", "one"))
    node.settle()
    assert disk.wanted
    disk.warm()
    node.broker.warm()
    alice.gets(None)
    assert bob.reads().count(b"EVALSHA") == 1


# --- when nothing can be written --------------------------------------------------------------------------------------


def test_a_script_cannot_change_anything_then_but_may_read():
    node = Node()
    alice = node.peer()
    alice.do("SET lock alice", "OK")
    node.broker._refuse_writes(CommandError("MISCONF no"))
    alice.do(sha("release", "1", "lock", "alice"), within("release", 6, "MISCONF no"))
    alice.do(sha("release", "1", "lock", "bob"), 0)
    alice.do("GET lock", "alice")


@pytest.mark.parametrize("in_transaction", [False, True])
def test_the_reply_is_an_error_if_what_it_did_cannot_be_written(in_transaction: bool, protocol: int) -> None:
    disk = Disk()
    node = Node(journal=disk)
    node.host.quiet = False
    alice, bob = node.peer(), node.peer()
    if protocol == 3:
        alice.ask("HELLO 3")
    alice.do("SET lock alice", "OK")
    disk.full = True
    if in_transaction:
        alice.do("MULTI", "OK")
        alice.do(sha("release", "1", "lock", "alice"), "QUEUED")
    alice.asks("EXEC" if in_transaction else sha("release", "1", "lock", "alice"))
    bob.asks(sha("release", "1", "lock", "alice"))  # it has seen what is no more
    error = Error("MISCONF Errors writing to the AOF file: No space left on device")
    alice.gets(error)
    bob.gets(error)
    bob.do("GET lock", None)  # memory goes back to what the disk has, which is nothing
