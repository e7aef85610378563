"""Write what the documents say from the program's own tables and from the kept benchmark.

    python docs/generate.py            writes it
    python docs/generate.py --check    writes nothing; exits 1 and names the pages that are not current

`PAGES` has a function for each page: it gets the page's text as it is and gives it as it must be. A page is made whole
(settings, commands), or only what stands between its marks: the benchmark (README, benchmarks), two marks for each
suite, the table of libraries (compatibility), and that of metrics.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from airwave import commands  # noqa: F401  (fills the table of commands)
from airwave.bench import library, report, standings
from airwave.bench.browsers import BROWSERS
from airwave.bench.errors import BenchError
from airwave.bench.history import HISTORY
from airwave.bench.markdown import bench_section, contests_section, library_section, table_row
from airwave.command import CATEGORIES, COMMANDS, FLAGS, Command
from airwave.settings import Setting, Settings
from airwave.web.metrics import FIGURES

ROOT = Path(__file__).parent.parent
RESULTS = Path("bench/results/pubsub.json")
STREAMS_RESULTS = Path("bench/results/streams.json")
LIBRARY_RESULTS = Path("bench/results/library.json")
HISTORY_RESULTS = Path("bench/results/history.json")
BROWSERS_RESULTS = Path("bench/results/browsers.json")
LIBRARIES = Path("tests/compat/libraries/results.json")

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
STREAMS_BEGIN, STREAMS_END = "<!-- bench:streams:begin -->", "<!-- bench:streams:end -->"
LIBRARY_BEGIN, LIBRARY_END = "<!-- bench:library:begin -->", "<!-- bench:library:end -->"
HISTORY_BEGIN, HISTORY_END = "<!-- bench:history:begin -->", "<!-- bench:history:end -->"
BROWSERS_BEGIN, BROWSERS_END = "<!-- bench:browsers:begin -->", "<!-- bench:browsers:end -->"
LIBRARIES_BEGIN, LIBRARIES_END = "<!-- libraries:begin -->", "<!-- libraries:end -->"
METRICS_BEGIN, METRICS_END = "<!-- metrics:begin -->", "<!-- metrics:end -->"

Page = Callable[[str], str]
Results = dict[Path, report.Result | None]
Contested = dict[Path, standings.Standings | None]
T = TypeVar("T")

_LABEL = "(?:Reply|Cost|Source): "


# --- settings ---------------------------------------------------------------------------------------------------------

_SETTINGS_INTRODUCTION = """\
# Settings

<!-- Written by docs/generate.py from src/airwave/settings/rows.py: edit that, then run it. -->

