"""A server as its program sees it, in a thread and in a child process alike."""

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import threading
from pathlib import Path

import pytest
import redis
import redis.asyncio
from live import HOST, Peer, free_port, wait_for

from airwave.serving import Server, ServerError, lifetime


def ping(server: Server) -> bool:
    with redis.Redis.from_url(server.url) as client:
        return bool(client.ping())


def refused(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex((HOST, port)) != 0


# --- its life ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_left")
def test_it_serves_as_long_as_the_block_lasts(process: bool) -> None:
    with Server(process=process) as server:
        assert server.url == f"redis://{HOST}:{server.port}"
        assert server.host == HOST
        with redis.Redis.from_url(server.url) as client:
            assert client.xadd("s", {"f": "v"})
            info = client.info("server")
            assert info["tcp_port"] == server.port
            assert (info["process_id"] == os.getpid()) is not process
    assert refused(server.port)


@pytest.mark.usefixtures("nothing_left")
def test_nothing_is_left_of_clients_that_are_connected(process: bool) -> None:
    with Server(process=process, shutdown_timeout=0, client_output_buffer_limit="pubsub 0 0 0") as server:
        clients = [Peer((HOST, server.port), receive_bytes=4096) for _ in range(5)]
        for client in clients:
            client.do("SUBSCRIBE", "x")
        with Peer((HOST, server.port)) as publisher:
            for _ in range(200):
                assert publisher.do("PUBLISH", "x", bytes(10_000)) == 5  # more than they read
    assert all(client.is_closed() for client in clients)
    for client in clients:
        client.close()


@pytest.mark.usefixtures("nothing_left")
def test_a_stopping_server_first_sends_what_waits(process: bool) -> None:
    with Server(process=process, client_output_buffer_limit="pubsub 0 0 0") as server:
        subscriber = Peer((HOST, server.port), receive_bytes=4096)
        subscriber.do("SUBSCRIBE", "x")
        with Peer((HOST, server.port)) as publisher:
            for _ in range(300):
                publisher.do("PUBLISH", "x", bytes(10_000))
        got: list[int] = []
        reader = threading.Thread(target=lambda: got.extend(len(subscriber.read()[2]) for _ in range(300)))
        reader.start()
    reader.join()
    subscriber.close()
    assert got == [10_000] * 300


@pytest.mark.usefixtures("nothing_left")
def test_several_in_one_process_have_nothing_in_common() -> None:
    with Server() as one, Server() as other, Server(process=True) as third:
        assert len({one.port, other.port, third.port}) == 3
        with redis.Redis.from_url(one.url) as client:
            client.set("k", "one")
        for server in (other, third):
            with redis.Redis.from_url(server.url) as client:
                assert client.get("k") is None


def test_starting_twice_is_an_error_and_stopping_twice_is_none(process: bool) -> None:
    server = Server(process=process)
    server.stop()
    with pytest.raises(ServerError, match="no address before it is started"):
        _ = server.url
    server.start()
    with pytest.raises(ServerError, match=f"runs already, at redis://{HOST}:{server.port}"):
        server.start()
    assert ping(server)
    server.stop()
    server.stop()
    assert "stopped" in repr(server)


def test_it_can_be_started_again_where_it_was(process: bool) -> None:
    server = Server(process=process)
    with server:
        url = server.url
        client = redis.Redis.from_url(url)
        client.set("k", "v")
    with pytest.raises(redis.ConnectionError):
        client.get("k")
    with server:
        assert server.url == url
        assert client.get("k") is None
        client.close()


@pytest.mark.usefixtures("nothing_left")
def test_a_client_may_shut_it_down(process: bool) -> None:
    server = Server(process=process)
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.shutdown(nosave=True)
    wait_for(lambda: "stopped" in repr(server), "its end")
    assert refused(server.port)
    server.start()
    assert ping(server)
    server.stop()


@pytest.mark.usefixtures("nothing_left")
def test_one_that_nobody_can_stop_any_more_is_stopped() -> None:
    servers = [Server()]
    servers[0].start()
    port = servers[0].port
    with pytest.warns(ResourceWarning, match="never stopped"):
        servers.clear()
    wait_for(lambda: refused(port), "its end")


# --- where it listens -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_left")
def test_a_port_in_use_is_one_line(process: bool) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServerError) as refusal:
            Server(port=port, process=process).start()
    assert str(refusal.value) == (
        f"cannot listen on {HOST}:{port}: Address already in use: choose another port, or 0 for a free one"
    )


def test_a_port_of_ones_own_choice() -> None:
    port = free_port()
    with Server(port=port) as server:
        assert server.port == port
        assert ping(server)


