"""What `airwave top` shows of the numbers."""

import pytest
from rich.console import Console

from airwave.cli.board import Board, count, most_behind, size, sparkline
from airwave.cli.survey import GroupLook, StreamLook
from airwave.cli.vitals import Rates, vitals

CALM = {
    "server_name": "airwave",
    "airwave_version": "1.0",
    "uptime_in_seconds": "90",
    "connected_clients": "1234",
    "maxclients": "10000",
    "pubsub_clients": "1000",
    "lagging_clients": "0",
    "pubsub_channels": "12",
    "used_memory": str(3 << 20),
    "loop_lag_ms": "1.25",
    "loop_lag_max_ms": "31.0",
    "client_output_buffer_limit_disconnections": "0",
}


def stream(name, length, *groups):
    looks = tuple(GroupLook(b"g", 1, pending, lag) for lag, pending in groups)
    return StreamLook(name, length, None, "0-0", looks, 0)


def shown(board, width=100):
    console = Console(width=width, highlight=False, emoji=False, markup=False)
    with console.capture() as capture:
        console.print(board.frame())
    return capture.get()


def seen(found, rates=None, **about):
    board = Board("redis://here:6379", 1.0, **about)
    board.note(vitals(found, 4, 0.0), rates or Rates())
    return board


def test_a_line_for_each_thing():
    text = shown(seen(CALM, Rates(published=12345.6, delivered=3.25, commands=0.0, cpu=0.345, sent_bytes=2048.0)))
    rows = {line.split("  ")[0].strip(): " ".join(line.split()) for line in text.splitlines()}
    assert text.splitlines()[0].split() == ["airwave", "1.0", "redis://here:6379", "up", "1m", "30s"]
    assert rows["published"].startswith("published 12,346/s")
    assert rows["delivered"].startswith("delivered 3.2/s")
    assert rows["commands"].startswith("commands 0/s")
    assert rows["CPU"].startswith("CPU 34%")
    assert rows["memory"] == "memory 3.0 MB keys 0"
    assert rows["loop lag"] == "loop lag 1.2 ms worst 31.0 ms"
    assert rows["clients"] == "clients 1,234 of 10,000 subscribers 1,000 slow 0 blocked –"
    assert rows["network"] == "network in –/s out 2.0 KB/s"
    assert rows["errors"] == "errors –/s in all – slow log 4"
    assert rows["lost"] == "lost cut off 0 dropped – rejected –"
    assert "disk" not in rows


def test_a_disk_that_fails_is_said():
    assert "the last write to the disk failed" in shown(seen(CALM | {"aof_last_write_status": "err"}))


def test_before_the_first_look_there_is_the_address():
    assert shown(Board("redis://here:6379", 1.0)).split() == ["airwave", "top", "redis://here:6379"]


def test_a_lost_connection_is_told_and_counted_once():
    board = seen(CALM)
    board.lost("cannot reach it; trying again")
    board.lost("cannot reach it; trying again")
    text = shown(board)
    assert "reconnects 1" in text
    assert "cannot reach it; trying again" in text
    assert "1,234" in text  # what was last seen stays
    board.note(vitals(CALM, 0, 1.0), Rates())
    assert "trying again" not in shown(board)


def test_names_of_a_server_and_of_streams_are_made_safe():
    board = seen(CALM | {"server_name": "evil\x1b[31m"})
    board.streams = [stream(b"\x1b[2Jorders", 3, (1, 2))]
    text = shown(board)
    assert "\x1b" not in text
    assert r"\x1b[2Jorders" in text


def test_the_last_minute_stands_beside():
    board = seen(CALM)
    for value in (0.0, 1.0, 2.0):
        board.note(vitals(CALM, 0, 0.0), Rates(published=value))
    assert " ▄█" in shown(board)
    assert len(board._published) == 3
    for _ in range(100):
        board.note(vitals(CALM, 0, 0.0), Rates(published=1.0))
    assert len(board._published) == 60


def test_a_terminal_without_unicode_gets_plain_marks():
    text = shown(seen(CALM, Rates(published=5.0), unicode=False))
    assert "%" in next(line for line in text.splitlines() if line.startswith("published"))


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([0, 0], "  "),
        ([1], "█"),
        ([0, 4, 8], " ▄█"),
        ([1, 1_000_000], "▁█"),  # little is not nothing
    ],
)
def test_a_sparkline(values, line):
    assert sparkline(values) == line


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KB"), (5 << 30, "5.0 GB"), (3 << 40, "3.0 TB")],
)
def test_sizes(value, text):
    assert size(value) == text


def test_counts():
    assert (count(None), count(1234567)) == ("–", "1,234,567")


def test_the_streams_that_are_furthest_behind():
    looks = [stream(b"%d" % number, 1, (number, 0)) for number in range(7)]
    looks += [stream(b"pending", 1, (None, 50)), stream(b"long", 1000), stream(b"two", 1, (4, 1), (3, 1))]
    assert [each.name for each in most_behind(looks)] == [b"pending", b"two", b"6", b"5", b"4"]
    assert most_behind([stream(b"short", 1), stream(b"long", 9)])[0].name == b"long"
