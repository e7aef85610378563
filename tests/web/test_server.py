"""The HTTP server of a node: how it starts, what it takes, how it ends."""

import asyncio
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import aiohttp
import pytest
from live import HOST, Start, descriptors_for_test, free_port, wait_for

from .conftest import MakeSite
from .site import KEY, Site


def refusal(start: Start, *options: str) -> str:
    """The one line in which a server says why it does not start."""
    node = start(*options, wait=False)
    assert node.wait() == 1
    return node.log[-1]


def test_without_a_port_there_is_nothing(start: Start) -> None:
    node = start()
    assert not node.lines("browsers are served")


def test_the_log_says_where_it_listens(serve: MakeSite) -> None:
    site = serve("--bind", HOST)
    assert site.node.lines("browsers are served", f"{HOST}:{site.port}")


def test_a_port_in_use_is_told(start: Start, site: Site) -> None:
    told = refusal(start, "--http-port", str(site.port))
    assert f"port {site.port} is in use: choose another with --http-port" in told


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--http-token-key", "short", "http-token-key is too short"),
        ("--http-token-public-key", "/nowhere/key.pem", "http-token-public-key /nowhere/key.pem: No such file"),
        ("--http-origins", "example.com", "an origin is a scheme and a host"),
    ],
)
def test_settings_that_cannot_be_are_told(start: Start, option: str, value: str, told: str) -> None:
    assert told in refusal(start, "--http-port", str(free_port()), option, value)


