"""GET /ws: the WebSocket itself; what is said in it is in test_conversation.py."""

import base64
import json
import os
import socket
import time
from typing import NoReturn

import pytest
from live import DEADLINE_S, wait_for
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from .conftest import MakeSite
from .site import KEY, Site, Socket, token
from .test_events import clients


def closed(ws: Socket) -> tuple[int, str]:
    """With which code and reason the server closes."""
    with pytest.raises(ConnectionClosed) as caught:
        _read_on(ws)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


def _read_on(ws: Socket) -> NoReturn:
    while True:
        ws.connection.recv(DEADLINE_S)


def _send_on(sock: socket.socket, data: bytes) -> None:
    for _ in range(1000):
        sock.sendall(data)


def handshake(site: Site, **changed: str) -> bytes:
    headers = {
        "Host": site.host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    return ("GET /ws HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items() if v) + "\r\n").encode()


def test_it_is_a_client_that_is_listed_and_can_be_killed(serve: MakeSite) -> None:
    site = serve("--http-token-key", KEY)
    with site.websocket(f"/ws?token={token(['a'], sub='user:42')}") as ws:
        assert ws.ask("subscribe", channel="a") == {"ok": True}
        (line,) = clients(site, "airwave-ws")
        fields = dict(field.split("=", 1) for field in line.split())
        assert (fields["name"], fields["sub"]) == ("user:42", "1")
        assert site.redis("CLIENT", "KILL", "ID", fields["id"]) == 1
        with pytest.raises(ConnectionClosed):
            ws.read()


@pytest.mark.parametrize(
    "changed",
    [
        {"Upgrade": ""},
        {"Upgrade": "h2c"},
        {"Connection": "keep-alive"},
        {"Sec_WebSocket_Version": "8"},
        {"Sec_WebSocket_Key": "short"},
        {"Sec_WebSocket_Key": "%%%%"},
        {"Sec_WebSocket_Key": ""},
        {"Origin": "https://evil.example"},
    ],
)
def test_handshakes_that_are_none_are_refused(site: Site, changed: dict[str, str]) -> None:
    with site.raw(handshake(site, **changed)) as sock:
        status = sock.recv(4096).split()[1]
        assert status == (b"403" if "Origin" in changed else b"400" if "Sec_WebSocket_Key" in changed else b"426")


def test_the_close_handshake(site: Site) -> None:
    with site.websocket() as ws:
        ws.connection.close(4123, "bye")
        assert ws.connection.close_code == 4123
    wait_for(lambda: not clients(site, "airwave-ws"), "its end")


def test_pings_are_answered(site: Site) -> None:
    with site.websocket() as ws:
        assert ws.connection.ping(b"data").wait(30)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (Frame(Opcode.TEXT, b"{}").serialize(mask=False), 1002),
        (Frame(Opcode.TEXT, b"\xff").serialize(mask=True), 1007),
        (Frame(Opcode.CONT, b"x").serialize(mask=True), 1002),
        (bytes([0xF1, 0x80]), 1002),
        (bytes([0x82, 0xFF]) + (1 << 40).to_bytes(8), 1009),
        (Frame(Opcode.CLOSE, b"\0").serialize(mask=True), 1002),
        (Frame(Opcode.CLOSE, (1006).to_bytes(2)).serialize(mask=True), 1002),
        (Frame(Opcode.CLOSE, b"").serialize(mask=True), 1000),
    ],
    ids=["unmasked", "not UTF-8", "no beginning", "reserved bits", "huge", "half a code", "no such code", "close"],
)
def test_whoever_breaks_the_rules_is_told_and_closed(site: Site, data: bytes, code: int) -> None:
    with site.raw(handshake(site)) as sock, sock.makefile("rb") as file:
        while file.readline().strip():
            pass
        sock.sendall(data)
        first, size = file.read(2)
        assert first == 0x88
        assert int.from_bytes(file.read(size)[:2]) == code
        sock.close()
    assert site.get("/api/me").status == 200


