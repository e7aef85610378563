"""Workers: at least once, on each kind of server."""

import asyncio
import dataclasses
import logging

import pytest
import redis

from airwave import Bus
from airwave.bus.backoff import constant
from airwave.bus.dead import list_dead, retry_dead
from airwave.bus.delay import list_delayed
from airwave.bus.entry import Entry
from airwave.bus.payload import PayloadError
from airwave.bus.sending import send

from .running import run, until
from .working import (
    GROUP,
    Calls,
    connected,
    delivered_to,
    forever,
    idle_worker,
    make,
    new_stream,
    nothing_pending,
    pending,
    working,
)


def test_entries_are_handled_and_acknowledged(url):
    async def main():
        stream, calls = new_stream(), Calls()
        async with connected(url) as client:
            first = await send(client, stream, b"before")
            async with working(client, stream, calls) as worker:
                await send(client, stream, b"after")
                await until(lambda: len(calls.made) == 2)
                await nothing_pending(client, stream)
                assert calls.made == [("before", 1), ("after", 1)]
                assert (calls.entries[0].id, calls.entries[0].stream) == (first, stream)
                await idle_worker(worker)
                assert worker.stats.handled == 2
            assert await client.xinfo_consumers(stream, GROUP) == []

    run(main())


def test_a_failure_is_tried_again_and_then_dead(url):
    async def main():
        stream, calls, waits = new_stream(), Calls(bad=KeyError("price")), []

        def backoff(attempts):
            waits.append(attempts)
            return 0.01

        async with connected(url) as client, working(client, stream, calls, retries=2, backoff=backoff) as worker:
            entry_id = await send(client, stream, b"bad")
            await until(lambda: worker.stats.dead)
            await nothing_pending(client, stream)
            assert calls.made == [("bad", 1), ("bad", 2), ("bad", 3)]
            assert waits == [1, 2]
            [letter] = await list_dead(client, stream)
            assert (letter.entry_id, letter.group, letter.attempts) == (entry_id, GROUP, 3)
            assert (letter.data, letter.error) == (b"bad", "KeyError: 'price'")
            assert "in __call__" in letter.traceback
            assert worker.stats.failed == 3

    run(main())


def test_what_waits_for_its_next_attempt_does_not_stop_others(url):
    async def main():
        stream, calls = new_stream(), Calls(bad=ValueError())
        async with (
            connected(url) as client,
            working(client, stream, calls, concurrency=1, backoff=constant(3600)) as worker,
        ):
            for payload in (b"bad", b"one", b"two"):
                await send(client, stream, payload)
            await until(lambda: calls.payloads == ["bad", "one", "two"])
            await idle_worker(worker)
            assert worker.stats.waiting == 1
            assert await pending(client, stream) == [(worker.consumer, 1)]

    run(main())


def test_a_retry_that_is_due_ends_a_read_that_waits(url, monkeypatch):
    monkeypatch.setattr("airwave.bus.worker.BLOCK_S_MAX", 3600.0)  # only being interrupted ends it

    async def main():
        stream, calls = new_stream(), Calls(bad=ValueError())
        async with (
            connected(url) as client,
            working(client, stream, calls, retries=3, backoff=constant(0.05)) as worker,
        ):
            await send(client, stream, b"bad")
            await until(lambda: worker.stats.dead)
            assert len(calls.made) == 4

    run(main())


def test_no_more_is_taken_than_can_be_run(url):
    async def main():
        stream, go = new_stream(), asyncio.Event()
        calls = Calls(**{str(n): go.wait for n in range(7)})
        async with connected(url) as client:
            for n in range(7):
                await send(client, stream, str(n).encode())
            async with working(client, stream, calls, concurrency=3) as worker:
                await until(lambda: worker.stats.running == 3)
                assert len(await pending(client, stream)) == 3
                assert calls.payloads == ["0", "1", "2"]
                go.set()
                await until(lambda: len(calls.made) == 7)

    run(main())


