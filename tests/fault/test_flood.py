"""Publishers that send as fast as they can: every subscriber gets every message in order, and memory stays bounded."""

import selectors
import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from live import DEADLINE_S, Node, Peer

Start = Callable[..., Node]

PUBLISHERS = 4
BATCH = 500  # messages in one write
PAYLOAD_BYTES = 32


def batch(publisher: int, first: int) -> bytes:
    frame = b"*3\r\n$7\r\nPUBLISH\r\n$5\r\nflood\r\n$%d\r\n%b\r\n"
    payloads = [
        b"%02d:%06d" % (publisher, number) + b"." * (PAYLOAD_BYTES - 9) for number in range(first, first + BATCH)
    ]
    return b"".join(frame % (PAYLOAD_BYTES, payload) for payload in payloads)


def publish(peer: Peer, publisher: int, messages: int) -> None:
    """Send without waiting; replies are read by a thread of their own and counted at the end."""
    wanted = messages * len(b":50\r\n")
    got = 0

    def read() -> None:
        nonlocal got
        while got < wanted and (data := peer.socket.recv(1 << 18)):
            got += len(data)

    reader = threading.Thread(target=read)
    reader.start()
    for first in range(0, messages, BATCH):
        peer.send_raw(batch(publisher, first))
    reader.join(DEADLINE_S)
    assert got == wanted


class Reader:
    """Reads one subscriber's messages and checks their order: for each publisher, number by number."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.messages = 0
        self._rest = b""
        self._next = [0] * PUBLISHERS
        self._frame_bytes = len(b"*3\r\n$7\r\nmessage\r\n$5\r\nflood\r\n$32\r\n" + b"." * PAYLOAD_BYTES + b"\r\n")

    def read(self) -> None:
        data = self._rest + self.peer.socket.recv(1 << 18)
        size = self._frame_bytes
        whole = len(data) // size * size
        for place in range(0, whole, size):
            payload = data[place + size - 2 - PAYLOAD_BYTES :][:9]
            publisher, number = int(payload[:2]), int(payload[3:])
            assert number == self._next[publisher], f"message {number} of publisher {publisher} is out of order"
            self._next[publisher] += 1
        self.messages += whole // size
        self._rest = data[whole:]


@pytest.mark.slow
def test_every_subscriber_gets_every_message_in_order(start: Start) -> None:
    subscribers, messages = 50, 4000  # of each publisher
    node = start()
    with ExitStack() as stack:
        readers = [Reader(stack.enter_context(node.connect())) for _ in range(subscribers)]
        for reader in readers:
            reader.peer.do("SUBSCRIBE", "flood")
        publishers = [stack.enter_context(node.connect()) for _ in range(PUBLISHERS)]
        threads = [
            threading.Thread(target=publish, args=(peer, number, messages)) for number, peer in enumerate(publishers)
        ]
        selector = stack.enter_context(selectors.DefaultSelector())
        for reader in readers:
            selector.register(reader.peer.socket, selectors.EVENT_READ, reader)
        for thread in threads:
            thread.start()
        left, rss_max = len(readers), 0
        while left:
            ready = selector.select(DEADLINE_S)
            assert ready, f"nothing came; got {[reader.messages for reader in readers]}"
            for key, _ in ready:
                key.data.read()
                if key.data.messages == messages * PUBLISHERS:
                    selector.unregister(key.fileobj)
                    left -= 1
            rss_max = max(rss_max, node.rss_bytes)
        for thread in threads:
            thread.join(DEADLINE_S)
        assert rss_max < 200 << 20
        info = node.info()
        assert info["client_output_buffer_limit_disconnections"] == "0"
        assert info["dropped_messages"] == "0"
        assert int(info["pubsub_deliveries"]) == subscribers * messages * PUBLISHERS


@pytest.mark.slow
def test_publishers_who_never_read_are_cut_off_and_harm_nobody(start: Start) -> None:
    node = start("--client-output-buffer-limit", "normal 1mb 0 0")
    with node.connect() as subscriber, node.connect(receive_bytes=4096) as deaf:
        subscriber.do("SUBSCRIBE", "other")
        deaf.write_until_cut_off(batch(0, 0))
        with node.connect() as publisher:
            assert publisher.do("PUBLISH", "other", "x") == 1
        assert subscriber.read() == [b"message", b"other", b"x"]


@pytest.mark.slow
@pytest.mark.parametrize("broken", [b"*1\r\n+PING\r\n", b"*200000000\r\n", b"FLUSHALL nonsense\r\nQUIT\r\n"])
def test_clients_who_come_send_nonsense_and_leave_cost_no_memory(start: Start, broken: bytes) -> None:
    """Neither an error's traceback nor a cycle in a connection that was cut keeps the memory of what was sent."""
    node = start()

    def come_and_leave(times: int) -> None:
        for _ in range(times):
            with node.connect() as peer:
                peer.send_raw(broken + b"x" * 100_000)
                peer.is_closed()

    come_and_leave(300)
    before = node.rss_bytes
    come_and_leave(600)
    assert node.rss_bytes - before < 10 << 20


def test_error_replies_cost_no_memory(start: Start) -> None:
    node = start()
    with node.connect() as peer:

        def ask(times: int) -> None:
            for _ in range(times):
                peer.send_raw(b"FLUSHALL nonsense\r\nCLIENT REPLY nonsense\r\n" * 500)
                for _ in range(1000):
                    assert isinstance(peer.read(), Exception)

        ask(5)
        before = node.rss_bytes
        ask(20)
        assert node.rss_bytes - before < 4 << 20
