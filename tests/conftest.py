"""The `peers` fixture (see peers.py), and the servers behind it, each started once per run when first needed."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("peers", "memory")

# ruff: noqa: E402  (after the line above)
import live
from live import Start
from memory import Node
from peers import Peer, SideBySide, SocketPeer
from servers import Address, airwave_server, redis_server

KINDS = ("core", "tcp", "redis")

# Nothing depends on how fast the machine is just now.
settings.register_profile("airwave", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("airwave")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "unlike_redis_7_0(reason): newer than redis-server 7.0, so that it cannot be the oracle here"
    )
    config.addinivalue_line("markers", "core_only(reason): needs what only the core in memory has, such as its clock")
    # nohup and shells that start us in the background have some signals ignored, which the programs under test inherit.
    for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, default)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "peers" in metafunc.fixturenames:
        kinds: tuple[str, ...] = KINDS
        if metafunc.definition.get_closest_marker("unlike_redis_7_0"):
            kinds = ("core", "tcp")
        if metafunc.definition.get_closest_marker("core_only"):
            kinds = ("core",)
        metafunc.parametrize("peers", kinds, indirect=True)
    if "protocol" in metafunc.fixturenames:
        metafunc.parametrize("protocol", [2, 3], ids=["resp2", "resp3"])


class Server:
    """A server process, made as new between tests."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._control = SocketPeer(address)
        self._settings = self._config()

    def close(self) -> None:
        self._control.close()

    def reset(self) -> None:
        """Nobody is connected, and every setting is what it was."""
        for kind in ("normal", "pubsub"):
            self._control.ask(f"CLIENT KILL TYPE {kind}")
        now = self._config()
        for name, value in self._settings.items():
            if now.get(name) != value:
                self._control.ask("CONFIG", "SET", name, value)
        self._control.ask("CLIENT UNPAUSE")
        self._control.ask("SLOWLOG RESET")
        self._control.ask("CONFIG RESETSTAT")
        self._control.ask("FLUSHALL")

    def _config(self) -> dict[bytes, bytes]:
        flat = self._control.ask("CONFIG GET *")
        return dict(zip(flat[::2], flat[1::2], strict=True))


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The redis-server of this run; `redis_address` is what most tests need."""
    folder = tmp_path_factory.mktemp("redis")
    with (
        redis_server(folder, "--save", "", "--enable-debug-command", "yes") as path,
        contextlib.closing(Server(path)) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def redis_address(redis: Server) -> Address:
    return redis.address


@pytest.fixture(scope="session")
def airwave(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The `airwave serve` of this run."""
    with (
        airwave_server(tmp_path_factory.mktemp("airwave"), "--enable-debug-command", "yes") as address,
        contextlib.closing(Server(address)) as server,
    ):
        yield server


MakePeers = Callable[..., list[Peer]]


@pytest.fixture
def peers(request: pytest.FixtureRequest) -> Iterator[MakePeers]:
    """`alice, bob = peers(2)` connects two clients; `peers(2, 3)` two that speak RESP3."""
    kind = request.param
    node = Node(("enable-debug-command", "yes"))
    server: Server | None = None
    if kind != "core":
        server = request.getfixturevalue("airwave" if kind == "tcp" else "redis")
    connected: list[Peer] = []

    def connect() -> Peer:
        peer: Peer
        memory = node.peer(f"127.0.0.1:{50001 + len(connected)}")
        if server is None:
            peer = memory
        elif kind == "tcp":
            peer = SocketPeer(server.address)
        else:
            peer = SideBySide(SocketPeer(server.address), memory)
        connected.append(peer)
        return peer

    def make(count: int, protocol: int = 2) -> list[Peer]:
        made = [connect() for _ in range(count)]
        if protocol == 3:
            for peer in made:
                peer.do("HELLO 3", lambda reply: reply["proto"] == 3)
        return made

    try:
        yield make
        if server is not None:
            server.reset()
    finally:
        for peer in connected:
            peer.close()


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers of the test's own; they are killed at its end, and none may have logged a fault of its own."""
    nodes: list[live.Node] = []

    def start_node(*options: str, **about: Any) -> live.Node:
        nodes.append(live.Node(*options, **about))
        return nodes[-1]

    yield start_node
    for node in nodes:
        node.kill()
    for node in nodes:
        node.assert_no_fault()