def test_no_new_entries_while_too_many_wait(url):
    async def main():
        stream, calls = new_stream(), Calls(bad=ValueError())
        async with connected(url) as client:
            for payload in (b"bad", b"bad", b"good"):
                await send(client, stream, payload)
            options = {"waiting_max": 2, "concurrency": 1, "backoff": constant(0.01), "retries": 1}
            async with working(client, stream, calls, **options) as worker:
                await until(lambda: "good" in calls.payloads)
                await until(lambda: worker.stats.dead == 2)
                # The third was only begun when one of the first two did not wait any more.
                assert ("bad", 2) in calls.made[: calls.payloads.index("good")]

    run(main())


def test_a_handler_that_takes_too_long_is_cancelled_and_has_failed(url):
    async def main():
        stream, calls = new_stream(), Calls(slow=forever)
        async with connected(url) as client, working(client, stream, calls, timeout=0.01, retries=1) as worker:
            await send(client, stream, b"slow")
            await until(lambda: worker.stats.dead)
            assert calls.made == [("slow", 1), ("slow", 2)]
            [letter] = await list_dead(client, stream)
            assert letter.error == "TimeoutError: the handler took longer than 0.01 s"

    run(main())


def test_a_handler_that_is_cancelled_by_somebody_else_has_failed(url):
    async def main():
        stream, calls = new_stream(), Calls()

        async def cancelled():
            raise asyncio.CancelledError

        calls.doing["odd"] = cancelled
        async with connected(url) as client, working(client, stream, calls, retries=0) as worker:
            await send(client, stream, b"odd")
            await until(lambda: worker.stats.dead)
            assert (await list_dead(client, stream))[0].error == "CancelledError"

    run(main())


def test_what_does_not_decode_is_dead_at_once(url):
    async def main():
        stream, calls = new_stream(), Calls(odd=PayloadError("not an Order"))
        async with connected(url) as client, working(client, stream, calls, retries=5) as worker:
            await send(client, stream, b"odd")
            await client.xadd(stream, {"text": "of somebody else"})
            await send(client, stream, b"good")
            await until(lambda: worker.stats.dead == 2 and worker.stats.handled == 1)
            assert calls.made == [("odd", 1), ("good", 1)]
            odd, foreign = sorted(await list_dead(client, stream), key=lambda letter: letter.entry_id)
            assert (odd.error, odd.attempts) == ("PayloadError: not an Order", 1)
            assert (foreign.data, foreign.fields) == (None, {b"text": b"of somebody else"})
            assert foreign.error == "PayloadError: the entry has no field `data`"

    run(main())


# --- other consumers --------------------------------------------------------------------------------------------------


def test_entries_of_dead_consumers_are_claimed(url):
    async def main():
        stream, calls = new_stream(), Calls()
        async with connected(url) as client:
            await send(client, stream, b"left")
            await delivered_to(client, stream, "ghost")
            async with working(client, stream, calls, claim_after=0.1) as worker:
                await until(lambda: worker.stats.handled)
                assert calls.made == [("left", 2)]
                assert worker.stats.claimed == 1
                await nothing_pending(client, stream)

    run(main())


def test_deliveries_that_killed_the_process_count(url):
    async def main():
        stream, calls = new_stream(), Calls()
        async with connected(url) as client:
            await send(client, stream, b"poison")
            await delivered_to(client, stream, "ghost", times=3)
            async with working(client, stream, calls, claim_after=0.1, retries=2) as worker:
                await until(lambda: worker.stats.dead)
                await nothing_pending(client, stream)
            assert calls.made == []
            [letter] = await list_dead(client, stream)
            assert (letter.data, letter.attempts) == (b"poison", 3)
            assert letter.error.startswith("WorkerDied: ")

    run(main())