def test_a_message_that_is_too_long_closes_the_connection(serve: MakeSite) -> None:
    site = serve("--http-max-message-size", "10kb")
    with site.websocket() as ws:
        assert ws.ask("publish", channel="a", data="x" * 10_000)["ok"]
        ws.connection.send("x" * 20_000)
        assert closed(ws) == (1009, "longer than 10240 bytes")
    with site.websocket() as ws:
        assert site.redis("CONFIG", "SET", "http-max-message-size", "100kb") == b"OK"
        assert ws.ask("publish", channel="a", data="x" * 20_000)["ok"]


def test_binary_frames_are_answered_with_an_error(site: Site) -> None:
    with site.websocket() as ws:
        ws.connection.send(b"\0\1")
        assert ws.read() == {
            "id": None,
            "ok": False,
            "error": "send text frames: binary payloads go into data64, as base64",
        }
        assert ws.ask("ping") == {"ok": True}


@pytest.mark.slow
def test_a_connection_ends_with_its_token(serve: MakeSite) -> None:
    site = serve("--http-token-key", KEY)
    with site.websocket(f"/ws?token={token(['a'], exp=int(time.time()) - 3)}") as ws:
        assert ws.ask("subscribe", channel="a") == {"ok": True}
        assert closed(ws) == (4401, "the token has expired")
    wait_for(lambda: not clients(site, "airwave-ws"), "its end")


def test_when_the_server_stops_it_says_so(serve: MakeSite) -> None:
    site = serve()
    with site.websocket() as ws, site.events({"channel": "a"}) as stream:
        ws.ask("subscribe", channel="a")
        stream.ready()
        site.node.signal(15)
        assert closed(ws) == (1001, "the server stops")
        assert stream.rest() == b""
    assert site.node.wait() == 0


@pytest.mark.slow
def test_one_that_does_not_answer_is_disconnected(serve: MakeSite) -> None:
    site = serve("--http-heartbeat", "1")
    with site.raw(handshake(site)) as sock:
        data = b""
        while part := sock.recv(4096):
            data += part
        assert data.endswith(b"\x89\0")
        assert data.count(b"\x89\0") == 1
    with site.websocket() as ws:  # this one does
        ws.ask("subscribe", channel="a")
        wait_for(lambda: ws.connection.protocol is not None and _age(site) >= 3, "three seconds")
        assert ws.ask("ping") == {"ok": True}


def _age(site: Site) -> int:
    return int(clients(site, "airwave-ws")[0].split("age=")[1].split()[0])


def test_a_slow_browser_is_cut_off_as_slow_subscribers_are(serve: MakeSite) -> None:
    site = serve("--client-output-buffer-limit", "pubsub", "256kb", "0", "0")
    with site.raw(handshake(site), receive_bytes=4096) as sock:
        sock.sendall(Frame(Opcode.TEXT, b'{"id": 1, "type": "subscribe", "channel": "a"}').serialize(mask=True))
        wait_for(lambda: site.redis("PUBSUB", "NUMSUB", "a") == [b"a", 1], "the subscription")
        with site.node.connect() as peer:
            while peer.do("PUBLISH", "a", "x" * 50_000):
                pass
        site.node.wait_for_line("client over its output buffer limit is disconnected")


@pytest.mark.slow
def test_who_does_not_read_its_answers_is_not_listened_to(serve: MakeSite) -> None:
    site = serve("--http-rate-limit", "0", "--client-output-buffer-limit", "pubsub", "0", "0", "0")
    ask = json.dumps({"id": "x" * 1000, "type": "ping"}).encode()
    with site.raw(handshake(site), receive_bytes=4096) as sock:
        sock.settimeout(1)
        frame = Frame(Opcode.TEXT, ask).serialize(mask=True) * 100
        with pytest.raises(TimeoutError):
            _send_on(sock, frame)
        (line,) = clients(site, "airwave-ws")
        fields = dict(field.split("=", 1) for field in line.split())
        assert int(fields["omem"]) + int(fields["obl"]) < 1 << 21
    site.node.assert_no_fault()
