"""A look at everything: bounded, in slices, and with those in front that have most to do."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from memory import Node

from airwave.web import survey
from airwave.web.survey import Most, Survey, look, oldest_pending_s


def look_at(node: Node, streams_max: int = 100) -> Survey:
    return asyncio.run(look(node.broker, streams_max))


@given(st.lists(st.integers(0, 9)), st.integers(0, 5))
def test_those_with_the_highest_scores_are_kept(scores: list[int], bound: int) -> None:
    most: Most[int] = Most(bound)
    for place, score in enumerate(scores):
        most.add((score, 0), place)
    best = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
    assert most.kept() == best[:bound]
    assert most.left_out == max(0, len(scores) - bound)


def test_sums_are_over_all_streams_and_figures_for_those_with_most_to_do() -> None:
    node = Node()
    peer = node.peer()
    for number in range(1, 6):
        for _ in range(number):
            peer.ask(f"XADD s{number} * a b")
        peer.ask(f"XGROUP CREATE s{number} g 0")
    peer.ask("XREADGROUP GROUP g c COUNT 2 STREAMS s5 >")
    found = look_at(node, 2)
    assert [place.stream.key for place in found.streams.kept()] == [b"s5", b"s4"]
    assert [(each.stream.key, each.lag) for each in found.groups.kept()] == [(b"s5", 3), (b"s4", 4)]
    assert (found.streams.left_out, found.groups.left_out) == (3, 3)
    assert (found.entries, found.lag, found.pending) == (15, 13, 2)


def test_streams_of_all_databases_are_seen_and_other_values_are_not() -> None:
    node = Node()
    peer = node.peer()
    peer.ask("XADD s * a b")
    peer.ask("SET t 1")
    peer.ask("SELECT 3")
    peer.ask("XADD s * a b")
    assert [place.database for place in look_at(node).streams.kept()] == [0, 3]


def test_subscriptions_are_counted_by_kind() -> None:
    node = Node()
    alice, bob = node.peer(), node.peer()
    for peer in (alice, bob):
        peer.ask("SUBSCRIBE news")
        peer.ask("PSUBSCRIBE n*")
    alice.ask("SSUBSCRIBE shard")
    assert look_at(node).subscriptions == {"channel": 2, "pattern": 2, "shard_channel": 1}


def test_others_have_a_turn_between_two_slices() -> None:
    node = Node()
    peer = node.peer()
    for number in range(3 * survey.SLICE):
        peer.ask(f"SET k{number} 1")

    async def turns() -> int:
        task = asyncio.ensure_future(look(node.broker, 10))
        count = 0
        while not task.done():
            await asyncio.sleep(0)
            count += 1
        return count

    assert asyncio.run(turns()) > 3


def test_what_changes_meanwhile_is_no_error() -> None:
    node = Node()
    peer = node.peer()
    for number in range(2 * survey.SLICE):
        peer.ask(f"XADD s{number} * a b")

    async def change() -> Survey:
        task = asyncio.ensure_future(look(node.broker, 1000))
        await asyncio.sleep(0)
        peer.ask("FLUSHALL")
        peer.ask("XADD new * a b")
        return await task

    assert asyncio.run(change()).streams.seen == 2 * survey.SLICE


def test_the_age_of_what_is_pending_is_that_of_its_id() -> None:
    node = Node()
    peer = node.peer()
    now_ms = node.host.wall_ms()
    peer.ask(f"XADD timed {now_ms - 1500}-0 a b")
    peer.ask("XADD counted 1-0 a b")
    for name in ("timed", "counted"):
        peer.ask(f"XGROUP CREATE {name} g 0")
    by_name = {place.stream.key: place.group for place in look_at(node).groups.kept()}
    assert oldest_pending_s(by_name[b"timed"], now_ms) is None
    peer.ask("XREADGROUP GROUP g c STREAMS timed counted > >")
    assert oldest_pending_s(by_name[b"timed"], now_ms) == 1.5
    assert oldest_pending_s(by_name[b"timed"], now_ms - 10_000) == 0  # the clock was set back
    assert oldest_pending_s(by_name[b"counted"], now_ms) is None
