"""A server with an HTTP port, and clients of it: plain requests, event streams, WebSockets."""

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlencode

import jwt
from live import DEADLINE_S, HOST, Node, free_port
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_websocket

KEY = "k" * 40


class Answer(NamedTuple):
    """What a request was answered; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Event(NamedTuple):
    """An event of a stream, or a block that had none: a comment, an ID alone."""

    name: str
    id: str
    data: Any
    comment: bool = False


class Site:
    """A node's HTTP side.

    Args:
        start: starts nodes.
        options: of `airwave serve`.
        ports: of Redis and HTTP; None: free ones.
    """

    def __init__(self, start: Callable[..., Node], *options: str, ports: tuple[int, int] | None = None) -> None:
        port, self.port = ports or (free_port(), free_port())
        self.node = start(*options, "--http-port", str(self.port), port=port)
        self.host = f"{HOST}:{self.port}"
        self.url = f"http://{self.host}"

    @property
    def ports(self) -> tuple[int, int]:
        return self.node.port, self.port

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request, and read the whole answer."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=DEADLINE_S)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def publish(self, channel: str, message: str | bytes, **headers: str) -> Answer:
        data = message if isinstance(message, bytes) else message.encode()
        return self.ask("POST", f"/publish/{quote(channel, safe='')}", data, headers)

    def redis(self, *words: str | bytes | int) -> Any:
        """Run a Redis command."""
        with self.node.connect() as peer:
            return peer.do(*words)

    @contextmanager
    def events(
        self, query: Mapping[str, Any] | str, headers: Mapping[str, str] | None = None, receive_bytes: int = 0
    ) -> Iterator["Events"]:
        """Open an event stream."""
        with Events(self, query, headers or {}, receive_bytes) as stream:
            yield stream

    @contextmanager
    def websocket(self, path: str = "/ws", **options: Any) -> Iterator["Socket"]:
        """Open a WebSocket."""
        about = {"open_timeout": DEADLINE_S, "max_queue": None, "compression": None, **options}
        with connect_websocket(f"ws://{self.host}{path}", **about) as ws:
            yield Socket(ws)

    def raw(self, data: bytes, receive_bytes: int = 0) -> socket.socket:
        """A connection, on which these bytes were sent."""
        sock = socket.socket()
        if receive_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.settimeout(DEADLINE_S)
        sock.connect((HOST, self.port))
        sock.sendall(data)
        return sock


class Events:
    """An event stream as it comes, read block by block."""

    def __init__(
        self, site: Site, query: Mapping[str, Any] | str, headers: Mapping[str, str], receive_bytes: int
    ) -> None:
        text = query if isinstance(query, str) else urlencode(query, doseq=True)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.socket = site.raw(
            f"GET /events?{text} HTTP/1.1\r\nHost: {site.host}\r\n{lines}\r\n".encode(), receive_bytes
        )
        self._file = self.socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers = {}
        while line := self._file.readline().rstrip(b"\r\n").decode():
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value
        self.last_id = ""

    def block(self) -> Event:
        """The next block, whatever is in it."""
        name, data, comment = "message", None, False
        while line := self._line():
            field, _, value = line.partition(": ")
            if field == "id":
                self.last_id = value
            elif field == "event":
                name = value
            elif field == "data":
                data = json.loads(value)
            elif line.startswith(":"):
                comment = True
        return Event(name, self.last_id, data, comment)

    def _line(self) -> str:
        line = self._file.readline()
        if not line:
            raise EOFError
        return line.decode().rstrip("\n")

    def next(self) -> Event:
        """The next event."""
        while (event := self.block()).data is None:
            pass
        return event

    def data(self, count: int) -> list[str]:
        """The data of the next messages."""
        return [self.next().data["data"] for _ in range(count)]

    def ready(self) -> Self:
        """Wait until it is subscribed: `retry:` is the first block."""
        self.block()
        return self

    def rest(self) -> bytes:
        """All that comes until the server closes."""
        with suppress(ConnectionResetError):
            return self._file.read()
        return b""

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Socket:
    """A WebSocket that asks, and gets answers and pushes."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._last_id = 0
        self._pushes: list[Any] = []

    def read(self) -> Any:
        """The next message of either kind."""
        return json.loads(self.connection.recv(DEADLINE_S))

    def push(self) -> Any:
        """The next push."""
        if self._pushes:
            return self._pushes.pop(0)
        return self.read()

    def pushes(self, count: int) -> list[Any]:
        return [self.push() for _ in range(count)]

    def ask(self, kind: str, **about: Any) -> Any:
        """Ask, and give the answer without its id; pushes that come before it are kept."""
        self._last_id += 1
        self.connection.send(json.dumps({"id": self._last_id, "type": kind, **about}))
        while True:
            said = self.read()
            if said.get("id") == self._last_id and "ok" in said:
                del said["id"]
                return said
            self._pushes.append(said)


def token(
    subscribe: list[str] | None = None,
    publish: list[str] | None = None,
    *,
    key: Any = KEY,
    algorithm: str = "HS256",
    **claims: Any,
) -> str:
    """A token."""
    about = {"sub": "user:1", "exp": int(time.time()) + 600, "subscribe": subscribe or [], "publish": publish or []}
    return jwt.encode({**about, **claims}, key, algorithm=algorithm)


def bearer(*args: Any, **claims: Any) -> dict[str, str]:
    """The header with a token."""
    return {"Authorization": f"Bearer {token(*args, **claims)}"}
