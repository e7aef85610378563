"""What a server must have, by what it answered: the same requests, said again to a server that keeps nothing.

The *oracle* is such a server, in memory. Requests that were answered are said to it as they were; what the clock or the
server decided is said as the reply told it. Replies are compared on the way. Requests that were on their way when the
server died may have been done up to some place: the oracle goes on with them one by one until it has what the server
has.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from crash import load
from crash.load import Place, Request, Unit
from crash.nodes import Server
from crash.state import State, View, ask, difference, keys_of, look

TOGETHER = 200  # units that are said to the oracle in one piece


class WrongError(Exception):
    """The server has not what it must have. The text says what differs."""


@dataclass
class Sent:
    """What one client sent, and what it heard.

    Attributes:
        answered: units and their last replies.
        unanswered: the rest of the pipeline that was on its way.
        since_ms: when that was sent.
    """

    answered: list[tuple[Unit, Any]] = field(default_factory=list)
    unanswered: list[Unit] = field(default_factory=list)
    since_ms: int = 0


class Model:
    """What one client's keys must be.

    Args:
        oracle: keeps nothing, and hears of nobody else who has these keys.
        owner, databases: see `load.Script`.
        view: how closely to compare.
    """

    def __init__(self, oracle: Server, owner: bytes, databases: list[int], view: View) -> None:
        self.owner = owner
        self._view = view
        self._databases = databases
        self._speaker = oracle.connect()
        self._looker = oracle.connect()
        self._wanted: State = {}
        self._stayed: set[Place] = set()
        self._may_stay: set[Place] = set()
        self.settled_ms = 0  # when all that goes by itself is gone

    def close(self) -> None:
        """Hang up."""
        self._speaker.close()
        self._looker.close()

    def flushed(self) -> None:
        """All databases were flushed, the oracle's as well."""
        self._wanted.clear()
        self._stayed.clear()

    # --- what was answered ------------------------------------------------------------------------------------------

    def learn(self, sent: Sent) -> None:
        """Do what was answered.

        Raises:
            WrongError: the oracle answers otherwise.
        """
        touched: set[Place] = set()
        for start in range(0, len(sent.answered), TOGETHER):
            batch = [pair for pair in sent.answered[start : start + TOGETHER] if not self._fleets(*pair)]
            said = [said_again(unit, reply) for unit, reply in batch]
            replies = iter(ask(self._speaker, [request for requests in said for request in requests]))
            for (unit, wanted), requests in zip(batch, said, strict=True):
                got = [next(replies) for _ in requests][-1]
                if unit.kind == load.PLAIN and not unit.timed and _plain(got) != _plain(wanted):
                    raise WrongError(f"{unit.requests} was answered with\n  {wanted!r}, the oracle says\n  {got!r}")
                touched.update(self._touched(unit))
        self._see(touched)
        for unit in sent.unanswered:
            self._fleets(unit, None)

    def _touched(self, unit: Unit) -> Iterable[Place]:
        if unit.touches is not None:
            return unit.touches
        return [*self._wanted, *keys_of(self._looker, self._databases, self.owner + b":*")]

    def _see(self, places: Iterable[Place]) -> None:
        places = set(places)
        for place in places:
            self._wanted.pop(place, None)
        self._wanted |= look(self._looker, places, self._view)

    def _fleets(self, unit: Unit, reply: Any) -> bool:
        """Whether it is about a key that goes by itself. That is not the oracle's business.

        Args:
            unit: what was asked.
            reply: None: it was not answered.
        """
        if unit.kind not in (load.FLEETING, load.STAY):
            return False
        assert unit.touches is not None
        if unit.kind == load.FLEETING:
            self.settled_ms = max(self.settled_ms, unit.until_ms)
        elif reply == 1:
            self._stayed.update(unit.touches)
        elif reply is None:
            self._may_stay.update(unit.touches)
        return True

    # --- what may have been done ------------------------------------------------------------------------------------

    def check(self, found: State, sent: Sent) -> int:
        """Compare with what the server has.

        Args:
            found: the keys of this client.
            sent: what was learned; its `unanswered` may have been done up to some place.

        Returns:
            How many of them have been.

        Raises:
            WrongError: it is none of the states that it may have.
        """
        found = self._without_fleeting(found)
        units = [unit for unit in sent.unanswered if unit.kind not in (load.FLEETING, load.STAY)]
        if self._wanted == found:
            return 0
        nearest = difference(self._wanted, found)
        for number, unit in enumerate(units):
            ask(self._speaker, _perhaps(unit, found, sent.since_ms))
            self._see(self._touched(unit))
            if self._wanted == found:
                return number + 1
            nearest = min(nearest, difference(self._wanted, found), key=len)
        on_the_way = "".join([f"  {str(unit.requests)[:300]}\n" for unit in units])
        raise WrongError(
            f"the keys of {self.owner!r} are in none of the {len(units) + 1} states that they may have.\n"
            f"On their way were, one after the other:\n{on_the_way}Differences of the nearest:\n{nearest}"
        )

    def _without_fleeting(self, found: State) -> State:
        fleeting = {place for place in found if place[1].startswith(self.owner + b":f")}
        if lost := self._stayed - fleeting:
            raise WrongError(f"PERSIST was answered with 1, yet they are gone: {lost}")
        if alive := fleeting - self._stayed - self._may_stay:
            raise WrongError(f"their time is over, yet they are there: {alive}")
        for place in fleeting:
            if found[place][1] != -1:
                raise WrongError(f"{place} stayed with an expiry time: {found[place]}")
        self._stayed, self._may_stay = fleeting, set()
        return {place: value for place, value in found.items() if place not in fleeting}

    def new_connection(self) -> None:
        """The client connects again."""
        ask(self._speaker, [("SELECT", 0)])


