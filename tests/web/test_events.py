"""GET /events: what an EventSource gets."""

import threading
import time
from pathlib import Path

import pytest
from live import wait_for

from .conftest import MakeSite
from .site import KEY, Site, token


def clients(site: Site, library: str = "airwave-sse") -> list[str]:
    """Lines of CLIENT LIST."""
    lines = bytes(site.redis("CLIENT", "LIST")).decode().splitlines()
    return [line for line in lines if f"lib-name={library}" in line]


def test_messages_of_channels_and_patterns(site: Site) -> None:
    with site.events("channel=a&channel=b&pattern=c*") as stream:
        assert stream.status == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["x-accel-buffering"] == "no"
        assert "transfer-encoding" not in stream.headers
        stream.ready()
        assert site.publish("a", "hé").json == {"delivered": 1, "entry": None}
        site.redis("PUBLISH", "b", "two")
        site.redis("PUBLISH", "c1", b"\xff")
        site.redis("PUBLISH", "other", "x")
        site.redis("PUBLISH", "a", "last")
        assert [stream.next().data for _ in range(4)] == [
            {"channel": "a", "data": "hé"},
            {"channel": "b", "data": "two"},
            {"channel": "c1", "pattern": "c*", "data64": "/w=="},
            {"channel": "a", "data": "last"},
        ]


def test_the_stream_begins_with_the_time_to_wait_before_connecting_again(serve: MakeSite) -> None:
    site = serve("--http-retry", "1234")
    with site.events({"channel": "a"}) as stream:
        assert stream._line() == "retry: 1234"
    assert site.redis("CONFIG", "SET", "http-retry", "5") == b"OK"
    with site.events({"channel": "a"}) as stream:
        assert stream._line() == "retry: 5"


def test_it_is_a_client_that_is_listed_and_can_be_killed(serve: MakeSite) -> None:
    site = serve("--http-token-key", KEY)
    with site.events({"channel": "a", "token": token(["a"], sub="user 42")}) as stream:
        stream.ready()
        (line,) = clients(site)
        fields = dict(field.split("=", 1) for field in line.split())
        assert fields["name"] == "user_42"
        assert fields["sub"] == "1"
        assert fields["flags"] == "P"
        assert fields["addr"] == "{}:{}".format(*stream.socket.getsockname())
        assert site.redis("CLIENT", "KILL", "ID", fields["id"]) == 1
        assert stream.rest() == b""
    wait_for(lambda: not clients(site), "its end")


def test_one_that_leaves_is_forgotten(site: Site) -> None:
    with site.events({"channel": "left"}) as stream:
        stream.ready()
        assert site.redis("PUBSUB", "NUMSUB", "left") == [b"left", 1]
    wait_for(lambda: site.redis("PUBSUB", "NUMSUB", "left") == [b"left", 0], "its end")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "name a channel or a pattern"),
        ("channel=a&chanel=b", "no such parameter: chanel"),
        ("channel=a&since=10m", "a: not remembered"),
        ("channel=kept&since=soon", "since=soon: write an ID"),
        ("&".join(f"channel={number}" for number in range(101)), "http-max-subscriptions"),
    ],
)
def test_what_is_wrong_is_told(site: Site, query: str, told: str) -> None:
    answer = site.get(f"/events?{query}")
    assert answer.status == 400
    assert told in answer.json["error"]


def test_subscriptions_are_limited(serve: MakeSite) -> None:
    site = serve("--http-max-subscriptions", "2")
    with site.events("channel=a&channel=a&pattern=b"):
        assert site.get("/events?channel=a&channel=b&pattern=c").status == 400
        assert site.redis("CONFIG", "SET", "http-max-subscriptions", "3") == b"OK"
        with site.events("channel=a&channel=b&pattern=c") as stream:
            assert stream.status == 200


def test_channels_that_the_token_does_not_name_are_refused(serve: MakeSite) -> None:
    site = serve("--http-token-key", KEY)
    good = token(["news", "user:1:*"])
    for query in (
        "channel=other",
        "channel=news&channel=other",
        "pattern=*",
        "pattern=user:*",
        "channel=__airwave__:overview",
    ):
        answer = site.get(f"/events?{query}&token={good}")
        assert answer.status == 403
        assert "you may not subscribe" in answer.json["error"]
    with site.events(f"channel=news&pattern=user:1:*&token={good}") as stream:
        assert stream.status == 200


def test_maxclients_counts_browsers(serve: MakeSite) -> None:
    site = serve()
    with site.events({"channel": "a"}) as stream:
        stream.ready()
        with site.node.connect() as peer:
            assert peer.do("CONFIG", "SET", "maxclients", "2") == b"OK"
            answer = site.get("/events?channel=a")
            assert answer.status == 503
            assert "maxclients" in answer.json["error"]


# --- history ----------------------------------------------------------------------------------------------------------


