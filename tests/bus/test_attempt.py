"""One call of a handler."""

import asyncio

import pytest

from airwave.bus.attempt import attempt
from airwave.bus.entry import Entry
from airwave.bus.payload import PayloadError

from .running import run

ENTRY = Entry("orders", "g", "1-1", 1, {b"data": b"x"})


def outcome(handler, entry=ENTRY, timeout_s=None):
    async def main():
        nonlocal result
        result = await attempt(handler, entry, timeout_s)

    result: BaseException | None = None
    run(main())
    return result


def test_returning_is_success():
    given = []

    async def handler(data, entry):
        given.append((data, entry))

    assert outcome(handler) is None
    assert given == [(b"x", ENTRY)]


def test_what_it_raises_is_returned():
    error = KeyError("k")

    async def handler(_data, _entry):
        raise error

    assert outcome(handler) is error


def test_its_own_timeout_is_told_from_ours():
    own = TimeoutError("the bank does not answer")

    async def impatient(_data, _entry):
        raise own

    async def slow(_data, _entry):
        await asyncio.Event().wait()

    assert outcome(impatient, timeout_s=60) is own
    ours = outcome(slow, timeout_s=0.001)
    assert str(ours) == "the handler took longer than 0.001 s"
    assert ours.__traceback__ is not None


def test_an_entry_without_payload():
    async def handler(_data, _entry):
        raise AssertionError

    error = outcome(handler, Entry("orders", "g", "1-1", 1, {b"text": b"x"}))
    assert isinstance(error, PayloadError)


@pytest.mark.parametrize("cleanup", [asyncio.CancelledError, RuntimeError])
def test_being_cancelled_is_no_failure_of_the_handler(cleanup):
    async def handler(_data, _entry):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise cleanup from None

    async def main():
        task = asyncio.create_task(attempt(handler, ENTRY, 60))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_a_handler_that_succeeds_although_it_was_cancelled_has_succeeded():
    async def handler(_data, _entry):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    async def main():
        task = asyncio.create_task(attempt(handler, ENTRY, 60))
        await asyncio.sleep(0)
        task.cancel()
        assert await task is None

    run(main())
