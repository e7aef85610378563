"""Notices: what they say, and whose are believed. Who sends them: test_client.py."""

import pytest

from airwave.notices import gives_notice, newly_dropped


@pytest.mark.parametrize(
    ("answer", "does"), [([None], False), ([[b"xschedule", -5]], True), (b"OK", False), (None, False)]
)
def test_only_a_server_that_has_our_command_gives_notice(answer: object, does: bool) -> None:
    assert gives_notice(answer) is does


@pytest.mark.parametrize(
    ("payload", "before", "missing"),
    [
        (b"7", 0, 7),
        (b"10", 7, 3),
        (b"7", 7, 0),
        (b"3", 7, 0),
        (b"", 0, 0),
        (b"-3", 0, 0),
        (b"x", 0, 0),
        (b"9" * 5000, 0, 0),
    ],
)
def test_a_notice_counts_from_the_beginning_of_the_connection(payload: bytes, before: int, missing: int) -> None:
    assert newly_dropped(payload, before) == missing
