"""The suite `history`: every message is counted, and those that must be kept are there."""

from collections.abc import Callable

import pytest

from airwave.bench import history
from airwave.bench.contest import CPU, RATE, Contest
from airwave.bench.errors import BenchError
from airwave.bench.exchange import Batch, Exchange
from airwave.bench.load import Load
from airwave.bench.model import Sample
from airwave.bench.program import Cores, airwave_argv
from airwave.bench.servers import Server, started
from airwave.bench.wire import ask, connect

UNPINNED = Cores(None, None)
SHORT_S = 0.05


def held(name: str) -> tuple[Contest, dict[str, Sample]]:
    """A contest, and what each contender did in its second turn."""
    contest = next(each for each in history.HISTORY.contests if each.name == name)
    with contest.open(UNPINNED) as measures:
        for measure in measures.values():
            measure(SHORT_S)
        return contest, {name: measure(SHORT_S) for name, measure in measures.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain-16", "plain-100", "plain-new", "kept-100"])
def test_publishing_with_rules_and_without(name: str) -> None:
    contest, samples = held(name)
    assert samples.keys() == contest.contenders.keys()
    for sample in samples.values():
        assert sample.operations > 0
        assert sample.values[RATE] == pytest.approx(sample.operations / sample.seconds)
        assert (sample.cpu_us or 0) > 0
    assert all(target.value({name: [each] for name, each in samples.items()}) for target in contest.targets)


@pytest.mark.slow
@pytest.mark.usefixtures("redis_installed")
@pytest.mark.parametrize("name", ["kept", "kept-16-everysec"])
def test_what_is_published_is_kept_as_what_is_added(name: str) -> None:
    contest, samples = held(name)
    assert samples.keys() == contest.contenders.keys() == {"publish", "xadd", "redis"}
    assert all(sample.operations > 0 for sample in samples.values())
    assert {target.by for target in contest.targets} == {RATE, CPU}


def test_without_redis_server_airwave_is_measured_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history.shutil, "which", lambda _: None)
    assert history.versions() == {}
    _, samples = held("kept-16")
    assert samples.keys() == {"publish", "xadd"}


@pytest.mark.parametrize("make", [history.adding, history.both])
def test_replies_of_redis_are_counted_right(redis: Server, make: Callable[[int], Batch]) -> None:
    batches = [make(number) for number in range(20)]
    with Exchange(redis.address, [iter(batches)], count_lines=True) as load:
        assert load.run().operations == 20
    history.verify(redis.address, history.PLAIN, 20)


def test_messages_that_are_not_kept_are_noticed(redis: Server) -> None:
    with Exchange(redis.address, [iter([history.publishing(1)])], count_lines=True) as load:
        load.run()
    with pytest.raises(BenchError, match=r"^lost: the stream got 0 entries instead of 1, and has 0$"):
        history.verify(redis.address, history.KEPT, 1)


def test_rules_of_the_suite_match_what_they_are_meant_for() -> None:
    with started("airwave", airwave_argv, UNPINNED) as server, connect(server.address) as sock:
        for rules, kept in ((history.RULES, [history.KEPT]), (history.RULES_FOR_NEWS, [b"news:today"])):
            assert ask(sock, b"CONFIG", b"SET", b"remember", rules) == b"OK"
            for channel in (history.KEPT, b"news:today", b"room:0000000001"):
                ask(sock, b"PUBLISH", channel, b"x")
            assert ask(sock, b"KEYS", b"*") == kept
            ask(sock, b"FLUSHALL")


def test_channels_are_new_each_time(redis: Server) -> None:
    plan = history.new_channels(1, 2)
    batches = plan.batches()
    assert b"room:0000000002" in next(batches) + next(batches)
    with Load(redis.address, plan) as load:
        assert load.run(SHORT_S).published > 2