def test_an_entry_that_another_has_claimed_is_left_to_it(url, caplog):
    async def main():
        stream, go = new_stream(), asyncio.Event()

        async def fail():
            await go.wait()
            raise ValueError

        calls = Calls(slow=fail)
        async with (
            connected(url) as client,
            working(client, stream, calls, claim_after=0.1, gone_after=3600, concurrency=1) as worker,
        ):
            entry_id = await send(client, stream, b"slow")
            await until(lambda: calls.made)
            await client.xclaim(stream, GROUP, "thief", 0, [entry_id], justid=True)
            await until(lambda: "claimed by another worker" in caplog.text)
            assert (await pending(client, stream))[0][0] == "thief"
            calls.doing.clear()
            go.set()
            await until(lambda: worker.stats.failed)
            await until(lambda: worker.stats.handled)  # claimed from the thief, who was not heard of again
            assert calls.made == [("slow", 1), ("slow", 2)]
            assert worker.stats.dead == 0

    with caplog.at_level(logging.WARNING, "airwave.bus"):
        run(main())


def test_an_entry_that_was_claimed_from_ourselves_is_not_delivered_once_more(url, caplog):
    async def main():
        stream, go = new_stream(), asyncio.Event()
        calls = Calls(slow=go.wait)
        async with connected(url) as client, working(client, stream, calls, retries=0) as worker:
            entry_id = await send(client, stream, b"slow")
            await until(lambda: calls.made)
            # As a read of its own does when the event loop stood still for longer than `claim_after`.
            await client.xclaim(stream, GROUP, worker.consumer, 0, [entry_id])
            assert await pending(client, stream) == [(worker.consumer, 2)]
            await worker._begin(dataclasses.replace(calls.entries[0], attempts=2))
            assert await pending(client, stream) == [(worker.consumer, 1)]
            go.set()
            await until(lambda: worker.stats.handled)
            assert calls.made == [("slow", 1)]
            assert worker.stats.claimed == 0

    run(main())
    assert "although it is being handled" in caplog.text


def test_an_entry_that_is_due_before_its_task_has_ended_is_tried_again_then(url, caplog):
    async def main():
        stream, calls, claimed = new_stream(), Calls(bad=OSError()), asyncio.Event()
        async with connected(url) as client, working(client, stream, calls, retries=1, backoff=constant(0)) as worker:
            postpone, begin = worker._group.postpone, worker._begin

            async def postpone_slowly(entry_id, wait_ms):
                await postpone(entry_id, wait_ms)
                await claimed.wait()  # the answer is late, so late that a read has got the entry before

            async def begin_seen(entry):
                if entry.attempts == 2:
                    claimed.set()
                await begin(entry)

            worker._group.postpone, worker._begin = postpone_slowly, begin_seen
            await send(client, stream, b"bad")
            await until(lambda: worker.stats.dead)
            assert calls.made == [("bad", 1), ("bad", 2)]
            assert (worker.stats.claimed, worker.stats.failed) == (0, 2)

    run(main())
    assert "although it is being handled" not in caplog.text


def test_only_the_group_that_failed_gets_an_entry_again(url):
    async def main():
        stream, bad, good = new_stream(), Calls(order=ValueError()), Calls()
        async with (
            connected(url) as client,
            working(client, stream, bad, group="bad", retries=0) as failing,
            working(client, stream, good, group="good") as other,
        ):
            await send(client, stream, b"order")
            await until(lambda: failing.stats.dead and other.stats.handled)
            bad.doing.clear()
            assert await retry_dead(client, stream) == 1
            await until(lambda: failing.stats.handled and other.stats.skipped)
            assert bad.made == [("order", 1), ("order", 1)]
            assert good.made == [("order", 1)]
            for group in ("bad", "good"):
                await nothing_pending(client, stream, group)

    run(main())


# --- the end ----------------------------------------------------------------------------------------------------------


