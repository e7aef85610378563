"""Clients that leave badly: they asked for more than they read. The server must neither forget nor wait for them."""

import signal
import socket
from collections.abc import Callable

from live import Node, Peer, wait_for

Start = Callable[..., Node]
LARGE = b"*2\r\n$4\r\nECHO\r\n$8000000\r\n" + bytes(8_000_000) + b"\r\n"  # more than kernel and transport take


def quit_without_reading(node: Node) -> Peer:
    peer = node.connect(receive_bytes=4096)
    peer.do("CLIENT", "SETNAME", "leaver")
    peer.send_raw(LARGE + b"QUIT\r\n")
    return peer


def half_close_without_reading(node: Node) -> Peer:
    peer = node.connect(receive_bytes=4096)
    peer.do("CLIENT", "SETNAME", "leaver")
    peer.send_raw(LARGE)
    peer.socket.shutdown(socket.SHUT_WR)
    return peer


def test_who_quits_and_does_not_read_still_counts_and_can_be_killed(start: Start) -> None:
    node = start()
    with node.connect() as admin, quit_without_reading(node) as leaver:
        wait_for(lambda: admin.info("commandstats").get("cmdstat_quit"), "QUIT to be run")
        assert admin.info("clients")["connected_clients"] == "2"
        (shown,) = [line for line in admin.do("CLIENT", "LIST").split(b"\n") if b"name=leaver" in line]
        assert b"flags=c" in shown
        assert admin.do("CLIENT", "KILL", leaver.name) == b"OK"
        assert leaver.is_closed()
        wait_for(lambda: admin.info("clients")["connected_clients"] == "1", "it to be gone")


def test_who_quits_gets_all_that_waits_when_it_reads(start: Start) -> None:
    node = start()
    with quit_without_reading(node) as leaver:
        assert leaver.read() == bytes(8_000_000)
        assert leaver.read() == b"OK"
        assert leaver.read_raw() == b""


def test_a_slow_subscriber_that_quits_gets_all_that_was_sent_before(start: Start) -> None:
    node = start("--client-output-buffer-limit", "pubsub 0 0 0")
    with node.connect(receive_bytes=4096) as leaver, node.connect() as publisher:
        leaver.do("SUBSCRIBE", "x")
        for number in range(100):
            publisher.do("PUBLISH", "x", b"%d" % number + bytes(100_000))
        leaver.send("QUIT")
        wait_for(lambda: publisher.info("commandstats").get("cmdstat_quit"), "QUIT to be run")
        assert publisher.do("PUBLISH", "x", "too late") == 0
        assert [leaver.read()[2].rstrip(b"\0") for _ in range(100)] == [b"%d" % number for number in range(100)]
        assert leaver.read() == b"OK"
        assert leaver.read_raw() == b""


def test_a_stopping_server_does_not_wait_for_who_quit_and_does_not_read(start: Start) -> None:
    node = start("--shutdown-timeout", "0")
    with node.connect() as admin, quit_without_reading(node):
        wait_for(lambda: admin.info("commandstats").get("cmdstat_quit"), "QUIT to be run")
        node.signal(signal.SIGTERM)
        assert node.wait() == 0


def test_a_stopping_server_does_not_wait_for_who_closed_half_and_does_not_read(start: Start) -> None:
    node = start("--shutdown-timeout", "0")
    with node.connect() as admin, half_close_without_reading(node):
        wait_for(lambda: admin.info("commandstats").get("cmdstat_echo"), "ECHO to be run")
        node.signal(signal.SIGTERM)
        assert node.wait() == 0
