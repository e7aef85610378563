"""airwave dead."""

import json

import pytest
import redis

from airwave.bus.dead import DeadLetter
from airwave.cli.dead import json_line, line

from .conftest import airwave


@pytest.fixture
def server(make_server):
    return make_server(kind="airwave")


def bury(client: redis.Redis, number: int, **more: bytes) -> str:
    fields = {
        "error": f"ValueError: no {number}",
        "traceback": "Traceback ...",
        "attempts": "6",
        "id": f"{number}-1",
        "group": "billing",
        "at": "1700000000000",
        "data": f"order {number}",
    }
    return client.xadd("orders:dead", fields | more).decode()


def test_dead_letters_are_listed_retried_and_dropped(server, url):
    client = server.client
    one, two, three = (bury(client, number) for number in (1, 2, 3))
    listed = airwave("dead", "orders", "--url", url)
    assert listed.stdout.splitlines() == [
        f"{letter}\t2023-11-14T22:13:20.000Z\tbilling\t6 attempt(s)\tValueError: no {number}\torder {number}"
        for number, letter in ((1, one), (2, two), (3, three))
    ]
    assert (listed.stderr, listed.returncode) == ("", 0)
    assert airwave("dead", "orders", "list", "--count", "1", "--url", url).stdout.count("\n") == 1

    assert airwave("dead", "orders", "retry", two, "--url", url).stdout == "Retried 1 dead letter(s) of orders\n"
    assert [fields for _, fields in client.xrange("orders")] == [{b"data": b"order 2", b"for_group": b"billing"}]
    assert airwave("dead", "orders", "drop", one, "--url", url).stdout == "Dropped 1 dead letter(s) of orders\n"
    assert airwave("dead", "orders", "retry", "--all", "--url", url).stdout == "Retried 1 dead letter(s) of orders\n"
    assert client.xlen("orders") == 2
    empty = airwave("dead", "orders", "--url", url)
    assert (empty.stdout, empty.stderr) == ("", "There are no dead letters of orders.\n")


def test_ids_that_are_not_there(server, url):
    one = bury(server.client, 1)
    done = airwave("dead", "orders", "drop", one, "7-7", "--url", url)
    assert done.stdout == "Dropped 1 dead letter(s) of orders\n"
    assert done.stderr == "airwave: 1 of these IDs are not there: airwave dead orders shows all\n"
    assert done.returncode == 1
    done = airwave("dead", "orders", "drop", "one", "--url", url)
    assert "Invalid stream ID" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("list", "1-1"), "list takes neither IDs nor --all: give --count to see more of them"),
        (("list", "--all"), "list takes neither IDs nor --all: give --count to see more of them"),
        (("retry",), "give either the IDs of the letters to retry or --all"),
        (("drop", "1-1", "--all"), "give either the IDs of the letters to drop or --all"),
    ],
)
def test_arguments_that_make_no_sense(arguments, error):
    done = airwave("dead", "orders", *arguments)
    assert (done.stderr, done.returncode) == (f"airwave: {error}\n", 2)


LETTER = DeadLetter(
    id="2-0",
    entry_id="1-0",
    group="billing",
    data=b"\xff\x1b[31m" + b"x" * 200,
    error="ValueError: a\nb",
    traceback="Traceback ...",
    attempts=3,
    at_ms=1_700_000_000_000,
    fields={b"trace": b"\xfe"},
)


def test_a_line_is_printable_and_not_too_long():
    shown = line(LETTER)
    assert shown.isprintable() or set(filter(lambda each: not each.isprintable(), shown)) == {"\t"}
    assert shown.split("\t")[4] == "ValueError: a\\nb"
    assert shown.endswith("x...")
    assert len(shown.split("\t")[5]) == 120


def test_json_has_all_of_it():
    assert json.loads(json_line(LETTER)) == {
        "id": "2-0",
        "entry_id": "1-0",
        "group": "billing",
        "time": "2023-11-14T22:13:20.000Z",
        "attempts": 3,
        "error": "ValueError: a\nb",
        "traceback": "Traceback ...",
        "data_base64": "/xtbMzFt" + "eHh4" * 66 + "eHg=",
        "fields": {"trace": "\\xfe"},
    }
