"""The sizes that are counted are the sizes that a real server sends."""

import pytest

from airwave.bench.errors import BenchError
from airwave.bench.servers import Server, free_port
from airwave.bench.wire import (
    Address,
    ask,
    close_all,
    connect,
    expect,
    message,
    pmessage,
    request,
    subscribe_all,
)


def test_messages_are_what_redis_sends(redis: Server) -> None:
    subscribers = subscribe_all(redis.address, [(b"SUBSCRIBE", b"a", b"news"), (b"PSUBSCRIBE", b"n*")])
    with connect(redis.address) as publisher:
        assert ask(publisher, b"PUBLISH", b"news", b"hello") == 2
    for sock in subscribers:
        sock.settimeout(5)
    expect(subscribers[0], message(b"news", b"hello"))
    expect(subscribers[1], pmessage(b"n*", b"news", b"hello"))
    close_all(subscribers)


def test_request_is_an_array_of_bulk_strings() -> None:
    assert request(b"PUBLISH", b"c", b"") == b"*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$0\r\n\r\n"


def test_error_reply_is_an_error(redis: Server) -> None:
    with connect(redis.address) as sock, pytest.raises(BenchError, match="unknown command 'NONSENSE'"):
        ask(sock, b"NONSENSE")


def test_refused_subscription_is_an_error(redis: Server) -> None:
    with pytest.raises(BenchError, match='unexpected reply to a subscribe command: b"-ERR'):
        subscribe_all(redis.address, [(b"XUBSCRIBE", b"a")])


def test_nobody_there_is_one_line() -> None:
    port = free_port()
    with pytest.raises(BenchError, match=rf"^cannot connect to 127\.0\.0\.1:{port} \(Connection refused\)$"):
        connect(Address("127.0.0.1", port))


def test_password_is_sent(redis: Server) -> None:
    with connect(redis.address) as sock:
        ask(sock, b"CONFIG", b"SET", b"requirepass", b"secret")
    with connect(Address("127.0.0.1", redis.address.port, password="secret")) as sock:
        assert ask(sock, b"PING") == b"PONG"
    with pytest.raises(BenchError, match="AUTH with: WRONGPASS"):
        connect(Address("127.0.0.1", redis.address.port, password="wrong"))