def _plain(reply: Any) -> Any:
    """A reply as something that can be compared."""
    if isinstance(reply, list):
        return [_plain(each) for each in reply]
    return ("error", str(reply)) if isinstance(reply, Exception) else reply


def _failed(reply: Any) -> bool:
    """Whether a reply of EXEC has an error in it."""
    return not isinstance(reply, list) or any(isinstance(each, Exception) for each in reply)


def said_again(unit: Unit, reply: Any) -> list[Request]:
    """What makes the oracle do what the reply says that was done."""
    if unit.kind == load.AUTO and isinstance(reply, bytes):
        return [(*unit.requests[0][:2], reply, *unit.requests[0][3:])]
    if unit.kind == load.TRIM and not _failed(reply):
        return _trimmed(unit, reply[1])
    if unit.kind == load.EXPIRY and not _failed(reply) and reply[1] > 0:
        return _expiring(unit, reply[1])
    return unit.requests


def _perhaps(unit: Unit, found: State, since_ms: int) -> list[Request]:
    """The same of a unit that was not answered, in case it was done: by what was found."""
    if not unit.open:
        return unit.requests
    assert unit.touches
    value = found.get(unit.touches[0])
    if value is None:
        return unit.requests
    if unit.kind == load.AUTO:
        newest = value[3][b"last-generated-id"]
        return [(*unit.requests[0][:2], newest, *unit.requests[0][3:])]
    if unit.kind == load.TRIM and value[0] == b"stream":
        first = unit.requests[1]
        least = int(first[first.index("~") + 1])
        return _trimmed(unit, max(least, len(value[2])))
    if unit.kind == load.EXPIRY:
        now_ms = time.time() * 1000
        if since_ms + load.RELATIVE_MS - 1000 <= value[1] <= now_ms + load.RELATIVE_MS:
            return _expiring(unit, value[1])
    return unit.requests


def _trimmed(unit: Unit, length: int) -> list[Request]:
    """A trim with ~, as requests that leave exactly so many entries."""
    first = unit.requests[1]
    exact: list[Request] = [("XTRIM", first[1], "MAXLEN", "=", length)]
    if first[0] == "XADD":
        entry_id = next(place for place, word in enumerate(first) if isinstance(word, bytes) and place > 1)
        exact.insert(0, ("XADD", first[1], *first[entry_id:]))
    return exact


def _expiring(unit: Unit, at_ms: int) -> list[Request]:
    """Something with a relative expiry time, with this absolute one."""
    first = unit.requests[1]
    match first[0]:
        case "SET":
            return [("SET", *first[1:3], "PXAT", at_ms)]
        case "PSETEX":
            return [("SET", first[1], first[3], "PXAT", at_ms)]
    return [("PEXPIREAT", first[1], at_ms)]
