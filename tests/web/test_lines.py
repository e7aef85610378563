"""Lines: commands from HTTP into the core, in memory."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from memory import Disk, Node

from airwave.web import lines
from airwave.web.lines import CommandFailed, Lines


async def _ticking(node: Node, run: Coroutine[Any, Any, Any]) -> Any:
    """Run it, and the ticks that it asks for."""
    task = asyncio.ensure_future(run)
    while not task.done():
        await asyncio.sleep(0)
        node.settle()
    return await task


def ask(node: Node, run: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(_ticking(node, run))


def test_replies_come_as_python_objects() -> None:
    node = Node()
    found = Lines(node.broker)
    assert ask(node, found.execute("PING")) == b"PONG"
    assert ask(node, found.execute("SET", b"a\xff", 5)) == b"OK"
    assert ask(node, found.execute("GET", b"a\xff")) == b"5"
    assert ask(node, found.execute("CONFIG", "GET", "port")) == {b"port": b"6379"}
    assert ask(node, found.execute("GET", "missing")) is None


def test_an_error_is_raised() -> None:
    node = Node()
    ask(node, Lines(node.broker).execute("SET", "a", "x"))
    with pytest.raises(CommandFailed, match="WRONGTYPE") as caught:
        ask(node, Lines(node.broker).execute("XADD", "a", "*", "f", "v"))
    assert caught.value.code == "WRONGTYPE"


def test_it_is_no_client_and_needs_no_password() -> None:
    node = Node(("requirepass", "secret"))
    assert ask(node, Lines(node.broker).execute("CLIENT", "LIST")) == b""
    assert node.broker.stats.connections_received == 0


def test_the_entry_of_a_publish_is_told() -> None:
    node = Node(("remember", "kept"))
    found = Lines(node.broker)
    for channel in ("kept", "other", "kept"):
        count, entry = ask(node, found.execute_noting_entry("PUBLISH", channel, "x"))
        assert count == 0
        assert bool(entry) == (channel == "kept")
        assert entry in (0, node.broker.memory.last_id)


def test_many_at_once_share_a_line_and_keep_their_order() -> None:
    node = Node(("remember", "kept"))
    found = Lines(node.broker)

    async def publish_many() -> list[Any]:
        return await asyncio.gather(*[found.execute_noting_entry("PUBLISH", "kept", number) for number in range(100)])

    entries = [entry for _, entry in ask(node, publish_many())]
    assert entries == sorted(set(entries))
    assert len(found._lines) == 1


def test_what_is_held_back_does_not_hold_up_others() -> None:
    node = Node(("remember", "kept"))
    found = Lines(node.broker)
    replies: list[Any] = []

    def keep(name: str) -> Callable[[Any, int], None]:
        return lambda reply, entry: replies.append((name, reply, bool(entry)))

    node.broker.pause(1000, writes_only=True)
    found.start([b"PUBLISH", b"kept", b"x"], keep("held"))
    found.start([b"PING"], keep("ping"))
    node.settle()
    assert replies == [("ping", b"PONG", False)]
    node.broker.unpause()
    node.settle()
    assert replies[1:] == [("held", 0, True)]


def test_lines_are_bounded_and_the_rest_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINES_MAX", 3)
    node = Node()
    found = Lines(node.broker)
    replies: list[Any] = []
    node.broker.pause(1000, writes_only=False)
    for number in range(10):
        found.start([b"ECHO", b"%d" % number], lambda reply, _: replies.append(reply))
    node.settle()
    assert not replies
    assert len(found._lines) == 3
    node.broker.unpause()
    node.settle()
    assert sorted(replies) == [b"%d" % number for number in range(10)]


def test_when_it_ends_nobody_waits_for_ever() -> None:
    node = Node()
    found = Lines(node.broker)
    replies: list[Any] = []
    node.broker.pause(1000, writes_only=False)
    found.start([b"PING"], lambda reply, _: replies.append(reply))
    found.close()
    assert isinstance(replies[0], CommandFailed)


def test_what_the_disk_refuses_is_an_error() -> None:
    disk = Disk()
    node = Node(journal=disk)
    node.host.quiet = False
    found = Lines(node.broker)
    disk.full = True
    with pytest.raises(CommandFailed, match="MISCONF"):
        ask(node, found.execute("XADD", "a", "*", "f", "v"))
    with pytest.raises(CommandFailed, match="MISCONF"):  # another table is in force now
        ask(node, found.execute("SET", "a", "x"))
