"""XINFO. Redis 7.0 knows fewer fields: it is asked for those that it has."""

import pytest
from memory import Node
from peers import Error

NO_KEY = Error("ERR no such key")
WRONG_TYPE = Error("WRONGTYPE Operation against a key holding the wrong kind of value")


def has(**expected):
    """Whether a map, in either protocol, has these values; `_` stands for `-`."""

    def fits(reply):
        shown = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
        wanted = {name.replace("_", "-"): value for name, value in expected.items()}
        assert {name: shown[name] for name in wanted} == wanted
        return True

    return fits


def each_has(*expected):
    return lambda reply: len(reply) == len(expected) and all(map(lambda fits, one: fits(one), expected, reply))


def fill(peer, count):
    for number in range(1, count + 1):
        peer.do(f"XADD s {number}-1 n {number}", f"{number}-1")


def test_errors(peers):
    (alice,) = peers(1)
    alice.do("XINFO", Error("ERR wrong number of arguments for 'xinfo' command"))
    for line in ("XINFO STREAM s", "XINFO STREAM s FULL x", "XINFO GROUPS s", "XINFO CONSUMERS s g"):
        alice.do(line, NO_KEY)
    alice.do("SET x y", "OK")
    for line in ("XINFO STREAM x", "XINFO GROUPS x", "XINFO CONSUMERS x g"):
        alice.do(line, WRONG_TYPE)
    fill(alice, 1)
    wrong = Error("ERR unknown subcommand or wrong number of arguments for 'StreaM'. Try XINFO HELP.")
    for options in ("x", "FULL COUNT", "FULL x 1", "x COUNT 1", "FULL COUNT 1 x"):
        alice.do(f"XINFO StreaM s {options}", wrong)
    alice.do("XINFO STREAM s FULL COUNT x", Error("ERR value is not an integer or out of range"))
    alice.do("XINFO CONSUMERS s g", Error("NOGROUP No such consumer group 'g' for key name 's'"))
    alice.do("XINFO GROUPS s", [])
    alice.do("XINFO NOSUCH", Error("ERR unknown subcommand 'NOSUCH'. Try XINFO HELP."))
    alice.do("XINFO HELP", lambda lines: lines[0].startswith("XINFO <subcommand>") and lines[-2] == "HELP")


@pytest.mark.parametrize("count", [1, 5])
def test_a_stream(peers, protocol, count):
    (alice,) = peers(1, protocol)
    fill(alice, count)
    alice.do(
        "XINFO STREAM s",
        has(
            length=count,
            radix_tree_keys=1,
            radix_tree_nodes=2,
            last_generated_id=f"{count}-1",
            max_deleted_entry_id="0-0",
            entries_added=count,
            recorded_first_entry_id="1-1",
            groups=0,
            first_entry=["1-1", ["n", "1"]],
            last_entry=[f"{count}-1", ["n", str(count)]],
        ),
    )


def test_a_stream_that_lost_entries(peers):
    (alice,) = peers(1)
    fill(alice, 5)
    alice.do("XDEL s 5-1 1-1", 2)
    alice.do("XTRIM s MAXLEN 2", 1)
    first_and_last = {"first_entry": ["3-1", ["n", "3"]], "last_entry": ["4-1", ["n", "4"]]}
    alice.do(
        "XINFO STREAM s",
        has(length=2, max_deleted_entry_id="5-1", recorded_first_entry_id="3-1", entries_added=5, **first_and_last),
    )
    alice.do("XTRIM s MAXLEN 0", 2)
    alice.do(
        "XINFO STREAM s",
        has(length=0, last_generated_id="5-1", recorded_first_entry_id="0-0", first_entry=None, last_entry=None),
    )


@pytest.mark.unlike_redis_7_0(reason="8.6")
def test_all_fields_of_a_stream(peers, protocol):
    (alice,) = peers(1, protocol)
    fill(alice, 300)
    names = (
        *("length", "radix-tree-keys", "radix-tree-nodes", "last-generated-id", "max-deleted-entry-id"),
        *("entries-added", "recorded-first-entry-id", "idmp-duration", "idmp-maxsize", "pids-tracked"),
        *("iids-tracked", "iids-added", "iids-duplicates"),
    )
    for line, more in (
        ("XINFO STREAM s", ("groups", "first-entry", "last-entry")),
        ("XINFO STREAM s FULL", ("entries", "groups")),
    ):
        shown = alice.ask(line)
        keys = list(shown) if protocol == 3 else shown[::2]
        assert [key.decode() for key in keys] == [*names, *more]
    alice.do("XINFO STREAM s", has(radix_tree_keys=3, radix_tree_nodes=4))


@pytest.mark.parametrize(
    ("options", "shown"),
    [("FULL", 10), ("full count 3", 3), ("FULL COUNT 0", 15), ("FULL COUNT 99", 15), ("FULL COUNT -1", 10)],
)
def test_full_shows_so_many_entries_and_pending_ones(peers, protocol, options, shown):
    (alice,) = peers(1, protocol)
    fill(alice, 15)
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do("XREADGROUP GROUP g a COUNT 1 STREAMS s >", lambda reply: reply)
    alice.do("XREADGROUP GROUP g b STREAMS s >", lambda reply: reply)

    def group_fits(groups):
        return each_has(
            lambda group: has(name="g", last_delivered_id="15-1", entries_read=15, lag=0)(group) and lists_fit(group)
        )(groups)

    def lists_fit(reply):
        group = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
        pending = group["pending"]
        assert [item[0] for item in pending] == [f"{number}-1" for number in range(1, shown + 1)]
        assert [item[1] for item in pending] == ["a", *["b"] * (shown - 1)]
        assert {item[3] for item in pending} == {1}
        return each_has(has(name="a", pel_count=1), lambda b: has(name="b", pel_count=14)(b) and own_fits(b))(
            group["consumers"]
        )

    def own_fits(reply):
        consumer = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
        own = [item[0] for item in consumer["pending"]]
        return own == [f"{number}-1" for number in range(2, 2 + min(14, shown))]

    def stream_fits(reply):
        stream = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
        assert stream["entries"] == [[f"{number}-1", ["n", str(number)]] for number in range(1, shown + 1)]
        return group_fits(stream["groups"])

    alice.do(f"XINFO STREAM s {options}", stream_fits)


