"""XADD. On redis-server each conversation is, byte for byte, what Redis says."""

import pytest
from memory import Node
from peers import Error, packed

WRONG_ARITY = Error("ERR wrong number of arguments for 'xadd' command")
INVALID_ID = Error("ERR Invalid stream ID specified as stream command argument")
TOO_SMALL = Error("ERR The ID specified in XADD is equal or smaller than the target stream top item")
WRONG_TYPE = Error("WRONGTYPE Operation against a key holding the wrong kind of value")


def is_id(reply):
    ms, dash, seq = reply.partition("-")
    return ms.isdigit() and dash and seq.isdigit()


# --- IDs --------------------------------------------------------------------------------------------------------------


def test_the_id_is_answered_and_the_entry_kept(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("XADD s 1-1 a 1", "1-1")
    alice.do("XADD s 1-2 a 1 b 2", "1-2")
    alice.do("XADD s 2 a 1 b 2 c 3", "2-0")
    alice.do("TYPE s", "stream")
    alice.do(
        "XRANGE s - +", [["1-1", ["a", "1"]], ["1-2", ["a", "1", "b", "2"]], ["2-0", ["a", "1", "b", "2", "c", "3"]]]
    )


def test_an_id_must_be_greater_than_all_before(peers):
    (alice,) = peers(1)
    alice.do("XADD s 0-0 a 1", Error("ERR The ID specified in XADD must be greater than 0-0"))
    alice.do("EXISTS s", 0)
    alice.do("XADD s 5-5 a 1", "5-5")
    for wrong in ("5-5", "5-4", "4-9", "0-1", "5", "4-*"):
        alice.do(f"XADD s {wrong} a 1", TOO_SMALL)
    alice.do("XADD s 5-* a 1", "5-6")
    alice.do("XADD s 7-* a 1", "7-0")
    alice.do("XDEL s 7-0", 1)
    alice.do("XADD s 7-0 a 1", TOO_SMALL)


def test_sequence_numbers_may_run_out(peers):
    (alice,) = peers(1)
    alice.do("XADD s 0-* a 1", "0-1")
    alice.do("XADD s 5-18446744073709551615 a 1", "5-18446744073709551615")
    alice.do("XADD s 18446744073709551615-18446744073709551614 a 1", "18446744073709551615-18446744073709551614")
    alice.do("XADD s * a 1", "18446744073709551615-18446744073709551615")
    exhausted = Error("ERR The stream has exhausted the last possible ID, unable to add more items")
    for id_ in ("*", "1-1", "18446744073709551615-*"):
        alice.do(f"XADD s {id_} a 1", exhausted)
    alice.do("XLEN s", 4)


@pytest.mark.unlike_redis_7_0(reason="7.0 says that the elements are too large")
def test_sequence_numbers_of_a_ms_may_run_out(peers):
    (alice,) = peers(1)
    alice.do("XADD s 5-18446744073709551615 a 1", "5-18446744073709551615")
    alice.do("XADD s 5-* a 1", TOO_SMALL)


@pytest.mark.parametrize(
    "wrong", ["-", "+", "x", "1-x", "x-1", "1-", "-1", "1-2-3", "(1", "18446744073709551616", "1-18446744073709551616"]
)
def test_what_is_no_id(peers, wrong):
    (alice,) = peers(1)
    alice.do(f"XADD s {wrong} a 1", INVALID_ID)
    alice.do("EXISTS s", 0)


def test_automatic_ids_follow_the_clock(peers):
    (alice,) = peers(1)
    for _ in range(3):
        alice.do("XADD s * a 1", is_id)
    alice.do("XADD s 99999999999999-5 a 1", "99999999999999-5")
    alice.do("XADD s * a 1", "99999999999999-6")
    alice.do("XADD s 99999999999999-18446744073709551615 a 1", "99999999999999-18446744073709551615")
    alice.do("XADD s * a 1", "100000000000000-0")


@pytest.mark.core_only(reason="the clock is moved")
def test_a_clock_that_goes_back_does_not_matter():
    node = Node()
    alice = node.peer()
    first = node.host.wall_ms()
    alice.do("XADD s * a 1", f"{first}-0")
    alice.do("XADD s * a 1", f"{first}-1")
    node.host.ns += 5_000_000
    alice.do("XADD s * a 1", f"{first + 5}-0")
    node.host.ns -= 3_000_000
    alice.do("XADD s * a 1", f"{first + 5}-1")


# --- fields -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [0, 1, 3, 65])
def test_fields_come_in_pairs(peers, words):
    (alice,) = peers(1)
    for head in ("XADD s *", "XADD s 1-1", "XADD s MAXLEN 5 *", "XADD s MAXLEN ~ 5 *"):
        alice.do(f"{head} {' '.join(['x'] * words)}", WRONG_ARITY)
    alice.do("EXISTS s", 0)


@pytest.mark.parametrize("pairs", [1, 2, 3, 32, 33, 200])
def test_any_number_of_fields(peers, pairs):
    (alice,) = peers(1)
    fields = [word for number in range(pairs) for word in (f"f{number}", f"v{number}")]
    alice.do(["XADD", "s", "1-1", *fields], "1-1")
    alice.do("XRANGE s - +", [["1-1", fields]])


def test_fields_are_bytes(peers):
    (alice,) = peers(1)
    fields = [b"\r\n$3\r\n%b%d\x00\xff", b"", b"", b"\n" * 100_000]
    alice.do(["XADD", "s", "1-1", *fields], "1-1")
    alice.asks("XRANGE s - +")
    alice.gets_bytes(
        b"*1\r\n*2\r\n$3\r\n1-1\r\n*4\r\n" + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in fields])
    )


