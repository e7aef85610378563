"""What waits for its time, and in what order its time comes."""

import random

import pytest

from airwave import resp
from airwave.journal import SCHEDULED, UNSCHEDULED, Journal
from airwave.streams import schedule
from airwave.streams.ids import SEQ_BITS
from airwave.streams.schedule import Agenda, Schedule, Scheduled, fields_of
from airwave.streams.stream import Stream

from .disk import SlowDisk

FIELDS = b"*2\r\n$1\r\nf\r\n$1\r\nv\r\n"


def item(number, due_ms, token=b"", *, named=False):
    return Scheduled(number, token or b"t%d" % number, due_ms, FIELDS, named=named)


def made(*items, journal=None):
    plan = Schedule(journal or Journal(), 1)
    for each in items:
        plan.add(each)
    return plan


# --- one stream -------------------------------------------------------------------------------------------------------


def test_the_first_is_the_one_that_is_due_first_then_the_one_that_came_first():
    first, second, third = item(1, 50), item(2, 40), item(3, 50)
    plan = made(third, first, second)
    order = []
    while (each := plan.next()) is not None:
        order.append(each)
        plan.remove(each)
    assert order == [second, first, third]
    assert len(plan) == 0
    assert plan.memory_bytes == 0


def test_a_token_can_be_used_again():
    old, new = item(1, 10, b"x"), item(2, 20, b"x")
    plan = made(old)
    plan.remove(old)
    plan.add(new)
    assert plan.next() is new
    assert plan.first(5) == [new]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_due_first_is_found_without_looking_at_all(seed):
    rng = random.Random(seed)
    plan = made(*[item(number, rng.randrange(50)) for number in range(200)])
    for each in rng.sample([*plan.by_token.values()], 80):
        plan.remove(each)
    ordered = sorted(plan.by_token.values(), key=lambda each: (each.due_ms, each.number))
    for count in (0, 1, 2, 17, 119, 120, 121, 1000):
        assert plan.first(count) == ordered[:count]


def test_what_was_cancelled_does_not_stay_in_memory():
    plan = made()
    for number in range(1000):
        each = item(number, 1000 - number)
        plan.add(each)
        plan.remove(each)
    assert len(plan._heap) <= schedule._STALE_MIN + 1
    assert plan.next() is None


def test_the_journal_is_told_and_rows_are_noted():
    disk = SlowDisk()
    kept, written, cancelled = item(1, 10), item(2, 20, b"x", named=True), item(3, 30)
    plan = made(kept, written, cancelled, journal=disk)
    del plan.unwritten[2]  # as the storage does when it has written it
    plan.remove(cancelled)
    plan.remove(written)
    assert disk.effects == [
        (SCHEDULED, 1, 1, b"t1", 10, False, FIELDS),
        (SCHEDULED, 1, 2, b"x", 20, True, FIELDS),
        (SCHEDULED, 1, 3, b"t3", 30, False, FIELDS),
        (UNSCHEDULED, 1, [3]),
        (UNSCHEDULED, 1, [2]),
    ]
    assert plan.unwritten == {1: kept}
    assert plan.erased == [2]


def test_a_node_that_keeps_nothing_notes_no_rows():
    plan = made(item(1, 10), item(2, 20))
    plan.remove(plan.by_token[b"t1"])
    assert (plan.unwritten, plan.erased) == ({}, [])


# --- a stream and its schedule ----------------------------------------------------------------------------------------


def test_a_stream_has_none_until_something_is_scheduled():
    stream = Stream(1, Journal())
    assert stream.schedule is None
    before = stream.memory_bytes
    stream.add_later(item(1, 10))
    assert stream.schedule is not None
    assert stream.memory_bytes > before


def test_what_is_due_becomes_an_entry_and_chosen_tokens_are_remembered():
    stream = Stream(1, Journal())
    assert stream.add_now(item(1, 10), 20)
    assert stream.add_now(item(2, 10, b"mine", named=True), 20)
    assert stream.entry(20 << SEQ_BITS) == b"*2\r\n$4\r\n20-0\r\n" + FIELDS
    assert [*stream.producers.items()] == [(b"schedule", b"mine", (20 << SEQ_BITS) + 1)]


