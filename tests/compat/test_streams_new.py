"""Streams as Redis 7.2 to 8.10 have them and redis-server 7.0 has not: replies as the reference and the sources say."""

import pytest
from live import HOST, Node
from peers import Error, Peer

import airwave
from compat.conftest import ENGINE

pytestmark = pytest.mark.core_only("newer than redis-server 7.0, and times are chosen")

NIL_TIME_OF_A_RELEASED_ENTRY = -1
FOREVER = 2**63 - 1
WRONG_TYPE = Error("WRONGTYPE Operation against a key holding the wrong kind of value")


def table(reply: list[object] | dict[str, object]) -> dict[str, object]:
    """A map in either protocol."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


def shows(**expected: object) -> object:
    """Whether a map has these fields, written with `_` for `-`."""

    def have(reply: object) -> bool:
        found = table(reply)  # type: ignore[arg-type]
        wanted = {name.replace("_", "-"): value for name, value in expected.items()}
        assert {name: found.get(name) for name in wanted} == wanted
        return True

    return have


def group_shows(**expected: object) -> object:
    """The same of the first map in a list."""
    return lambda reply: shows(**expected)(reply[0])  # type: ignore[operator]


def news(protocol: int, **streams: list[list[object]]) -> object:
    return streams if protocol == 3 else [[key, entries] for key, entries in streams.items()]


@pytest.fixture
def alice(peers, protocol) -> Peer:
    """A client of a node with a stream of five entries and a group that has read three of them."""
    (peer,) = peers(1, protocol)
    for number in range(1, 6):
        peer.do(f"XADD s {number}-0 f {number}", f"{number}-0")
    peer.do("XGROUP CREATE s g 0", "OK")
    peer.do("XREADGROUP GROUP g alice COUNT 3 STREAMS s >", lambda _: True)
    peer.do("SET text x", "OK")
    return peer


# --- XDELEX and XACKDEL -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["", " KEEPREF", " keepref"])
def test_xdelex_keeps_references(alice, policy):
    alice.do(f"XDELEX s{policy} IDS 3 1-0 9-9 5-0", [1, -1, 1])
    alice.do("XLEN s", 3)
    alice.do("XPENDING s g", [3, "1-0", "3-0", [["alice", "3"]]])
    alice.do("XDELEX s IDS 1 1-0", [-1])


def test_xdelex_drops_references(alice):
    alice.do("XGROUP CREATE s h 0", "OK")
    alice.do("XREADGROUP GROUP h bob COUNT 1 STREAMS s >", lambda _: True)
    alice.do("XDEL s 2-0", 1)
    alice.do("XDELEX s DELREF IDS 3 1-0 2-0 4-0", [1, -1, 1])
    alice.do("XPENDING s g", [1, "3-0", "3-0", [["alice", "1"]]])
    alice.do("XPENDING s h", [0, None, None, None])
    alice.do("XLEN s", 2)


def test_xdelex_leaves_what_is_not_acknowledged(alice):
    alice.do("XACK s g 1-0", 1)
    # 1-0 is acknowledged, 2-0 pending, 4-0 not read yet
    alice.do("XDELEX s ACKED IDS 3 1-0 2-0 4-0", [1, 2, 2])
    alice.do("XLEN s", 4)
    alice.do("XDELEX s ACKED IDS 2 9-9 1-0", [2, -1])
    alice.do("XGROUP DESTROY s g", 1)
    alice.do("XDELEX s ACKED IDS 2 2-0 4-0", [1, 1])


def test_xdelex_forms(alice):
    alice.do("XDELEX s IDS 1 1-0 ACKED", [2])
    alice.do("XDELEX none IDS 2 1-0 x", [-1, -1])
    alice.do("XDELEX s IDS 0 1-0", Error("ERR Number of IDs must be a positive integer"))
    alice.do("XDELEX s IDS -1 1-0", Error("ERR Number of IDs must be a positive integer"))
    alice.do("XDELEX s IDS x 1-0", Error("ERR Number of IDs must be a positive integer"))
    alice.do("XDELEX s IDS 2 1-0", Error("ERR The `numids` parameter must match the number of arguments"))
    alice.do("XDELEX s IDS 1 1-0 2-0", Error("ERR syntax error"))
    alice.do("XDELEX s KEEPREF DELREF IDS 1 1-0", Error("ERR syntax error"))
    alice.do("XDELEX s NOSUCH IDS 1 1-0", Error("ERR syntax error"))
    alice.do("XDELEX s IDS 1 x", Error("ERR Invalid stream ID specified as stream command argument"))
    alice.do("XDELEX text IDS 1 1-0", WRONG_TYPE)
    alice.do("XDELEX s IDS 1", Error("ERR wrong number of arguments for 'xdelex' command"))
    alice.do("XLEN s", 5)


def test_xackdel(alice):
    alice.do("XACKDEL s g IDS 3 1-0 4-0 9-9", [1, -1, -1])
    alice.do("XLEN s", 4)
    alice.do("XPENDING s g", [2, "2-0", "3-0", [["alice", "2"]]])
    alice.do("XDEL s 2-0", 1)
    alice.do("XACKDEL s g IDS 1 2-0", [1])
    alice.do("XPENDING s g", [1, "3-0", "3-0", [["alice", "1"]]])


def test_xackdel_by_policy(alice):
    alice.do("XGROUP CREATE s h 0", "OK")
    alice.do("XREADGROUP GROUP h bob COUNT 3 STREAMS s >", lambda _: True)
    alice.do("XACKDEL s g ACKED IDS 1 1-0", [2])
    alice.do("XACKDEL s h ACKED IDS 1 1-0", [1])
    alice.do("XACKDEL s g KEEPREF IDS 1 2-0", [1])
    alice.do("XPENDING s h - + 9", lambda rows: [row[0] for row in rows] == ["2-0", "3-0"])
    alice.do("XACKDEL s g DELREF IDS 1 3-0", [1])
    alice.do("XPENDING s h - + 9", lambda rows: [row[0] for row in rows] == ["2-0"])
    alice.do("XLEN s", 2)


def test_xackdel_forms(alice):
    alice.do("XACKDEL none g IDS 2 1-0 2-0", [-1, -1])
    alice.do("XACKDEL s nog IDS 1 1-0", [-1])
    alice.do("XACKDEL s g IDS 2 1-0", Error("ERR The `numids` parameter must match the number of arguments"))
    alice.do("XACKDEL text g IDS 1 1-0", WRONG_TYPE)
    alice.do("XACKDEL s g IDS 1", Error("ERR wrong number of arguments for 'xackdel' command"))
    alice.do("XPENDING s g", [3, "1-0", "3-0", [["alice", "3"]]])


# --- policies of XADD and XTRIM ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["XTRIM s MAXLEN = 1{}", "XADD s MAXLEN = 2{} 6-0 f 6", "XADD s{} MAXLEN = 2 6-0 f 6"])
def test_trimming_may_drop_references(alice, line):
    alice.do(line.format(" DELREF"), lambda reply: reply in (4, "6-0"))
    alice.do("XPENDING s g", [0, None, None, None])


@pytest.mark.parametrize("policy", ["", " KEEPREF"])
def test_trimming_keeps_references(alice, policy):
    alice.do(f"XTRIM s MAXLEN 1{policy}", 4)
    alice.do("XPENDING s g", [3, "1-0", "3-0", [["alice", "3"]]])


def test_trimming_may_leave_what_is_not_acknowledged(alice):
    alice.do("XACK s g 2-0", 1)
    alice.do("XTRIM s MAXLEN 0 ACKED", 1)
    alice.do("XRANGE s - +", lambda rows: [row[0] for row in rows] == ["1-0", "3-0", "4-0", "5-0"])
    alice.do("XTRIM s MINID 9 ACKED", 0)
    alice.do("XADD s MAXLEN 1 ACKED 6-0 f 6", "6-0")
    alice.do("XLEN s", 5)


def test_there_is_one_policy(alice):
    alice.do("XTRIM s MAXLEN 1 DELREF ACKED", Error("ERR syntax error"))
    alice.do(
        "XADD s MAXLEN 1 DELREF ACKED 6-0 f 6", Error("ERR Invalid stream ID specified as stream command argument")
    )
    alice.do("XLEN s", 5)


# --- XNACK ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "deliveries"), [("SILENT", 0), ("FAIL", 1), ("FATAL", FOREVER), ("fail", 1)])
def test_xnack_releases(alice, mode, deliveries):
    alice.do(f"XNACK s g {mode} IDS 2 2-0 9-9", 1)
    alice.do("XPENDING s g - + 9 ", lambda rows: rows[1] == ["2-0", "", -1, deliveries])
    alice.do("XPENDING s g", [3, "1-0", "3-0", [["alice", "2"]]])
    alice.do("XREADGROUP GROUP g alice STREAMS s 0", lambda reply: "2-0" not in str(reply) and "1-0" in str(reply))
    alice.do("XINFO CONSUMERS s g", group_shows(pending=2))
    alice.do("XINFO GROUPS s", group_shows(pending=3))


def test_what_was_released_can_be_claimed_and_acknowledged(alice):
    alice.do("XNACK s g FAIL IDS 3 1-0 2-0 3-0", 3)
    alice.do("XCLAIM s g bob 100000 1-0 JUSTID", ["1-0"])
    alice.do("XAUTOCLAIM s g bob 100000 0 JUSTID", ["0-0", ["2-0", "3-0"], []])
    alice.do("XNACK s g FAIL IDS 1 3-0", 1)
    alice.do("XACK s g 3-0", 1)
    alice.do("XPENDING s g", [2, "1-0", "2-0", [["bob", "2"]]])


def test_xnack_options(alice):
    alice.do("XNACK s g FAIL IDS 1 1-0 RETRYCOUNT 7", 1)
    alice.do("XNACK s g SILENT RETRYCOUNT 5 IDS 1 2-0", 1)
    alice.do("XNACK s g FAIL IDS 2 4-0 9-9 FORCE", 1)
    alice.do("XNACK s g FAIL IDS 1 5-0", 0)
    alice.do("XPENDING s g - + 9", lambda rows: [row[3] for row in rows] == [7, 5, 1, 0])
    alice.do("XNACK s g FATAL IDS 1 1-0", 1)
    alice.do("XPENDING s g - 1-0 9", [["1-0", "", NIL_TIME_OF_A_RELEASED_ENTRY, FOREVER]])


def test_xnack_is_counted(alice):
    alice.do("XNACK s g FAIL IDS 2 1-0 3-0", 2)
    alice.do("XINFO STREAM s FULL", lambda reply: shows(nacked_count=2, pel_count=3)(table(reply)["groups"][0]))  # type: ignore[operator]


def test_xnack_forms(alice):
    alice.do("XNACK none g FAIL IDS 1 1-0", Error("NOGROUP No such key 'none' or consumer group 'g'"))
    alice.do("XNACK s nog FAIL IDS 1 1-0", Error("NOGROUP No such key 's' or consumer group 'nog'"))
    alice.do("XNACK text g FAIL IDS 1 1-0", WRONG_TYPE)
    alice.do("XNACK s g NOSUCH IDS 1 1-0", Error("ERR mode must be SILENT, FAIL, or FATAL"))
    alice.do("XNACK s g FAIL IDS 0 1-0", Error("ERR numids must be a positive integer"))
    alice.do("XNACK s g FAIL IDS 2 1-0", Error("ERR number of IDs doesn't match numids"))
    alice.do("XNACK s g FAIL IDS 1 1-0 RETRYCOUNT x", Error("ERR value is not an integer or out of range"))
    alice.do("XNACK s g FAIL IDS 1 1-0 RETRYCOUNT -1", Error("ERR Invalid RETRYCOUNT value, must be >= 0"))
    alice.do("XNACK s g FAIL IDS 1 1-0 NOSUCH", Error("ERR Unrecognized XNACK option 'NOSUCH'"))
    alice.do("XNACK s g FAIL IDS 1 1-0 2-0", Error("ERR Unrecognized XNACK option '2-0'"))
    alice.do("XNACK s g FAIL IDS 1 x", Error("ERR Invalid stream ID specified as stream command argument"))
    alice.do("XNACK s g FAIL IDS 1", Error("ERR wrong number of arguments for 'xnack' command"))
    alice.do("XPENDING s g", [3, "1-0", "3-0", [["alice", "3"]]])


# --- XREADGROUP CLAIM, MAXCOUNT, MAXSIZE; XREAD + ---------------------------------------------------------------------


def test_claim_takes_the_idle_ones_then_new_ones(alice, protocol):
    alice.node.advance(5)
    alice.do("XREADGROUP GROUP g bob COUNT 1 CLAIM 1000 STREAMS s >", news(protocol, s=[["1-0", ["f", "1"], 5000, 1]]))
    alice.do(
        "XREADGROUP GROUP g bob CLAIM 1000 STREAMS s >",
        news(
            protocol,
            s=[
                ["2-0", ["f", "2"], 5000, 1],
                ["3-0", ["f", "3"], 5000, 1],
                ["4-0", ["f", "4"], 0, 0],
                ["5-0", ["f", "5"], 0, 0],
            ],
        ),
    )
    alice.do(
        "XPENDING s g - + 9", lambda rows: [[row[1], row[3]] for row in rows] == [["bob", 2]] * 3 + [["bob", 1]] * 2
    )
    alice.do("XREADGROUP GROUP g bob CLAIM 1000 STREAMS s >", None)


def test_claim_takes_released_ones_first(alice):
    alice.node.advance(5)
    alice.do("XNACK s g FAIL IDS 2 3-0 2-0", 2)
    ids = []
    for _ in range(3):
        reply = alice.ask("XREADGROUP GROUP g bob COUNT 1 CLAIM 1000 STREAMS s >")
        entries = reply[b"s"] if isinstance(reply, dict) else reply[0][1]
        ids.append(entries[0][0])
    assert ids == [b"3-0", b"2-0", b"1-0"]


def test_claim_is_ignored_for_history(alice, protocol):
    alice.node.advance(5)
    alice.do("XREADGROUP GROUP g bob CLAIM 0 STREAMS s 0", news(protocol, s=[]))
    alice.do("XREADGROUP GROUP g alice COUNT 1 CLAIM 0 STREAMS s 0", news(protocol, s=[["1-0", ["f", "1"]]]))


def test_claim_passes_over_deleted_entries(alice, protocol):
    alice.node.advance(5)
    alice.do("XDEL s 1-0", 1)
    alice.do("XREADGROUP GROUP g bob COUNT 1 CLAIM 1000 STREAMS s >", news(protocol, s=[["2-0", ["f", "2"], 5000, 1]]))
    alice.do("XPENDING s g", lambda reply: reply[0] == 3)


def test_noack_does_not_cover_what_is_claimed(alice):
    alice.node.advance(5)
    alice.do("XREADGROUP GROUP g bob NOACK CLAIM 1000 STREAMS s >", lambda reply: "5-0" in str(reply))
    alice.do("XPENDING s g", [3, "1-0", "3-0", [["bob", "3"]]])


def test_who_claims_waits_until_something_is_idle_enough(peers, protocol):
    alice, bob = peers(2, protocol)
    alice.do("XADD s 1-0 f 1", "1-0")
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do("XREADGROUP GROUP g alice STREAMS s >", lambda _: True)
    bob.asks("XREADGROUP GROUP g bob BLOCK 0 CLAIM 1000 STREAMS s >")
    alice.do("INFO clients", lambda text: "blocked_clients:1" in text)
    bob.node.advance(1.1)
    bob.gets(lambda reply: "1-0" in str(reply) and len((reply["s"] if protocol == 3 else reply[0][1])[0]) == 4)


def test_what_is_released_wakes_who_claims(peers, protocol):
    alice, bob = peers(2, protocol)
    alice.do("XADD s 1-0 f 1", "1-0")
    alice.do("XGROUP CREATE s g 0", "OK")
    alice.do("XREADGROUP GROUP g alice STREAMS s >", lambda _: True)
    bob.asks("XREADGROUP GROUP g bob BLOCK 0 CLAIM 100000 STREAMS s >")
    alice.do("INFO clients", lambda text: "blocked_clients:1" in text)
    alice.do("XNACK s g FAIL IDS 1 1-0", 1)
    bob.gets(lambda reply: "1-0" in str(reply))


def test_claim_forms(alice):
    alice.do("XREADGROUP GROUP g bob CLAIM x STREAMS s >", Error("ERR min-idle-time is not an integer or out of range"))
    alice.do("XREADGROUP GROUP g bob CLAIM -1 STREAMS s >", Error("ERR min-idle-time must be a positive integer"))
    alice.do(
        "XREAD CLAIM 1 STREAMS s 0",
        Error("ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead."),
    )


def test_maxcount_is_for_all_streams_together(alice, protocol):
    alice.do("XADD t 1-0 a 1", "1-0")
    four = [[f"{number}-0", ["f", f"{number}"]] for number in range(1, 5)]
    alice.do("XREAD MAXCOUNT 4 STREAMS s t 0 0", news(protocol, s=four))
    alice.do("XREAD COUNT 3 MAXCOUNT 4 STREAMS s t 0 0", news(protocol, s=four[:3], t=[["1-0", ["a", "1"]]]))
    alice.do("XREADGROUP GROUP g bob MAXCOUNT 1 STREAMS s >", news(protocol, s=four[3:]))
    alice.do("XREADGROUP GROUP g alice MAXCOUNT 2 STREAMS s 0", news(protocol, s=four[:2]))


def test_maxsize_always_lets_one_entry_pass(alice, protocol):
    alice.do("XREAD MAXSIZE 1 STREAMS s 0", news(protocol, s=[["1-0", ["f", "1"]]]))
    alice.do("XREADGROUP GROUP g bob MAXSIZE 1 STREAMS s >", news(protocol, s=[["4-0", ["f", "4"]]]))
    alice.do("XPENDING s g - + 9 bob", lambda rows: [row[0] for row in rows] == ["4-0"])
    alice.do("XREAD MAXSIZE 1000000 STREAMS s 3", news(protocol, s=[["4-0", ["f", "4"]], ["5-0", ["f", "5"]]]))


def test_caps_forms(alice):
    for command in ("XREAD", "XREADGROUP GROUP g bob"):
        place = "0" if command == "XREAD" else ">"
        for cap in ("MAXCOUNT", "MAXSIZE"):
            for wrong in ("0", "-1"):
                alice.do(f"{command} {cap} {wrong} STREAMS s {place}", Error(f"ERR {cap} must be a positive integer"))
        alice.do(
            f"{command} COUNT 3 MAXCOUNT 2 STREAMS s {place}",
            Error("ERR MAXCOUNT must be greater than or equal to COUNT"),
        )


def test_plus_is_the_last_entry(alice, protocol):
    last = [["5-0", ["f", "5"]]]
    alice.do("XREAD STREAMS s +", news(protocol, s=last))
    alice.do("XREAD COUNT 9 STREAMS s none + +", news(protocol, s=last))
    alice.do("XREAD STREAMS none +", None)
    alice.do("XDEL s 5-0", 1)
    alice.do("XREAD STREAMS s +", news(protocol, s=[["4-0", ["f", "4"]]]))


def test_who_waits_for_the_last_entry_gets_the_first_that_comes(peers, protocol):
    alice, bob = peers(2, protocol)
    alice.asks("XREAD BLOCK 0 STREAMS s +")
    bob.do("INFO clients", lambda text: "blocked_clients:1" in text)
    bob.do("XADD s 1-1 a 1", "1-1")
    alice.gets(news(protocol, s=[["1-1", ["a", "1"]]]))


def test_texts_name_the_command(alice):
    alice.do(
        "XREAD STREAMS s",
        Error("ERR wrong number of arguments for 'xread' command"),
    )
    alice.do(
        "XREAD STREAMS s t 0",
        Error("ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified."),
    )
    alice.do(
        "XREADGROUP GROUP g bob STREAMS s t >",
        Error("ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified."),
    )


# --- IDMP -------------------------------------------------------------------------------------------------------------


def test_the_same_message_is_added_once(alice):
    first = alice.ask("XADD s IDMP p 1 * f new").decode()
    alice.do("XADD s IDMP p 1 * f other", first)
    alice.do("XADD s IDMP p 1 MAXLEN 1 * f other", first)
    alice.do("XLEN s", 6)
    alice.do("XADD s IDMP q 1 * f new", lambda reply: reply != first)
    alice.do("XADD s IDMP p 2 * f new", lambda reply: reply != first)
    alice.do(
        "XINFO STREAM s",
        shows(idmp_duration=100, idmp_maxsize=100, pids_tracked=2, iids_tracked=3, iids_added=3, iids_duplicates=2),
    )


def test_a_message_may_be_known_by_what_it_says(alice):
    first = alice.ask("XADD s IDMPAUTO p * f v g w").decode()
    alice.do("XADD s IDMPAUTO p * f v g w", first)
    alice.do("XADD s IDMPAUTO p * g w f v", first)  # the order of fields is not what it says
    alice.do("XADD s IDMPAUTO p * f v g x", lambda reply: reply != first)
    alice.do("XADD s IDMPAUTO q * f v g w", lambda reply: reply != first)
    alice.do("XLEN s", 8)


def test_a_message_is_known_even_when_its_entry_is_gone(alice):
    first = alice.ask("XADD s IDMP p 1 * f new").decode()
    alice.do(f"XDEL s {first}", 1)
    alice.do("XADD s IDMP p 1 * f new", first)
    alice.do("XLEN s", 5)


def test_only_so_many_messages_are_known(alice):
    alice.do("XCFGSET s IDMP-MAXSIZE 2", "OK")
    ids = [alice.ask(f"XADD s IDMP p {number} * f new").decode() for number in range(3)]
    alice.do("XADD s IDMP p 2 * f new", ids[2])
    alice.do("XADD s IDMP p 1 * f new", ids[1])
    alice.do("XADD s IDMP p 0 * f new", lambda reply: reply not in ids)
    alice.do("XINFO STREAM s", shows(idmp_maxsize=2, iids_tracked=2, iids_added=4, iids_duplicates=2))


def test_messages_are_known_for_some_time(alice):
    alice.do("XCFGSET s IDMP-DURATION 10", "OK")
    first = alice.ask("XADD s IDMP p 1 * f new").decode()
    alice.node.advance(9)
    alice.do("XADD s IDMP p 1 * f new", first)
    alice.node.advance(2)
    alice.do("XINFO STREAM s", shows(pids_tracked=0, iids_tracked=0, iids_added=1, idmp_duration=10))
    alice.do("XADD s IDMP p 1 * f new", lambda reply: reply != first)


def test_an_xadd_that_is_refused_leaves_no_producer(alice):
    alice.do("XADD s IDMP p 1 * f", Error("ERR wrong number of arguments for 'xadd' command"))
    alice.do("XADD text IDMP p 1 * f v", WRONG_TYPE)
    alice.do("XADD none NOMKSTREAM IDMP p 1 * f v", None)
    alice.do("EXISTS none", 0)
    alice.do("XINFO STREAM s", shows(pids_tracked=0, iids_added=0))


def test_idmp_forms(alice):
    auto = Error("ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs")
    twice = Error("ERR syntax error, IDMP/IDMPAUTO specified multiple times")
    alice.do("XADD s IDMP p 1 9-9 f v", auto)
    alice.do("XADD s IDMPAUTO p 9-* f v", auto)
    alice.do("XADD s IDMP p 1 IDMP p 2 * f v", twice)
    alice.do("XADD s IDMP p 1 IDMPAUTO p * f v", twice)
    alice.do(
        ["XADD", "s", "IDMP", "", "1", "*", "f", "v"], Error("ERR syntax error, IDMP requires a non-empty producer ID")
    )
    alice.do(
        ["XADD", "s", "IDMP", "p", "", "*", "f", "v"],
        Error("ERR syntax error, IDMP requires a non-empty idempotent ID"),
    )
    alice.do(
        ["XADD", "s", "IDMPAUTO", "", "*", "f", "v"],
        Error("ERR syntax error, IDMPAUTO requires a non-empty producer ID"),
    )
    alice.do("XLEN s", 5)


def test_idmp_among_other_options(alice):
    first = alice.ask("XADD s MAXLEN = 3 IDMP p 1 NOMKSTREAM DELREF * f v").decode()
    alice.do("XADD s NOMKSTREAM IDMP p 1 MAXLEN 1 * f v", first)
    alice.do("XLEN s", 3)
    alice.do(["XADD", "s", "IDMP", b"\xff\x00", b"\r\n", "*", "f", "v"], lambda reply: reply != first)


def test_a_copy_knows_the_messages_too(alice):
    first = alice.ask("XADD s IDMP p 1 * f v").decode()
    alice.do("COPY s t", 1)
    alice.do("XADD t IDMP p 1 * f v", first)
    alice.do("RENAME t u", "OK")
    alice.do("XADD u IDMP p 1 * f v", first)


def test_xcfgset(alice):
    first = alice.ask("XADD s IDMP p 1 * f v").decode()
    alice.do("XCFGSET s IDMP-DURATION 100 IDMP-MAXSIZE 100", "OK")
    alice.do("XADD s IDMP p 1 * f v", first)  # the same values keep what is known
    alice.do("XCFGSET s idmp-maxsize 50", "OK")
    alice.do("XINFO STREAM s", shows(idmp_duration=100, idmp_maxsize=50, pids_tracked=0, iids_tracked=0, iids_added=1))
    alice.do("XADD s IDMP p 1 * f v", lambda reply: reply != first)


def test_xcfgset_forms(alice):
    duration = Error("ERR IDMP-DURATION must be between 1 and 86400 seconds")
    maxsize = Error("ERR IDMP-MAXSIZE must be between 1 and 10000 entries")
    alice.do("XCFGSET none IDMP-DURATION 1", Error("ERR no such key"))
    alice.do("XCFGSET text IDMP-DURATION 1", WRONG_TYPE)
    for wrong in ("0", "86401", "-1"):
        alice.do(f"XCFGSET s IDMP-DURATION {wrong}", duration)
    for wrong in ("0", "10001", "-1"):
        alice.do(f"XCFGSET s IDMP-MAXSIZE {wrong}", maxsize)
    alice.do("XCFGSET s IDMP-DURATION 1 IDMP-DURATION 1", Error("ERR IDMP-DURATION specified multiple times"))
    alice.do("XCFGSET s IDMP-MAXSIZE 1 IDMP-MAXSIZE 1", Error("ERR IDMP-MAXSIZE specified multiple times"))
    alice.do("XCFGSET s NOSUCH 1", Error("ERR syntax error"))
    alice.do("XCFGSET s", Error("ERR At least one parameter must be specified"))
    alice.do("XINFO STREAM s", shows(idmp_duration=100, idmp_maxsize=100))


# --- what became different --------------------------------------------------------------------------------------------


def test_consumers_are_made_by_reading_and_claiming(alice):
    alice.do("XGROUP SETID s g $", "OK")
    alice.do("XREADGROUP GROUP g reader STREAMS s >", None)
    alice.do("XAUTOCLAIM s g collector 100000 0", ["0-0", [], []])
    alice.do(
        "XINFO CONSUMERS s g", lambda rows: [table(row)["name"] for row in rows] == ["alice", "collector", "reader"]
    )


def test_a_consumer_is_seen_apart_from_being_active(alice):
    alice.node.advance(5)
    alice.do("XGROUP SETID s g $", "OK")
    alice.do("XREADGROUP GROUP g alice STREAMS s >", None)
    alice.do("XREADGROUP GROUP g bob STREAMS s >", None)
    alice.node.advance(2)
    alice.do("XINFO CONSUMERS s g", lambda rows: _times(rows) == [["alice", 2000, 7000], ["bob", 2000, -1]])


def _times(rows: list[object]) -> list[list[object]]:
    return [[table(row)[name] for name in ("name", "idle", "inactive")] for row in rows]  # type: ignore[arg-type]


def test_fields_of_xinfo_stand_in_order(alice, protocol):
    idmp = ["idmp-duration", "idmp-maxsize", "pids-tracked", "iids-tracked", "iids-added", "iids-duplicates"]
    head = ["length", "radix-tree-keys", "radix-tree-nodes", "last-generated-id", "max-deleted-entry-id"]
    head += ["entries-added", "recorded-first-entry-id", *idmp]
    alice.do("XINFO STREAM s", lambda reply: list(table(reply)) == [*head, "groups", "first-entry", "last-entry"])
    full = table(alice.ask("XINFO STREAM s FULL"))
    assert [name.decode() for name in full] == [*head, "entries", "groups"]
    (group,) = full[b"groups"]
    names = ["name", "last-delivered-id", "entries-read", "lag", "pel-count", "nacked-count", "pending", "consumers"]
    assert [name.decode() for name in table(group)] == names
    (consumer,) = table(group)[b"consumers"]
    names = ["name", "seen-time", "active-time", "pel-count", "pending"]
    assert [name.decode() for name in table(consumer)] == names
    alice.do("XINFO GROUPS s", lambda rows: list(table(rows[0]))[-2:] == ["entries-read", "lag"])
    alice.do("XINFO CONSUMERS s g", lambda rows: list(table(rows[0])) == ["name", "pending", "idle", "inactive"])
    assert isinstance(alice.ask("XINFO STREAM s"), dict if protocol == 3 else list)


def test_lag_is_what_is_left_to_read(alice):
    alice.do("XINFO GROUPS s", group_shows(entries_read=3, lag=2))
    alice.do("XDEL s 1-0", 1)
    alice.do("XINFO GROUPS s", group_shows(entries_read=3, lag=2))
    alice.do("XTRIM s MAXLEN 0", 4)
    alice.do("XINFO GROUPS s", group_shows(lag=0))
    alice.do("XADD s 6-0 f 6", "6-0")
    alice.do("XINFO GROUPS s", group_shows(lag=1))


def test_lag_is_unknown_behind_a_deleted_entry(alice):
    alice.do("XDEL s 4-0", 1)
    alice.do("XINFO GROUPS s", group_shows(entries_read=3, lag=None))
    alice.do("XREADGROUP GROUP g alice STREAMS s >", lambda _: True)
    alice.do("XINFO GROUPS s", group_shows(entries_read=5, lag=0))


def test_a_group_before_the_first_entry_lags_by_all(alice):
    alice.do("XGROUP CREATE s early 0 ENTRIESREAD 4", "OK")
    alice.do("XGROUP CREATE s much 0 ENTRIESREAD 99", "OK")
    alice.do("XINFO GROUPS s", lambda rows: shows(entries_read=4, lag=5)(table(rows[0])))  # type: ignore[operator]
    alice.do("XINFO GROUPS s", lambda rows: shows(name="much", entries_read=5)(table(rows[2])))  # type: ignore[operator]


def test_xsetid_does_not_go_behind_what_was_deleted(alice):
    alice.do("XDEL s 5-0", 1)
    error = Error("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
    alice.do("XSETID s 4-0", error)
    alice.do("XSETID s 5-0", "OK")


def test_no_id_is_left_in_a_millisecond(alice):
    alice.do("XADD s 9-18446744073709551615 f v", "9-18446744073709551615")
    alice.do(
        "XADD s 9-* f v", Error("ERR The ID specified in XADD is equal or smaller than the target stream top item")
    )


# --- and with redis-py ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("embedded", [False, True], ids=["tcp", "memory"])
def test_redis_py_knows_them(shared: Node, protocol: int, embedded: bool) -> None:
    url = ENGINE if embedded else f"redis://{HOST}:{shared.port}"
    with airwave.connect(url, protocol=protocol, decode_responses=True, db=8) as client:
        client.flushdb()
        for number in range(1, 6):
            client.xadd("s", {"f": number}, id=f"{number}-0")
        client.xgroup_create("s", "g", id="0")
        client.xreadgroup("g", "alice", {"s": ">"}, count=3)
        assert client.xnack("s", "g", "FAIL", "1-0") == 1
        assert client.xackdel("s", "g", "2-0") == [1]
        assert client.xdelex("s", "3-0", "9-9", ref_policy="DELREF") == [1, -1]
        assert client.xpending("s", "g")["pending"] == 1
        first = client.xadd("s", {"f": "v"}, idmp=("p", b"1"))
        assert client.xadd("s", {"f": "v"}, idmp=("p", b"1")) == first
        assert client.xadd("s", {"f": "v"}, idmpauto="p") != first
        assert client.xcfgset("s", idmp_duration=5, idmp_maxsize=7)
        assert client.xinfo_stream("s")["idmp-maxsize"] == 7
        assert client.xtrim("s", maxlen=1, approximate=False, ref_policy="ACKED") == 0
        claimed = client.xreadgroup("g", "bob", {"s": ">"}, count=1, claim_min_idle_time=0)
        assert "1-0" in str(claimed)
        assert "4-0" in str(client.xread({"s": "3-0"}, max_count=1))
        assert "5-0" not in str(client.xread({"s": "3-0"}, max_size=1))
        client.flushdb()
