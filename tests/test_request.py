"""Requests, however they are cut into reads; and what hiredis must never see."""

import subprocess
import sys
from itertools import pairwise
from typing import Any

import hiredis
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from protocol import SOUP, mutated

from airwave.errors import ProtocolError
from airwave.request import ARGC_MAX, INLINE_MAX, Limits, QueryBufferExceeded, RequestReader

Heard = tuple[list[list[bytes]], str]


def read(*reads: bytes, authenticated: bool = True, limits: Limits | None = None) -> Heard:
    """The requests in some reads, and the text of the error at which they end."""
    reader = RequestReader(limits or Limits(), authenticated=authenticated)
    requests: list[list[bytes]] = []
    for data in reads:
        if data and reader.error is None:
            requests += [list(argv) for argv in reader.feed(data)]
    error = reader.error
    if isinstance(error, QueryBufferExceeded):
        return requests, "query buffer exceeded"
    return requests, str(error) if error is not None else ""


def bytewise(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


def refused(detail: str) -> str:
    return f"ERR Protocol error: {detail}"


PLACES = st.lists(st.integers(0, 100_000), max_size=8)
# What looks like protocol inside a payload, and what belongs to other types.
ODD = [
    *(b"\r\n*3\r\n", b"*99999999\r\n", b"\r\n*99999999\r\n", b"*0\r\n", b"\r\n", b"\r", b"\n", b"$-1\r\n", b"*", b"$"),
    *(b"+", b"\r\n+OK\r\n", b">", b"\r\n>2\r\n", b"\r\n%1\r\n", b"\r\n~200000000\r\n", b"|", b"=", b"-", b":", b"_"),
]
ARGUMENTS = st.one_of(
    st.sampled_from([b"PING", b"PUBLISH", b"news", b"", b"x" * 300]),
    st.binary(max_size=20),
    st.lists(st.sampled_from(ODD) | st.binary(max_size=3), max_size=5).map(b"".join),
)
REQUESTS = st.lists(st.lists(ARGUMENTS, min_size=1, max_size=6), min_size=1, max_size=12)


@given(REQUESTS, PLACES)
@example([[b"ECHO", b"\r\n*3\r\n"], [b"PING"]], [])
@example([[b"ECHO", b"*0\r\n"], [b"PING"]], [12])
@example([[b"ECHO", b"\r\n*99999999\r\n"]], [18])
def test_requests_come_out_as_they_went_in(requests: list[list[bytes]], places: list[int]) -> None:
    data = b"".join(hiredis.pack_command(tuple(argv)) for argv in requests)
    for reads in ([data], bytewise(data), cut(data, places)):
        assert read(*reads) == (requests, "")
        assert read(*reads, b"*1\r\n$4\r\nPI", b"NG\r\n") == ([*requests, [b"PING"]], "")


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.lists(ARGUMENTS, min_size=1, max_size=4)), max_size=10), PLACES)
def test_inline_commands_mix_with_arrays(requests: list[tuple[bool, list[bytes]]], places: list[int]) -> None:
    def inline(argv: list[bytes]) -> bytes:
        return b" ".join([b'"%b"' % b"".join([b"\\x%02x" % byte for byte in arg]) for arg in argv]) + b"\r\n"

    data = b"".join(inline(argv) if as_line else hiredis.pack_command(tuple(argv)) for as_line, argv in requests)
    for reads in ([data], bytewise(data), cut(data, places)):
        assert read(*reads) == ([argv for _, argv in requests], "")


# --- both parsers agree, whatever the bytes ---------------------------------------------------------------------------


def agree(data: bytes, places: list[int], *, authenticated: bool) -> None:
    exact = read(*bytewise(data), authenticated=authenticated)
    assert read(data, authenticated=authenticated) == exact
    assert read(*cut(data, places), authenticated=authenticated) == exact


