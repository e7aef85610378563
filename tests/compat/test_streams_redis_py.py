"""Streams, keys and strings through redis-py and valkey-py: methods return on Airwave what they return on Redis.

The same calls go to both servers, blocking and on asyncio, with both protocols, with text and with bytes; and to an
engine in this process.
"""

import asyncio
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis.asyncio
import valkey.asyncio
from live import DEADLINE_S, HOST, Node, wait_for
from servers import Address

import airwave.asyncio
from compat.conftest import ENGINE

LIBRARIES = [
    pytest.param((redis.Redis, redis.asyncio.Redis), id="redis-py"),
    pytest.param((valkey.Valkey, valkey.asyncio.Valkey), id="valkey-py"),
    pytest.param((None, None), id="memory"),
]
DATABASE = 9  # other tests use the same server
LATER = 4_000_000_000

# What depends on time, on Redis's memory, or is newer than redis-server 7.0.
NOT_COMPARED = {
    *("idle", "inactive", "seen-time", "active-time", "time_since_delivered", "radix-tree-keys", "radix-tree-nodes"),
    *("idmp-duration", "idmp-maxsize", "pids-tracked", "iids-tracked", "iids-added", "iids-duplicates"),
    *("nacked-count", "lag", "entries-read"),
}

Call = tuple[str, tuple[Any, ...], dict[str, Any]]


def call(method: str, *args: Any, **options: Any) -> Call:
    return method, args, options


STRINGS = [
    call("set", "a", 1),
    call("set", "a", "x", nx=True),
    call("set", "a", "2", xx=True, get=True),
    call("set", "b", b"\xc3\xa9", ex=100),
    call("set", "c", "v", px=100_000),
    call("set", "d", "v", exat=LATER),
    call("set", "d", "w", keepttl=True),
    call("set", "e", 1.5, pxat=LATER * 1000),
    call("set", "none", "v", xx=True),
    call("set", "none", "v", get=True),
    call("get", "a"),
    call("get", "nobody"),
    call("getdel", "none"),
    call("getdel", "none"),
    call("getex", "a"),
    call("getex", "a", ex=100),
    call("getex", "a", px=100_000),
    call("getex", "a", exat=LATER),
    call("getex", "a", persist=True),
    call("setex", "f", 100, "v"),
    call("psetex", "g", 100_000, "v"),
    call("setnx", "f", "w"),
    call("setnx", "h", "w"),
    call("mset", {"i": 1, "j": "two"}),
    call("mget", "i", "j", "nobody"),
    call("mget", ["i"]),
    call("append", "j", "!"),
    call("strlen", "j"),
    call("incr", "i"),
    call("incr", "i", 5),
    call("incrby", "i", 5),
    call("decr", "i", 2),
    call("decrby", "i", 2),
    call("incr", "j"),
    call("setex", "f", 0, "v"),
    call("set", "a", "v", ex=-1),
]

KEYS = [
    call("set", "a", "v"),
    call("randomkey"),
    call("xadd", "s", {"f": "v"}, id="1-1"),
    call("exists", "a", "a", "nobody"),
    call("type", "a"),
    call("type", "s"),
    call("type", "nobody"),
    call("touch", "a", "nobody"),
    call("expire", "a", 100),
    call("expire", "a", 200, nx=True),
    call("expire", "a", 200, xx=True),
    call("expire", "a", 50, gt=True),
    call("expire", "a", 50, lt=True),
    call("ttl", "a"),
    call("pexpire", "a", 100_000),
    call("expireat", "a", LATER),
    call("expiretime", "a"),
    call("pexpireat", "a", LATER * 1000),
    call("pexpiretime", "a"),
    call("persist", "a"),
    call("persist", "a"),
    call("ttl", "a"),
    call("pttl", "nobody"),
    call("keys", "a*"),
    call("keys", "x*"),
    call("scan", 0, count=100),
    call("scan", 0, match="s", count=100),
    call("scan", 0, _type="stream", count=100),
    call("rename", "a", "b"),
    call("rename", "a", "b"),
    call("renamenx", "b", "s"),
    call("renamenx", "b", "a"),
    call("copy", "a", "b"),
    call("copy", "a", "b"),
    call("copy", "a", "b", replace=True),
    call("copy", "a", "x", destination_db=10),
    call("copy", "s", "t"),
    call("move", "b", 10),
    call("move", "b", 10),
    call("swapdb", 9, 10),
    call("swapdb", 9, 10),
    call("dbsize"),
    call("object", "encoding", "a"),
    call("object", "encoding", "s"),
    call("object", "refcount", "a"),
    call("object", "freq", "a"),
    call("object", "encoding", "nobody"),
    call("delete", "a", "nobody"),
    call("unlink", "s", "t"),
    call("restore", "r", 0, b"bad"),
    call("flushdb", asynchronous=True),
    call("randomkey"),
    call("dump", "nobody"),
    call("flushall"),
]