def test_a_key_of_another_kind(peers):
    (alice,) = peers(1)
    alice.do("SET s x", "OK")
    alice.do("XADD s * a 1", WRONG_TYPE)
    alice.do("XADD s NOMKSTREAM * a 1", WRONG_TYPE)
    alice.do("XADD s 0-0 a 1", Error("ERR The ID specified in XADD must be greater than 0-0"))


def test_nomkstream_does_not_create(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("XADD s NOMKSTREAM * a 1", None)
    alice.do("EXISTS s", 0)
    alice.do("XADD s 1-1 a 1", "1-1")
    alice.do("XADD s NOMKSTREAM nomkstream 1-2 a 1", "1-2")
    alice.do("XADD s NOMKSTREAM NOMKSTREAM NOMKSTREAM", WRONG_ARITY)


# --- trimming ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["MAXLEN 3", "MAXLEN = 3", "maxlen = 3", "MaxLen 3"])
@pytest.mark.parametrize("entry_id", ["*", "{}-0"])
def test_maxlen_keeps_so_many(peers, spelling, entry_id):
    (alice,) = peers(1)
    for number in range(1, 400):
        alice.do(f"XADD s {spelling} {entry_id.format(number)} n {number}", is_id)
    alice.do("XLEN s", 3)
    alice.do(
        "XRANGE s - +", lambda entries: [fields for _, fields in entries] == [["n", str(n)] for n in range(397, 400)]
    )


def test_maxlen_0_keeps_nothing(peers):
    (alice,) = peers(1)
    alice.do("XADD s MAXLEN 0 1-1 a 1", "1-1")
    alice.do("XADD s MAXLEN = 0 * a 1", is_id)
    alice.do("XADD s MAXLEN = 0 * a 1", is_id)
    alice.do("XRANGE s - +", [])
    alice.do("XLEN s", 0)


def test_minid_drops_what_is_older(peers):
    (alice,) = peers(1)
    for number in range(1, 300):
        alice.do(f"XADD s {number}-1 n {number}", f"{number}-1")
    alice.do("XADD s MINID 295 300-1 a 1", "300-1")
    alice.do("XRANGE s - + COUNT 1", [["295-1", ["n", "295"]]])
    alice.do("XADD s MINID = 296-2 301-1 a 1", "301-1")
    alice.do("XLEN s", 5)
    alice.do("XADD s MINID 400 302-1 a 1", "302-1")
    alice.do("XLEN s", 0)


def test_about_maxlen_drops_whole_chunks(peers):
    (alice,) = peers(1)
    for number in range(1, 1000):
        alice.do(f"XADD s MAXLEN ~ 300 {number}-1 n {number}", f"{number}-1")
    alice.do("XLEN s", lambda length: 300 <= length < 430)
    for number in range(1000, 1500):
        alice.do(f"XADD s MINID ~ {number - 100} {number}-1 n {number}", f"{number}-1")
    alice.do("XLEN s", lambda length: 100 <= length < 430)


# --- idempotent producers ---------------------------------------------------------------------------------------------


@pytest.mark.unlike_redis_7_0(reason="8.6")
def test_a_message_sent_twice_is_added_once(peers):
    (alice,) = peers(1)
    first = alice.ask("XADD s IDMP p 1 * a 1").decode()
    alice.do("XADD s IDMP p 1 * b 2", first)
    alice.do("XLEN s", 1)
    alice.do("XADD s MAXLEN 0 IDMP q 1 * a 1", lambda reply: is_id(reply) and reply != first)
    alice.do("XLEN s", 0)
    alice.do("XADD s IDMP p 1 NOMKSTREAM * a 1", first)


@pytest.mark.unlike_redis_7_0(reason="8.6")
def test_idmpauto_compares_the_fields_in_any_order(peers):
    (alice,) = peers(1)
    first = alice.ask("XADD s IDMPAUTO p * a 1 b 2").decode()
    alice.do("XADD s IDMPAUTO p * b 2 a 1", first)
    for other in ("a 1", "a 2 b 1", "a 1 b 2 b 2", "a 1 b 2 a 1 b 2", "a1 b 2 x"):
        alice.do(f"XADD s IDMPAUTO p * {other}", lambda reply: is_id(reply) and reply != first)
    alice.do("XADD s IDMPAUTO q * a 1 b 2", lambda reply: is_id(reply) and reply != first)


@pytest.mark.unlike_redis_7_0(reason="8.6")
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("IDMP p 1 IDMP p 2 *", "IDMP/IDMPAUTO specified multiple times"),
        ("IDMP p 1 IDMPAUTO p *", "IDMP/IDMPAUTO specified multiple times"),
        ("IDMP p 1 1-1", "IDMP/IDMPAUTO can be used only with auto-generated IDs"),
        ("IDMPAUTO p 123-*", "IDMP/IDMPAUTO can be used only with auto-generated IDs"),
        (["IDMP", "", "1", "*"], "IDMP requires a non-empty producer ID"),
        (["IDMP", "p", "", "*"], "IDMP requires a non-empty idempotent ID"),
        (["IDMPAUTO", "", "*"], "IDMPAUTO requires a non-empty producer ID"),
    ],
)
def test_wrong_idempotence(peers, options, error):
    (alice,) = peers(1)
    words = options.split() if isinstance(options, str) else options
    alice.do(["XADD", "s", *words, "a", "1"], Error(f"ERR syntax error, {error}"))
    alice.do("EXISTS s", 0)