Names, units and meaning are those of [redis.conf](https://redis.io/docs/latest/operate/oss_and_stack/management/config/)
where Redis has the directive. A setting can be given

- as an option: `airwave serve --port 6380 --bind 127.0.0.1 -::1`;
- in a config file in the syntax of redis.conf, `airwave serve airwave.conf`, or on standard input with `-`; options
  win over it;
- while the server runs, with `CONFIG SET name value` where the tables say so. `CONFIG GET` shows every setting,
  `CONFIG REWRITE` writes what was changed into the config file and keeps its comments.

Sizes may have a unit: `1k` is 1000 bytes, `1kb` is 1024; likewise `m`, `mb`, `g`, `gb`. A directive that Redis has and
Airwave does not is named in one warning at start and ignored; an unknown word is an error.
"""


def settings_page(_: str = "") -> str:
    """docs/settings.md: every setting, by section, in the order of the table."""
    parts = [_SETTINGS_INTRODUCTION]
    for section, rows in groupby(Settings.describe(), key=lambda row: row.section):
        parts.append(f"## {section}\n\n| setting | default | may be | CONFIG SET | meaning |\n|---|---|---|---|---|\n")
        parts[-1] += "".join(map(_settings_row, rows))
    return "\n".join(parts)


def _settings_row(row: Setting) -> str:
    unit = f" ({row.kind.unit})" if row.kind.unit else ""
    default = row.kind.written(row.default) or '""'
    cells = [f"`{row.name}`", f"`{default}`", row.kind.values() + unit, "yes" if row.mutable else "no", row.doc]
    return table_row(cells)


# --- commands ---------------------------------------------------------------------------------------------------------

_COMMANDS_INTRODUCTION = """\
# Commands

<!-- Written by docs/generate.py from the table of commands (src/airwave/commands): edit that, then run it. -->

Every command of this version. Replies, errors and names are those of Redis; where something differs, `Differs` says so.
What Redis has and Airwave has not is on the page about [compatibility](compatibility.md). `Since` is the version of
Redis that brought the command, or of Airwave for its own: XSCHEDULE, XSCHEDULED, XUNSCHEDULE, CLIENT CAPA, and
PUBSUB HISTORY, REMEMBERED, REPLAY and SUBSCRIBERS. `redis-cli` shows the same texts: `COMMAND DOCS publish`.
"""

_GROUPS = {
    "pubsub": "Publish and subscribe",
    "stream": "Streams",
    "generic": "Keys",
    "string": "Strings",
    "connection": "Connection",
    "transactions": "Transactions",
    "scripting": "Scripts",
    "server": "Server",
}

DIFFERENCES = {
    "acl": "only CAT, WHOAMI and HELP; there is one user, `default`.",
    "auth": "the only user is `default`.",
    "client|list": "has the field `dropped` at the end.",
    "bgrewriteaof": "syncs and compacts the database, as BGSAVE and SAVE do.",
    "bgsave": "syncs and compacts the database, beside other commands; there is no snapshot. SCHEDULE means nothing.",
    "config|set": "`port`, `bind` and other settings that the [table](settings.md) marks cannot be changed.",
    "debug": "only SLEEP and HELP.",
    "eval": "only the scripts of some libraries, see above; MONITOR and INFO commandstats do not see what they call.",
    "evalsha": "as EVAL.",
    "dump": "the format is Airwave's own: only Airwave can RESTORE it.",
    "hello": "the map also has `server_name` and `airwave_version`.",
    "info": "memory is that of the process; fields about what Airwave does not do are Redis's zeros or left out; "
    "[operations](operations.md#what-to-watch) has the fields that Airwave adds.",
    "latency|doctor": "the text is Airwave's own.",
    "latency|histogram": "buckets are powers of two µs; Redis's are finer.",
    "lolwut": "draws something else.",
    "memory|doctor": "the text is Airwave's own.",
    "memory|malloc-stats": "tells about Python's allocator.",
    "memory|purge": "runs Python's garbage collector.",
    "memory|usage": "an estimate: what the entries or the value take, and a fixed amount beside it; SAMPLES means "
    "nothing.",
    "memory|stats": "the fields are those that a Python process can know.",
    "module": "only LIST and HELP.",
    "object|encoding": "tells what Redis would have; it says nothing about the memory.",
    "object|freq": "always an error, as in a Redis without an LFU policy.",
    "object|refcount": "always 1; Redis shares small integers.",
    "restore": "takes what Airwave's DUMP gave, not Redis's; FREQ means nothing.",
    "script|exists": "a known script is there without SCRIPT LOAD.",
    "script|flush": "there is nothing to forget.",
    "script|load": "only the scripts that EVAL knows.",
    "save": "syncs and compacts the database; there is no snapshot.",
    "set": "without the conditions on the value of Redis 8.4 (IFEQ and others).",
    "shutdown": "a shutdown that has begun cannot be taken back with ABORT.",
    "xadd": "`~` trims whole chunks, of 128 entries or 64 KB; Redis's have 100 entries or 4 KB.",
    "xinfo|stream": "`radix-tree-keys` and `radix-tree-nodes` are made from the number of chunks.",
    "xtrim": "`~` trims whole chunks, of 128 entries or 64 KB; Redis's have 100 entries or 4 KB.",
}


def commands_page(_: str = "") -> str:
    """docs/commands.md: every command and subcommand, by group, in the order of the table."""
    parts = [_COMMANDS_INTRODUCTION]
    for group, title in _GROUPS.items():
        rows = sorted((row for row in COMMANDS.values() if row.group == group), key=lambda row: bool(row.subcommands))
        if rows:
            links = ", ".join(f"[{_shown(row)}](#{row.name})" for row in rows)
            parts.append(f"## {title}\n\n{links}\n")
            parts.extend(map(_command_entry, rows))
    return "\n".join(parts)


def _shown(row: Command) -> str:
    return row.name.replace("|", " ").upper()


def _command_entry(row: Command) -> str:
    if not row.subcommands:
        return f"### {_shown(row)}\n\n{_command_facts(row)}"
    entries = [f"### {_shown(row)}\n\n{row.summary}.{_difference(row, ' Differs: ')}\n"]
    if row.name == "command":  # it does something by itself
        entries = [f"### {_shown(row)}\n\n{_command_facts(row)}"]
    entries += [f"#### {_shown(sub)}\n\n{_command_facts(sub)}" for sub in row.subcommands.values()]
    return "\n".join(entries)


def _command_facts(row: Command) -> str:
    facts = [f"`{' '.join([_shown(row), row.syntax]).rstrip()}`", "", _prose(row), ""]
    facts += [f"- {label}: {text}" for label in ("Reply", "Cost") if (text := _about(row, label))]
    facts += [f"- Differs: {text}" for text in [_difference(row)] if text]
    flags = ", ".join(flag for flag in FLAGS if flag in row.flags) or "none"
    categories = " ".join(f"@{name}" for name in CATEGORIES if name in row.categories)
    about = [f"Since {row.since}", f"flags: {flags}", f"ACL: {categories}"]
    if source := _about(row, "Source"):
        about.append(f"[source]({source})")
    return "\n".join([*facts, f"- {'; '.join(about)}", ""])


def _about(row: Command, label: str) -> str:
    """What the docstring says under a label, up to the next label or the end of the paragraph, on one line."""
    match = re.search(rf"^{label}: (.*(?:\n(?!{_LABEL}|\n).+)*)", row.doc, re.MULTILINE)
    return " ".join(match[1].split()) if match else ""


def _prose(row: Command) -> str:
    """The docstring without what its labels say."""
    return re.split(f"^{_LABEL}", row.doc, maxsplit=1, flags=re.MULTILINE)[0].strip()


def _difference(row: Command, lead: str = "") -> str:
    text = DIFFERENCES.get(row.name, "")
    return lead + text if text else ""


# --- benchmark --------------------------------------------------------------------------------------------------------


def with_contests(page: str, contested: Contested) -> str:
    """`page` with the suites of contests between their marks, if it has them."""
    if HISTORY_BEGIN in page:
        text = contests_section(HISTORY, contested[HISTORY_RESULTS], HISTORY_RESULTS)
        page = _between(page, HISTORY_BEGIN, HISTORY_END, text)
    if BROWSERS_BEGIN in page:
        text = contests_section(BROWSERS, contested[BROWSERS_RESULTS], BROWSERS_RESULTS)
        page = _between(page, BROWSERS_BEGIN, BROWSERS_END, text)
    return page


def with_bench(page: str, results: Results, measured: library.Library | None = None) -> str:
    """`page` with the results between their marks; a page may leave out those of streams and of the library.

    Raises:
        ValueError: it has no marks.
    """
    page = _between(page, BEGIN, END, bench_section(results[RESULTS], RESULTS))
    if STREAMS_BEGIN in page:
        page = _between(page, STREAMS_BEGIN, STREAMS_END, bench_section(results[STREAMS_RESULTS], STREAMS_RESULTS))
    if LIBRARY_BEGIN in page:
        page = _between(page, LIBRARY_BEGIN, LIBRARY_END, library_section(measured, LIBRARY_RESULTS))
    return page


# --- libraries --------------------------------------------------------------------------------------------------------

_LIBRARIES_HEAD = ("library", "version", "works", "is missing")


def libraries_table(path: Path) -> str:
    """The rows that the tests with other people's libraries keep in `path`, in its order."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    lines = [table_row(_LIBRARIES_HEAD), "|---|---|---|---|\n"]
    for row in rows:
        name = row["library"] if row["language"] == "Python" else f"{row['library']} ({row['language']})"
        lines.append(table_row([name, row["version"], row["tested"], row["missing"] or "–"]))
    return "".join(lines)


def with_libraries(page: str, path: Path) -> str:
    """`page` with the table of libraries between its marks.

    Raises:
        ValueError: it has no marks.
    """
    return _between(page, LIBRARIES_BEGIN, LIBRARIES_END, libraries_table(path))


# --- metrics ----------------------------------------------------------------------------------------------------------


def with_metrics(page: str) -> str:
    """`page` with the table of metrics between its marks.

    Raises:
        ValueError: it has no marks.
    """
    lines = [table_row(("metric", "kind", "labels", "meaning")), "|---|---|---|---|\n"]
    for figure in FIGURES:
        labels = ", ".join([f"`{label}`" for label in figure.labels])
        lines.append(table_row([f"`{figure.full_name}`", figure.kind, labels or "–", figure.meaning]))
    return _between(page, METRICS_BEGIN, METRICS_END, "".join(lines))


# --- writing and checking ---------------------------------------------------------------------------------------------


def pages(root: Path) -> dict[str, Page]:
    """What each page must be made of, by its path below `root`.

    Raises:
        BenchError: kept results are not what `airwave bench` saves; the text begins with their path.
    """
    results = {path: _kept(root / path, report.from_json) for path in (RESULTS, STREAMS_RESULTS)}
    measured = _kept(root / LIBRARY_RESULTS, library.from_json)
    contested = {path: _kept(root / path, standings.from_json) for path in (HISTORY_RESULTS, BROWSERS_RESULTS)}

    def with_results(page: str) -> str:
        return with_contests(with_bench(page, results, measured), contested)

    return {
        "docs/settings.md": settings_page,
        "docs/commands.md": commands_page,
        "docs/benchmarks.md": with_results,
        "docs/compatibility.md": lambda page: with_libraries(page, root / LIBRARIES),
        "docs/metrics.md": with_metrics,
        "README.md": with_results,
    }


def _between(page: str, begin: str, end: str, text: str) -> str:
    before, found, rest = page.partition(begin)
    _, found_too, after = rest.partition(end)
    if not found or not found_too:
        raise ValueError(f"needs the marks {begin} and {end}")
    return f"{before}{begin}\n{text}{end}{after}"


def _kept(path: Path, read: Callable[[str], T]) -> T | None:
    if not path.exists():
        return None
    try:
        return read(path.read_text(encoding="utf-8"))
    except BenchError as error:
        raise BenchError(f"{path}: {error}") from error


def main(args: Sequence[str], root: Path = ROOT) -> int:
    """Write or check the pages below `root`; returns the exit code."""
    if args not in ([], ["--check"]):
        print("usage: python docs/generate.py [--check]", file=sys.stderr)
        return 2
    try:
        wanted = pages(root)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    return max([_make(root / name, page, write=not args) for name, page in wanted.items()])


def _make(path: Path, page: Page, *, write: bool) -> int:
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        new = page(old)
    except ValueError as error:
        print(f"{path} {error}", file=sys.stderr)
        return 1
    if new == old:
        return 0
    if not write:
        print(f"{path} is not current: run python docs/generate.py", file=sys.stderr)
        return 1
    path.write_text(new, encoding="utf-8")
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
