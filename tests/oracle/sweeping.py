"""Conversations about keys with the core and with redis-server: each reply must be the same, byte for byte.

A conversation is request lines separated by `;`, sent at once; words are quoted as in a shell, and a line that ends
with `;` goes on in the next. Tables have a head, the requests that come before each conversation of their block. Only
what cannot be the same is taken out before two replies are compared (`Reply`): how long ago something was, and fields
of XINFO that one of the two does not have.
"""

import contextlib
import shlex
import time
from collections.abc import Iterable, Iterator, Set
from typing import Any

from memory import Node
from peers import Peer, SocketPeer, frame_end, packed
from servers import Address

# Fields of XINFO that tell about Redis's memory, or that are newer than 7.0.
NOT_COMPARED = {
    b"radix-tree-keys",
    b"radix-tree-nodes",
    b"inactive",  # 7.2
    b"active-time",  # 7.2
    b"idmp-duration",  # 8.6, and the five below
    b"idmp-maxsize",
    b"pids-tracked",
    b"iids-tracked",
    b"iids-added",
    b"iids-duplicates",
    b"nacked-count",  # 8.8
}
IDLE_MS = 100_000  # what lies further back than the conversation is compared in these steps
SINCE_1970_MS = 1_500_000_000_000  # a number from here to `SINCE_1970_MS_END` is a time of day
SINCE_1970_MS_END = 2_000_000_000_000

Tree = tuple[bytes, Any]  # the kind of a frame, and its text or its items


def tree(frame: bytes) -> Tree:
    """A frame, taken apart and nothing forgotten."""
    value, end = _tree(frame, 0)
    assert end == len(frame)
    return value


def _tree(data: bytes, pos: int) -> tuple[Tree, int]:
    line_end = data.index(b"\r\n", pos)
    kind, head, pos = data[pos : pos + 1], data[pos + 1 : line_end], line_end + 2
    if kind in b"$=" and head != b"-1":
        end = pos + int(head)
        return (kind, data[pos:end]), end + 2
    if kind in b"*%~>" and head != b"-1":
        items = []
        for _ in range(int(head) * (2 if kind == b"%" else 1)):
            item, pos = _tree(data, pos)
            items.append(item)
        return (kind, items), pos
    return (kind, head), pos


class Reply:
    """A reply that equals another one when nothing else differs than what may."""

    def __init__(self, request: list[str], frame: bytes | Tree, not_compared: Set[bytes] = NOT_COMPARED) -> None:
        self.value = tree(frame) if isinstance(frame, bytes) else frame
        words = [word.upper() for word in request]
        if words[:1] == ["XINFO"]:
            self.value = _without_fields(self.value, not_compared)
        if words[:1] == ["XPENDING"]:
            self.value = _without_idle(self.value)
        if words[:1] in (["PTTL"], ["PEXPIRETIME"]) or words[:2] == ["OBJECT", "IDLETIME"]:
            self.value = _in_steps(self.value)
        if words[:1] in (["KEYS"], ["SCAN"], ["RANDOMKEY"]) and isinstance(self.value[1], list):
            self.value = _sorted(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reply) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(_shown(self.value))


def _shown(value: Tree) -> Any:
    """Short enough to be read in a failed test."""
    kind, content = value
    if isinstance(content, list):
        return (kind.decode(), [_shown(item) for item in content])
    return kind.decode() + content.decode("latin-1")


def _in_steps(value: Tree) -> Tree:
    kind, number = value
    if kind != b":":
        return value
    if SINCE_1970_MS <= int(number) < SINCE_1970_MS_END:
        return kind, b"a time of day"
    return kind, b"%d.." % round(int(number) / IDLE_MS)


def _without_fields(value: Tree, not_compared: Set[bytes]) -> Tree:
    """XINFO: all but fields that may differ, and times."""
    kind, content = value
    if kind == b":":
        return _in_steps(value) if SINCE_1970_MS <= int(content) < SINCE_1970_MS_END else value
    if not isinstance(content, list):
        return value
    content = [_without_fields(item, not_compared) for item in content]
    names = [name for _, name in content[::2]]
    if len(names) > 1 and names[0] in (b"name", b"length"):
        pairs = [pair for pair in zip(names, content[1::2], strict=True) if pair[0] not in not_compared]
        named = [[(b"", name), _in_steps(item) if name == b"idle" else item] for name, item in pairs]
        return kind, [part for pair in named for part in pair]
    return kind, content


def _without_idle(value: Tree) -> Tree:
    """XPENDING with entries: rows of ID, consumer, idle, deliveries."""
    kind, rows = value
    if not isinstance(rows, list) or not rows or not isinstance(rows[0][1], list):
        return value
    shown = []
    for row_kind, row in rows:
        shown.append((row_kind, [*row[:2], _in_steps(row[2]), *row[3:]] if isinstance(row, list) else row))
    return kind, shown


def _sorted(value: Tree) -> Tree:
    """KEYS and SCAN: order and cursors are chance."""
    kind, items = value
    if len(items) == 2 and isinstance(items[1][1], list):
        return kind, [items[0], _sorted(items[1])]
    return kind, sorted(items)


def conversations(*tables: dict[str, str]) -> list[str]:
    """The lines of tables, each with its head before it."""
    return [
        f"{head};{line}" if head else line
        for table in tables
        for head, block in table.items()
        for line in block.strip().replace(";\n", ";").splitlines()
    ]


def requests(conversation: str) -> list[list[str]]:
    past = str(int(time.time() * 1000) - 3 * IDLE_MS)
    return [[past if word == "{past}" else word for word in shlex.split(line)] for line in conversation.split(";")]


def answers(peer: Peer, asked: Iterable[list[str]], protocol: int) -> list[bytes]:
    """The frames that come until the server closes, without the reply to HELLO."""
    with contextlib.closing(peer):
        if protocol == 3:
            peer.ask("HELLO 3")
        peer.sends(b"".join(packed(request) for request in asked) + packed("QUIT"))
        return list(_frames(peer.rest()))


def _frames(data: bytes) -> Iterator[bytes]:
    while data:
        end = frame_end(data)
        assert end > 0, data
        yield data[:end]
        data = data[end:]


def node_of_today(*directives: tuple[str, str]) -> Node:
    """The core in memory at the time it is now: redis-server knows no other."""
    node = Node(("enable-debug-command", "yes"), *directives)
    began = time.time() - node.host.ns / 1e9
    node.host.wall = lambda: began + node.host.ns / 1e9  # type: ignore[method-assign]
    return node


def check(address: Address, conversation: str, protocol: int, not_compared: Set[bytes] = frozenset()) -> None:
    """Have a conversation with both, each with no keys at all; redis-server has none afterwards.

    Args:
        not_compared: fields of XINFO that may differ besides `NOT_COMPARED`.
    """
    asked = requests(conversation)
    try:
        theirs = answers(SocketPeer(address), asked, protocol)
    finally:
        with contextlib.closing(SocketPeer(address)) as peer:
            peer.ask("FLUSHALL")
    ours = answers(node_of_today().peer(), asked, protocol)
    for request, our, their in zip([*asked, ["QUIT"]], ours, theirs, strict=False):
        ours_now, theirs_now = (Reply(request, frame, NOT_COMPARED | not_compared) for frame in (our, their))
        assert ours_now == theirs_now, f"{request}\n  Airwave: {ours_now}\n  Redis:   {theirs_now}"
    assert len(ours) == len(theirs), (ours[len(theirs) :], theirs[len(ours) :])
