"""Clients of each kind are subscribed, and what they get is learned to the byte."""

import json
import socket
import threading
from collections.abc import Callable

import pytest

from airwave.bench import audience
from airwave.bench.audience import Way, event_clients, learn, publish_request, resp_clients, websocket_clients
from airwave.bench.browsers import CONTENDERS, way
from airwave.bench.errors import BenchError
from airwave.bench.load import Publisher
from airwave.bench.program import Cores
from airwave.bench.servers import Server
from airwave.bench.wire import Address, close_all, message

UNPINNED = Cores(None, None)
PAYLOAD = b"|" * 32


def over_redis(server: Server) -> Way:
    return Way(server.address, lambda count: resp_clients(server.address, count), publish_request, Publisher)


def test_what_a_message_is_on_the_wire_is_learned(redis: Server) -> None:
    reached = over_redis(redis)
    sockets = reached.connect(150)
    learned = learn(reached, sockets, PAYLOAD)
    close_all(sockets)
    assert learned.frame == message(audience.CHANNEL, PAYLOAD)
    assert learned.reply_bytes == len(b":150\r\n")


def test_clients_that_get_nothing_are_noticed(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "SETTLE_S_MAX", 0.0)
    reached = over_redis(redis)
    sockets = reached.connect(2)
    deaf = socket.create_connection((redis.address.host, redis.address.port))
    deaf.setblocking(False)
    with deaf, pytest.raises(BenchError, match=r"^only 2 of 3 clients get messages$"):
        learn(reached, [*sockets, deaf], PAYLOAD)
    close_all(sockets)


def test_clients_that_get_something_else_are_noticed(redis: Server) -> None:
    reached = over_redis(redis)
    sockets = [*reached.connect(2), *audience.subscribe_all(redis.address, [(b"PSUBSCRIBE", b"news:*")])]
    with pytest.raises(BenchError, match=r"^clients got other bytes than one message each"):
        learn(reached, sockets, PAYLOAD)
    close_all(sockets)


@pytest.mark.parametrize("clients", [event_clients, websocket_clients])
def test_a_server_that_is_none_for_browsers_is_noticed(clients: Callable[[Address, str, int], object]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")

        server = threading.Thread(target=refuse)
        server.start()
        with pytest.raises(BenchError, match=r"unexpected answer to a browser: b'HTTP/1\.1 503 "):
            clients(Address("127.0.0.1", listener.getsockname()[1]), "/events", 1)
        server.join()


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTENDERS)
def test_every_contender_sends_the_message_to_all(name: str) -> None:
    with way(name, UNPINNED) as (_, reached):
        sockets = reached.connect(120)
        try:
            learned = learn(reached, sockets, PAYLOAD)
        finally:
            close_all(sockets)
    begin = {
        "resp": b"*3\r\n",
        "sse": b"data: {",
        "ws": b"\x81",
        "starlette-sse": b"%x\r\ndata: {" % (len(learned.frame) - 6),  # a chunk: two digits, and two line ends
        "starlette-ws": b"\x81",
    }
    assert learned.frame.startswith(begin[name])
    if name != "resp":
        pushed = learned.frame[learned.frame.index(b"{") : learned.frame.rindex(b"}") + 1]
        assert json.loads(pushed) == {"channel": "news:today", "data": PAYLOAD.decode()}


def test_the_frame_that_subscribes_is_masked_by_nothing() -> None:
    frame = audience.subscribe_frame()
    assert frame[0] == 0x81
    assert frame[1] == 0x80 | len(frame) - 6
    assert json.loads(frame[6:]) == {"id": 1, "type": "subscribe", "channel": "news:today"}
    assert frame[2:6] == bytes(4)
