"""What one client may take from the others, by Redis's names for it, and that nothing of it reaches the log raw."""

import re
import socket
from collections.abc import Callable

import pytest
from live import Node, Peer, wait_for

from airwave.server.listeners import _is_local

Start = Callable[..., Node]
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def config(node: Node, *pairs: str) -> None:
    with node.connect() as peer:
        assert peer.do("CONFIG", "SET", *pairs) == b"OK"


def stop_reading(node: Node, name: str, *channels: str) -> Peer:
    """A subscriber with a small receive buffer; as long as the test does not read, neither does it."""
    slow = node.connect(receive_bytes=4096)
    slow.do("CLIENT", "SETNAME", name)
    for channel in channels:
        slow.do("SUBSCRIBE", channel)
    return slow


# --- who may come in --------------------------------------------------------------------------------------------------


def test_maxclients_refuses_and_a_slot_is_free_again(node: Node) -> None:
    with node.connect() as admin:
        clients = int(admin.info("clients")["connected_clients"])
        rejected = int(admin.info("stats")["rejected_connections"])
        assert admin.do("CONFIG", "SET", "maxclients", clients + 1) == b"OK"
        with node.connect() as last:
            assert last.do("PING")
            with node.connect() as too_many:
                assert too_many.read_raw() == b"-ERR max number of clients reached\r\n"
            assert int(admin.info("stats")["rejected_connections"]) == rejected + 1
        wait_for(lambda: int(admin.info("clients")["connected_clients"]) == clients, "the slot")
        with node.connect() as next_one:
            assert next_one.do("PING")


def test_maxclients_is_refused_when_there_are_no_descriptors_for_it(node: Node) -> None:
    with node.connect() as peer:
        refusal = str(peer.do("CONFIG", "SET", "maxclients", "4000000000"))
        assert "The operating system is not able to handle the specified number of clients, try with " in refusal
        assert peer.do("CONFIG", "GET", "maxclients")[1] != b"4000000000"


def own_address() -> str | None:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # sends nothing
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if address.startswith("127.") or address == "0.0.0.0" else address


def test_protected_mode_keeps_strangers_out_until_there_is_a_password(node: Node) -> None:
    host = own_address()
    if host is None:
        pytest.skip("this machine has no address but loopback")
    with Peer((host, node.port)) as stranger:
        told = stranger.read_raw()
        assert told.startswith(b"-DENIED Redis is running in protected mode because protected mode is enabled")
        assert told.endswith(b"\r\n")
        assert told.count(b"\n") == 1
    for change in (("protected-mode", "no"), ("protected-mode", "yes", "requirepass", "s3cret")):
        config(node, *change)
        with Peer((host, node.port)) as stranger:
            assert "DENIED" not in str(stranger.do("PING"))
    with node.connect() as peer:
        assert peer.do("AUTH", "s3cret") == b"OK"
        assert peer.do("CONFIG", "SET", "requirepass", "") == b"OK"


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        (("127.0.0.1", 1), True),
        (("127.8.8.8", 1), True),
        (("::1", 1, 0, 0), True),
        ("", True),
        (("10.0.0.1", 1), False),
        (("192.168.0.1", 1), False),
        (("0.0.0.0", 1), False),
        (("fe80::1%eth0", 1, 0, 2), False),
        (("2001:db8::1", 1, 0, 0), False),
    ],
)
def test_who_counts_as_this_machine(peer: object, local: bool) -> None:
    assert _is_local(peer) is local


@pytest.mark.slow
def test_a_stranger_is_held_to_small_limits(start: Start) -> None:
    node = start("--requirepass", "s3cret")
    with node.connect() as peer:
        peer.send_raw(b"*11\r\n")
        assert peer.read_raw() == b"-ERR Protocol error: unauthenticated multibulk length\r\n"
    with node.connect() as peer:
        peer.send_raw(b"*2\r\n$4\r\nAUTH\r\n$16385\r\n")
        assert peer.read_raw() == b"-ERR Protocol error: unauthenticated bulk length\r\n"
    with node.connect() as peer:
        assert str(peer.do("PING")) == "NOAUTH Authentication required."
        peer.send("AUTH", "x" * 16_000)
        assert str(peer.read()).startswith("WRONGPASS")
        assert peer.do("AUTH", "s3cret") == b"OK"
        assert len(peer.do("ECHO", "x" * 100_000)) == 100_000
    with node.connect(receive_bytes=4096) as peer:  # asks and never reads
        peer.write_until_cut_off(b"PING\r\n" * 10_000)
        assert node.wait_for_line("client over its output buffer limit is disconnected", "hard limit")
    assert not node.lines("s3cret")