@pytest.mark.parametrize("missing", ["aiohttp", "jwt", "cryptography"])
def test_without_the_extra_one_line_says_what_to_install(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from airwave.cli import main; main()"
    command = [sys.executable, "-c", program, "serve", "--port", str(free_port()), "--http-port", str(free_port())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().endswith(
        f"http-port needs {missing}, which is not installed: pip install 'airwave[web]'"
    )
    assert "Traceback" not in done.stderr + done.stdout


def test_a_node_without_browsers_does_not_load_what_they_need() -> None:
    program = "import sys, airwave.server.node; print([name for name in ('aiohttp', 'jwt') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_connections_are_limited(serve: MakeSite) -> None:
    site = serve("--http-max-connections", "3")
    with site.events({"channel": "a"}) as stream, site.websocket() as ws, site.raw(b"") as idle:
        stream.ready()
        ws.ask("ping")
        wait_for(lambda: _refused(site), "the limit")
        idle.close()
        wait_for(lambda: not _refused(site), "a free place")
        assert site.redis("CONFIG", "SET", "http-max-connections", "2") == b"OK"
        assert _refused(site)


def _refused(site: Site) -> bool:
    with site.raw(b"GET /api/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") as sock:
        try:
            return sock.recv(4096).startswith(b"HTTP/1.1 503")
        except ConnectionResetError:
            return True


@pytest.mark.parametrize(
    "data",
    [
        b"\0\1\2\3\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"POST /publish/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST /publish/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_http_is_refused_quietly(site: Site, data: bytes) -> None:
    with site.raw(data) as sock:
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while part := _received(sock):
            answer += part
        assert not answer or answer.split()[1] == b"400"
        assert b"aiohttp" not in answer
        assert not answer or b"nosniff" in answer
    assert site.get("/api/me").status == 200
    site.node.assert_no_fault()


def _received(sock: socket.socket) -> bytes:
    try:
        return sock.recv(4096)
    except ConnectionResetError:
        return b""


@pytest.mark.slow
def test_it_stops_with_requests_under_way(serve: MakeSite) -> None:
    site = serve()
    with site.raw(b"POST /publish/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nxxx") as sock:
        site.node.signal(signal.SIGTERM)
        assert site.node.wait() == 0
        assert b"200" not in sock.recv(4096)[:20]


def test_what_waits_for_browsers_is_sent_before_it_stops(serve: MakeSite) -> None:
    site = serve()
    with site.events({"channel": "a"}, receive_bytes=4096) as stream:
        stream.ready()
        with site.node.connect() as peer:
            for number in range(100):
                peer.do("PUBLISH", "a", f"{number} " + "x" * 10_000)
        site.node.signal(signal.SIGTERM)
        assert [int(data.split()[0]) for data in stream.data(100)] == list(range(100))
        assert stream.rest() == b""
    assert site.node.wait() == 0


def test_a_password_set_at_run_time_closes_the_door(serve: MakeSite) -> None:
    site = serve()
    assert site.get("/api/me").status == 200
    assert site.redis("CONFIG", "SET", "requirepass", "secret") == b"OK"
    assert site.get("/api/me").status == 401


def test_keys_do_not_show(serve: MakeSite, tmp_path: Path) -> None:
    site = serve("--http-token-key", KEY, "--dir", str(tmp_path))
    assert KEY not in "\n".join(site.node.log)
    assert site.redis("CONFIG", "SET", "http-token-key", "l" * 40) == b"OK"
    assert "l" * 40 not in str(site.redis("SLOWLOG", "GET", "10"))


@pytest.mark.slow
def test_thousands_of_browsers_on_one_channel(serve: MakeSite) -> None:
    """2,000 event streams and 2,000 WebSockets get every message, in order."""
    each, messages = 2000, 20
    site = serve("--http-rate-limit", "0")

    async def of_stream(session: aiohttp.ClientSession, ready: asyncio.Semaphore) -> list[bytes]:
        async with session.get("/events?channel=crowd") as response:
            found: list[bytes] = []
            async for line in response.content:
                if line.startswith(b"retry:"):
                    ready.release()
                elif line.startswith(b"data:"):
                    found.append(line[6:].strip())
                    if len(found) == messages:
                        break
            response.close()
            return found

    async def of_socket(session: aiohttp.ClientSession, ready: asyncio.Semaphore) -> list[bytes]:
        async with session.ws_connect("/ws", autoping=True) as ws:
            await ws.send_str('{"id": 1, "type": "subscribe", "channel": "crowd"}')
            await ws.receive_str()
            ready.release()
            return [(await ws.receive_str()).encode() for _ in range(messages)]

    async def run() -> list[list[bytes]]:
        ready = asyncio.Semaphore(0)
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=120)
        async with aiohttp.ClientSession(site.url, connector=connector, timeout=timeout) as session:
            tasks = []
            for _ in range(each // 100):  # a hundred at a time: more would not fit into the listener's queue
                tasks += [asyncio.create_task(of_stream(session, ready)) for _ in range(100)]
                tasks += [asyncio.create_task(of_socket(session, ready)) for _ in range(100)]
                for _ in range(200):
                    await ready.acquire()
            publisher = threading.Thread(target=publish)
            publisher.start()
            found = await asyncio.gather(*tasks)
            publisher.join()
            return found

    def publish() -> None:
        with site.node.connect() as peer:
            for number in range(messages):
                assert peer.do("PUBLISH", "crowd", number) == 2 * each

    with descriptors_for_test(2 * each + 200):
        found = asyncio.run(run())
    expected = [b'{"channel":"crowd","data":"%d"}' % number for number in range(messages)]
    assert all(each == expected for each in found)
    site.node.assert_no_fault()


@pytest.mark.slow
def test_nothing_stays_of_browsers_that_are_gone(serve: MakeSite) -> None:
    """The collector does not look at old objects: what refers to itself in a circle would stay for ever."""
    site = serve("--http-rate-limit", "0")
    each = 300

    async def come_and_go(session: aiohttp.ClientSession) -> None:
        streams = await asyncio.gather(*[session.get("/events?channel=a") for _ in range(each)])
        sockets = await asyncio.gather(*[session.ws_connect("/ws") for _ in range(each)])
        for ws in sockets:
            await ws.send_str('{"type": "subscribe", "channel": "a"}')
            await ws.receive_str()
        for stream in streams:
            stream.close()
        await asyncio.gather(*[ws.close() for ws in sockets])

    async def run() -> list[int]:
        grown = []
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(site.url, connector=connector) as session:
            for _ in range(6):
                before = site.node.rss_bytes
                await come_and_go(session)
                wait_for(lambda: site.redis("PUBSUB", "NUMSUB", "a") == [b"a", 0], "the end of all")
                grown.append(site.node.rss_bytes - before)
        return grown

    with descriptors_for_test(3 * each):
        grown = asyncio.run(run())
    assert sum(grown[2:]) / (4 * 2 * each) < 500, grown
