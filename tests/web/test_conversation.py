"""What a WebSocket client asks for, and what it gets."""

import json
import threading
from base64 import b64encode
from pathlib import Path

import pytest

from .conftest import MakeSite
from .site import KEY, Site, token


def test_subscribing_and_publishing(site: Site) -> None:
    with site.websocket() as one, site.websocket() as other:
        assert one.ask("subscribe", channel="a") == {"ok": True}
        assert one.ask("psubscribe", pattern="b*")["ok"]
        assert other.ask("publish", channel="a", data="hé") == {"ok": True, "delivered": 1, "entry": None}
        assert other.ask("publish", channel="b1", data64=b64encode(b"\xff").decode())["delivered"] == 1
        assert one.pushes(2) == [
            {"channel": "a", "data": "hé"},
            {"channel": "b1", "pattern": "b*", "data64": "/w=="},
        ]
        assert one.ask("unsubscribe", channel="a") == {"ok": True}
        assert one.ask("punsubscribe", pattern="b*") == {"ok": True}
        assert other.ask("publish", channel="a", data="")["delivered"] == 0
        assert one.ask("ping") == {"ok": True}


def test_a_subscription_that_is_there_is_no_second_one(site: Site) -> None:
    with site.websocket() as ws:
        for _ in range(2):
            assert ws.ask("subscribe", channel="kept:twice")["ok"]
        assert ws.ask("subscribe", channel="kept:twice", since="0")["ok"]
        assert ws.ask("publish", channel="kept:twice", data="x")["delivered"] == 1


def test_who_publishes_to_itself_gets_it(site: Site) -> None:
    with site.websocket() as ws:
        ws.ask("subscribe", channel="self")
        assert ws.ask("publish", channel="self", data="x")["delivered"] == 1
        assert ws.push() == {"channel": "self", "data": "x"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not understood"),
        ("[]", "not understood"),
        ("null", "not understood"),
        ('"x"', "not understood"),
        ("{}", "not understood"),
        ('{"type": 1}', "not understood"),
        ('{"type": "fly"}', "no such type: fly; there are subscribe, psubscribe"),
        ('{"type": "subscribe"}', "there is no channel"),
        ('{"type": "psubscribe", "channel": "a"}', "there is no pattern"),
        ('{"type": "subscribe", "channel": ["a"]}', "not understood"),
        ('{"type": "subscribe", "channel": "a", "since": "soon"}', "since soon: write an ID"),
        ('{"type": "subscribe", "channel": "a", "since": "10m"}', "not remembered"),
        ('{"type": "publish", "channel": "a"}', "send either data"),
        ('{"type": "publish", "channel": "a", "data": "x", "data64": "eA=="}', "send either data"),
        ('{"type": "publish", "channel": "a", "data64": "?"}', "not base64"),
        ('{"type": "publish", "channel": "a", "data": {"x": 1}}', "not understood"),
        ('{"type": "history", "channel": "kept", "count": 0}', "count is from 1"),
        ('{"type": "history", "channel": "a"}', "not remembered"),
        ("[" * 100_000, "not understood"),
        ('{"type": "' + "x" * 1000 + '"}', "no such type: " + "x" * 40 + ";"),
    ],
)
def test_what_is_wrong_is_told_and_the_connection_stays(site: Site, text: str, told: str) -> None:
    with site.websocket() as ws:
        ws.connection.send(text)
        answer = ws.read()
        assert answer["ok"] is False
        assert told in answer["error"]
        assert ws.ask("ping") == {"ok": True}


def test_the_id_comes_back_as_it_was_also_from_what_is_wrong(site: Site) -> None:
    with site.websocket() as ws:
        for ask_id in (1, "one", 1.5, -7, None):
            for about in ({"type": "ping"}, {"type": "fly"}, {"type": 5}):
                ws.connection.send(json.dumps({"id": ask_id, **about}))
                assert ws.read()["id"] == ask_id


def test_names_may_be_anything(site: Site) -> None:
    with site.websocket() as ws:
        for name in ("", "ü \N{GRINNING FACE}", "a\r\nb\0", '"\\', "x" * 5000):
            assert ws.ask("subscribe", channel=name)["ok"]
            assert ws.ask("publish", channel=name, data="x")["delivered"] == 1
            assert ws.push() == {"channel": name, "data": "x"}


