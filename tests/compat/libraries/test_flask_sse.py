"""Flask-SSE: a browser's request stays open and gets what other requests publish."""

import threading
from collections.abc import Iterator

import flask
import httpx
import pytest
from flask_sse import sse
from live import DEADLINE_S, HOST, wait_for
from werkzeug.serving import make_server

from compat.libraries.loops import Place
from compat.libraries.table import library

pytestmark = library("Flask-SSE", "`sse.publish` to open requests, event types and IDs, several channels")


@pytest.fixture
def app(place: Place) -> flask.Flask:
    app = flask.Flask(__name__)
    app.config["REDIS_URL"] = place.url
    app.register_blueprint(sse, url_prefix="/stream")

    @app.post("/say/<words>")
    def say(words: str) -> str:
        sse.publish({"message": words}, type="greeting", id="7", channel="flask-sse")
        return "said"

    return app


@pytest.fixture
def site(app: flask.Flask) -> Iterator[str]:
    server = make_server(HOST, 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://{HOST}:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_open_request_gets_events(site: str, app: flask.Flask, place: Place) -> None:
    def say() -> None:
        with place.client() as client:
            wait_for(lambda: client.pubsub_numsub("flask-sse") == [("flask-sse", 1)], "the subscription")
        assert httpx.post(f"{site}/say/hello", timeout=DEADLINE_S).text == "said"

    speaker = threading.Thread(target=say)
    speaker.start()
    with httpx.stream("GET", f"{site}/stream?channel=flask-sse", timeout=DEADLINE_S) as response:
        lines = response.iter_lines()
        assert [next(lines) for _ in range(4)] == ["event:greeting", 'data:{"message": "hello"}', "id:7", ""]
        with app.app_context():
            assert sse.publish("to others", channel="flask-sse-others") == 0
            assert sse.publish("last\nwords", channel="flask-sse") == 1
        assert [next(lines) for _ in range(2)] == ["data:last", "data:words"]
    speaker.join()
    with app.app_context():  # the server finds out that the browser is gone when it writes
        wait_for(lambda: sse.publish("anybody?", channel="flask-sse") == 0, "the end of the request")
