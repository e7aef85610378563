"""Any bytes, thrown at the core and at redis-server: both must say the same, and close at the same place."""

import contextlib

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from memory import Node
from peers import SocketPeer, packed
from protocol import SOUP, mutated
from servers import Address

END = packed("QUIT")


def compare(address: Address, data: bytes) -> None:
    # Where redis-server 7.0 is no measure: a zero byte ends what it sees of an inline command; it takes 2^31-1
    # arguments.
    assume(b"\x00" not in data)
    assume(b"*200000000" not in data and b"*1048577" not in data)
    with contextlib.closing(SocketPeer(address)) as peer:
        peer.sends(data + END)
        peer.sends_no_more()
        theirs = peer.rest()
    peer = Node().peer()
    peer.sends(data + END)
    assert peer.reads() == theirs
    peer = Node().peer()
    for place in range(len(data)):
        peer.sends(data[place : place + 1])
    peer.sends(END)
    assert peer.reads() == theirs


SETTINGS = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], max_examples=150)


@SETTINGS
@given(data=SOUP | mutated())
@example(b"*1\r\n(1\r\n")
@example(b"*0\r\n")
@example(b"*3\r\n$4\r\nECHO\r\n*1\r\n")
@example(b"PING\r\n'\r\nPING\r\n")
def test_any_bytes_are_answered_as_redis_does(redis_address: Address, data: bytes) -> None:
    compare(redis_address, data)


@pytest.mark.slow
@settings(SETTINGS, max_examples=1_500)
@given(data=SOUP | mutated() | st.binary(max_size=60))
def test_any_bytes_are_answered_as_redis_does_at_length(redis_address: Address, data: bytes) -> None:
    compare(redis_address, data)