def test_handlers_may_finish_when_the_worker_stops(url):
    async def main():
        stream, go = new_stream(), asyncio.Event()
        calls = Calls(slow=go.wait)
        async with connected(url) as client:
            worker = make(client, stream, calls, concurrency=1)
            await worker.start()
            await send(client, stream, b"slow")
            await send(client, stream, b"late")
            await until(lambda: worker.stats.running)
            stopping = asyncio.create_task(worker.stop(3600))
            await asyncio.sleep(0)
            go.set()
            await stopping
            assert worker.stats.handled == 1
            assert calls.payloads == ["slow"]
            assert await pending(client, stream) == []

    run(main())


def test_what_does_not_finish_is_given_back_and_this_attempt_does_not_count(url):
    async def main():
        stream, calls = new_stream(), Calls(slow=forever)
        async with connected(url) as client:
            async with working(client, stream, calls, claim_after=3600) as worker:
                await send(client, stream, b"slow")
                await until(lambda: worker.stats.running)
            assert worker.stats.released == 1
            assert worker.stats.failed == 0
            calls.doing.clear()
            async with working(client, stream, calls, claim_after=3600) as worker:
                await until(lambda: worker.stats.handled)
            assert calls.made == [("slow", 1), ("slow", 1)]

    run(main())


def test_what_waits_comes_back_with_its_attempts_when_its_worker_has_stopped(url):
    async def main():
        stream, calls = new_stream(), Calls(bad=ValueError())
        async with connected(url) as client:
            # It may be claimed in half an hour; by who claims what has been idle for half an hour, now.
            async with working(client, stream, calls, backoff=constant(1800), claim_after=3600) as worker:
                await send(client, stream, b"bad")
                await until(lambda: worker.stats.waiting)
            assert await pending(client, stream) == [(worker.consumer, 1)]
            calls.doing.clear()
            async with working(client, stream, calls, claim_after=1800) as worker:
                await until(lambda: worker.stats.handled)
            assert calls.made == [("bad", 1), ("bad", 2)]

    run(main())


@pytest.mark.parametrize("error", [None, ValueError()], ids=str)
def test_a_handler_may_stop_the_bus_and_is_not_waited_for(url, error):
    async def main():
        stream, made, ended = new_stream(), [], asyncio.Event()
        async with connected(url) as client:
            bus = Bus(client=client, grace=1e6)

            @bus.worker(stream, group=GROUP, backoff=constant(1800), claim_after=3600, gone_after=3600)
            async def last(entry: Entry) -> None:
                await bus.stop()
                made.append(entry.attempts)
                asyncio.current_task().add_done_callback(lambda _: ended.set())
                if error:
                    raise error

            await bus.start()
            await send(client, stream, b"stop")
            await ended.wait()
            assert made == [1]
            if error:  # it comes back when its backoff is over
                assert [count for _, count in await pending(client, stream)] == [1]
            else:
                assert await pending(client, stream) == []
                assert await client.xinfo_consumers(stream, GROUP) == []

    run(main())


def test_a_worker_that_was_not_started_can_be_stopped(memory_url):
    async def main():
        async with connected(memory_url) as client:
            await make(client, "orders", Calls()).stop()

    run(main())


# --- trouble ----------------------------------------------------------------------------------------------------------


def test_it_goes_on_when_the_stream_was_deleted(url, caplog):
    async def main():
        stream, calls = new_stream(), Calls()
        async with connected(url) as client, working(client, stream, calls) as worker:
            await send(client, stream, b"one")
            await until(lambda: worker.stats.handled == 1)
            await client.delete(stream)
            await send(client, stream, b"two")
            await until(lambda: worker.stats.handled == 2)
            assert calls.made == [("one", 1), ("two", 1)]

    run(main())
    assert "cannot read" in caplog.text