@pytest.mark.unlike_redis_7_0(reason="8.6")
def test_idmp_takes_the_star_for_an_idempotent_id(peers):
    (alice,) = peers(1)
    alice.do("XADD s IDMP p * a 1", INVALID_ID)
    alice.do("XADD s IDMP p 1 x a 1", INVALID_ID)


# --- who is told ------------------------------------------------------------------------------------------------------


def test_notifications(peers):
    alice, bob = peers(2)
    alice.do("CONFIG SET notify-keyspace-events Etn", "OK")
    bob.do("PSUBSCRIBE *", ["psubscribe", "*", 1])

    def event(name):
        return ["pmessage", "*", f"__keyevent@0__:{name}", "s"]

    alice.do("XADD s 1-1 a 1", "1-1")
    bob.gets(event("new"), event("xadd"))
    alice.do("XADD s * a 1", is_id)
    bob.gets(event("xadd"))
    alice.do("XADD s MAXLEN = 2 * a 1", is_id)
    bob.gets(event("xadd"), event("xtrim"))
    alice.do("XADD s NOMKSTREAM MAXLEN = 1 * a 1", is_id)
    bob.gets(event("xadd"), event("xtrim"))
    alice.do("XADD t NOMKSTREAM * a 1", None)
    bob.gets_nothing()


def test_watched_streams(peers):
    alice, bob = peers(2)
    alice.do("XADD s 1-1 a 1", "1-1")
    alice.do("WATCH s", "OK")
    bob.do("XADD s * a 1", is_id)
    alice.do("MULTI", "OK")
    alice.do("XLEN s", "QUEUED")
    alice.do("EXEC", None)