def test_a_lone_surrogate_does_no_harm(site: Site) -> None:
    with site.websocket() as ws:
        ws.connection.send('{"id": 1, "type": "publish", "channel": "a", "data": "\\ud800"}')
        assert "id" in ws.read()
        assert ws.ask("ping") == {"ok": True}


def test_what_the_token_does_not_name_is_refused(serve: MakeSite) -> None:
    site = serve("--http-token-key", KEY, "--remember", "*")
    with site.websocket(f"/ws?token={token(['news', 'user:1:*'], ['chat'])}") as ws:
        assert ws.ask("subscribe", channel="news")["ok"]
        assert ws.ask("psubscribe", pattern="user:1:*")["ok"]
        assert ws.ask("publish", channel="chat", data="x")["ok"]
        for kind, about in (
            ("subscribe", {"channel": "chat"}),
            ("subscribe", {"channel": "__airwave__:overview"}),
            ("psubscribe", {"pattern": "*"}),
            ("publish", {"channel": "news", "data": "x"}),
            ("history", {"channel": "chat"}),
        ):
            answer = ws.ask(kind, **about)
            assert not answer["ok"]
            assert "you may not" in answer["error"]


def test_subscriptions_are_limited(serve: MakeSite) -> None:
    site = serve("--http-max-subscriptions", "2")
    with site.websocket() as ws:
        assert ws.ask("subscribe", channel="a")["ok"]
        assert ws.ask("psubscribe", pattern="b")["ok"]
        assert "http-max-subscriptions" in ws.ask("subscribe", channel="c")["error"]
        assert ws.ask("unsubscribe", channel="a")["ok"]
        assert ws.ask("subscribe", channel="c")["ok"]


def test_messages_are_limited(serve: MakeSite) -> None:
    site = serve("--http-rate-limit", "1")
    with site.websocket() as ws:
        answers = [ws.ask("ping") for _ in range(12)]
        assert answers[0] == {"ok": True}
        assert answers[-1] == {"ok": False, "error": "too many messages: see http-rate-limit"}


def test_a_failing_command_is_an_error(site: Site) -> None:
    site.redis("SET", "kept:string", "x")
    with site.websocket() as ws:
        assert ws.ask("publish", channel="kept:string", data="x")["error"].startswith("WRONGTYPE")


# --- history ----------------------------------------------------------------------------------------------------------


def test_subscribing_in_the_past(site: Site) -> None:
    ids = [site.publish("kept:past", str(number)).json["entry"] for number in range(50)]
    with site.websocket() as ws:
        assert ws.ask("subscribe", channel="kept:past", since=ids[9]) == {"ok": True, "entry": ids[9]}
        pushes = ws.pushes(40)
        assert [push["entry"] for push in pushes] == ids[10:]
        assert [push["data"] for push in pushes] == [str(number) for number in range(10, 50)]
        site.publish("kept:past", "live")
        assert ws.push()["data"] == "live"
    with site.websocket() as ws:
        assert ws.ask("psubscribe", pattern="kept:pas?", since="-3")["entry"] == ids[-3]
        assert ws.push() == {"channel": "kept:past", "pattern": "kept:pas?", "data": "48", "entry": ids[48]}


def test_several_at_once(site: Site) -> None:
    for number in range(100):
        site.redis("PUBLISH", f"kept:several:{number % 2}", number)
    with site.websocket() as ws:
        for channel in ("kept:several:0", "kept:several:1"):
            ws.connection.send(json.dumps({"id": channel, "type": "subscribe", "channel": channel, "since": "0"}))
        said = [ws.read() for _ in range(102)]
        data = [int(each["data"]) for each in said if "data" in each]
        assert sorted(data) == list(range(100))
        assert [each["id"] for each in said if "id" in each] == ["kept:several:0", "kept:several:1"]