# --- sockets ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_timeout_closes_the_idle_but_never_subscribers(node: Node) -> None:
    with node.connect() as idle, node.connect() as subscriber, node.connect() as monitor:
        subscriber.do("SUBSCRIBE", "x")
        monitor.do("MONITOR")
        config(node, "timeout", "1")
        assert idle.is_closed()
        with node.connect() as publisher:
            assert publisher.do("PUBLISH", "x", "still there") == 1
        assert subscriber.read() == [b"message", b"x", b"still there"]


def test_keepalive_is_set_on_the_servers_socket(node: Node) -> None:
    """What the kernel says about the server's end of a connection: a keepalive timer is running."""
    with node.connect() as peer:
        assert _timer(peer) == "02"
    config(node, "tcp-keepalive", "0")
    with node.connect() as peer:
        assert _timer(peer) == "00"


def _timer(peer: Peer) -> str:
    """The timer that runs for the server's end (proc(5), /proc/net/tcp): 00 none, 02 keepalive."""
    peer.do("PING")
    client, server = peer.socket.getsockname()[1], peer.socket.getpeername()[1]

    def timer() -> str | None:
        with open("/proc/net/tcp") as table:
            for line in table:
                fields = line.split()
                if fields[1].endswith(f":{server:04X}") and fields[2].endswith(f":{client:04X}"):
                    # 01 is retransmission: the reply to PING has not been acknowledged yet.
                    return None if fields[5][:2] in ("01", "04") else fields[5][:2]
        return None

    return str(wait_for(timer, "the connection to be quiet"))


# --- input ------------------------------------------------------------------------------------------------------------


def test_an_argument_beyond_proto_max_bulk_len_is_a_protocol_error(node: Node) -> None:
    config(node, "proto-max-bulk-len", "1mb")
    with node.connect() as peer:
        assert len(peer.do("ECHO", "x" * (1 << 20))) == 1 << 20
        peer.send_raw(b"*2\r\n$4\r\nECHO\r\n$1048577\r\n")
        assert peer.read_raw() == b"-ERR Protocol error: invalid bulk length\r\n"


def test_unfinished_input_beyond_its_limit_closes(node: Node) -> None:
    config(node, "client-query-buffer-limit", "1mb")
    with node.connect() as peer:
        before = int(peer.info("stats")["client_query_buffer_limit_disconnections"])
        with node.connect() as greedy:
            name = greedy.name
            greedy.send_raw(b"*3\r\n" + b"$1000000\r\n" + b"x" * 1_000_000 + b"\r\n$1000000\r\n")
            greedy.write_until_cut_off(b"x" * 1000)
        assert int(peer.info("stats")["client_query_buffer_limit_disconnections"]) == before + 1
        assert node.wait_for_line("client over client-query-buffer-limit is disconnected", f"client={name}")


@pytest.mark.parametrize("garbage", [b"A" * 66_000, b"\x00" * 66_000, b"*" + b"1" * 66_000])
def test_a_line_without_end_is_a_protocol_error(node: Node, garbage: bytes) -> None:
    with node.connect() as peer:
        peer.send_raw(garbage)
        assert peer.read_raw().startswith(b"-ERR Protocol error: too big ")


# --- output -----------------------------------------------------------------------------------------------------------


def test_a_subscriber_over_the_hard_limit_is_cut_off_and_told_of(node: Node) -> None:
    config(node, "client-output-buffer-limit", "pubsub 1mb 0 0")
    with stop_reading(node, "slow-one", "x") as slow, node.connect() as reader, node.connect() as publisher:
        reader.do("SUBSCRIBE", "x")
        before = publisher.info("stats")["client_output_buffer_limit_disconnections"]
        sent = 0
        while publisher.do("PUBLISH", "x", b"%06d" % sent + b"m" * 100_000) == 2:
            assert reader.read()[2][:6] == b"%06d" % sent
            sent += 1
            assert sent < 1000, "nobody is cut off"
        assert reader.read()[2][:6] == b"%06d" % sent
        line = node.wait_for_line("client over its output buffer limit is disconnected")
        assert f"client={slow.name} name=slow-one " in line
        assert 'limit="hard limit"' in line
        after = publisher.info("stats")["client_output_buffer_limit_disconnections"]
        assert int(after) == int(before) + 1
        assert slow.is_closed()