def test_entries_have_ids_and_the_browser_resumes_by_them(site: Site) -> None:
    with site.events("channel=kept:a&pattern=kept:b*") as stream:
        stream.ready()
        ids = [site.publish(name, name).json["entry"] for name in ("kept:a", "kept:b1", "kept:a")]
        events = [stream.next() for _ in range(3)]
    assert [event.id for event in events] == ids
    assert [event.data["entry"] for event in events] == ids
    missed = [site.publish(name, f"missed {name}").json["entry"] for name in ("kept:b2", "kept:c", "kept:a")]
    with site.events("channel=kept:a&pattern=kept:b*", {"Last-Event-ID": ids[1]}) as stream:
        assert [stream.next().id for _ in range(3)] == [ids[2], missed[0], missed[2]]
        site.publish("kept:a", "live")
        assert stream.next().data["data"] == "live"


def test_one_that_has_seen_nothing_yet_resumes_too(site: Site) -> None:
    with site.events("channel=kept:early") as stream:
        position = [stream.ready().block(), stream.last_id][1]
        assert position
    site.publish("kept:early", "missed")
    with site.events(f"channel=kept:early&lastEventId={position}") as stream:
        assert stream.data(1) == ["missed"]


def test_since(site: Site) -> None:
    ids = [site.publish("kept:since", str(number)).json["entry"] for number in range(10)]
    for since, first in (("0", 0), ("-3", 7), ("10m", 0), (ids[4], 5), ("1d", 0)):
        with site.events({"channel": "kept:since", "since": since}) as stream:
            assert stream.data(10 - first) == [str(number) for number in range(first, 10)]
    with site.events({"channel": "kept:since", "since": "$"}) as stream:
        stream.ready()
        wait_for(lambda: site.redis("PUBSUB", "NUMSUB", "kept:since")[1] == 1, "the subscription")
        site.publish("kept:since", "live")
        assert stream.data(1) == ["live"]


def test_a_gap_is_told_where_history_does_not_reach_back(serve: MakeSite) -> None:
    site = serve("--remember", "kept maxlen 5")
    ids = [site.publish("kept", str(number)).json["entry"] for number in range(20)]
    with site.events({"channel": "kept"}, {"Last-Event-ID": ids[3]}) as stream:
        gap = stream.next()
        assert gap.name == "gap"
        assert gap.data == {"channels": ["kept"], "patterns": [], "since": ids[3], "lost": ids[14]}
        assert gap.id == ids[14]
        assert stream.data(5) == [str(number) for number in range(15, 20)]
    # From where the gap has brought it there is none; nor for somebody who asks for all there is.
    for query, headers in (({"channel": "kept"}, {"Last-Event-ID": ids[14]}), ({"channel": "kept", "since": "0"}, {})):
        with site.events(query, headers) as stream:
            assert stream.data(5) == [str(number) for number in range(15, 20)]


@pytest.mark.parametrize("last", ["9999999999999-0", "what?", "5-0"])
def test_a_position_of_another_server_is_a_gap(site: Site, last: str) -> None:
    with site.events({"channel": "kept:elsewhere"}, {"Last-Event-ID": last}) as stream:
        gap = stream.next()
        assert gap.name == "gap"
        assert gap.data["since"] == last
        site.publish("kept:elsewhere", "live")
        assert stream.data(1) == ["live"]


