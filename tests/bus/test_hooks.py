"""Hooks: all are told, in order, whatever one of them does."""

import logging
from typing import Any

import pytest

from airwave.bus.hooks import Hooks
from bus.running import run


def test_all_are_told_in_order_whatever_one_does(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Any] = []
    hooks = Hooks("on_error")

    async def bad(event: Any) -> None:
        told.append(("bad", event))
        raise ValueError("of the hook")

    def ordinary(event: Any) -> None:
        told.append(("ordinary", event))

    hooks.add(bad)
    hooks.add(ordinary)
    with caplog.at_level(logging.ERROR, "airwave.bus"):
        run(hooks.tell(1))
    assert told == [("bad", 1), ("ordinary", 1)]
    [record] = caplog.records
    assert "on_error hook" in record.getMessage()
    assert "of the hook" in caplog.text