@settings(max_examples=250)
@given(SOUP | mutated(), PLACES, st.booleans())
@example(b"*1\r\n*1\r\n$4\r\nPING\r\n", [], True)
@example(b"*1\r\n$4\r\nPING\r\n*1\r\n:1\r\n", [], True)
@example(b"*1\r\n$4\r\nPING\r\n*0\r\n*1\r\n$4\r\nPING\r\n", [], True)
@example(b"*1\r\n$4\r\nPING\r\n#f\r\n", [], True)
@example(b"*1\r\n$4\rxPING\r\n", [], True)
@example(b"*1\r\n(1\r\n", [], True)
@example(b"*0\r\n*1\r\n$4\r\nPING\r\n", [], True)
@example(b"*0\r\n*0\r\n", [], True)
@example(b"*-1\r\n*1\r\n$4\r\nPING\r\n", [], True)
@example(b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n", [], True)
@example(b"*2\r\n$4\r\n\r\n$1\r\n+\r\n", [], True)
@example(b"*2\r\n$4\r\n\r\n$1\r\n(5\r\n", [], True)
@example(b"*2\r\n$4\r\n\r\n$1\r\n>\r\n", [], True)
@example(b"*2\r\n$1\r\na\r\n+5-1\r\n*1\r\n$4\r\nPING\r\n", [], True)
def test_any_bytes_are_read_the_same_however_they_are_cut(data: bytes, places: list[int], authenticated: bool) -> None:
    agree(data, places, authenticated=authenticated)


@pytest.mark.slow
@settings(max_examples=3_000)
@given(SOUP | mutated() | st.binary(max_size=60), PLACES, st.booleans())
def test_any_bytes_are_read_the_same_however_they_are_cut_at_length(
    data: bytes, places: list[int], authenticated: bool
) -> None:
    agree(data, places, authenticated=authenticated)


# --- guards (DESIGN section 6) ----------------------------------------------------------------------------------------

PING = b"*1\r\n$4\r\nPING\r\n"
HARMFUL = {
    b"*200000000\r\n": "invalid multibulk length",
    b"*1048577\r\n": "invalid multibulk length",
    b"*99999999999999999999\r\n": "invalid multibulk length",
    b"*2\r\n$4\r\nECHO\r\n*200000000\r\n": "expected '$', got '*'",
    b"*2\r\n*200000000\r\n": "expected '$', got '*'",
    b"*1\r\n*1\r\n$4\r\nPING\r\n": "expected '$', got '*'",
    b"*1\r\n>200000000\r\n": "expected '$', got '>'",
    b"*1\r\n~200000000\r\n": "expected '$', got '~'",
    b"*1\r\n%200000000\r\n": "expected '$', got '%'",
    b"*1\r\n|200000000\r\n": "expected '$', got '|'",
    b"*1\r\n:1\r\n": "expected '$', got ':'",
    b"*1\r\n+PING\r\n": "expected '$', got '+'",
    b"*1\r\n-ERR\r\n": "expected '$', got '-'",
    b"*1\r\n_\r\n": "expected '$', got '_'",
    b"*1\r\n#f\r\n": "expected '$', got '#'",
    b"*1\r\n(1\r\n": "expected '$', got '('",
    b"*1\r\n!3\r\nERR\r\n": "expected '$', got '!'",
    b"*1\r\n,1.5\r\n": "expected '$', got ','",
    b"*1\r\n=8\r\ntxt:PING\r\n": "expected '$', got '='",
    b"*1\r\n$-1\r\n": "invalid bulk length",
    b"*1\r\n$99999999999\r\n": "invalid bulk length",
    b"*1\r\n$536870913\r\n": "invalid bulk length",
    b"*1\r\n$x\r\n": "invalid bulk length",
}


@pytest.mark.parametrize(("data", "detail"), HARMFUL.items(), ids=[repr(data)[2:-1] for data in HARMFUL])
def test_what_hiredis_would_swallow_is_refused(data: bytes, detail: str) -> None:
    for before in (b"", PING, b"PING\r\n", PING * 40):
        requests = [[b"PING"]] * (40 if len(before) > 20 else bool(before))
        for behind in (b"", PING):
            whole = before + data + behind
            assert read(whole) == (requests, refused(detail))
            assert read(*bytewise(whole)) == (requests, refused(detail))
            for place in range(max(1, len(before) - 4), len(before) + len(data)):
                assert read(whole[:place], whole[place:]) == (requests, refused(detail))


@pytest.mark.parametrize(
    "header", [b">2\r\n", b"~2\r\n", b"%1\r\n", b"|1\r\n", b"#f\r\n", b"_\r\n", b":1\r\n", b"+OK\r\n"]
)
def test_other_types_in_place_of_a_request_are_inline_commands(header: bytes) -> None:
    argv = [header[:-2]]
    for data, requests in ((header, [argv]), (PING + header + PING, [[b"PING"], argv, [b"PING"]])):
        assert read(data) == read(*bytewise(data)) == (requests, "")


@pytest.mark.parametrize(
    "request_",
    [
        "XREADGROUP GROUP g c COUNT 100 STREAMS s >",
        "XRANGE s - +",
        "XRANGE s (1526985685298-0 + COUNT 100",
        "XADD s MAXLEN = 1000 * a b",
        "XADD s MAXLEN ~ 1000 * a b",
        "ECHO %",
    ],
)
def test_what_commands_on_streams_need_is_parsed_by_hiredis(request_: str) -> None:
    argv = request_.encode().split()
    data = hiredis.pack_command(tuple(argv))
    assert RequestReader(Limits()).feed(data) == [argv]  # a list: see `feed`
    assert RequestReader(Limits()).feed(data * 3) == [argv] * 3


def test_false_is_not_need_more() -> None:
    assert read(PING + b"#f\r\n" + PING) == ([[b"PING"], [b"#f"], [b"PING"]], "")


END = bytes([13, 10])


def test_bad_input_reserves_no_memory() -> None:
    """In a process of its own: what hiredis reserves shows in the peak of its memory only."""
    script = f"""
import resource
from airwave.request import Limits, RequestReader

def peak_kib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before = peak_kib()
for data in {[*HARMFUL, *(mark + b"200000000" + END for mark in (b">", b"~", b"%"))]}:
    for whole in (data, {PING!r} + data, {PING!r} * 40 + data + {PING!r}):
        for place in [0, *range(max(1, whole.index(data) - 4), len(whole))]:
            reader = RequestReader(Limits())
            for part in (whole[:place], whole[place:]):
                if part and reader.error is None:
                    for argv in reader.feed(part):
                        assert all(type(arg) is bytes for arg in argv), argv
grown = peak_kib() - before
assert grown < 20_000, grown
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


# --- limits -----------------------------------------------------------------------------------------------------------


def test_an_inline_command_has_a_bound() -> None:
    fits = b"x" * INLINE_MAX
    assert read(fits + b"\r\n") == ([[fits]], "")
    assert read(fits, b"x") == ([], refused("too big inline request"))


@pytest.mark.parametrize(
    ("start", "detail"), [(b"*", "too big mbulk count string"), (b"*1\r\n$", "too big bulk count string")]
)
def test_header_lines_have_a_bound(start: bytes, detail: str) -> None:
    assert read(start + b"1" * INLINE_MAX + b"1") == ([], refused(detail))
    assert read(start, *[b"1" * 1000] * 70) == ([], refused(detail))


def test_quotes_must_be_balanced() -> None:
    assert read(b"PING\r\nECHO 'a\r\nPING\r\n") == ([[b"PING"]], refused("unbalanced quotes in request"))


def test_arguments_have_a_bound_that_can_change() -> None:
    limits = Limits(bulk_max=1 << 20)
    header = b"*2\r\n$4\r\nECHO\r\n$%d\r\n"
    assert read(header % (1 << 20), limits=limits) == ([], "")
    assert read(header % ((1 << 20) + 1), limits=limits) == ([], refused("invalid bulk length"))
    reader = RequestReader(limits)
    assert list(reader.feed(PING)) == [[b"PING"]]
    limits.bulk_max = 1 << 21
    assert not list(reader.feed(header % (1 << 21)))
    assert reader.error is None


@pytest.mark.parametrize("size", [1 << 19, (1 << 20) - 20, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_large_arguments_arrive_whole(size: int) -> None:
    argv = [b"PUBLISH", b"news", bytes(range(256)) * (size // 256)]
    data = hiredis.pack_command(tuple(argv))
    piece = 65_536
    assert read(data + PING) == ([argv, [b"PING"]], "")
    assert read(*[data[place : place + piece] for place in range(0, len(data), piece)], PING) == ([argv, [b"PING"]], "")


def test_many_arguments_arrive_whole() -> None:
    argv = [b"%d" % number for number in range(50_000)]
    data = hiredis.pack_command(tuple(argv))
    assert read(data) == read(data[:100_000], data[100_000:]) == ([argv], "")
    assert read(b"*%d\r\n$1\r\n" % ARGC_MAX) == ([], "")


def test_an_unfinished_request_has_a_bound() -> None:
    limits = Limits(buffer_max=1000)
    assert read(b"*2\r\n$4\r\nECHO\r\n$5000\r\n", b"x" * 900, limits=limits) == ([], "")
    assert read(b"*2\r\n$4\r\nECHO\r\n$5000\r\n", *[b"x" * 90] * 20, limits=limits) == ([], "query buffer exceeded")
    assert read(b"PING\r\n" * 1000, limits=limits) == ([[b"PING"]] * 1000, "")


def test_strangers_may_send_ten_arguments_of_16_kib() -> None:
    def request(count: int, size: int) -> bytes:
        return hiredis.pack_command(tuple([b"x" * size] * count))

    for cutting in (lambda data: [data], bytewise):
        requests, error = read(*cutting(request(10, 100) + request(1, 16_384)), authenticated=False)
        assert ([len(argv) for argv in requests], error) == ([10, 1], "")
        assert read(*cutting(PING + request(11, 1)), authenticated=False) == (
            [[b"PING"]],
            refused("unauthenticated multibulk length"),
        )
        assert read(*cutting(PING + request(1, 16_385)), authenticated=False) == (
            [[b"PING"]],
            refused("unauthenticated bulk length"),
        )


def test_who_logs_in_is_free_of_these_limits_at_once() -> None:
    many = [b"x"] * 11
    reader = RequestReader(Limits(), authenticated=False)
    requests = []
    for argv in reader.feed(PING + hiredis.pack_command(tuple(many)) + PING):
        requests.append(argv)
        reader.authenticated = True  # as AUTH does while its own read is worked through
    assert requests == [[b"PING"], many, [b"PING"]]
    assert reader.error is None


def test_who_logs_out_is_held_to_these_limits_at_once() -> None:
    """RESET logs out; what the client sent in the same read may have been parsed already, what comes later not."""
    reader = RequestReader(Limits())
    assert list(reader.feed(PING)) == [[b"PING"]]
    reader.authenticated = False
    assert not list(reader.feed(hiredis.pack_command(tuple([b"x"] * 11))))
    assert str(reader.error) == refused("unauthenticated multibulk length")


def test_nothing_is_left_behind_by_a_client_that_goes() -> None:
    """All clients share one hiredis reader: what one leaves unfinished must not reach the next."""
    for unfinished in (
        b"*2\r\n$4\r\nECHO\r\n",
        b"*1\r\n*",
        b"*1\r\n:",
        b"*3\r\n$1\r\nx\r\n$100\r\nabc",
        PING + b"*2\r\n$4",
    ):
        read(unfinished)
        assert read(PING * 3) == ([[b"PING"]] * 3, "")


def test_errors_are_protocol_errors() -> None:
    reader = RequestReader(Limits())
    assert not list(reader.feed(b"*x\r\n"))
    assert isinstance(reader.error, ProtocolError)
    assert reader.error.reply == b"-ERR Protocol error: invalid multibulk length\r\n"


def test_servers_of_one_process_share_no_parser() -> None:
    """Each has a thread of its own, and the interpreter may change threads between any two calls."""
    one, other = Limits(), Limits()
    gets = one.parser.gets

    def interrupted() -> Any:
        assert RequestReader(other).feed(b"*1\r\n$5\r\nother\r\n") == [[b"other"]]
        return gets()

    one.parser.gets = interrupted
    assert RequestReader(one).feed(b"*1\r\n$3\r\none\r\n") == [[b"one"]]
