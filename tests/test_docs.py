"""The documents: generated parts are current, links and names lead somewhere, and the examples do what they show."""

import ast
import configparser
import inspect
import json
import re
import runpy
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from doc_examples import Block, Reader, blocks, commands, headings, links, make_targets, shown
from memory import FakeHost

import airwave
from airwave.bench import library, report
from airwave.bench.model import Metric, Sample
from airwave.broker import Broker
from airwave.command import all_commands
from airwave.commands import info
from airwave.settings import Settings, from_command_line

ROOT = Path(__file__).parent.parent
PACKAGE = Path(inspect.getfile(airwave)).parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
KEPT = Path("bench/results/kept.json")
generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))

each_page = pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])


# --- generated parts --------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The documents alone, to be changed."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copytree(ROOT / "bench", tmp_path / "bench")
    libraries = tmp_path / generate["LIBRARIES"]
    libraries.parent.mkdir(parents=True)
    shutil.copy(ROOT / generate["LIBRARIES"], libraries)
    return tmp_path


def test_the_pages_in_the_repository_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate["main"](["--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", ["docs/settings.md", "docs/commands.md"])
def test_check_names_a_page_that_is_not_current(copy: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main = generate["main"]
    with (copy / name).open("a") as page:
        page.write("x")
    assert main(["--check"], copy) == 1
    assert capsys.readouterr().err == f"{copy}/{name} is not current: run python docs/generate.py\n"
    assert (copy / name).read_text().endswith("x")
    assert main([], copy) == 0
    assert main(["--check"], copy) == 0


def test_unknown_arguments_are_refused(tmp_path: Path) -> None:
    assert generate["main"](["--chek"], tmp_path) == 2


def test_the_settings_page_has_a_row_for_every_setting() -> None:
    page = generate["settings_page"]()
    for row in Settings.describe():
        assert page.count(f"\n| `{row.name}` |") == 1
    assert all(line.count(" | ") == 4 for line in page.splitlines() if line.startswith("| `"))


def test_the_commands_page_has_an_entry_for_every_command() -> None:
    page = generate["commands_page"]()
    titles = re.findall(r"^#{3,4} (.*)$", page, re.MULTILINE)
    assert sorted(titles) == sorted(row.name.replace("|", " ").upper() for row in all_commands())
    assert generate["DIFFERENCES"].keys() <= {row.name for row in all_commands()}


def result() -> report.Result:
    metrics = [
        Metric("rate", "100 subscribers", "per second", 3.0),
        Metric("p50", "delivery latency", "ms", 1.1, lower_is_better=True),
    ]
    ours, theirs = (
        [Sample({"rate": rate, "p50": p50}, 1.0, 10, cpu_us=cpu_us, waited_s=0.2)]
        for rate, p50, cpu_us in ((4e6, 0.5, 0.25), (1e6, 0.4, None))
    )
    machine = dict.fromkeys(("memory_gb", "kernel", "python", "hiredis", "uvloop"), "?")
    machine |= {"cpu": "A CPU", "cores": "2", "command_line": "airwave bench --save it.json"}
    return report.Result(
        "2026-11-24T04:00:00+00:00",
        machine,
        {"airwave": "Airwave 1", "redis": "Redis 7"},
        2,
        1.0,
        [
            report.Comparison("fanout", "about", metrics, 0.0, ours, theirs),
            report.Comparison("broken", "a load", metrics, error="lost: 5 bytes"),
        ],
        [report.Checked("flood", "order", {"published": 1000, "in_order": True, "passed": True})],
    )


def test_the_suite_library_is_shown_with_its_targets() -> None:
    assert generate["library_section"](None, generate["LIBRARY_RESULTS"]).startswith("Nothing is measured yet")
    machine = dict.fromkeys(("cpu", "cores", "kernel", "python"), "?")
    machine["command_line"] = "airwave bench --suite library"
    rates = {"publish": {"engine": [900e3], "memory": [50e3]}}
    text = generate["library_section"](library.Library("2026-11-24T04:00:00+00:00", machine, 1, 0.5, rates), KEPT)
    assert "| PUBLISH without subscribers | 900.0 k | 50.0 k |" in text
    assert "| airwave.Engine to redis-py on memory://, PUBLISH | 18.00 | 10 | met |" in text
    assert "Medians of 1 rounds of 0.5 s each" in text


def test_the_benchmark_is_shown_with_ratios_targets_and_doubts() -> None:
    text = generate["bench_section"](report.from_json(report.to_json(result())), KEPT)
    assert "| 100 subscribers | 4.00 M/s | 1.00 M/s | 4.00 | ≥ 3 | 0.25 / – | met |" in text
    assert "| delivery latency | 0.500 ms | 0.400 ms | 1.25 | ≤ 1.1 | 0.25 / – | missed |" in text
    assert "failed: lost: 5 bytes" in text
    assert "Check `flood`, passed: order. published 1,000, in order yes." in text
    assert "Fewer than 5 rounds" in text
    assert "Noise: " in text
    assert "Airwave 1 against Redis 7, 2 rounds of 1 s each" in text
    assert "2026-11-24; A CPU" in text
    assert "`airwave bench --save it.json`" in text


def test_the_benchmark_goes_between_its_marks(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main, path = generate["main"], copy / generate["RESULTS"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report.to_json(result()))
    assert main(["--check"], copy) == 1
    assert main([], copy) == 0
    assert main(["--check"], copy) == 0
    for name in "README.md", "docs/benchmarks.md":
        old, new = (ROOT / name).read_text(), (copy / name).read_text()
        begin, end = generate["BEGIN"], generate["END"]
        assert old.split(begin)[0] == new.split(begin)[0]
        assert old.split(end)[1] == new.split(end)[1]
        assert "| 100 subscribers | 4.00 M/s" in new
    path.write_text("{}")
    capsys.readouterr()
    assert main([], copy) == 1
    assert "not a result of airwave bench" in capsys.readouterr().err


def test_the_table_of_libraries_is_what_their_tests_kept(copy: Path) -> None:
    main, page = generate["main"], copy / "docs" / "compatibility.md"
    rows = [
        {"library": "one", "version": "1.2", "language": "Python", "tested": "a|b", "missing": ""},
        {"library": "two", "version": "3", "language": "JavaScript", "tested": "c", "missing": "d"},
    ]
    (copy / generate["LIBRARIES"]).write_text(json.dumps(rows))
    assert main(["--check"], copy) == 1
    assert main([], copy) == 0
    assert "| one | 1.2 | a\\|b | – |\n| two (JavaScript) | 3 | c | d |\n<!-- libraries:end -->" in page.read_text()
    assert main(["--check"], copy) == 0


# --- what pages refer to ----------------------------------------------------------------------------------------------


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page.read_text()):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in set(headings(target.read_text())), link


@each_page
def test_make_targets_are_there(page: Path) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert make_targets(page.read_text()) <= set(targets)


@each_page
def test_files_that_are_named_are_there(page: Path) -> None:
    for name in re.findall(r"`((?:src|tests|docs|bench|tools)/[\w./-]*)`", page.read_text()):
        assert (ROOT / name).exists(), name


@each_page
def test_tests_that_are_named_are_there(page: Path) -> None:
    for name, test in re.findall(r"`(tests/[\w./]+\.py)::(\w+)`", page.read_text()):
        assert f"def {test}(" in (ROOT / name).read_text(), f"{name}::{test}"


@each_page
def test_attributes_that_are_named_are_there(page: Path) -> None:
    """`Broker.tick` in a page is an attribute of a class of that name somewhere in the package."""
    if page.name == "CHANGELOG.md":  # it may tell of what was
        return
    sources = [path.read_text() for path in PACKAGE.rglob("*.py")]
    for owner, attribute in re.findall(r"`_?([A-Z]\w*[a-z]\w*)\.(\w+)`", page.read_text()):
        bodies = [
            re.split(rf"\nclass {owner}\b", source, maxsplit=1)[1].split("\nclass ", 1)[0]
            for source in sources
            if re.search(rf"^class {owner}\b", source, re.MULTILINE)
        ]
        named = rf"\bdef {attribute}\(|\bself\.{attribute}\b|^    {attribute}:|\"{attribute}\""
        assert any(re.search(named, body, re.MULTILINE) for body in bodies), f"{owner}.{attribute}"


OF_THE_OUTSIDE = {"asyncio", "socket", "threading", "time", "random", "os"}


def _layers() -> dict[str, int]:
    """The row of each module or package of the table of layers."""
    section = (ROOT / "docs" / "ARCHITECTURE.md").read_text().split("## Layers\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name.rstrip("/"): number for number, row in enumerate(rows) for name in re.findall(r"`([\w/]+)`", row)}


def _imports(tree: ast.AST) -> Iterator[str]:
    """What a module imports when it runs, by full name."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield from [f"airwave.{alias.name}" for alias in node.names] if module == "airwave" else [module]
        yield from _imports(node)


def test_the_code_has_the_layers_of_the_architecture() -> None:
    layers = _layers()
    modules = [path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or not path.stem.startswith("__")]
    assert {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in modules} == set(layers)
    for path in modules:
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for name in _imports(ast.parse(path.read_text())):
            top, _, rest = name.partition(".")
            if top == "airwave":
                imported = rest.partition(".")[0]
                assert imported == own or layers[imported] < layers[own], f"{path.name} imports {name}"
            elif layers[own] < layers["store"]:
                assert top not in OF_THE_OUTSIDE, f"{path.name} imports {name}"


def test_fields_of_info_that_are_named_are_there() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    section = page.split("## What to watch\n", 1)[1].split("\n## ", 1)[0]
    reply = info.render(Broker(Settings(), FakeHost()), [b"everything"]).decode()
    fields = {line.partition(":")[0] for line in reply.splitlines()}
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows
    for row in rows:
        assert set(re.findall(r"`(\w+)`", row.split("|")[1])) <= fields


# --- examples ---------------------------------------------------------------------------------------------------------


def _kind(block: Block) -> str:
    return "file" if "file" in block.about else block.language


@each_page
def test_every_block_is_of_a_kind_that_is_checked(page: Path) -> None:
    for block in blocks(page.read_text()):
        assert _kind(block) in {"console", "python", "file", "ini", "text"}, f"line {block.line}"
        if block.language == "text":
            assert not re.search(r"^(\$|>>>) ", block.text, re.MULTILINE), (
                f"line {block.line}: a command that is not run"
            )


@each_page
def test_units_of_systemd_start_what_is_there(page: Path) -> None:
    for block in blocks(page.read_text()):
        if block.language == "ini":
            unit = configparser.ConfigParser(interpolation=None)
            unit.optionxform = str  # type: ignore[method-assign,assignment]
            unit.read_string(block.text)
            program, command, *args = shlex.split(unit["Service"]["ExecStart"])
            assert (Path(program).name, command) == ("airwave", "serve")
            args = [arg if arg != "/var/lib/airwave" else str(ROOT) for arg in args]
            from_command_line(args, read=lambda _: "")


def _has_examples(page: Path) -> bool:
    kinds = {_kind(block) for block in blocks(page.read_text()) if "checkout" not in block.about}
    return bool(kinds & {"console", "python"})


EXAMPLES = [page for page in PAGES if _has_examples(page)]


@pytest.mark.slow
@pytest.mark.parametrize("page", EXAMPLES, ids=[page.name for page in EXAMPLES])
def test_examples_do_what_they_show(page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    for program in "redis-cli", "redis-server":
        if shutil.which(program) is None and "redis-cli" in text:
            pytest.skip(f"{program} is not installed")
    folder = tmp_path / "reader"
    folder.mkdir()
    with Reader(folder) as reader:
        reader.read(text, leave_out="checkout")


@pytest.mark.slow
def test_the_checkout_can_be_installed_as_the_readme_says(tmp_path: Path) -> None:
    checkout, folder = tmp_path / "checkout", tmp_path / "reader"
    ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache", ".hypothesis", "dist")
    shutil.copytree(ROOT, checkout, ignore=ignored)
    folder.mkdir()
    with Reader(folder, checkout) as reader:
        reader.read((ROOT / "README.md").read_text(), only="checkout")


# --- how examples are read --------------------------------------------------------------------------------------------


def test_blocks_and_commands_are_taken_apart() -> None:
    page = "# A\n```console terminal=x\n$ one \\\n> two\nout\n$ three\n```\n\n```text\nmore\n```\n"
    first, second = blocks(page)
    assert (first.language, first.about, first.line, first.adjacent) == ("console", {"terminal": "x"}, 2, False)
    assert (second.text, second.adjacent) == ("more\n", True)
    assert commands(first.text) == [("one \\\ntwo", ["out"]), ("three", [])]
    assert commands("out\n$ one\n") == [("", ["out"]), ("one", [])]


def test_make_targets_are_found_in_blocks_and_in_the_text() -> None:
    assert make_targets("run `make check`, or\n```console\n$ make run\n$ make PYTHON=python3.12 test\n```\n") == {
        "check",
        "run",
        "test",
    }


@pytest.mark.parametrize(
    ("lines", "output", "fits"),
    [
        (["hello"], "hello\n", True),
        (["hello"], "hello\nyou\n", False),
        (["a ... c"], "a b b c\n", True),
        (["a...c"], "a\nc\n", False),
        (["a", "...", "c"], "a\nb\nb\nc\n", True),
        (["a", "...", "c"], "a\nc\n", True),
        ([], "", True),
        ([], "something\n", False),
        (["(integer) 1"], "(integer) 1\n", True),
    ],
)
def test_what_is_shown_stands_for(lines: list[str], output: str, fits: bool) -> None:
    assert bool(shown(lines).fullmatch(output)) is fits


@pytest.mark.parametrize(
    "page",
    [
        "```console\n$ echo hello\nbye\n```\n",
        "```console\n$ echo hello\n```\n",
        "```console terminal=x\n$ echo hello\nbye\n```\n",
        "```python\nprint(1)\n```\n```text\n2\n```\n",
        "```python\nraise SystemExit('no')\n```\n",
    ],
)
def test_an_example_that_does_something_else_is_found_out(page: str, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    with Reader(folder) as reader, pytest.raises(AssertionError, match="in the block at line 1"):
        reader.read(page)


def test_headings_have_the_anchors_of_github() -> None:
    page = "# What's `in` it?\n## A b\n```text\n# no heading\n```\n## A b\n"
    assert list(headings(page)) == ["whats-in-it", "a-b", "a-b-1"]