STREAMS = [
    call("xadd", "s", {"f": "v", "n": 1}, id="1-1"),
    call("xadd", "s", {"f": b"w"}, id="1-2", maxlen=10, approximate=False),
    call("xadd", "s", {"f": "x"}, id="2-*"),
    call("xadd", "s", {"f": "y"}, id="3-0", minid="1-1", approximate=False),
    call("xadd", "nobody", {"f": "v"}, nomkstream=True),
    call("xadd", "s", {"f": "v"}, id="1-1"),
    call("xadd", "s", {"f": "v"}, id="bad"),
    call("xadd", "s", {}),
    call("xlen", "s"),
    call("xlen", "nobody"),
    call("xrange", "s"),
    call("xrange", "s", min="1-2", max="(3-0", count=1),
    call("xrange", "nobody"),
    call("xrevrange", "s"),
    call("xrevrange", "s", max="2-0", min="-", count=1),
    call("xread", {"s": "0"}),
    call("xread", {"s": "1-1"}, count=1, block=1000),
    call("xread", {"s": "$"}),
    call("xread", {"s": "$"}, block=1),
    call("xread", {"s": "0", "nobody": "0"}),
    call("xgroup_create", "s", "g", id="0"),
    call("xgroup_create", "s", "g"),
    call("xgroup_create", "nobody", "g"),
    call("xgroup_create", "t", "g", mkstream=True),
    call("xgroup_create", "s", "h", id="1-1", entries_read=1),
    call("xgroup_createconsumer", "s", "g", "alice"),
    call("xgroup_createconsumer", "s", "g", "alice"),
    call("xreadgroup", "g", "alice", {"s": ">"}, count=2),
    call("xreadgroup", "g", "bob", {"s": ">"}, count=1, block=1000),
    call("xreadgroup", "g", "alice", {"s": "0"}),
    call("xreadgroup", "g", "carol", {"s": ">"}, noack=True),
    call("xreadgroup", "g", "carol", {"s": ">"}),
    call("xreadgroup", "g", "carol", {"s": ">"}, block=1),
    call("xreadgroup", "g", "carol", {"s": "0"}),
    call("xreadgroup", "nogroup", "carol", {"s": ">"}),
    call("xpending", "s", "g"),
    call("xpending", "s", "h"),
    call("xpending", "s", "nogroup"),
    call("xpending_range", "s", "g", "-", "+", 10),
    call("xpending_range", "s", "g", "-", "+", 10, consumername="alice"),
    call("xpending_range", "s", "g", "-", "+", 10, idle=100_000),
    call("xpending_range", "s", "h", "-", "+", 10),
    call("xack", "s", "g", "1-1", "9-9"),
    call("xclaim", "s", "g", "bob", 0, ["1-2"]),
    call("xclaim", "s", "g", "bob", 0, ["1-2"], justid=True),
    call("xclaim", "s", "g", "bob", 0, ["1-2", "1-1"], force=True, retrycount=7, idle=1000),
    call("xclaim", "s", "g", "bob", 1_000_000, ["1-2"]),
    call("xautoclaim", "s", "g", "alice", 0),
    call("xautoclaim", "s", "g", "alice", 0, start_id="1-2", count=1),
    call("xautoclaim", "s", "g", "alice", 0, justid=True),
    call("xautoclaim", "s", "nogroup", "alice", 0),
    call("xinfo_stream", "s"),
    call("xinfo_stream", "s", full=True),
    call("xinfo_stream", "t"),
    call("xinfo_stream", "nobody"),
    call("xinfo_groups", "s"),
    call("xinfo_groups", "nobody"),
    call("xinfo_consumers", "s", "g"),
    call("xinfo_consumers", "s", "nogroup"),
    call("xdel", "s", "1-1", "9-9"),
    call("xclaim", "s", "g", "bob", 0, ["1-1"]),
    call("xreadgroup", "g", "alice", {"s": "0"}),
    call("xdel", "s", "1-2"),
    call("xreadgroup", "g", "alice", {"s": "0"}),
    call("xautoclaim", "s", "g", "bob", 0),
    call("xtrim", "s", maxlen=1, approximate=False),
    call("xtrim", "s", minid="9-9", approximate=False),
    call("xtrim", "s", maxlen=0, approximate=True, limit=10),
    call("xinfo_stream", "s"),
    call("xinfo_stream", "s", full=True),
    call("xgroup_setid", "s", "g", "0"),
    call("xgroup_setid", "s", "g", "0", entries_read=1),
    call("xgroup_delconsumer", "s", "g", "bob"),
    call("xgroup_delconsumer", "s", "g", "bob"),
    call("xgroup_destroy", "s", "g"),
    call("xgroup_destroy", "s", "g"),
    call("set", "text", "x"),
    call("xadd", "text", {"f": "v"}),
    call("xlen", "text"),
    call("get", "s"),
]