def test_a_stream_without_ids_takes_nothing():
    stream = Stream(1, Journal())
    stream.last_id = (1 << 128) - 1
    assert not stream.add_now(item(1, 10, named=True), 20)
    assert (stream.length, [*stream.producers.items()]) == (0, [])


# --- fields -----------------------------------------------------------------------------------------------------------


def test_fields_are_read_back():
    words = [b"a", b"", b"\r\n$1\r\n", b"x" * 5000]
    assert fields_of(resp.bulks(words)) == words


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"*0\r\n",
        b"*1\r\n$1\r\na\r\n",
        b"*2\r\n$1\r\na\r\n",
        b"*2\r\n$1\r\na\r\n$2\r\nb\r\n",
        b"*2\r\n$1\r\na\r\n:1\r\n",
        b"*2\r\n$-1\r\n$1\r\nb\r\n",
        b"*x\r\n",
        FIELDS + b"x",
        FIELDS[:-1],
        FIELDS.replace(b"$1", b"$01"),
    ],
)
def test_what_are_no_fields_is_noticed(wrong):
    with pytest.raises(ValueError):
        fields_of(wrong)


# --- all streams ------------------------------------------------------------------------------------------------------


def streams(agenda, *times):
    found = []
    for number, due_ms in enumerate(times, 1):
        stream = Stream(number, Journal())
        stream.add_later(item(number, due_ms))
        agenda.note(stream)
        found.append(stream)
    return found


def test_the_agenda_knows_the_first_of_all_streams():
    agenda = Agenda()
    a, b, c = streams(agenda, 30, 10, 20)
    assert agenda.next() == (10, b)
    b.schedule.remove(b.schedule.next())
    agenda.note(b)
    assert agenda.next() == (20, c)
    agenda.forget(c)
    assert agenda.next() == (30, a)
    a.add_later(item(9, 5))
    agenda.note(a)
    assert agenda.next() == (5, a)
    agenda.clear()
    assert agenda.next() is None


def test_streams_of_flushed_databases_are_forgotten():
    agenda = Agenda()
    a, b = streams(agenda, 30, 10)
    b.space = 7
    agenda.forget_others([0, 1])
    assert agenda.next() == (30, a)
    assert [*agenda.streams] == [a.number]


def test_the_agenda_does_not_grow_with_what_is_outdated():
    agenda = Agenda()
    (a,) = streams(agenda, 5000)
    for due_ms in range(4999, 1000, -1):
        agenda.look_at(a, due_ms)
        assert len(agenda._heap) <= schedule._STALE_MIN + 2
    assert agenda.next() == (1001, a)


MS = 1_000_000


def test_ticks_are_asked_for_once_for_each_time():
    agenda, asked = Agenda(), []
    agenda.ask(0, 0, asked.append)
    assert asked == []  # nothing is scheduled
    a, _ = streams(agenda, 500, 300)
    agenda.ask(0, 0, asked.append)
    agenda.ask(100 * MS, 100, asked.append)
    agenda.ask(100 * MS + 999_999, 100, asked.append)  # the clock of Unix time is coarser
    assert asked == [0.3]
    a.add_later(item(9, 150))
    agenda.note(a)
    agenda.ask(100 * MS, 100, asked.append)
    assert asked == [0.3, 0.05]
    agenda.ask(149 * MS, 149, asked.append)  # it came early
    assert asked == [0.3, 0.05, 0.001]


def test_no_tick_is_asked_for_that_is_far_away():
    agenda, asked = Agenda(), []
    streams(agenda, 10**15)
    agenda.ask(0, 0, asked.append)
    agenda.ask(59_999 * MS, 59_999, asked.append)
    assert asked == [60, 60]


def test_what_is_overdue_is_asked_for_at_once():
    agenda, asked = Agenda(), []
    streams(agenda, 100)
    agenda.ask(0, 500, asked.append)
    agenda.ask(1, 500, asked.append)
    assert asked == [0, 0]