@pytest.mark.usefixtures("nothing_left")
def test_a_unix_socket_alone_or_as_well(process: bool, tmp_path: Path) -> None:
    options = {"dir": tmp_path, "unixsocket": "a.sock", "unixsocketperm": 0o600, "process": process}
    with Server(port=None, requirepass="p@ss/ word", **options) as server:
        assert server.url == f"unix://:p%40ss%2F%20word@{tmp_path}/a.sock"
        assert server.port == 0
        assert (tmp_path / "a.sock").stat().st_mode & 0o777 == 0o600
        assert ping(server)
    assert not (tmp_path / "a.sock").exists()
    with Server(**options) as server, Peer(str(tmp_path / "a.sock")) as peer:
        assert ping(server)
        assert b" addr=%b/a.sock:0 " % bytes(tmp_path) in peer.do("CLIENT", "INFO")
        with pytest.raises(ServerError, match=r"cannot listen on unix socket .*a.sock: Address already in use"):
            Server(**options).start()
    assert not (tmp_path / "a.sock").exists()


def test_the_url_is_one_for_this_machine_and_has_the_password(process: bool) -> None:
    with Server(host="*", requirepass="a b:/@", process=process) as server:
        assert server.url == f"redis://:a%20b%3A%2F%40@{HOST}:{server.port}"
        assert ping(server)
        assert "a b" not in repr(server)


def test_nothing_to_listen_on() -> None:
    with pytest.raises(ServerError, match="nothing to listen on"):
        Server(port=None)
    with pytest.raises(ServerError, match="host is empty"):
        Server(host="")


# --- its data ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_left")
def test_data_is_kept_in_its_directory_which_is_not_entered(process: bool, tmp_path: Path) -> None:
    here = os.getcwd()
    options = {"appendonly": True, "dir": tmp_path, "process": process}
    with Server(**options) as server, redis.Redis.from_url(server.url) as client:
        client.set("k", "v")
        with pytest.raises(ServerError, match=f"{tmp_path}: in use by another Airwave"):
            Server(**options).start()
    with Server(**options) as server, redis.Redis.from_url(server.url) as client:
        assert client.get("k") == b"v"
    assert os.getcwd() == here
    assert sorted(os.listdir(tmp_path)) == ["airwave.lock", "airwave.sqlite3"]


# --- the process it is in ---------------------------------------------------------------------------------------------


def the_process() -> list[object]:
    """What a server in a thread must not change."""
    signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    loggers = [logging.getLogger(name) for name in ("airwave", "asyncio")]
    log = [(logger.level, logger.handlers[:], logger.propagate) for logger in loggers]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    return [signals, log, limits, os.getcwd(), gc.get_threshold(), gc.get_freeze_count(), gc.callbacks[:]]


def test_nothing_of_the_process_is_changed() -> None:
    before = the_process()
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    with Server(maxclients=100) as server, redis.Redis.from_url(server.url) as client:
        assert the_process() == before
        with pytest.raises(redis.ResponseError, match=f"try with {soft - 32}$"):
            client.config_set("maxclients", soft + 1000)
        with pytest.raises(redis.ResponseError, match="which configures the log"):
            client.config_set("loglevel", "debug")
        assert client.config_get("loglevel") == {"loglevel": "notice"}
        assert the_process() == before


def test_the_log_goes_to_the_logger(process: bool, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "airwave"), Server(process=process) as server:
        pass
    records = {record.getMessage(): record for record in caplog.records}
    assert f"ready: redis-cli -p {server.port}" in records
    assert records["stopped"].name == "airwave"
    (first,) = [record for message, record in records.items() if message.startswith("Airwave")]
    assert first.fields["listening"] == [f"{HOST}:{server.port}"]


# --- event loops ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_left")
def test_in_an_event_loop_it_blocks_nothing(process: bool) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def main() -> None:
        task = asyncio.create_task(others())
        async with Server(process=process) as server:
            assert turns
            async with redis.asyncio.Redis.from_url(server.url) as client:
                assert await client.ping()
            before = turns
        assert turns > before
        assert not [thread for thread in threading.enumerate() if "airwave" in thread.name]
        task.cancel()

    asyncio.run(main())


@pytest.mark.usefixtures("nothing_left")
def test_who_is_cancelled_while_it_starts_has_no_server(process: bool) -> None:
    async def main() -> None:
        entered = asyncio.ensure_future(Server(process=process).__aenter__())
        await asyncio.sleep(0)
        entered.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entered
        assert not lifetime._running

    asyncio.run(main())


@pytest.mark.usefixtures("nothing_left")
def test_an_error_at_start_reaches_who_awaits_it(process: bool) -> None:
    async def main() -> None:
        with pytest.raises(ServerError, match=r"cannot listen on 192\.0\.2\.77"):
            async with Server(host="192.0.2.77", process=process):
                pass

    asyncio.run(main())


def test_one_server_serves_several_event_loops_and_threads() -> None:
    async def count() -> int:
        async with redis.asyncio.Redis.from_url(server.url) as client:
            return int(await client.incr("n"))

    with Server() as server:
        threads = [threading.Thread(target=asyncio.run, args=(count(),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert asyncio.run(count()) == 5
