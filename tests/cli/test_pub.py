"""airwave pub."""

import importlib
import io
import subprocess

import pytest

from airwave.cli.failure import Failure

from .conftest import airwave, start_airwave, wait_for

MODULE = importlib.import_module("airwave.cli.pub")  # airwave.cli.pub as an attribute is the command


@pytest.fixture
def subscriber(server):
    """A function that subscribes and gives a function for the next message."""
    pubsub = server.client.pubsub(ignore_subscribe_messages=True)

    def subscribe(channel):
        pubsub.subscribe(channel)
        wait_for(lambda: server.subscribers(channel) == [1], "the subscription")
        return lambda: next(pubsub.listen())["data"]

    yield subscribe
    pubsub.close()


def test_it_says_how_many_got_the_message(url, subscriber):
    assert airwave("pub", "news", "hello", "--url", url).stdout == "Delivered to 0 subscriber(s)\n"
    next_message = subscriber("news")
    done = airwave("pub", "news", "hello", "--url", url)
    assert done.stdout == "Delivered to 1 subscriber(s)\n"
    assert done.returncode == 0
    assert next_message() == b"hello"


def test_bytes_of_the_command_line_stay_as_they_are(url, subscriber):
    next_message = subscriber(b"n\xff")
    assert airwave("pub", "--url", url, "--", b"n\xff", b"-\xfe \xc3").returncode == 0
    assert next_message() == b"-\xfe \xc3"


def test_each_line_of_standard_input(url, subscriber):
    next_message = subscriber("news")
    done = airwave("pub", "news", "-", "--url", url, stdin=b"one\r\n\n\xff\x00\nlast")
    assert [next_message() for _ in range(4)] == [b"one\r", b"", b"\xff\x00", b"last"]
    assert done.stdout == "Published 4 message(s), delivered to 4 subscriber(s) in total\n"


def test_lines_are_published_as_they_come(url, subscriber):
    next_message = subscriber("news")
    with start_airwave("pub", "news", "-", "--url", url, stdin=subprocess.PIPE) as publisher:
        publisher.send(b"first\nsec")
        assert next_message() == b"first"
        publisher.send(b"ond\n")
        assert next_message() == b"second"
        publisher.close_input()
        assert publisher.line() == "Published 2 message(s), delivered to 2 subscriber(s) in total"
        assert publisher.wait() == 0


def test_many_lines_and_a_long_one_arrive_in_order(url, subscriber):
    next_message = subscriber("news")
    messages = [b"%d" % number for number in range(5000)] + [b"x" * 1_000_000]
    with start_airwave("pub", "news", "-", "--url", url, stdin=subprocess.PIPE) as publisher:
        publisher.send(b"\n".join(messages))
        publisher.close_input()
        assert [next_message() for _ in messages] == messages
        assert publisher.wait() == 0


def test_ctrl_c_still_tells_the_total(url, subscriber):
    next_message = subscriber("news")
    with start_airwave("pub", "news", "-", "--url", url, stdin=subprocess.PIPE) as publisher:
        publisher.send(b"one\n")
        assert next_message() == b"one"
        publisher.interrupt()
        # The interrupt may come before the reply has been counted: the total is then that of the batches before.
        line = publisher.line()
        assert line is not None
        assert line.startswith("Published ")
        assert publisher.wait() == 130
        assert publisher.note() is None


def test_a_lost_server_is_told_with_the_total(server, url, subscriber):
    next_message = subscriber("news")
    with start_airwave("pub", "news", "-", "--url", url, stdin=subprocess.PIPE) as publisher:
        publisher.send(b"one\n")
        assert next_message() == b"one"
        server.stop()
        publisher.send(b"two\n")
        error = publisher.note()
        assert error is not None
        assert error.startswith("airwave: cannot reach")
        assert publisher.wait() == 1
        server.start()


def test_a_refused_publish_is_an_error_without_the_message(server):
    server.client.acl_setuser("default", enabled=True, channels=["open"], reset_channels=True)
    done = airwave("pub", "closed", "-", "--url", server.url, stdin=b"secret\n")
    assert done.returncode == 1
    assert "permissions" in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_line_that_is_too_long(monkeypatch):
    monkeypatch.setattr(MODULE, "_MESSAGE_BYTES_MAX", 10)
    monkeypatch.setattr(MODULE, "_READ_BYTES_MAX", 6)
    batches = pub_batches(b"short\nlonger than ten")
    assert next(batches) == [b"short"]
    with pytest.raises(Failure, match="longer than"):
        next(batches)


def pub_batches(data):
    return MODULE.read_batches(io.BufferedReader(io.BytesIO(data)))
