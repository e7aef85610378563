"""examples/fastapi_notifications.py: what is posted for a user arrives in the user's stream of events."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import DEADLINE_S, free_port, wait_for

EXAMPLE = Path(__file__).parents[2] / "examples" / "fastapi_notifications.py"


@pytest.fixture
def port() -> Iterator[int]:
    """The application, running."""
    port = free_port()
    environment = os.environ | {"PORT": str(port), "AIRWAVE_URL": "memory://"}
    with subprocess.Popen(
        [sys.executable, str(EXAMPLE)], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            wait_for(lambda: process.poll() is not None or answers(port), "the application to listen")
            yield port
        finally:
            process.terminate()
            _, log = process.communicate(timeout=DEADLINE_S)
            assert "Traceback" not in log, log


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    with contextlib.closing(connection), contextlib.suppress(ConnectionError):
        connection.request("GET", "/openapi.json")
        return connection.getresponse().status == 200
    return False


def post(port: int, user: int, text: str) -> dict[str, int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    with contextlib.closing(connection):
        body = json.dumps({"text": text})
        connection.request("POST", f"/users/{user}/notifications", body, {"Content-Type": "application/json"})
        return json.load(connection.getresponse())


def test_a_user_is_notified_and_others_are_not(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    with contextlib.closing(connection):
        connection.request("GET", "/users/42/notifications")
        events = connection.getresponse()
        assert events.getheader("content-type") == "text/event-stream; charset=utf-8"
        assert events.readline() == b": you are subscribed\n"
        assert post(port, 7, "not for you") == {"receivers": 0}
        assert post(port, 42, "Your order has left") == {"receivers": 1}
        assert events.readline() == b"\n"
        assert events.readline() == b'data: {"text":"Your order has left"}\n'
        events.close()
    wait_for(lambda: post(port, 42, "is anybody there?") == {"receivers": 0}, "the page that was closed to be gone")
