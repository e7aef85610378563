"""One server for all client libraries, and servers that a test may stop."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from live import Node, wait_for

PASSWORD = "s3cret with spaces"
ENGINE = "memory://compat?enable-debug-command=yes"


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A server that tests share: each uses names of its own and leaves the settings as they were."""
    path = tmp_path_factory.mktemp("shared") / "airwave.sock"
    with Node("--unixsocket", str(path), "--enable-debug-command", "yes") as node:
        yield node
        node.assert_no_fault()
        assert node.stop() == 0


@pytest.fixture(scope="session")
def unix_path(shared: Node) -> Path:
    with shared.connect() as peer:
        _, path = peer.do("CONFIG", "GET", "unixsocket")
    return Path(path.decode())


@pytest.fixture(scope="session")
def guarded() -> Iterator[Node]:
    """A server with a password."""
    with Node("--requirepass", PASSWORD) as node:
        yield node
        node.assert_no_fault()


@pytest.fixture
def subscribers(shared: Node) -> Callable[[str, int], None]:
    """Wait until a channel of the shared server has so many subscribers."""

    def wait(channel: str, count: int) -> None:
        with shared.connect() as peer:
            wait_for(lambda: peer.do("PUBSUB", "NUMSUB", channel)[1] == count, f"{count} subscribers of {channel}")

    return wait


def need(program: str) -> str:
    """The path of a program of Redis's; the test is skipped when it is not installed, in CI it fails."""
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is not installed: apt-get install redis-tools"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