@pytest.mark.slow
def test_a_subscriber_over_the_soft_limit_for_too_long_is_cut_off(node: Node) -> None:
    config(node, "client-output-buffer-limit", "pubsub 0 100kb 1")
    with stop_reading(node, "lazy", "soft") as slow, node.connect() as publisher:
        for _ in range(100):
            publisher.do("PUBLISH", "soft", b"m" * 100_000)
        assert publisher.do("PUBLISH", "soft", b"") == 1  # not yet
        line = node.wait_for_line('limit="soft limit"')
        assert f"client={slow.name} name=lazy " in line
        assert publisher.do("PUBLISH", "soft", b"") == 0


@pytest.mark.slow
def test_a_normal_client_over_its_limit_is_cut_off(node: Node) -> None:
    config(node, "client-output-buffer-limit", "normal 1mb 0 0")
    with node.connect(receive_bytes=4096) as greedy:
        greedy.do("CLIENT", "SETNAME", "greedy")
        greedy.write_until_cut_off(b"*2\r\n$4\r\nECHO\r\n$100000\r\n" + b"e" * 100_000 + b"\r\n")
    assert node.wait_for_line("client over its output buffer limit is disconnected", "name=greedy")


def test_drop_oldest_keeps_the_newest_whole_messages_and_the_connection(node: Node) -> None:
    config(node, "client-output-buffer-limit", "pubsub 1mb 0 0", "slow-subscriber-policy", "drop-oldest")
    count = 200
    with stop_reading(node, "dropping", "d") as slow, node.connect() as reader, node.connect() as publisher:
        reader.do("SUBSCRIBE", "d")
        before = int(publisher.info("stats")["dropped_messages"])
        for number in range(count):
            assert publisher.do("PUBLISH", "d", b"%06d" % number + b"m" * 100_000) == 2
            assert reader.read()[2][:6] == b"%06d" % number
        slow.send("PING")
        got = list(iter(slow.read, [b"pong", b""]))
        numbers = [int(reply[2][:6]) for reply in got]
        assert all(len(reply[2]) == 100_006 for reply in got)
        assert numbers == sorted(numbers)
        assert numbers[-1] == count - 1
        lost = count - len(numbers)
        assert lost > 0
        assert int(publisher.info("stats")["dropped_messages"]) == before + lost
        (shown,) = [line for line in publisher.do("CLIENT", "LIST").split(b"\n") if b"name=dropping" in line]
        assert b"dropped=%d" % lost in shown
        assert node.wait_for_line("slow subscriber loses its oldest messages", "name=dropping")


@pytest.mark.slow
def test_a_hundred_slow_subscribers_cost_one_copy(node: Node) -> None:
    config(node, "client-output-buffer-limit", "pubsub 0 0 0")
    slow = [stop_reading(node, f"slow-{number}", "shared") for number in range(100)]
    try:
        with node.connect() as publisher:
            before = node.rss_bytes
            for _ in range(200):
                assert publisher.do("PUBLISH", "shared", b"m" * 100_000) == 100
            # 20 MB once, and for each what its transport has taken; copied for each it would be 2 GB.
            assert node.rss_bytes - before < 100 << 20
    finally:
        for peer in slow:
            peer.close()


# --- the log ----------------------------------------------------------------------------------------------------------


def test_nothing_from_a_client_reaches_the_log_raw(start: Start) -> None:
    node = start("--loglevel", "debug", "--client-output-buffer-limit", "normal 1mb 0 0")
    attack = b"\x1b[31mred\x1b]0;title\x07\r\x00\xff\xc2\x9b2J"
    with node.connect() as peer:
        peer.send_raw(b"*1\r\n" + attack)
        assert peer.read_raw().startswith(b"-ERR Protocol error: expected '$', got '\x1b'")
    with node.connect() as peer:
        assert "Client names cannot contain" in str(peer.do("CLIENT", "SETNAME", attack))
        for argv in ([attack, attack], ["CONFIG", "SET", attack, attack], ["CONFIG", "SET", "loglevel", attack]):
            assert isinstance(peer.do(*argv), Exception)
        assert peer.do("SUBSCRIBE", attack)
    with node.connect() as peer:
        assert peer.do("PUBLISH", attack, attack) in (0, 1)
        peer.send_raw(attack + b"\n")
        assert b"unknown command" in peer.socket.recv(1000)
        peer.send("SHUTDOWN", "NOW")
    assert node.wait() == 0
    assert node.lines("protocol error", r"\x1b")
    assert not [line for line in node.log if CONTROL.search(line)]