@pytest.mark.parametrize("while_it_runs", [False, True])
def test_it_goes_on_when_the_connection_was_lost(url, while_it_runs):
    async def main():
        stream, go = new_stream(), asyncio.Event()
        calls = Calls(one=go.wait)
        async with connected(url) as client, working(client, stream, calls, concurrency=2) as worker:
            if while_it_runs:
                await send(client, stream, b"one")
                await until(lambda: worker.stats.running)
            await client.client_kill_filter(_type="normal", skipme=True)
            go.set()
            await send(client, stream, b"two")
            await until(lambda: "two" in calls.payloads)
            await nothing_pending(client, stream)
            assert set(calls.made) == ({("one", 1), ("two", 1)} if while_it_runs else {("two", 1)})

    run(main())


def test_what_was_delivered_and_never_seen_is_not_an_attempt(url):
    async def main():
        stream, calls = new_stream(), Calls()
        async with connected(url) as client:
            worker = make(client, stream, calls, retries=0)
            await send(client, stream, b"unseen")
            await delivered_to(client, stream, worker.consumer)  # in its name, but it does not know
            await worker.start()
            await until(lambda: worker._reader._id)  # it has connected, in order to read
            assert calls.made == []
            await client.client_kill_filter(_type="normal", skipme=True)
            await until(lambda: worker.stats.handled)
            assert calls.made == [("unseen", 1)]
            await worker.stop(0)

    run(main())


def test_entries_that_were_deleted_before_they_were_handled_are_told(url, caplog):
    async def main():
        stream, calls = new_stream(), Calls()
        async with connected(url) as client:
            entry_id = await send(client, stream, b"gone")
            await delivered_to(client, stream, "ghost")
            await client.xdel(stream, entry_id)
            async with working(client, stream, calls, claim_after=0.1) as worker:
                await until(lambda: worker.stats.deleted)
                assert await pending(client, stream) == []
                assert calls.made == []

    run(main())
    assert "deleted before they were handled" in caplog.text


def test_the_key_for_dead_letters_must_be_free(url):
    async def main():
        stream = new_stream()
        async with connected(url) as client:
            await client.set(f"{stream}:dead", "something else")
            with pytest.raises(redis.ResponseError, match=f"need the key {stream}:dead, which is a string"):
                await make(client, stream, Calls()).start()

    run(main())


def test_a_backoff_that_fails_stops_nobody(memory_url, caplog):
    async def main():
        stream, calls = new_stream(), Calls(bad=ValueError())
        async with connected(memory_url) as client, working(client, stream, calls, backoff=lambda _: 1 / 0) as worker:
            await send(client, stream, b"bad")
            await send(client, stream, b"good")
            await until(lambda: worker.stats.handled)
            await idle_worker(worker)
            assert await pending(client, stream) == [(worker.consumer, 1)]

    run(main())
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("place", ["airwave", "redis"])
def test_both_protocols(place, protocol, request):
    async def main():
        stream, calls = new_stream(), Calls(bad=ValueError())
        async with connected(url) as client:
            await send(client, stream, b"left")
            await delivered_to(client, stream, "ghost")
            options = {"claim_after": 0.1, "gone_after": 0.1, "retries": 1, "backoff": constant(0.01)}
            async with working(client, stream, calls, **options) as worker:
                await send(client, stream, b"bad")
                await send(client, stream, b"later", delay=0.01)
                await send(client, stream, b"never", delay=3600)
                await until(lambda: worker.stats.handled == 2 and worker.stats.dead == 1)
                assert sorted(calls.made) == [("bad", 1), ("bad", 2), ("later", 1), ("left", 2)]
                assert [each.data for each in await list_delayed(client, stream)] == [b"never"]
                while len(await client.xinfo_consumers(stream, GROUP)) > 1:  # the ghost is removed
                    await asyncio.sleep(0.001)
            assert await retry_dead(client, stream) == 1

    server = f"unix://{request.getfixturevalue('redis_path')}"
    url = (server if place == "redis" else request.getfixturevalue("airwave_node").url) + f"?protocol={protocol}"
    run(main())