CALLS = {"strings": STRINGS, "keys": KEYS, "streams": STREAMS}


def comparable(method: str, value: Any) -> Any:
    """What two servers must have in common."""
    if isinstance(value, Exception):
        return type(value).__name__, str(value)
    if isinstance(value, dict):
        return {key: comparable(method, item) for key, item in value.items() if _text(key) not in NOT_COMPARED}
    if method in ("keys", "scan") and isinstance(value, list):
        return sorted(value)
    if isinstance(value, list | tuple):
        return [type(value).__name__, *(comparable(method, item) for item in value)]
    if method == "ttl" and value > 0:
        value = -(-value // 50) * 50  # what was set is a multiple of it; some seconds may have gone by
    if method == "xinfo_stream" and isinstance(value, int) and value > 10**12:
        return "a time of day"
    return type(value).__name__, value


def _text(key: object) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)


def outcome(client: Any, each: Call) -> Any:
    method, args, options = each
    try:
        return comparable(method, getattr(client, method)(*args, **options))
    except Exception as error:
        return comparable(method, error)


async def outcome_of_awaiting(client: Any, each: Call) -> Any:
    method, args, options = each
    try:
        return comparable(method, await getattr(client, method)(*args, **options))
    except Exception as error:
        return comparable(method, error)


@pytest.fixture(params=LIBRARIES)
def classes(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    return request.param


@pytest.fixture(params=[True, False], ids=["text", "bytes"])
def decode(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
def places(shared: Node, redis_address: Address) -> Iterator[list[dict[str, Any]]]:
    """How to connect to Airwave and to redis-server, whose databases are empty before and after."""
    found: list[dict[str, Any]] = [{"host": HOST, "port": shared.port}, {"unix_socket_path": redis_address}]

    def empty() -> None:
        for client in (*[redis.Redis(**place) for place in found], airwave.connect(ENGINE)):
            with client:
                client.flushall()

    empty()
    yield found
    empty()


@pytest.fixture
def clients(classes: tuple[Any, Any], places: list[dict[str, Any]], protocol: int, decode: bool) -> Iterator[list[Any]]:
    """A client of Airwave and one of redis-server."""
    options: dict[str, Any] = {"protocol": protocol, "decode_responses": decode, "db": DATABASE}
    kind = classes[0]
    ours = kind(**places[0], **options) if kind else airwave.connect(ENGINE, **options)
    made = [ours, (kind or redis.Redis)(**places[1], **options)]
    yield made
    for client in made:
        client.close()


@pytest.mark.parametrize("group", list(CALLS))
def test_methods_return_the_same(clients: list[Any], group: str) -> None:
    for each in CALLS[group]:
        ours, theirs = [outcome(client, each) for client in clients]
        assert (each, ours) == (each, theirs)


@pytest.mark.parametrize("group", list(CALLS))
def test_awaited_methods_return_the_same(
    classes: tuple[Any, Any], places: list[dict[str, Any]], protocol: int, decode: bool, group: str
) -> None:
    async def body() -> None:
        options = {"protocol": protocol, "decode_responses": decode, "db": DATABASE}
        async with asyncio.timeout(DEADLINE_S):
            kind = classes[1]
            airwave_client = kind(**places[0], **options) if kind else airwave.asyncio.connect(ENGINE, **options)
            async with airwave_client as one, (kind or redis.asyncio.Redis)(**places[1], **options) as oracle:
                for each in CALLS[group]:
                    ours, theirs = [await outcome_of_awaiting(client, each) for client in (one, oracle)]
                    assert (each, ours) == (each, theirs)

    asyncio.run(body())


def test_pipelines_and_transactions_return_the_same(clients: list[Any]) -> None:
    results = []
    for client in clients:
        found = []
        for transaction in (True, False):
            with client.pipeline(transaction=transaction) as pipe:
                for name, args, options in STREAMS[:20]:
                    if options.get("block") is None and args[1:] != ({},):
                        getattr(pipe, name)(*args, **options)
                found += [comparable("", value) for value in pipe.execute(raise_on_error=False)]
            client.delete("s")
        results.append(found)
    assert results[0] == results[1]


def test_an_optimistic_transaction_is_tried_again(clients: list[Any]) -> None:
    results = []
    for client in clients:
        client.set("n", 1)
        tries = []

        def double(pipe: Any, client: Any = client, tries: list[int] = tries) -> None:
            now = int(pipe.get("n"))
            tries.append(now)
            if len(tries) == 1:
                client.incr("n")  # somebody comes between
            pipe.multi()
            pipe.set("n", now * 2)

        results.append([client.transaction(double, "n"), tries, client.get("n")])
    assert results[0] == results[1] == [[True], [1, 2], results[1][2]]


def test_an_iterator_of_keys_gives_all(clients: list[Any]) -> None:
    for client in clients:
        client.mset({f"k{number}": number for number in range(300)})
    ours, theirs = [sorted(client.scan_iter("k*", count=10)) for client in clients]
    assert ours == theirs
    assert len(set(ours)) == 300


@pytest.mark.parametrize("decode", [False], indirect=True)  # a payload is not text
def test_a_dump_is_restored(clients: list[Any]) -> None:
    results = []
    for client in clients:
        client.xadd("s", {"f": "v"}, id="1-1")
        client.set("t", "x")
        client.restore("s2", 0, client.dump("s"))
        client.restore("t", 100_000, client.dump("t"), replace=True)
        results.append([client.xrange("s2"), client.get("t"), comparable("ttl", client.ttl("t"))])
    assert results[0] == results[1]


@pytest.mark.parametrize("group", [False, True], ids=["reader", "group"])
def test_a_blocked_reader_is_woken(clients: list[Any], group: bool) -> None:
    results = []
    for client in clients:
        client.xgroup_create("s", "g", mkstream=True)
        found: list[Any] = []

        def read(client: Any = client, found: list[Any] = found) -> None:
            if group:
                found.append(client.xreadgroup("g", "alice", {"s": ">"}, block=int(DEADLINE_S * 1000)))
            else:
                found.append(client.xread({"s": "$"}, block=int(DEADLINE_S * 1000)))

        reader = threading.Thread(target=read)
        reader.start()
        wait_for(lambda client=client: client.info("clients")["blocked_clients"] == 1, "the reader to block")
        client.xadd("s", {"f": "v"}, id="1-1")
        reader.join(DEADLINE_S)
        results.append(found)
    assert results[0] == results[1]
    assert len(results[0]) == 1


def test_an_id_of_the_servers_own_is_of_now(clients: list[Any]) -> None:
    for client in clients:
        before = client.time()
        entry_id = client.xadd("s", {"f": "v"})
        after = client.time()
        name = _text(entry_id)
        assert re.fullmatch(r"\d+-\d+", name)
        now_ms = int(name.split("-")[0])
        assert before[0] * 1000 + before[1] // 1000 <= now_ms <= after[0] * 1000 + after[1] // 1000 + 1
        assert client.xrange("s") == [(entry_id, client.xrange("s")[0][1])]
