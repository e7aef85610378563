"""Clients, and killing one."""

from .api import Api, error


def test_a_list_of_clients(api: Api) -> None:
    with api.site.node.connect() as alice, api.site.node.connect() as bob:
        alice.do("CLIENT", "SETNAME", "Alice")
        alice.do("CLIENT", "SETINFO", "LIB-NAME", "redis-py")
        alice.do("CLIENT", "SETINFO", "LIB-VER", "8.1")
        alice.do("SUBSCRIBE", "a")
        alice.do("PSUBSCRIBE", "b*")
        bob.do("PING")
        rows = api.get("clients", sort="name")["rows"]
        assert [row["name"] for row in rows] == ["Alice", ""]
        row = rows[0]
        assert (row["addr"], row["lib"], row["subscriptions"]) == (alice.name, "redis-py 8.1", 2)
        assert (row["buffer"], row["lagging"], row["dropped"], row["command"]) == (0, False, 0, "psubscribe")
        for words in ("alice", alice.name, "REDIS-PY", str(row["id"])):
            assert api.get("clients", q=words)["rows"][0]["id"] == row["id"], words
        for sort in ("addr", "lib", "subscriptions", "buffer", "dropped", "age", "idle"):
            assert api.get("clients", sort=sort, desc=1)["total"] == 2


def test_a_slow_subscriber_shows(api: Api) -> None:
    with api.site.node.connect() as slow, api.site.node.connect() as fast:
        slow.do("SUBSCRIBE", "flood")
        for _ in range(300):
            fast.do("PUBLISH", "flood", b"x" * 50_000)
        first = api.get("clients", sort="buffer", desc=1)["rows"][0]
        assert (first["addr"], first["lagging"]) == (slow.name, True)
        assert first["buffer"] > 1_000_000


def test_killing(api: Api) -> None:
    with api.site.node.connect() as alice:
        client_id = alice.do("CLIENT", "ID")
        assert api.post("clients/kill", id=client_id) == {"killed": 1}
        assert alice.is_closed()
        assert error(api.send("clients/kill", {"id": client_id})) == "this client is gone already"
    for wrong in (None, "1", True, 0, 1.5):
        assert api.send("clients/kill", {"id": wrong}).status == 400
