"""/healthz and /readyz: who lives, and who serves."""

import asyncio
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from live import HOST, Start, free_port
from memory import Node

from airwave.errors import CommandError
from airwave.web.app import make_app
from airwave.web.health import obstacles
from airwave.web.subscribers import SUBSCRIBERS

READY = (200, {"status": "ok"})


def asked(node: Node, path: str, before: Callable[[Any], None] = lambda _: None) -> tuple[int, Any]:
    """The status and what is said."""

    async def ask() -> tuple[int, Any]:
        app = make_app(node.broker)
        before(app)
        async with TestClient(TestServer(app)) as client, client.get(path) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            return answer.status, await answer.json()

    return asyncio.run(ask())


@pytest.fixture
def node() -> Node:
    return Node()


def test_who_serves_is_ready(node: Node) -> None:
    assert asked(node, "/healthz") == READY
    assert asked(node, "/readyz") == READY


def test_who_cannot_write_lives_and_is_not_ready(node: Node) -> None:
    node.broker.refusal = CommandError("MISCONF Errors writing to the AOF file: /secret/place: disk full")
    status, said = asked(node, "/readyz")
    assert (status, said["status"]) == (503, "unavailable")
    assert said["reasons"] == ["the database cannot be written: writes are refused"]
    assert asked(node, "/healthz") == READY
    node.broker.refusal = None
    assert asked(node, "/readyz") == READY


def test_who_stops_is_not_ready(node: Node) -> None:
    async def reasons() -> list[str]:
        app = make_app(node.broker)
        app[SUBSCRIBERS].start()
        assert obstacles(app) == []
        app[SUBSCRIBERS].stop()
        return obstacles(app)

    assert asyncio.run(reasons()) == ["the server stops"]


def test_everybody_may_ask_and_as_often_as_they_want(start: Start) -> None:
    port = free_port()
    options = ("--bind", HOST, "--http-port", str(port), "--requirepass", "secret", "--http-rate-limit", "1")
    start(*options)
    for _ in range(30):
        for path in ("healthz", "readyz"):
            with urllib.request.urlopen(f"http://{HOST}:{port}/{path}") as answer:
                assert answer.read() == b'{"status": "ok"}\n'
