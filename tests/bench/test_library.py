"""The suite `library`: what is measured becomes a table, is kept, and is held to its targets."""

from pathlib import Path

import pytest

from airwave.bench import library
from airwave.bench.errors import BenchError
from airwave.bench.library import Library


def result(**rates: dict[str, list[float]]) -> Library:
    return Library("2026-11-24T15:00:00+00:00", {"cpu": "?"}, 3, 1.0, rates)


def test_targets_are_held_against_medians() -> None:
    measured = result(publish={"engine": [900e3, 1, 1e6], "memory": [50e3, 90e3, 10]})
    assert library.verdicts(measured) == [
        ["target", "measured", "at least", ""],
        ["airwave.Engine to redis-py on memory://, PUBLISH", "18.00", "10", "met"],
    ]
    measured = result(deliver={"engine": [400e3], "memory": [100e3]})
    assert [line[1:] for line in library.verdicts(measured)[1:]] == [
        ["4.00", "10", "missed"],
        ["400,000", "500,000", "missed"],
    ]


def test_the_table_has_who_was_measured() -> None:
    measured = result(xadd={"memory": [31_234.0], "redis": [20e3]}, publish={"engine": [1e6]})
    measured.cpu_us = {"xadd": {"memory": [30.0, 40.0, 90.0]}}
    assert library.table(measured) == [
        ["operations/s (client CPU)", "airwave.Engine", "redis-py on memory://", "redis-py to redis-server over TCP"],
        ["PUBLISH without subscribers", "1,000.0 k", "–", "–"],
        ["XADD of two fields, trimmed to about 10,000", "–", "31.2 k (40.0 µs)", "20.0 k"],
    ]


def test_a_result_is_kept(tmp_path: Path) -> None:
    measured = result(publish={"engine": [1.5]})
    library.save(measured, tmp_path / "results" / "library.json")
    assert library.from_json((tmp_path / "results" / "library.json").read_text()) == measured


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2}', '{"format": 1, "rates": {}}'])
def test_what_is_no_result_is_refused(text: str) -> None:
    with pytest.raises(BenchError, match="not a result of airwave bench --suite library"):
        library.from_json(text)


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match="cannot write"):
        library.save(result(), tmp_path / "file" / "library.json")


@pytest.mark.slow
def test_all_contenders_do_an_operation() -> None:
    said: list[str] = []
    measured = library.run(1, 0.05, said.append, ["publish"])
    assert said == ["publish: round 1 of 1"]
    assert list(measured.rates["publish"]) == list(library.CONTENDERS)
    assert all(rate > 0 for rates in measured.rates["publish"].values() for rate in rates)
    assert all(each > 0 for cpu_us in measured.cpu_us["publish"].values() for each in cpu_us)


def test_a_measurement_that_breaks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "WORKER", "airwave.bench.no_such_module")
    with pytest.raises(BenchError, match=r"publish by airwave.Engine: .*no_such_module"):
        library._measure(library.Cores(None, None), "engine", "publish", 0.01, "memory://bench")
