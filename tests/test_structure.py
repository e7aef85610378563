"""The house rules of DESIGN section 3: layers, a core without I/O, a test for each source file, files of a size."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "airwave"
FILES = sorted(SOURCE.rglob("*.py"))

# Each may import from earlier layers only. Modules of one layer do not import each other; packages may inside
# themselves.
LAYERS = [
    {"errors", "version", "quoting", "urls", "notices", "since"},
    {"resp", "request", "glob", "position"},
    {"settings"},
    {"command", "pubsub", "slowlog", "latency", "stats", "journal", "host"},
    {"value", "keylist"},
    {"streams"},
    {"database", "dump"},
    {"keyspace"},
    {"blocking", "sweeps", "remember", "presence"},
    {"client", "tuning"},
    {"broker"},
    {"states"},
    {"transaction"},
    {"session"},
    {"commands"},
    {"store"},
    {"web"},
    {"server"},
    {"embedded", "serving"},
    {"connecting", "asyncio"},
    {"bus", "cache"},
    {"testing"},
    {"bench"},
    {"cli"},
    {"__init__", "__main__"},
]
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}
OUTSIDE = {"asyncio", "socket", "threading", "time", "random", "os", "subprocess", "signal", "uvloop", "pathlib"}

# Where a source file is tested that has no test file of its own name, and why.
TESTED_BY = {
    "remember": "test_remember.py: publishing and replaying go together",
    "tuning.py": "test_broker.py: settings that a node follows while it runs",
    "transaction.py": "commands/test_transactions.py: as MULTI, WATCH and EXEC use it",
    "settings": "test_settings.py: one table, read and written through its front door",
    "commands/client_list.py": "commands/test_client.py: all of CLIENT",
    "commands/acl.py": "commands/test_server.py: two commands beside the others of the server",
    "commands/config.py": "commands/test_server.py: the settings themselves are in test_settings.py",
    "commands/info.py": "commands/test_server.py: the text of one command",
    "commands/lolwut.py": "commands/test_server.py: the text of one command",
    "commands/latency.py": "commands/test_observation.py: with SLOWLOG and MONITOR",
    "commands/counters.py": "commands/test_strings.py: strings that hold a number",
    "commands/databases.py": "commands/test_keys.py: all keys rather than one",
    "commands/parse.py": "oracle/test_sweep.py: wrong arguments of every command",
    "commands/syntax.py": "commands/test_introspection.py: shows in COMMAND DOCS only",
    "server/host.py": "server/test_node.py: what a node gives its broker",
    "server/listeners.py": "server/test_limits.py: who may come in, and how many",
    "server/process.py": "server/test_node.py: the process around a node",
    "server/descriptors.py": "server/test_limits.py: how many clients there is room for",
    "server/sockets.py": "server/test_limits.py: where a node listens",
    "serving/errors.py": "serving/test_server.py: an exception",
    "bus/connection.py": "bus/test_subscriber.py: what it listens on",
    "bus/entry.py": "bus/test_worker.py: what handlers get",
    "bus/features.py": "bus/test_worker.py: workers on each kind of server",
    "bus/group.py": "bus/test_worker.py: what a worker asks of its group",
    "bus/stats.py": "bus/test_worker.py: what a worker counts",
    "bus/wire.py": "bus/test_sending.py: replies as bytes, whatever the client decodes",
    "cli/process.py": "cli/test_worker.py: a process of `airwave worker`",
    "cli/supervisor.py": "cli/test_worker.py: several processes, and reload",
    "server/daemon.py": "server/test_node.py: a node in the background",
    "bench/crowd.py": "bench/test_load.py: a part of a load",
    "bench/errors.py": "bench/test_command.py: an exception",
    "bench/model.py": "bench/test_report.py: records without behaviour",
    "bench/plans.py": "bench/test_scenarios.py: the scenarios' figures",
    "bench/quiet.py": "bench/test_run.py: around every measurement",
    "cli/actors.py": "cli/test_demo.py: who plays in the demo",
    "cli/traffic.py": "cli/test_demo.py: what goes on behind the story",
    "cli/stage.py": "cli/test_demo.py: where it is played",
    "cli/story.py": "cli/test_demo.py: what is played",
    "cli/child.py": "cli/test_demo.py: the demo's server process",
    "cli/subscription.py": "cli/test_sub.py: the loop of `airwave sub`",
    "cli/history.py": "cli/test_sub.py: what `airwave sub --since` has missed",
    "cli/reports.py": "cli/test_sub.py: what is said about connections, with `airwave tail`",
    "cli/workers.py": "cli/test_demo.py: who plays on the stream",
    "cli/output.py": "cli/test_sub.py: how messages are printed",
    "cli/failure.py": "cli/test_app.py: an exception",
    "cli/serve.py": "cli/test_app.py: passes its arguments on",
    "cli/bench.py": "bench/test_command.py: passes its arguments on",
    "server/browsers.py": "web/test_server.py: how the HTTP side of a node starts and ends",
    "web/answers.py": "web/test_guard.py: errors as JSON; bodies are in test_publishing.py",
    "web/app.py": "web/test_guard.py: what is where",
    "web/history.py": "web/test_publishing.py: by HTTP; by WebSocket in test_conversation.py",
    "web/keys.py": "web/test_guard.py: a key",
    "web/subscribers.py": "web/test_sockets.py: heartbeats; and test_subscriber.py",
    "web/takeover.py": "web/test_sockets.py: how a connection leaves aiohttp",
    "web/visitor.py": "web/test_access.py: who may what",
    "database.py": "test_keyspace.py: a database is part of a keyspace",
    "value.py": "test_keyspace.py: values at keys; streams have their own tests",
    "journal.py": "test_broker.py: what a tick does with it; the effects are in store/",
    "host.py": "test_broker.py: a protocol without behaviour",
    "sweeps.py": "test_broker.py: what a tick flushes",
    "version.py": "test_docs.py: a number",
}
LINES_MAX = 400
LONGER = {
    "session.py": "every change of a session's state is in this one file",
}


def module(path: Path) -> str:
    """The top-level module or package that a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Full names of what is imported when the program runs: `airwave.resp`, `time`."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            own = node.module == "airwave"
            found.update(f"airwave.{alias.name}" for alias in node.names) if own else found.add(node.module or "")
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


def relative(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_imports_go_down_only(path: Path) -> None:
    own = module(path)
    for name in imports(path):
        if name.startswith("airwave."):
            other = name.split(".")[1]
            if other in LAYER:  # otherwise it is a name of the package itself
                assert other == own or LAYER[other] < LAYER[own], f"{own} must not import {other}"


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if LAYER[module(path)] < LAYER["store"] and module(path) != "settings"],
    ids=relative,
)
def test_the_core_does_no_io(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & OUTSIDE


@pytest.mark.parametrize("path", [path for path in FILES if not path.name.startswith("__")], ids=relative)
def test_each_file_has_a_test_file(path: Path) -> None:
    name = relative(path)
    mirror = TESTS / Path(name).parent / f"test_{path.name}"
    if mirror.exists():
        assert name not in TESTED_BY, f"no exception any more: {name}"
    else:
        where, _, why = TESTED_BY[name if name in TESTED_BY else module(path)].partition(": ")
        assert why
        assert (TESTS / where).exists()


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_files_can_be_kept_in_mind(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert (lines > LINES_MAX) == (relative(path) in LONGER), f"{lines} lines"


def test_every_module_has_a_layer() -> None:
    assert {module(path) for path in FILES} == set(LAYER)
