"""What a server has: everything that clients can see of it, in a form that can be compared."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import hiredis

from crash.load import Place, Request

CLOCK_MS = range(978_307_200_000, 5_000_000_000_000)  # 2001 to 2128: times that are the clock's, not a request's
_DROPPED = (b"radix-tree-keys", b"radix-tree-nodes")  # how it is kept, not what it is

State = dict[Place, Any]


class Peer(Protocol):
    """A raw connection: what this needs of `live.Peer`."""

    def send_raw(self, data: bytes) -> None: ...

    def read(self) -> Any: ...


def ask(peer: Peer, requests: Sequence[Request]) -> list[Any]:
    """Send requests in one piece; give the replies."""
    peer.send_raw(b"".join([hiredis.pack_command(request) for request in requests]))
    return [peer.read() for _ in requests]


def keys_of(peer: Peer, databases: Iterable[int], pattern: bytes = b"*") -> list[Place]:
    """The keys of these databases."""
    found = []
    for database in databases:
        _, keys = ask(peer, [("SELECT", database), ("KEYS", pattern)])
        found += [(database, key) for key in keys]
    return found


@dataclass(frozen=True)
class View:
    """How closely to look.

    Attributes:
        counted: `entries-read`, `lag` and consumers without pending entries are looked at. Redis 7.0 forgets them.
        scheduled: what XSCHEDULE has scheduled is looked at. Redis does not have it.
        exact: the times that are the clock's are kept; otherwise they all are `now`.
    """

    counted: bool = True
    scheduled: bool = True
    exact: bool = False


def look(peer: Peer, places: Iterable[Place], view: View = View()) -> State:
    """The values of these keys, without those that are not there."""
    state: State = {}
    by_database: dict[int, list[bytes]] = {}
    for database, key in sorted(set(places)):
        by_database.setdefault(database, []).append(key)
    for database, keys in by_database.items():
        ask(peer, [("SELECT", database)])
        kinds = ask(peer, [(word, key) for key in keys for word in ("TYPE", "PEXPIRETIME")])
        for key, kind, until_ms in zip(keys, kinds[::2], kinds[1::2], strict=True):
            if kind == b"string":
                state[database, key] = (kind, until_ms, ask(peer, [("GET", key)]))
            elif kind == b"stream":
                state[database, key] = (kind, until_ms, *_stream(peer, key, view))
            else:
                assert kind == b"none", (key, kind)
    return state


def _stream(peer: Peer, key: bytes, view: View) -> tuple[Any, ...]:
    length, entries, backwards, info, groups = ask(
        peer,
        [
            ("XLEN", key),
            ("XRANGE", key, "-", "+"),
            ("XREVRANGE", key, "+", "-"),
            ("XINFO", "STREAM", key, "FULL", "COUNT", 0),
            ("XINFO", "GROUPS", key),
        ],
    )
    assert backwards == entries[::-1], f"{key!r}: XREVRANGE and XRANGE differ"
    assert length == len(entries), f"{key!r}: XLEN is {length}, XRANGE gives {len(entries)}"
    full = _map(info)
    assert full[b"entries"] == entries, f"{key!r}: XINFO STREAM FULL and XRANGE differ"
    del full[b"entries"]
    pending = []
    for each in groups:
        name = each[1]
        summary, extended = ask(peer, [("XPENDING", key, name), ("XPENDING", key, name, "-", "+", 1_000_000)])
        assert summary[0] == len(extended), f"{key!r}: XPENDING counts {summary[0]}, and lists {len(extended)}"
        pending.append((name, summary, [(item[0], item[1], item[3]) for item in extended]))
    details = [_group(group, view) for group in full.pop(b"groups")]
    later = ask(peer, [("XSCHEDULED", key)])[0] if view.scheduled else []
    return entries, full, details, [_group(group, view) for group in groups], pending, later


def _map(flat: list[Any]) -> dict[bytes, Any]:
    return {name: value for name, value in zip(flat[::2], flat[1::2], strict=True) if name not in _DROPPED}


def _group(flat: list[Any], view: View) -> dict[bytes, Any]:
    group = _map(flat)
    if not view.counted:
        del group[b"entries-read"], group[b"lag"]
    if isinstance(group[b"consumers"], list):
        group[b"consumers"] = [_map(each) for each in group[b"consumers"]]
        for each in group[b"consumers"]:  # Redis's log does not keep them either: they come with the next request
            del each[b"seen-time"]
            each.pop(b"active-time", None)
        if not view.counted:
            group[b"consumers"] = [each for each in group[b"consumers"] if each[b"pending"]]
    elif not view.counted:
        del group[b"consumers"]
    return group if view.exact else _without_times(group)


def _without_times(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_times(each) for each in value]
    if isinstance(value, dict):
        return {name: _without_times(each) for name, each in value.items()}
    if isinstance(value, int) and value in CLOCK_MS:
        return "now"
    return value


def difference(wanted: State, found: State) -> str:
    """Where two states differ, for whoever has to find out why; empty: nowhere."""
    lines = []
    for place in sorted(wanted.keys() | found.keys()):
        if wanted.get(place) != found.get(place):
            lines.append(f"database {place[0]}, {place[1]!r}:")
            lines += _parts(wanted.get(place), found.get(place), "  ")
    return "\n".join(lines[:60])


def _parts(wanted: Any, found: Any, indent: str) -> list[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        names = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
        return [
            line
            for name in names
            for line in (f"{indent}{name!r}:", *_parts(wanted.get(name), found.get(name), indent + "  "))
        ]
    if isinstance(wanted, (list, tuple)) and isinstance(found, (list, tuple)) and len(wanted) == len(found):
        return [
            line
            for place, pair in enumerate(zip(wanted, found, strict=True))
            if pair[0] != pair[1]
            for line in (f"{indent}[{place}]", *_parts(*pair, indent + "  "))
        ][:20]
    if isinstance(wanted, list) and isinstance(found, list):
        lost = [each for each in wanted if each not in found]
        extra = [each for each in found if each not in wanted]
        return [
            f"{indent}{len(wanted)} wanted, {len(found)} found",
            f"{indent}lost {_short(lost)}",
            f"{indent}extra {_short(extra)}",
        ]
    return [f"{indent}wanted {_short(wanted)}", f"{indent}found  {_short(found)}"]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 600 else f"{text[:400]} … {text[-150:]}"
