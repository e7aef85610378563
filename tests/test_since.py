"""Where reading begins, as people write it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwave.since import ID_MAX, PART_MAX, Start, first_id_at, id_number, id_text, parse, start_of
from airwave.streams import ids

T = 1_700_000_000_000


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("-10", Start(last=10)),
        ("-0", Start(last=0)),
        ("$", Start(last=0)),
        ("5-3", Start(id=5 << 64 | 3)),
        ("0-0", Start(id=0)),
        (f"{PART_MAX}-{PART_MAX}", Start(id=ID_MAX)),
        ("0", Start(at_ms=0)),
        ("1700000000", Start(at_ms=T)),
        ("1700000000.5", Start(at_ms=T + 500)),
        ("1700000000000", Start(at_ms=T)),
        ("500ms", Start(ago_ms=500)),
        ("90s", Start(ago_ms=90_000)),
        ("10m", Start(ago_ms=600_000)),
        ("1.5h", Start(ago_ms=5_400_000)),
        ("2d", Start(ago_ms=172_800_000)),
        ("1w", Start(ago_ms=604_800_000)),
        ("2023-11-14T22:13:20Z", Start(at_ms=T)),
        ("2023-11-14T23:13:20.250+01:00", Start(at_ms=T + 250)),
        ("1960-01-01T00:00Z", Start(at_ms=0)),
    ],
)
def test_where_to_begin(text: str, start: Start) -> None:
    assert parse(text) == start


def test_a_time_without_a_zone_is_local() -> None:
    local = datetime(2026, 11, 24, 8, 0)
    assert parse("2026-11-24T08:00").at_ms == round(local.timestamp() * 1000)
    assert parse("2026-11-24").at_ms == round(datetime(2026, 11, 24).timestamp() * 1000)


@pytest.mark.parametrize("text", ["", "-", "+", "ten", "10x", "1-2-3", "5-*", f"{2**64}-0", "--5", "2026-13-01"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write an ID"):
        parse(text)


def test_where_a_program_begins() -> None:
    assert start_of("-10") == Start(last=10)
    assert start_of(timedelta(minutes=1.5)) == Start(ago_ms=90_000)
    assert start_of(datetime.fromtimestamp(T / 1000, UTC)) == Start(at_ms=T)
    assert start_of(datetime(1960, 1, 1, tzinfo=UTC)) == Start(at_ms=0)
    with pytest.raises(ValueError, match="time zone"):
        start_of(datetime(2026, 11, 24))


@given(st.integers(0, ID_MAX))
def test_ids_are_those_of_streams(number: int) -> None:
    assert id_text(number).encode() == ids.text(number)
    assert id_number(id_text(number)) == id_number(ids.text(number)) == number


def test_the_first_id_of_a_time() -> None:
    assert id_text(first_id_at(T)) == f"{T}-0"
    assert first_id_at(-1) == 0
