"""URLs, and what is said when there is no connection."""

import socket
import threading

import pytest

from airwave.cli.client import connect, display
from airwave.cli.failure import Failure

from .conftest import HOST, airwave, free_port


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
        ("redis://user:sesame@example.org/3?client_name=sesame", "redis://example.org/3"),
        ("rediss://:sesame@[::1]:6380", "rediss://[::1]:6380"),
        ("unix://:sesame@/run/airwave.sock", "unix:///run/airwave.sock"),
        ("unix:///run/\x1b[31m", r"unix:///run/\x1b[31m"),
    ],
)
def test_a_url_is_shown_without_secrets(url, shown):
    connect(url)
    assert display(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org:6379",
        "http://me:sesame@example.org",
        "redis://me:ses/ame@example.org",
        "redis://:1/sesame@example.org",
        "redis://:1#sesame@example.org",
        "redis://:1?sesame@example.org",
        "redis://[sesame",
        "redis://me:sesame@example.org:port",
        "redis://me:sesame@example.org?protocol=4",
        "redis://me:sesame@example.org?unknown=option",
        "redis://me:sesame@example.org?socket_timeout=soon",
    ],
)
def test_a_bad_url_is_refused_without_repeating_it(url):
    with pytest.raises(Failure, match="the URL is not valid") as failure:
        connect(url)
    assert "sesame" not in str(failure.value)
    assert failure.value.code == 2


COMMANDS = [["ping"], ["pub", "news", "hello"], ["pub", "news", "-"], ["sub", "news"], ["streams"], ["tail", "news"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.slow
def test_no_server(command):
    port = free_port()
    done = airwave(*command, "--url", f"redis://me:sesame@{HOST}:{port}")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"airwave: cannot reach redis://{HOST}:{port} (connection refused): "
        "start a server with `airwave serve`, or name another with --url\n"
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.slow
def test_a_password_is_wanted(make_server, command):
    server = make_server(password="sesame")
    done = airwave(*command, "--url", server.url)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "refused access (Authentication required)" in done.stderr
    assert done.stderr.count("\n") == 1
    wrong = airwave(*command, "--url", f"redis://:wrong@{HOST}:{server.port}")
    assert "refused access (invalid username-password pair" in wrong.stderr
    assert "wrong" not in wrong.stderr


def test_the_right_password_and_the_environment(make_server):
    server = make_server(password="sesame")
    done = airwave("ping", env={"AIRWAVE_URL": f"redis://:sesame@{HOST}:{server.port}"})
    assert done.returncode == 0
    assert "sesame" not in done.stdout + done.stderr
    assert "sesame" not in airwave("ping", "--help", env={"AIRWAVE_URL": "redis://:sesame@host"}).stdout


@pytest.mark.slow
def test_a_unix_socket(make_server, tmp_path):
    path = tmp_path / "redis.sock"
    make_server("--unixsocket", str(path))
    assert airwave("ping", "--url", f"unix://{path}").returncode == 0
    done = airwave("ping", "--url", f"unix://{path}.no")
    assert "no such file or directory" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak Redis"),
        (b"", "the server closed the connection"),
        (b"-ERR evil \x1b[31m\r\n", r"answered: evil \x1b[31m"),
        (b"-DENIED " + b"no " * 400 + b"\r\n", "no n..."),
    ],
)
def test_a_strange_server(reply, text):
    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=_answer, args=(listener, reply))
        thread.start()
        done = airwave("ping", "--url", f"redis://{HOST}:{listener.getsockname()[1]}")
        thread.join()
    assert done.returncode == 1
    assert text in done.stderr
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr


def _answer(listener: socket.socket, reply: bytes) -> None:
    """Answer each request with the same bytes until the client has enough; hang up at once if there are none."""
    peer, _ = listener.accept()
    with peer:
        while reply and peer.recv(65536):
            peer.sendall(reply)
