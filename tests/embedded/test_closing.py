"""`with` and `async with` close what they are given, whatever happens in the block."""

import asyncio

import pytest

from airwave.embedded.closing import Closing


class Thing(Closing):
    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_a_block_closes_and_hides_no_error() -> None:
    with Thing() as thing:
        assert not thing.closed
    assert thing.closed == 1
    with pytest.raises(KeyError), thing:
        raise KeyError
    assert thing.closed == 2


def test_so_does_one_of_a_task() -> None:
    async def body() -> None:
        async with Thing() as thing:
            assert not thing.closed
        assert thing.closed == 1
        with pytest.raises(KeyError):
            async with thing:
                raise KeyError
        assert thing.closed == 2

    asyncio.run(body())