# --- pipelines --------------------------------------------------------------------------------------------------------


def pipeline(*lines):
    return b"".join([packed(line) for line in lines])


@pytest.mark.parametrize("options", ["", "MAXLEN 100 ", "MAXLEN = 3 ", "MAXLEN 0 "])
@pytest.mark.parametrize("size", [1, 3, 16, 100, 300])
def test_a_pipeline_does_what_its_commands_do(peers, options, size):
    (alice,) = peers(1)
    alice.do("XADD s 99999999999999-7 a b", "99999999999999-7")
    count = 0
    for _ in range(4):
        alice.sends(pipeline(*[f"XADD s {options}* n {count + n} name value" for n in range(size)]))
        alice.gets(*[f"99999999999999-{8 + count + n}" for n in range(size)])
        count += size
    everything = [["99999999999999-7", ["a", "b"]]]
    everything += [[f"99999999999999-{8 + n}", ["n", str(n), "name", "value"]] for n in range(count)]
    kept = int(options.split()[-1]) if options else len(everything)
    alice.do("XRANGE s - +", everything[max(0, len(everything) - kept) :])
    alice.do("XLEN s", min(kept, len(everything)))


def test_a_pipeline_of_this_and_that(peers):
    (alice,) = peers(1)
    alice.do("XADD s 99999999999999-7 a b", "99999999999999-7")
    alice.do("SET x y", "OK")
    add = "XADD s * a b"
    lines = [add] * 5 + ["XADD s * a b c d"] * 5 + ["XADD s * a b c"] + [add] * 4 + ["XADD x * a b"] * 5 + ["XLEN s"]
    alice.sends(pipeline(*lines))
    for number in range(8, 18):
        alice.gets(f"99999999999999-{number}")
    alice.gets(WRONG_ARITY)
    for number in range(18, 22):
        alice.gets(f"99999999999999-{number}")
    alice.gets(*[WRONG_TYPE] * 5, 15)


@pytest.mark.parametrize("size", [1, 1000, 1023, 1024, 5000, 70_000])
def test_a_pipeline_of_large_entries(peers, size):
    (alice,) = peers(1)
    alice.do("XADD s 99999999999999-7 a b", "99999999999999-7")
    values = [str(n) * size for n in range(8)]
    alice.sends(pipeline(*[["XADD", "s", "*", "v" * size, value] for value in values]))
    alice.gets(*[f"99999999999999-{n}" for n in range(8, 16)])
    alice.do(
        "XRANGE s 99999999999999-8 +",
        [[f"99999999999999-{8 + n}", ["v" * size, value]] for n, value in enumerate(values)],
    )


def test_sequence_numbers_in_a_pipeline(peers):
    (alice,) = peers(1)
    for start in (5, 95, 995, 9995, 99999):
        alice.do(f"XADD s {99999999999999 + start}-{start} a b", f"{99999999999999 + start}-{start}")
        alice.sends(pipeline(*["XADD s * a b"] * 16))
        alice.gets(*[f"{99999999999999 + start}-{start + n}" for n in range(1, 17)])
    alice.do(f"XADD s 999999999999999-{(1 << 64) - 4} a b", f"999999999999999-{(1 << 64) - 4}")
    alice.sends(pipeline(*["XADD s * a b"] * 5))
    alice.gets(*[f"999999999999999-{(1 << 64) - n}" for n in (3, 2, 1)], "1000000000000000-0", "1000000000000000-1")


@pytest.mark.core_only(reason="looks at the statistics")
def test_pipelines_are_run_in_batches():
    node = Node()
    alice = node.peer()
    alice.do("XADD s * a b", is_id)
    session = alice.session
    batches = []
    batch = session.table[b"XADD"].batch
    session.table[b"XADD"].batch = lambda *args: batches.append(batch(*args)) or batches[-1]
    alice.sends(pipeline(*["XADD s MAXLEN 50 * a b"] * 100))
    assert batches == [64, 36]
    bob = node.peer()
    bob.do("WATCH s", "OK")
    alice.sends(pipeline(*["XADD s * a b"] * 10))
    assert batches == [64, 36, 0]  # somebody wants to see them one by one
    assert len(alice.reads().splitlines()) == 2 * 110
    assert node.broker.command_stats["xadd"].calls == 111
