"""airwave tail."""

import json
import os

import pytest

from .conftest import airwave, start_airwave


def fill(server, count, first=1):
    for number in range(first, first + count):
        server.client.xadd("s", {"n": number}, id=f"{number}-0")


def following(process):
    """Wait until the stream is followed."""
    note = process.note()
    assert note.startswith("Following the stream at "), note
    return process


def test_the_last_ten_and_other_places(server, url):
    fill(server, 250)
    lines = [f"{n}-0\tn={n}" for n in range(1, 251)]
    for options, expected in (
        ([], lines[-10:]),
        (["--from", "-120"], lines[-120:]),
        (["--from", "0"], lines),
        (["--from", "248-0"], lines[-3:]),
        (["--from", "10m"], []),
    ):
        done = airwave("tail", "s", *options, "--url", url)
        assert done.stdout.splitlines() == expected, options
        assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize("url_options", ["", "?protocol=3&decode_responses=true"])
def test_nothing_foreign_reaches_the_terminal_raw(server, url, url_options):
    server.client.execute_command("XADD", "s", "1-1", b"a\x1b[2J", b"\xff\t=\n", b"a\x1b[2J", "\u202eé".encode())
    done = airwave("tail", "s", "--url", url + url_options)
    assert done.stdout == "1-1\t" + r"a\x1b[2J=\xff\t=\n" + "\t" + r"a\x1b[2J=\u202eé" + "\n"


def test_json(server, url):
    server.client.xadd("s", {"a": '{"é": "\x7f\n"}', "b": ""}, id="1-1")
    server.client.execute_command("XADD", "s", "1-2", "a", "1", "a", "2")
    server.client.execute_command("XADD", "s", "1-3", b"\xff", "1")
    done = airwave("tail", "s", "--json", "--url", url)
    assert done.stdout.isascii()
    assert "\x7f" not in done.stdout
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"id": "1-1", "fields": {"a": '{"é": "\x7f\n"}', "b": ""}},
        {"id": "1-2", "fields_base64": [["YQ==", "MQ=="], ["YQ==", "Mg=="]]},
        {"id": "1-3", "fields_base64": [["/w==", "MQ=="]]},
    ]


def test_errors_are_one_line(server, url):
    server.client.set("text", "x")
    for arguments, code, text in (
        (["missing"], 1, "no such stream"),
        (["text"], 1, "of type string"),
        (["text", "--follow"], 1, "of type string"),
        (["s", "--from", "soon"], 2, "--from is not understood"),
    ):
        done = airwave("tail", *arguments, "--url", url)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
        assert text in done.stderr


def test_follow(server, url):
    fill(server, 3)
    with following(start_airwave("tail", "s", "-f", "--from", "-2", "--url", url)) as tail:
        assert [tail.line(), tail.line()] == ["2-0\tn=2", "3-0\tn=3"]
        fill(server, 150, first=4)
        assert [tail.line() for _ in range(150)] == [f"{n}-0\tn={n}" for n in range(4, 154)]
        tail.interrupt()
        assert tail.wait() == 0
        assert [tail.line(), tail.note()] == [None, None]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["redis", "airwave"])
def test_follow_survives_a_restart_without_hole_or_double(make_server, kind):
    server = make_server("--appendonly", "yes", "--appendfsync", "always", kind=kind)
    fill(server, 2)
    with following(start_airwave("tail", "s", "--follow", "--url", server.url)) as tail:
        assert [tail.line(), tail.line()] == ["1-0\tn=1", "2-0\tn=2"]
        server.stop()
        assert tail.note() == f"Connection to {server.url} lost: reconnecting"
        server.start()
        fill(server, 2, first=3)
        assert [tail.line(), tail.line()] == ["3-0\tn=3", "4-0\tn=4"]
        assert tail.note() == f"Reconnected to {server.url}: going on where it was"


@pytest.mark.slow
def test_a_closed_reader_ends_it_quietly(server, url):
    fill(server, 1)
    read, write = os.pipe()
    with following(start_airwave("tail", "s", "--follow", "--url", url, stdout=write)) as tail:
        os.close(write)
        assert os.read(read, 100) == b"1-0\tn=1\n"
        os.close(read)  # no further entry comes: it must notice by itself
        assert tail.wait() == 0
        assert tail.note() is None
