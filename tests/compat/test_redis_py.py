"""redis-py and valkey-py, blocking: what their users write, against a real server, and an engine in this process.

Both libraries offer the same names, so that one body serves: redis-py with protocols 2 and 3, valkey-py with 2 and 3,
and redis-py on `memory://`, which must not show.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis
import valkey
from live import DEADLINE_S, HOST, Node, wait_for

import airwave
from compat.conftest import ENGINE, PASSWORD

Library = tuple[ModuleType, int, bool]
"""The module, the protocol, and whether it is an engine in this process."""

SERVED = [
    pytest.param((redis, 2, False), id="redis-py-2"),
    pytest.param((redis, 3, False), id="redis-py-3"),
    pytest.param((valkey, 2, False), id="valkey-py-2", marks=pytest.mark.slow),
    pytest.param((valkey, 3, False), id="valkey-py-3", marks=pytest.mark.slow),
]
EMBEDDED = [
    pytest.param((redis, 2, True), id="memory-2"),
    pytest.param((redis, 3, True), id="memory-3"),
]
NOT_EMBEDDED = {
    "test_over_a_unix_socket": "there is no socket",
    "test_the_password_is_needed": "of another server; see tests/test_connecting.py",
    "test_a_pause_holds_others_back": "starts a server; see tests/embedded/test_connections.py",
    "test_a_subscriber_comes_back_after_kill_and_restart": "there is nothing to kill",
    "test_a_command_is_tried_again_after_restart": "there is nothing to kill",
    "test_a_server_that_hangs_is_a_timeout": "a command runs in the thread of its client, which cannot time out",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "library" in metafunc.fixturenames:
        both = metafunc.function.__name__ not in NOT_EMBEDDED
        metafunc.parametrize("library", [*SERVED, *EMBEDDED] if both else SERVED, indirect=True)


@pytest.fixture
def library(request: pytest.FixtureRequest) -> Library:
    return request.param


@pytest.fixture
def make(library: Library, shared: Node) -> Iterator[Callable[..., Any]]:
    """Make clients of the library under test; the shared server unless a port or path is given."""
    module, protocol, embedded = library
    clients: list[Any] = []

    def make_client(**options: Any) -> Any:
        options = {"protocol": protocol, "decode_responses": True} | options
        if embedded:
            # By URL redis-py does not try again, by host and port it does.
            options = {"retry": redis.retry.Retry(redis.backoff.NoBackoff(), 3)} | options
            client = airwave.connect(ENGINE, **options)
        else:
            kind = module.Redis if module is redis else module.Valkey
            where = {} if "unix_socket_path" in options else {"host": HOST, "port": shared.port}
            client = kind(**(where | options))
        clients.append(client)
        return client

    yield make_client
    for client in clients:
        client.close()


@pytest.fixture
def client(make: Callable[..., Any]) -> Any:
    return make()


def next_message(pubsub: Any, *, everything: bool = False) -> dict[str, Any]:
    """The next message; confirmations are passed over unless everything is wanted."""
    return wait_for(
        lambda: pubsub.get_message(ignore_subscribe_messages=not everything, timeout=DEADLINE_S), "a message"
    )


def answers_again(client: Any) -> bool:
    """On a new connection; redis-py finds out by itself that the old one is closed, valkey-py tells its user once."""
    if isinstance(client, valkey.Valkey):
        with pytest.raises(valkey.ConnectionError):
            client.ping()
    return client.ping()


# --- Pub/Sub ----------------------------------------------------------------------------------------------------------


def test_a_message_reaches_channel_and_pattern_subscribers(client: Any) -> None:
    with client.pubsub() as pubsub:
        pubsub.subscribe("orders:1")
        pubsub.psubscribe("orders:*")
        assert [next_message(pubsub, everything=True) for _ in range(2)] == [
            {"type": "subscribe", "pattern": None, "channel": "orders:1", "data": 1},
            {"type": "psubscribe", "pattern": None, "channel": "orders:*", "data": 2},
        ]
        assert client.publish("orders:1", "paid") == 2
        assert [next_message(pubsub) for _ in range(2)] == [
            {"type": "message", "pattern": None, "channel": "orders:1", "data": "paid"},
            {"type": "pmessage", "pattern": "orders:*", "channel": "orders:1", "data": "paid"},
        ]
        pubsub.unsubscribe()
        pubsub.punsubscribe()
        assert [next_message(pubsub, everything=True)["data"] for _ in range(2)] == [1, 0]
        assert not pubsub.subscribed


def test_shard_channels(client: Any) -> None:
    with client.pubsub() as pubsub:
        pubsub.ssubscribe("shard:a")
        assert next_message(pubsub, everything=True)["type"] == "ssubscribe"
        assert client.spublish("shard:a", "one") == 1
        assert next_message(pubsub) == {"type": "smessage", "pattern": None, "channel": "shard:a", "data": "one"}
        assert client.pubsub_shardchannels("shard:*") == ["shard:a"]
        assert client.pubsub_shardnumsub("shard:a", "shard:b") == [("shard:a", 1), ("shard:b", 0)]


def test_pubsub_tells_channels_and_counts(client: Any) -> None:
    with client.pubsub() as pubsub:
        pubsub.subscribe("count:a", "count:b")
        pubsub.psubscribe("count:*")
        for _ in range(3):
            next_message(pubsub, everything=True)
        assert sorted(client.pubsub_channels("count:*")) == ["count:a", "count:b"]
        assert client.pubsub_numsub("count:a", "count:none") == [("count:a", 1), ("count:none", 0)]
        assert client.pubsub_numpat() == 1


def test_listen_ends_when_all_is_unsubscribed(client: Any) -> None:
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("listen")
        client.publish("listen", "too early or not")  # the subscription may still be on its way
        wait_for(lambda: client.publish("listen", "1"), "the subscription")
        client.publish("listen", "stop")
        heard = []
        for message in pubsub.listen():
            heard.append(message["data"])
            if message["data"] == "stop":
                pubsub.unsubscribe()
        assert heard[-2:] == ["1", "stop"]


def test_run_in_thread_calls_handlers(client: Any) -> None:
    heard: list[str] = []
    done = threading.Event()

    def handle(message: dict[str, Any]) -> None:
        heard.append(message["data"])
        if message["data"] == "last":
            done.set()

    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(**{"thread:news": handle})
        pubsub.psubscribe(**{"thread:*": handle})
        thread = pubsub.run_in_thread(sleep_time=0.05)
        try:
            wait_for(lambda: client.publish("thread:news", "first") == 2, "both subscriptions")
            client.publish("thread:news", "last")
            assert done.wait(DEADLINE_S)
        finally:
            thread.stop()
            thread.join(DEADLINE_S)
    assert heard.count("last") >= 1
    assert heard.index("first") < heard.index("last")


def test_health_checks_while_subscribed(make: Callable[..., Any]) -> None:
    client = make(health_check_interval=1e-9)  # due at every look
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("health")
        wait_for(lambda: client.publish("health", "x"), "the subscription")
        assert next_message(pubsub)["data"] == "x"
        pubsub.check_health()
        assert client.publish("health", "y") == 1
        assert next_message(pubsub)["data"] == "y"
        pubsub.ping()
        client.publish("health", "z")
        assert wait_for(lambda: _data(pubsub) == "z", "z behind the pong")


def _data(pubsub: Any) -> object:
    message = pubsub.get_message(timeout=DEADLINE_S)
    return message and message["data"]


def test_binary_names_and_payloads_survive(make: Callable[..., Any]) -> None:
    client = make(decode_responses=False)
    name, payload = b"\x00\xff\r\n*3", bytes(range(256)) * 40
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(name)
        wait_for(lambda: client.publish(name, payload), "the subscription")
        message = next_message(pubsub)
        assert (message["channel"], message["data"]) == (name, payload)


@pytest.mark.slow
def test_a_payload_of_50_mb(make: Callable[..., Any]) -> None:
    client = make(decode_responses=False, socket_timeout=DEADLINE_S)
    payload = b"0123456789" * 5_000_000
    limits = client.config_get("client-output-buffer-limit")
    client.config_set("client-output-buffer-limit", "pubsub 0 0 0")
    try:
        with client.pubsub(ignore_subscribe_messages=True) as pubsub:
            pubsub.subscribe("large")
            wait_for(lambda: client.publish("large", b"ready?"), "the subscription")
            assert next_message(pubsub)["data"] == b"ready?"
            assert client.publish("large", payload) == 1
            assert next_message(pubsub)["data"] == payload
    finally:
        for name, value in limits.items():
            client.config_set(name, value)


# --- transactions and pipelines ---------------------------------------------------------------------------------------


def test_pipelines_and_transactions_with_publish(client: Any) -> None:
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("pipe")
        wait_for(lambda: client.publish("pipe", "0"), "the subscription")
        with client.pipeline(transaction=False) as pipe:
            for number in range(1000):
                pipe.publish("pipe", str(number))
            assert pipe.execute() == [1] * 1000
        with client.pipeline(transaction=True) as pipe:
            pipe.publish("pipe", "atomic").ping().echo("x").publish("nobody", "y")
            assert pipe.execute() == [1, True, "x", 0]
        heard = []
        while "atomic" not in heard:
            heard.append(next_message(pubsub)["data"])
        assert heard[-1001:] == [*map(str, range(1000)), "atomic"]


def test_a_transaction_with_an_error_is_discarded(client: Any, library: Library) -> None:
    module, *_ = library
    with client.pipeline(transaction=True) as pipe:
        pipe.watch("anything")
        pipe.multi()
        pipe.publish("nobody", "x")
        pipe.execute_command("NO-SUCH-COMMAND")
        with pytest.raises(module.exceptions.ResponseError, match="unknown command"):
            pipe.execute()
    assert client.ping()


# --- the server -------------------------------------------------------------------------------------------------------


def test_clients_are_listed_named_and_killed(client: Any, make: Callable[..., Any]) -> None:
    other = make(client_name="victim", single_connection_client=True)
    assert other.client_getname() == "victim"
    number = other.client_id()
    (shown,) = [each for each in client.client_list() if each["id"] == str(number)]
    assert shown["name"] == "victim"
    assert shown["lib-name"]
    assert other.client_info()["id"] == number
    assert client.client_kill_filter(_id=number) == 1
    wait_for(lambda: str(number) not in [each["id"] for each in client.client_list()], "its end")
    assert answers_again(other)
    assert other.client_id() > number
    client.client_setname("me")
    (mine,) = [each for each in client.client_list() if each["name"] == "me"]
    assert mine["cmd"] == "client|list"


@pytest.mark.slow
def test_a_pause_holds_others_back(start: Callable[..., Node], library: Library) -> None:
    module, protocol, _ = library
    node = start()
    kind = module.Redis if module is redis else module.Valkey
    with kind(port=node.port, protocol=protocol) as one, kind(port=node.port, protocol=protocol) as other:
        assert other.ping()
        assert one.client_pause(600_000, all=False)
        assert other.ping()
        publisher = threading.Thread(target=other.publish, args=("paused", "x"))
        publisher.start()
        wait_for(lambda: int(one.info("clients")["blocked_clients"]) == 1, "the publisher to be held back")
        assert one.client_unpause()
        publisher.join(DEADLINE_S)
        assert not publisher.is_alive()


def test_info_config_and_commands(client: Any) -> None:
    info = client.info()
    assert info["redis_version"].count(".") == 2
    assert info["role"] == "master"
    assert info["connected_clients"] >= 1
    assert "cmdstat_info" in client.info("commandstats")
    assert client.info("everything")["pubsub_patterns"] >= 0
    assert client.config_get("maxclients") == {"maxclients": "10000"}
    assert client.config_get("slowlog-*") == {"slowlog-log-slower-than": "10000", "slowlog-max-len": "128"}
    assert client.config_set("slowlog-max-len", 128)
    commands = client.command()
    assert commands["publish"]["arity"] == 3
    assert client.command_count() == len(commands)
    assert client.execute_command("COMMAND DOCS", "PUBLISH")
    assert client.time()[0] > 1_700_000_000
    assert client.dbsize() == 0
    assert client.lastsave()
    assert client.role()[0] in ("master", b"master")
    assert client.echo("hi") == "hi"
    assert client.config_resetstat()


def test_slowlog_latency_and_memory(client: Any) -> None:
    client.config_set("slowlog-log-slower-than", 0)
    try:
        client.slowlog_reset()
        client.echo("slow")
        assert client.slowlog_len() >= 1
        commands = [entry["command"] for entry in client.slowlog_get()]
        assert any("slow" in str(command) for command in commands)
    finally:
        client.config_set("slowlog-log-slower-than", 10_000)
    assert client.latency_latest() == []
    assert client.latency_reset() == 0
    assert client.latency_history("command") == []
    assert isinstance(client.execute_command("LATENCY HISTOGRAM", "ping"), dict | list)
    assert client.memory_stats()["total.allocated"] > 0
    assert client.memory_usage("nothing") is None


def test_monitor_shows_commands(client: Any) -> None:
    with client.monitor() as monitor:
        client.echo('a "quoted" word')
        shown = wait_for(lambda: _monitored(monitor, "ECHO"), "the command")
    assert "quoted" in shown["command"]
    assert shown["client_type"] == "tcp"


def _monitored(monitor: Any, command: str) -> dict[str, Any] | None:
    shown = monitor.next_command()
    return shown if shown["command"].startswith(command) else None


def test_a_wrong_request_is_an_error_and_the_connection_goes_on(client: Any, library: Library) -> None:
    module, *_ = library
    with pytest.raises(module.exceptions.ResponseError, match="unknown command"):
        client.execute_command("DPING")
    with pytest.raises(module.exceptions.ResponseError, match="wrong number of arguments"):
        client.execute_command("PUBLISH", "x")
    assert client.ping()


# --- how to get in ----------------------------------------------------------------------------------------------------


def test_over_a_unix_socket(make: Callable[..., Any], unix_path: Path) -> None:
    client = make(unix_socket_path=str(unix_path))
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("unix")
        wait_for(lambda: client.publish("unix", "x"), "the subscription")
        assert next_message(pubsub)["data"] == "x"
    assert client.client_info()["addr"] == f"{unix_path}:0"


def test_a_database_and_a_name_are_taken_at_connect(make: Callable[..., Any]) -> None:
    client = make(db=3, client_name="third")
    about = client.client_info()
    assert (about["db"], about["name"]) in {("3", "third"), (3, "third")}


def test_the_password_is_needed(make: Callable[..., Any], guarded: Node, library: Library) -> None:
    module, *_ = library
    assert make(port=guarded.port, password=PASSWORD).ping()
    assert make(port=guarded.port, username="default", password=PASSWORD).ping()
    for wrong in ({}, {"password": "wrong"}, {"username": "nobody", "password": PASSWORD}):
        stranger = make(port=guarded.port, retry=module.retry.Retry(module.backoff.NoBackoff(), 0), **wrong)
        with pytest.raises(module.exceptions.AuthenticationError):
            stranger.ping()


# --- when the server goes ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_subscriber_comes_back_after_kill_and_restart(start: Callable[..., Node], make: Callable[..., Any]) -> None:
    node = start()
    client = make(port=node.port)
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("news")
        pubsub.psubscribe("n*")
        wait_for(lambda: client.publish("news", "before") == 2, "both subscriptions")
        assert next_message(pubsub)["data"] == "before"
        node.kill()
        again = start(port=node.port)
        with again.connect() as peer:
            # Reading makes redis-py notice, connect anew and subscribe again.
            reader = threading.Thread(target=lambda: heard.append(_until(pubsub, "after")))
            heard: list[bool] = []
            reader.start()
            wait_for(lambda: peer.do("PUBLISH", "news", "between") == 2, "it to subscribe again")
            peer.do("PUBLISH", "news", "after")
            reader.join(DEADLINE_S)
        assert heard == [True]
    assert client.ping()


def _until(pubsub: Any, data: str) -> bool:
    while True:
        try:
            message = pubsub.get_message(timeout=DEADLINE_S)
        except (redis.ConnectionError, valkey.ConnectionError):
            continue
        if message is not None and message["data"] == data:
            return True


@pytest.mark.slow
def test_a_command_is_tried_again_after_restart(start: Callable[..., Node], make: Callable[..., Any]) -> None:
    node = start()
    client = make(port=node.port, single_connection_client=True)
    assert client.ping()
    node.kill()
    start(port=node.port)
    assert answers_again(client)


def test_a_server_that_hangs_is_a_timeout(make: Callable[..., Any], library: Library, shared: Node) -> None:
    module, *_ = library
    client = make(socket_timeout=0.05, retry=None)

    def answers() -> bool:
        try:
            return client.ping()
        except module.exceptions.TimeoutError:  # the machine is busy
            return False

    def hangs() -> bool:
        return Path(f"/proc/{shared.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    wait_for(answers, "a connection")
    shared.signal(signal.SIGSTOP)
    try:
        wait_for(hangs, "it to hang")
        with pytest.raises(module.exceptions.TimeoutError):
            client.ping()
    finally:
        shared.signal(signal.SIGCONT)
    assert make(socket_timeout=DEADLINE_S).ping()
