"""Results of contests in the documents; those of other suites are in tests/test_docs.py."""

from contextlib import nullcontext
from pathlib import Path

from airwave.bench.contest import CPU, RATE, Contest, Contests, Target
from airwave.bench.markdown import contests_section, table_row
from airwave.bench.model import Sample
from airwave.bench.standings import Standings

KEPT = Path("bench/results/small.json")
SUITE = Contests(
    "small",
    "small loads",
    "deliveries",
    [
        Contest(
            "one",
            "a load",
            {"a": "A", "b": "B"},
            lambda _: nullcontext({}),
            [Target("A to B", "a", "b", RATE, 8), Target("A to B", "a", "b", CPU)],
        )
    ],
    (),
    dict,
)


def test_contests_are_shown_with_targets_doubts_and_where_it_was() -> None:
    machine = {"cpu": "A CPU", "cores": "2", "kernel": "Linux 6", "python": "CPython 3.11"}
    machine |= {"airwave": "1.0", "uvloop": "0.2", "command_line": "airwave bench --suite small --save it.json"}
    result = Standings("small", "2026-12-01T04:00:00+00:00", machine, {"starlette": "1.2"}, 2, 1.0)
    result.samples["one"] = {
        name: [Sample({RATE: rate}, 1.0, 1, cpu_us=cpu_us, load_busy=busy)] * 2
        for name, rate, cpu_us, busy in (("a", 900e3, 1.0, 0.95), ("b", 100e3, 7.0, 0.5))
    }
    assert contests_section(SUITE, result, KEPT) == (
        "| load | by | deliveries/s, time or memory | server CPU, µs | load busy |\n"
        "|---|---|---:|---:|---:|\n"
        "| a load | A | 900.0 k/s | 1.00 | 95% |\n"
        "|  | B | 100.0 k/s | 7.00 | 50% |\n"
        "\n"
        "| how many times as good | by | measured | at least |  |\n"
        "|---|---|---:|---:|---:|\n"
        "| A to B | rate | 9.00 | 8 | met |\n"
        "| A to B | server CPU | 7.00 | – |  |\n"
        "\n"
        "- Fewer than 5 rounds: good for a look, not for quoting.\n"
        "- The load's core was the limit, so that CPU is what to compare: one by a.\n"
        "\n"
        "Medians of 2 rounds of 1 s each, interleaved; 2026-12-01; A CPU, cores: 2, Linux 6, CPython 3.11, Airwave "
        "1.0, uvloop 0.2, starlette 1.2; `airwave bench --suite small --save it.json`. Every round is in "
        "`bench/results/small.json`.\n"
    )


def test_what_was_not_measured_says_how_to() -> None:
    expected = "Nothing is measured yet: `make bench` writes bench/results/small.json, `make docs` puts it here.\n"
    assert contests_section(SUITE, None, KEPT) == expected


def test_a_bar_does_not_end_a_cell() -> None:
    assert table_row(["a|b", "c"]) == "| a\\|b | c |\n"
