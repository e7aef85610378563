"""The table of libraries is what the tests say."""

from pathlib import Path

from compat.libraries.table import Row, declared, load, recorded, save

ONE, OTHER = (Row(name, "1.0", "Python", "all of it", "") for name in ("one", "Other"))
NEWER = Row("one", "1.1", "Python", "all of it", "")


def test_the_rows_are_those_of_the_tests(request) -> None:
    if request.config.getoption("--record-libraries", default=False):
        return
    assert set(load()) == declared(), "run pytest tests/compat/libraries --record-libraries, then docs/generate.py"


def test_no_library_has_two_rows() -> None:
    names = [row.library for row in declared()]
    assert sorted(names) == sorted(set(names))


def test_rows_are_kept_in_the_order_of_their_names(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    assert load(path) == []
    save({OTHER, ONE}, path)
    assert load(path) == [ONE, OTHER]


def test_a_run_replaces_what_it_proved_and_drops_what_failed() -> None:
    assert recorded([ONE, OTHER], [NEWER, OTHER], {NEWER: True}) == {NEWER, OTHER}
    assert recorded([ONE, OTHER], [ONE, OTHER], {ONE: False}) == {OTHER}
    assert recorded([ONE, OTHER], [ONE], {ONE: True}) == {ONE}
    assert recorded([], [ONE, OTHER], {}) == set()