@pytest.mark.core_only(reason="the clock is moved")
def test_full_of_a_group():
    node = Node()
    alice = node.peer()
    fill(alice, 3)
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do("XGROUP CREATECONSUMER s g z", 1)
    began_ms = node.host.wall_ms()
    node.host.ns += 5_000_000
    alice.do("XREADGROUP GROUP g a COUNT 2 STREAMS s >", lambda reply: reply)
    alice.do("XNACK s g FAIL IDS 1 1-1", 1)
    read_ms = node.host.wall_ms()
    assert alice.ask("XINFO STREAM s FULL")[-1] == [
        [
            *(b"name", b"g", b"last-delivered-id", b"2-1", b"entries-read", 2, b"lag", 1),
            *(b"pel-count", 2, b"nacked-count", 1),
            *(b"pending", [[b"1-1", b"", 0, 1], [b"2-1", b"a", read_ms, 1]]),
            b"consumers",
            [
                [
                    *(b"name", b"a", b"seen-time", read_ms, b"active-time", read_ms, b"pel-count", 1),
                    *(b"pending", [[b"2-1", read_ms, 1]]),
                ],
                [b"name", b"z", b"seen-time", began_ms, b"active-time", -1, b"pel-count", 0, b"pending", []],
            ],
        ]
    ]


def test_groups(peers, protocol):
    (alice,) = peers(1, protocol)
    fill(alice, 5)
    for name in ("b", "a", "c"):
        alice.do(f"XGROUP CREATE s {name} 0", "OK")
    alice.do("XREADGROUP GROUP b x COUNT 2 STREAMS s >", lambda reply: reply)
    alice.do("XGROUP SETID s c 3-1", "OK")

    def group(*values):
        names = ("name", "consumers", "pending", "last-delivered-id", "entries-read", "lag")
        pairs = list(zip(names, values, strict=True))
        return dict(pairs) if protocol == 3 else [part for pair in pairs for part in pair]

    alice.do(
        "XINFO GROUPS s",
        [group("a", 0, 0, "0-0", None, 5), group("b", 1, 2, "2-1", 2, 3), group("c", 0, 0, "3-1", None, None)],
    )


def test_lag(peers):
    (alice,) = peers(1)

    def lags(read, behind):
        alice.do("XINFO GROUPS s", each_has(has(entries_read=read, lag=behind)))

    alice.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    lags(None, 0)
    fill(alice, 5)
    lags(None, 5)
    alice.do("XREADGROUP GROUP g c COUNT 1 STREAMS s >", lambda reply: reply)
    lags(1, 4)
    alice.do("XREADGROUP GROUP g c COUNT 2 STREAMS s >", lambda reply: reply)
    lags(3, 2)
    alice.do("XDEL s 2-1", 1)
    lags(3, 2)
    alice.do("XDEL s 4-1", 1)
    lags(3, None)


@pytest.mark.unlike_redis_7_0(reason="7.0 counts wrong behind deleted entries")
def test_lag_behind_deleted_entries(peers):
    (alice,) = peers(1)

    def lags(read, behind):
        alice.do("XINFO GROUPS s", each_has(has(entries_read=read, lag=behind)))

    alice.do("XGROUP CREATE s g $ MKSTREAM", "OK")
    fill(alice, 5)
    alice.do("XREADGROUP GROUP g c COUNT 3 STREAMS s >", lambda reply: reply)
    alice.do("XDEL s 4-1", 1)
    alice.do("XREADGROUP GROUP g c COUNT 1 STREAMS s >", lambda reply: reply)
    lags(5, 0)
    alice.do("XADD s 6-1 a b", "6-1")
    lags(5, 1)
    alice.do("XGROUP SETID s g 0 ENTRIESREAD 0", "OK")
    alice.do("XTRIM s MAXLEN 1", 4)
    lags(0, 1)
    alice.do("XDEL s 6-1", 1)
    lags(0, 0)


@pytest.mark.unlike_redis_7_0(reason="7.2")
def test_consumers(peers, protocol):
    (alice,) = peers(1, protocol)
    fill(alice, 3)
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do("XINFO CONSUMERS s g", [])
    alice.do("XGROUP CREATECONSUMER s g b", 1)
    alice.do("XREADGROUP GROUP g a COUNT 2 STREAMS s >", lambda reply: reply)
    alice.do("XINFO CONSUMERS s g", each_has(has(name="a", pending=2), has(name="b", pending=0, inactive=-1)))


@pytest.mark.core_only(reason="the clock is moved")
def test_how_long_consumers_were_idle():
    node = Node()
    alice = node.peer()
    fill(alice, 1)
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do("XREADGROUP GROUP g a STREAMS s >", lambda reply: reply)
    node.host.ns += 5_000_000
    alice.do("XREADGROUP GROUP g a STREAMS s >", None)
    node.host.ns += 2_000_000
    alice.do("XINFO CONSUMERS s g", [["name", "a", "pending", 1, "idle", 2, "inactive", 7]])
