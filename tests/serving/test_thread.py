"""A node in a thread: what goes wrong inside it. All else is in test_server.py, for both kinds of server."""

import asyncio
import socket

import pytest
import redis
from live import HOST, Peer, wait_for

from airwave.server.listeners import Listeners
from airwave.server.node import Node
from airwave.serving import Server, ServerError


@pytest.mark.usefixtures("nothing_left")
def test_a_fault_of_ours_at_start_is_an_error_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Node, "_startup", lambda _: 1 / 0)
    with pytest.raises(ServerError, match="internal error, ZeroDivisionError"):
        Server().start()
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == "the server has ended by itself"
    assert record.exc_info


@pytest.mark.usefixtures("nothing_left")
def test_a_fault_of_ours_later_is_logged_and_it_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Node, "_drain", lambda _: 1 / 0)
    server = Server()
    with server, redis.Redis.from_url(server.url) as client:
        client.shutdown()
        wait_for(lambda: "stopped" in repr(server), "its end")
    assert "the server has ended by itself" in caplog.messages


def test_too_many_threads_are_an_error(monkeypatch: pytest.MonkeyPatch, nothing_left: None) -> None:  # noqa: ARG001
    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    server = Server()
    with monkeypatch.context() as patch:
        patch.setattr("threading.Thread.start", start)
        with pytest.raises(ServerError, match="cannot start: can't start new thread"):
            server.start()


@pytest.mark.usefixtures("nothing_left")
def test_any_event_loop_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airwave.serving.thread.new_loop", asyncio.new_event_loop)
    with Server(shutdown_timeout=0, client_output_buffer_limit="pubsub 0 0 0") as server:
        stuck, idle, publisher = (Peer((HOST, server.port), receive_bytes=4096) for _ in range(3))
        stuck.do("SUBSCRIBE", "x")
        for _ in range(200):
            assert publisher.do("PUBLISH", "x", bytes(10_000)) == 1
    for peer in (stuck, idle, publisher):
        assert peer.is_closed()
        peer.close()


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("turns", range(6))
def test_who_is_just_being_accepted_is_disconnected_too(monkeypatch: pytest.MonkeyPatch, turns: int) -> None:
    connect = Listeners._connect
    stop = []

    async def while_it_stops(self: Listeners, sock: socket.socket) -> None:
        stop[0](now=False)
        for _ in range(turns):
            await asyncio.sleep(0)
        await connect(self, sock)

    with Server() as server, monkeypatch.context() as patch:
        stop.append(server._running._node.stop)
        patch.setattr(Listeners, "_connect", while_it_stops)
        with Peer((HOST, server.port)) as peer:
            assert peer.is_closed()
        wait_for(lambda: "stopped" in repr(server), "its end")
