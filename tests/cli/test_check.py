"""airwave check."""

import importlib
import re

import pytest

from .conftest import airwave

MODULE = importlib.import_module("airwave.cli.check")  # airwave.cli.check as an attribute is the command


@pytest.fixture
def durable(make_server):
    """An Airwave that keeps its data in the test's directory."""
    server = make_server("--appendonly", "yes", kind="airwave")
    server.client.set("text", "x")
    pipeline = server.client.pipeline()
    for number in range(1, 301):
        pipeline.xadd("s", {"n": number}, id=f"{number}-0")
    pipeline.execute()
    server.client.xgroup_create("s", "g", "0")
    server.client.xreadgroup("g", "me", {"s": ">"}, count=5)
    server.client.execute_command("XSCHEDULE", "s", "IN", 3_600_000, "ID", "later", "n", 300)
    return server


def test_it_says_what_is_there_while_a_server_uses_it(durable, tmp_path):
    done = airwave("check", str(tmp_path))
    lines = done.stdout.splitlines()
    assert lines[0].startswith("format 2, ")
    assert lines[1] == "2 key(s): 1 stream(s), 1 string(s)"
    assert re.fullmatch(r"300 entries, [\d.]+ KB, in \d chunk\(s\)", lines[2])
    assert lines[3] == "1 scheduled entries"
    assert lines[4] == "1 group(s), 1 consumer(s), 5 pending"
    assert lines[6:] == ["No damage found."]
    assert (done.stderr, done.returncode) == ("", 0)
    assert durable.client.xlen("s") == 300


def test_damage_is_named(durable, tmp_path):
    durable.stop()
    file = tmp_path / "airwave.sqlite3"
    damaged = file.read_bytes().replace(b"*2\r\n$4\r\n77-0\r\n", b"*2\r\n$4\r\n78-0\r\n", 1)
    assert damaged != file.read_bytes()
    file.write_bytes(damaged)
    done = airwave("check", str(tmp_path))
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if "damage" in line] == [
        "damaged: stream 's': chunk 1: entry 77-0 is damaged"
    ]
    assert done.stderr == f"airwave: 1 problem(s) in {tmp_path}: keep it as it is, and restore a backup\n"
    durable.start()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "there is no airwave.sqlite3: name the --dir of a server that runs with --appendonly yes"),
        (b"something else " * 1000, "airwave.sqlite3 is not a database"),
    ],
)
def test_what_is_no_database(content, text, tmp_path):
    if content is not None:
        (tmp_path / "airwave.sqlite3").write_bytes(content)
    for command in (["check", str(tmp_path)], ["backup", str(tmp_path), str(tmp_path / "copy")]):
        done = airwave(*command)
        assert (done.stdout, done.returncode, done.stderr.count("\n")) == ("", 1, 1)
        assert text in done.stderr


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KB"),
        (5 << 20, "5.0 MB"),
        (3 << 30, "3.0 GB"),
        (2 << 40, "2.0 TB"),
    ],
)
def test_sizes(count, shown):
    assert MODULE.size(count) == shown
