"""The sizes that are expected are the sizes that a real server sends, and what is filled is there."""

import pytest

from airwave.bench.entries import (
    BATCHES,
    add_batches,
    adding,
    delete,
    entries_reply,
    entry_id,
    fields,
    fill,
    fill_known,
    key,
    read_reply,
    tidy,
    verify_length,
)
from airwave.bench.errors import BenchError
from airwave.bench.servers import Server
from airwave.bench.wire import Address, ask, connect, expect, request


def test_values_have_their_sizes_and_differ() -> None:
    assert [len(word) for word in fields(1)] == [4, 32, 4, 16]
    assert fields(1) != fields(2)
    assert len(entry_id(0)) == len(entry_id(10_000_000))


def test_replies_are_what_redis_sends(redis: Server) -> None:
    fill_known(redis.address, key(), 250)
    with connect(redis.address) as sock:
        sock.sendall(request(b"XRANGE", key(), entry_id(101), b"+", b"COUNT", b"100"))
        expect(sock, entries_reply(range(101, 201)))
        sock.sendall(request(b"XREAD", b"COUNT", b"100", b"STREAMS", key(), entry_id(150)))
        expect(sock, read_reply(key(), range(151, 251)))


def test_added_is_what_was_asked_for(redis: Server) -> None:
    batches = add_batches(key(), 16, b"MAXLEN", b"=", b"20")
    assert len({batch.request for batch in batches}) == BATCHES
    with connect(redis.address) as sock:
        sock.sendall(batches[0].request)
        answer = b""
        while answer.count(b"\n") < batches[0].owed:
            answer += sock.recv(4096)
        assert answer.count(b"\n") == batches[0].owed
        assert ask(sock, b"XLEN", key()) == batches[0].operations == 16
        sock.sendall(adding(key(), 7, new_id=b"9999999999999-0"))
        expect(sock, b"$15\r\n9999999999999-0\r\n")


def test_streams_are_filled_anew(redis: Server) -> None:
    for _ in range(2):
        fill(redis.address, 3, 400)
        for number in range(3):
            verify_length(redis.address, key(number), 400)
    with pytest.raises(BenchError, match=r"^lost: a stream has 400 entries instead of 4,000$"):
        verify_length(redis.address, key(), 4000)
    delete(redis.address, key(0), key(1), key(2))
    verify_length(redis.address, key(1), 0)


def test_a_server_of_the_user_is_left_without_our_keys(redis: Server) -> None:
    fill_known(redis.address, key(), 10)
    tidy(redis, key())
    verify_length(redis.address, key(), 10)
    tidy(Server("elsewhere", Address("127.0.0.1", redis.address.port), None), key())
    verify_length(redis.address, key(), 0)