def test_unsubscribing_ends_a_replay(site: Site) -> None:
    with site.node.connect() as peer:
        for _ in range(900):
            peer.do("PUBLISH", "kept:ended", "x" * 1000)
    with site.websocket() as ws:
        for kind, about in (("subscribe", {"since": "0"}), ("unsubscribe", {}), ("ping", {})):
            ws.connection.send(json.dumps({"id": kind, "type": kind, "channel": "kept:ended", **about}))
        while "id" not in (said := ws.read()) or said["id"] != "ping":
            pass
        assert ws.ask("publish", channel="kept:ended", data="x")["delivered"] == 0


def test_an_answer_tells_from_where_one_can_resume(site: Site) -> None:
    with site.websocket() as ws:
        assert "entry" not in ws.ask("subscribe", channel="a")
        entry = ws.ask("subscribe", channel="kept:resume")["entry"]
    last = site.publish("kept:resume", "missed").json["entry"]
    with site.websocket() as ws:
        assert ws.ask("subscribe", channel="kept:resume", since=entry) == {"ok": True, "entry": entry}
        assert ws.push() == {"channel": "kept:resume", "data": "missed", "entry": last}


def test_a_gap(serve: MakeSite) -> None:
    site = serve("--remember", "kept maxlen 5")
    ids = [site.publish("kept", str(number)).json["entry"] for number in range(20)]
    with site.websocket() as ws:
        assert ws.ask("subscribe", channel="kept", since=ids[3])["ok"]
        assert ws.push() == {
            "gap": {"channels": ["kept"], "patterns": [], "since": ids[3], "lost": ids[14], "entry": ids[14]}
        }
        assert [push["data"] for push in ws.pushes(5)] == ["15", "16", "17", "18", "19"]
    assert site.redis("CONFIG", "SET", "remember", "") == b"OK"
    with site.websocket() as ws:  # it is not remembered any more: who resumes is told
        assert ws.ask("subscribe", channel="kept", since=ids[19])["ok"]
        assert ws.push()["gap"]["since"] == ids[19]


def test_no_message_is_missed_or_comes_twice_while_a_publisher_runs(site: Site) -> None:
    count, seen, entry = 3000, list[str](), None

    def publish() -> None:
        with site.node.connect() as peer:
            for number in range(count):
                peer.do("PUBLISH", f"kept:live:{number % 3}", number)

    publisher = threading.Thread(target=publish)
    while len(seen) < count:
        with site.websocket() as ws:
            answer = ws.ask("psubscribe", pattern="kept:live:*", **({"since": entry} if entry else {}))
            entry = answer["entry"]
            if not publisher.ident:
                publisher.start()
            for _ in range(min(97, count - len(seen))):
                push = ws.push()
                seen.append(push["data"])
                entry = push["entry"]
    publisher.join()
    assert seen == [str(number) for number in range(count)]


def test_reading_history(site: Site) -> None:
    ids = [site.publish("kept:read", str(number)).json["entry"] for number in range(5)]
    with site.websocket() as ws:
        page = ws.ask("history", channel="kept:read", count=3)
        assert page == {
            "ok": True,
            "entries": [{"entry": ids[number], "data": str(number)} for number in range(3)],
            "next": ids[2],
            "gap": False,
        }
        page = ws.ask("history", channel="kept:read", since=page["next"])
        assert [each["data"] for each in page["entries"]] == ["3", "4"]
        assert page["next"] is None


@pytest.mark.slow
def test_it_resumes_over_a_restart_of_a_durable_server(serve: MakeSite, tmp_path: Path) -> None:
    options = ("--appendonly", "yes", "--dir", str(tmp_path), "--remember", "kept*")
    site = serve(*options)
    with site.websocket() as ws:
        entry = ws.ask("subscribe", channel="kept")["entry"]
        for number in range(5):
            ws.ask("publish", channel="kept", data=str(number))
        assert [push["data"] for push in ws.pushes(5)] == ["0", "1", "2", "3", "4"]
    site.node.kill()
    site = serve(*options, ports=site.ports)
    with site.websocket() as ws:
        assert ws.ask("subscribe", channel="kept", since=entry)["ok"]
        assert [push["data"] for push in ws.pushes(5)] == ["0", "1", "2", "3", "4"]
