"""The Airwave that libraries use; and results.json is written when asked, see table.py."""

from collections.abc import Generator, Iterator
from dataclasses import asdict

import pytest
from live import Node

from airwave.connecting import register_url_schemes
from airwave.embedded import close
from compat.libraries.loops import Place
from compat.libraries.table import Row, declared, load, recorded, rows_of, save


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-libraries", action="store_true", help="write results.json from the tests that pass")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "library(row): what a test proves about a library; see compat/libraries/table")
    # The option is unknown when this folder is not named on the command line; a worker of pytest-xdist does not write.
    if config.getoption("--record-libraries", default=False) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # Kept in the report, which is all that a worker of pytest-xdist sends.
    report.__dict__["libraries"] = [asdict(row) for row in rows_of(item.iter_markers())]
    return report


@pytest.fixture(params=["tcp", "memory"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """An Airwave that the library is told of by URL: `airwave serve`, and the engine in this process."""
    if request.param == "tcp":
        shared: Node = request.getfixturevalue("shared")
        yield Place(shared.url)
        return
    unregister = register_url_schemes()
    url = f"memory://{request.node.name.partition('[')[0]}"
    yield Place(url)
    close(url)
    unregister()


class Recorder:
    """Keeps which rows were proved, and writes them at the end."""

    def __init__(self) -> None:
        self._outcomes: dict[Row, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for fields in report.__dict__.get("libraries", []):
            row = Row(**fields)
            if report.failed or (report.when == "call" and report.passed):
                self._outcomes[row] = report.passed and self._outcomes.get(row, True)

    def pytest_sessionfinish(self) -> None:
        save(recorded(load(), declared(), self._outcomes))
