"""What redis-py's synchronous connection sees of an engine: a socket."""

import os
import signal
import threading

import pytest
import redis
from live import DEADLINE_S, wait_for

import airwave
from airwave.embedded.sync_pipe import PipeSocket


def recv(sock: PipeSocket, size: int = 1 << 16) -> bytes:
    buffer = bytearray(size)
    return bytes(buffer[: sock.recv_into(buffer)])


def test_bytes_come_in_pieces_of_any_size(url: str) -> None:
    sock = PipeSocket(url, 1.0)
    sock.sendall(b"ECHO 12345\r\nPING\r\n")
    sock.sendall(b"ECHO abc\r\n")
    expected = b"$5\r\n12345\r\n+PONG\r\n$3\r\nabc\r\n"
    assert b"".join(sock.recv(3) for _ in range(6)) == expected[:18]
    assert sock.poll(0)
    assert not sock.at_end
    assert recv(sock, 1) + recv(sock) == expected[18:]
    assert not sock.poll(0)
    sock.close()
    assert sock.at_end
    assert sock.recv(10) == b""


def test_a_large_reply(url: str) -> None:
    payload = bytes(range(256)) * 80_000
    with airwave.connect(url) as client:
        client.set("a", payload)
        assert client.get("a") == payload


def test_timeouts(url: str) -> None:
    sock = PipeSocket(url, 0.01)
    assert sock.gettimeout() == 0.01
    with pytest.raises(TimeoutError, match="timed out"):
        sock.recv(1)
    sock.settimeout(0)
    with pytest.raises(BlockingIOError):
        sock.recv(1)
    assert not sock.poll(0.01)
    sock.sendall(b"PING\r\n")
    assert sock.poll(None)
    assert sock.recv(100) == b"+PONG\r\n"


def test_a_socket_timeout_ends_a_blocking_read(url: str) -> None:
    with airwave.connect(url, socket_timeout=0.05) as client, airwave.Engine(url) as engine:
        client.xgroup_create("s", "g", mkstream=True)
        with pytest.raises(redis.TimeoutError):
            client.xreadgroup("g", "alice", {"s": ">"}, block=0)
        assert engine.execute("INFO", "clients").count(b"blocked_clients:0") == 1  # type: ignore[union-attr]
        client.xadd("s", {"f": "v"})
        assert client.xpending("s", "g")["pending"] == 0  # the dead reader got nothing
        assert client.xreadgroup("g", "alice", {"s": ">"}, block=1000)


def test_a_reader_is_woken_from_another_thread(url: str) -> None:
    client = airwave.connect(url, decode_responses=True, protocol=2)
    found: list[object] = []

    def read() -> None:
        last = "0"
        while len(found) < 100:
            for _, entries in client.xread({"s": last}, block=int(DEADLINE_S * 1000)):
                found.extend(fields["n"] for _, fields in entries)
                last = entries[-1][0]

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        client.xadd("s", {"n": number})
    reader.join(DEADLINE_S)
    assert found == [str(number) for number in range(100)]
    client.close()


def test_ctrl_c_while_a_command_blocks(url: str) -> None:
    client = airwave.connect(url, single_connection_client=True, socket_timeout=None)
    watcher = airwave.connect(url)

    def interrupt() -> None:
        # Not as soon as the command blocks: between sending and reading redis-py would keep the connection.
        wait_for(lambda: client.connection._sock._pipe._wakeup._threads, "the reader to wait")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        client.xread({"s": "$"}, block=0)
    thread.join(DEADLINE_S)
    assert watcher.info("clients")["blocked_clients"] == 0
    assert client.ping()
    client.close()
    watcher.close()


def test_closing_wakes_who_reads(url: str) -> None:
    client = airwave.connect(url)
    pubsub = client.pubsub()
    pubsub.subscribe("news")
    pubsub.get_message(timeout=DEADLINE_S)
    ended: list[object] = []

    def listen() -> None:
        try:
            ended.append(pubsub.get_message(timeout=None))
        except Exception as error:
            ended.append(error)

    thread = threading.Thread(target=listen)
    thread.start()
    wait_for(lambda: pubsub.connection._sock._pipe._wakeup._threads, "it to wait")
    pubsub.connection.disconnect()
    thread.join(DEADLINE_S)
    assert ended
    pubsub.close()
    client.close()


def test_messages_wait_for_a_slow_reader(url: str) -> None:
    with airwave.connect(url) as client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("news")
        with client.pipeline(transaction=False) as pipe:
            for number in range(8000):  # far more than a pipe takes
                pipe.publish("news", f"{number:0100}")
            assert pipe.execute() == [1] * 8000
        found = []
        while len(found) < 8000:
            if message := pubsub.get_message(timeout=DEADLINE_S):
                found.append(int(message["data"]))
        assert found == [*range(8000)]