def test_bytes_that_are_no_text_do_no_harm(site: Site) -> None:
    for path in (b"/events?channel=%ff&since=%ff", b"/events?%ff=1", b"/%ff", b"/history/%ff", b"/events?channel=\xff"):
        with site.raw(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nX: \xff\r\nConnection: close\r\n\r\n") as sock:
            assert sock.recv(4096).split()[1] in (b"400", b"404", b"200")
    head = b"GET /events?channel=kept HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: \xff\r\n\r\n"
    with site.raw(head) as sock, sock.makefile("rb") as file:
        while b"event: gap" not in file.readline():
            pass
    site.node.assert_no_fault()


@pytest.mark.slow
def test_a_server_that_has_lost_its_memory_tells_it(serve: MakeSite) -> None:
    site = serve("--remember", "kept")
    last = site.publish("kept", "before").json["entry"]
    site.node.kill()
    site = serve("--remember", "kept", ports=site.ports)
    site.publish("kept", "after")
    with site.events({"channel": "kept"}, {"Last-Event-ID": last}) as stream:
        assert stream.next().name == "gap"
        assert stream.data(1) == ["after"]


def test_no_message_is_missed_or_comes_twice_while_a_publisher_runs(site: Site) -> None:
    count, seen, last = 3000, list[str](), ""

    def publish() -> None:
        with site.node.connect() as peer:
            for number in range(count):
                peer.do("PUBLISH", f"kept:run:{number % 3}", number)

    publisher = threading.Thread(target=publish)
    # The history is longer than what is published between two connections: maxlen 1000 of each of three channels.
    with site.events("pattern=kept:run:*") as stream:
        stream.ready()
        publisher.start()
        seen += stream.data(1)
        last = stream.last_id
    while len(seen) < count:
        with site.events("pattern=kept:run:*", {"Last-Event-ID": last}) as stream:
            for _ in range(min(97, count - len(seen))):
                event = stream.next()
                assert event.name == "message"
                seen.append(event.data["data"])
            last = stream.last_id
    publisher.join()
    assert seen == [str(number) for number in range(count)]


@pytest.mark.slow
def test_it_resumes_over_a_restart_of_a_durable_server(serve: MakeSite, tmp_path: Path) -> None:
    options = ("--appendonly", "yes", "--dir", str(tmp_path), "--remember", "kept*")
    site = serve(*options)
    with site.events("channel=kept:1&channel=kept:2") as stream:
        stream.ready()
        for number in range(10):
            site.redis("PUBLISH", f"kept:{number % 2 + 1}", number)
        assert stream.data(5) == ["0", "1", "2", "3", "4"]
        last = stream.last_id
        site.node.kill()
    site = serve(*options, ports=site.ports)
    site.redis("PUBLISH", "kept:1", 10)
    with site.events("channel=kept:1&channel=kept:2", {"Last-Event-ID": last}) as stream:
        assert stream.data(6) == ["5", "6", "7", "8", "9", "10"]


@pytest.mark.slow
def test_history_on_disk_is_replayed(serve: MakeSite, tmp_path: Path) -> None:
    options = ("--appendonly", "yes", "--dir", str(tmp_path), "--remember", "kept*", "--stream-memory", "100kb")
    site = serve(*options)
    count = 4000
    with site.node.connect() as peer:
        for number in range(count):
            peer.send("PUBLISH", f"kept:{number % 2}", f"{number} " + "x" * 500)
        for _ in range(count):
            peer.read()
    site.node.stop()
    site = serve(*options, ports=site.ports)
    with site.events("pattern=kept*&since=0") as stream:
        for number in range(count):
            assert stream.next().data["data"].startswith(f"{number} ")


def test_a_replay_waits_for_a_browser_that_does_not_read(serve: MakeSite) -> None:
    site = serve("--remember", "kept", "--client-output-buffer-limit", "pubsub", "1mb", "0", "0")
    with site.node.connect() as peer:
        for _ in range(400):
            peer.do("PUBLISH", "kept", "x" * 20_000)
    with site.events("channel=kept&since=0", receive_bytes=4096) as stream:
        wait_for(lambda: clients(site), "the client")
        (line,) = clients(site)
        fields = dict(field.split("=", 1) for field in line.split())
        assert int(fields["omem"]) + int(fields["obl"]) < 1 << 20
        assert len(stream.data(400)) == 400


# --- slow, quiet, expired ---------------------------------------------------------------------------------------------


def test_a_slow_browser_is_cut_off_as_slow_subscribers_are(serve: MakeSite) -> None:
    site = serve("--client-output-buffer-limit", "pubsub", "256kb", "0", "0")
    with site.events({"channel": "a"}, receive_bytes=4096) as stream:
        stream.ready()
        with site.node.connect() as peer:
            while peer.do("PUBLISH", "a", "x" * 50_000):
                pass
        site.node.wait_for_line("client over its output buffer limit is disconnected")
        assert len(stream.rest()) < 1 << 25


def test_a_slow_browser_may_lose_its_oldest_messages_and_is_told(serve: MakeSite) -> None:
    site = serve(
        *("--client-output-buffer-limit", "pubsub", "256kb", "0", "0", "--slow-subscriber-policy", "drop-oldest")
    )
    with site.events({"channel": "a"}, receive_bytes=4096) as stream, site.node.connect() as peer:
        stream.ready()
        for number in range(400):
            peer.do("PUBLISH", "a", f"{number} " + "x" * 50_000)
        seen, dropped = list[int](), 0
        while not seen or seen[-1] != 399:
            event = stream.next()
            if event.name == "gap":
                dropped += event.data["dropped"]
            else:
                seen.append(int(event.data["data"].split()[0]))
        assert dropped
        assert len(seen) + dropped == 400
        assert seen == sorted(seen)


@pytest.mark.slow
def test_heartbeats_come_when_it_is_quiet(serve: MakeSite) -> None:
    site = serve("--http-heartbeat", "1")
    with site.events({"channel": "a"}) as stream:
        stream.ready()
        assert stream.block().comment
        assert stream.block().comment


@pytest.mark.slow
def test_a_connection_ends_with_its_token(serve: MakeSite) -> None:
    site = serve("--http-token-key", KEY)
    # Tokens are taken for five seconds more, for clocks that differ.
    with site.events({"channel": "a", "token": token(["a"], exp=int(time.time()) - 3)}) as stream:
        stream.ready()
        assert stream.next().name == "expired"
        assert stream.rest() == b""
    wait_for(lambda: not clients(site), "its end")
    assert site.get(f"/events?channel=a&token={token(['a'], exp=int(time.time()) - 6)}").status == 401
