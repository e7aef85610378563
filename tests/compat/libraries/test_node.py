"""Libraries from npm: the scripts of the folder `node` do with them what an application does, and tell what they did.

A script prints a line for each of its checks that passed and for each thing that it found missing; the test holds them
against the lists below, and the table of libraries is written from these.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
from live import DEADLINE_S, HOST, Node

from compat.conftest import PASSWORD
from compat.libraries.table import library

FOLDER = Path(__file__).with_name("node")
# Packages and the versions that are tested. The lock beside it adds those that they need.
PINNED: dict[str, str] = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]

CHANNELS = ["channels, patterns and shard channels", "resubscribing after CLIENT KILL"]
GROUPS = "consumer groups with XREADGROUP, XACK, XPENDING, XCLAIM, XAUTOCLAIM"
IOREDIS = [
    *("ready check and password", *CHANNELS, "pipelines, auto-pipelining, MULTI and WATCH", "keys, expiry and SCAN"),
    *("XADD, XRANGE, blocking XREAD", GROUPS, "error replies"),
]
IOREDIS_MISSING = ["scripts (`eval`, `defineCommand`)", "other types (`hset`, `lpush`, `sadd`, `zadd`)", "`Cluster`"]
NODE_REDIS = [
    *("connecting, password, reconnecting", *CHANNELS, "pipelines, MULTI and WATCH, pools", "keys, expiry and SCAN"),
    *("XADD, XRANGE, XTRIM, blocking XREAD", GROUPS),
    *("Redis 8.2 and newer: IDMP, XREADGROUP CLAIM, XNACK, XACKDEL, XDELEX", "error replies"),
]
NODE_REDIS_MISSING = [
    *("scripts (`eval`, `defineScript`)", "other types (`hSet`, `lPush`, `sAdd`, `zAdd`)"),
    *("`clientSideCache`", "`createCluster`"),
]
ROOMS = [
    *("broadcasts, rooms, `except`", "acknowledgements"),
    *("`fetchSockets`, `socketsJoin`, `socketsLeave`, `disconnectSockets`", "`serverSideEmit`, namespaces"),
]
RECOVERY = "connection state recovery on another server"

CLIENTS = pytest.mark.parametrize("client", ["ioredis", "node-redis"])


def proves(
    name: str, how: str, tested: list[str], missing: list[str] | None = None, *, package: str | None = None
) -> pytest.MarkDecorator:
    """The mark of a row of the table.

    Args:
        package: its name on npm; None: that of the library.
    """
    words, lacks = f"{how}: {'; '.join(tested)}", "; ".join(missing or [])
    return library(name, words, missing=lacks, version=PINNED[package or name], language="JavaScript")


def installed(package: str) -> str | None:
    """The version that is installed; None: none is."""
    path = FOLDER / "node_modules" / package / "package.json"
    return json.loads(path.read_text(encoding="utf-8"))["version"] if path.exists() else None


@pytest.fixture(scope="module")
def node() -> str:
    """The path of `node`; tests are skipped where it or a package is missing, in CI they fail."""
    path = shutil.which("node")
    reason = None if path else "node is not installed: sh tools/debian.sh nodejs npm"
    if {package: installed(package) for package in PINNED} != PINNED:
        reason = reason or "the npm packages are not installed: sh tools/node.sh tests/compat/libraries/node"
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason or path is None:
        pytest.skip(reason or "")
    return path


@pytest.fixture
def guarded_url(guarded: Node) -> str:
    return f"redis://:{quote(PASSWORD)}@{HOST}:{guarded.port}"


def run(node: str, script: str, *args: str | int) -> list[tuple[str, str]]:
    """Run a script to its end: `("tested" or "missing", what)` for each of its checks."""
    command = [node, script, *map(str, args)]
    try:
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, timeout=DEADLINE_S, check=False)
    except subprocess.TimeoutExpired as error:
        pytest.fail(f"{script} did not end; it did:\n{(error.stderr or b'').decode()}")
    assert done.returncode == 0, f"{script} failed:\n{done.stderr.decode()}"
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [next(iter(line.items())) for line in lines]


def outcomes(tested: list[str], missing: list[str]) -> list[tuple[str, str]]:
    return [("tested", what) for what in tested] + [("missing", what) for what in missing]


@proves("ioredis", "RESP2 and RESP3", IOREDIS, IOREDIS_MISSING)
def test_ioredis(node: str, shared: Node, guarded_url: str, protocol: int) -> None:
    assert run(node, "ioredis.mjs", protocol, shared.url, guarded_url) == outcomes(IOREDIS, IOREDIS_MISSING)


@proves("node-redis", "RESP2 and RESP3", NODE_REDIS, NODE_REDIS_MISSING, package="redis")
def test_node_redis(node: str, shared: Node, guarded_url: str, protocol: int) -> None:
    assert run(node, "node_redis.mjs", protocol, shared.url, guarded_url) == outcomes(NODE_REDIS, NODE_REDIS_MISSING)


@CLIENTS
@pytest.mark.parametrize("kind", ["createAdapter", "createShardedAdapter"])
@proves("@socket.io/redis-adapter", "`createAdapter` and `createShardedAdapter` with ioredis and node-redis", ROOMS)
def test_the_redis_adapter_of_socket_io(node: str, shared: Node, kind: str, client: str) -> None:
    assert run(node, "redis_adapter.mjs", kind, client, shared.url) == outcomes(ROOMS, [])


@CLIENTS
@pytest.mark.parametrize("kind", ["createAdapter", "useShardedPubSub"])
@proves("@socket.io/redis-streams-adapter", "with ioredis and node-redis", [*ROOMS, RECOVERY])
def test_the_streams_adapter_of_socket_io(node: str, shared: Node, kind: str, client: str) -> None:
    assert run(node, "streams_adapter.mjs", kind, client, shared.url) == outcomes([*ROOMS, RECOVERY], [])


def test_the_lock_is_of_these_versions_and_of_no_machine() -> None:
    lock = json.loads((FOLDER / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert lock[""]["dependencies"] == PINNED
    assert {package: lock[f"node_modules/{package}"]["version"] for package in PINNED} == PINNED
    addresses = [entry["resolved"] for entry in lock.values() if "resolved" in entry]
    assert [address for address in addresses if not address.startswith("https://registry.npmjs.org/")] == []
    assert [name for name, entry in lock.items() if name and not entry.get("integrity")] == []
    assert [name for name, entry in lock.items() if entry.get("hasInstallScript")] == []
