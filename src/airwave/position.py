"""How far the messages of remembered channels have been read: for clients, to go on without a hole or a double.

All IDs of a server are one increasing sequence, so one ID is a position in any number of channels and patterns.

    1. Position.find    where reading begins; once
    2. SUBSCRIBE        and wait until all is confirmed; read no further
    3. Position.aim     at what is the newest message now: publishers may be faster than the pages that come next
       Position.page    until there are no `more`: what is behind the position (PUBSUB REPLAY)
    4. read on          messages that step 3 has brought as well are told by their IDs: Position.takes
    5. the connection is lost, or the server has dropped messages: go on with 2, or with 3

Nothing that waits in step 3 is kept here: it waits in the connection. A server that cuts it off for that reason does
no harm, as the position is exact.

That history still reaches back to the position shows in two things: limits have removed nothing behind it, and the
message that was read last is still there, or was removed by them. If not, messages are missing: a gap.

The commands are asked by whoever owns a connection, with asyncio or without: `Steps` are generators that yield commands
and are sent the replies.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, TypeVar

from airwave.since import ID_MAX, Start, first_id_at, id_number, id_text

PAGE_MIN, PAGE_MAX = 16, 512
"""Messages that are asked for at once: more and more, as long as they are small."""
LAST_MAX = 10_000
"""So many are the most that may be asked for from the end."""
PAGE_BYTES = 1 << 19
"""When a page has more than this the next is half as long; when it has less, twice."""

T = TypeVar("T")
Steps = Generator[tuple[Any, ...], Any, T]


class Remembered(NamedTuple):
    """A message from history."""

    id: int
    channel: bytes
    data: bytes


class Page(NamedTuple):
    """The next messages.

    Attributes:
        gap: messages are missing in front of them: they are not remembered any more.
        messages: in their order.
        more: there are more, or may be, that the subscription does not bring.
    """

    gap: bool
    messages: list[Remembered]
    more: bool


class Position:
    """A position in some channels and patterns.

    Args:
        channels, patterns: not none at all.
        start: where to begin: an ID is that of a message that has been read, so it begins behind it.

    Raises:
        ValueError: from the end, and too many.

    Attributes:
        last: the ID of the message that was read last; before that, one that the first must be greater than.
        partial: messages came that have no ID: of channels that a pattern matches, but no rule of the server.
    """

    def __init__(self, channels: Sequence[bytes], patterns: Sequence[bytes], start: Start) -> None:
        if start.last is not None and start.last > LAST_MAX:
            raise ValueError(f"at most the last {LAST_MAX:,} can be asked for")
        self.last = 0
        self.partial = False
        self._start: Start | None = start  # until it is found
        self._known = False  # `last` is the ID of a message
        self._lost = 0  # what limits have removed, as far as that has been told or does not matter
        self._goal = ID_MAX
        self._count = PAGE_MIN
        self._names = [word for name in channels for word in (b"CHANNEL", name)]
        self._names += [word for name in patterns for word in (b"PATTERN", name)]

    def takes(self, entry_id: bytes | None) -> bool:
        """Whether a message that came by subscription is none that was replayed.

        Args:
            entry_id: None: it has none, as its channel is not remembered.
        """
        if entry_id is None:
            self.partial = True
            return True
        return id_number(entry_id) > self.last

    def took(self, entry_id: int) -> None:
        """A message has been read."""
        self.last, self._known = entry_id, True

    # --- what is asked ------------------------------------------------------------------------------------------------

    def find(self) -> Steps[None]:
        """Find where to begin, if that is not known yet. The server's errors say that there is no history."""
        start = self._start
        if start is None:
            return
        if start.last is not None:
            self._lost, found = yield from self._replay(-max(start.last, 1), 1)
            # Those that come from now on are behind the position in any case.
            self.last = found[0].id - (start.last > 0) if found else self._lost
            self._known = bool(found) and start.last == 0
        else:
            self.last = start.id if start.id is not None else (yield from self._before(start))
            lost, _ = yield from self._replay(self.last, 1)
            self._known = bool(start.id)
            self._lost = 0 if self._known else lost  # who has seen nothing yet takes what there is
        self._start = None

    def aim(self) -> Steps[None]:
        """Let pages end with the newest message of now, or not far behind it: what follows comes by subscription."""
        _, newest = yield from self._replay(-1, 1)
        self._goal = newest[0].id if newest else 0

    def page(self) -> Steps[Page]:
        """The next messages behind the position; `took` moves it."""
        proof = 1 if self._known else 0  # the last message is asked for again: see the head of this file
        count = self._count + proof
        lost, found = yield from self._replay(self.last - proof, count)
        messages = [message for message in found if message.id > self.last]
        forgotten = self._known and lost < self.last and len(messages) == len(found)
        gap = forgotten or lost > max(self.last, self._lost)
        self._lost = max(self._lost, lost)
        if gap and not messages:
            yield from self._retreat()
        self._adapt(messages)
        return Page(gap, messages, more=len(found) == count and found[-1].id < self._goal)

    def _before(self, start: Start) -> Steps[int]:
        """The greatest ID before a time."""
        at_ms = start.at_ms
        if at_ms is None:
            seconds, us = yield ("TIME",)
            at_ms = int(seconds) * 1000 + int(us) // 1000 - (start.ago_ms or 0)
        return max(0, first_id_at(at_ms) - 1)

    def _retreat(self) -> Steps[None]:
        """History ends before the position. The next message is new, also if a server that has begun anew, with its
        clock behind, gives it a lower ID."""
        lost, newest = yield from self._replay(-1, 1)
        if not newest:
            self.last, self._known = lost, False
        elif newest[0].id < self.last:
            self.last, self._known = newest[0].id, True

    def _replay(self, after: int, count: int) -> Steps[tuple[int, list[Remembered]]]:
        """PUBSUB REPLAY.

        Args:
            after: an ID; negative: the last so many.

        Returns:
            The greatest ID that limits have removed, and messages.
        """
        where = str(after) if after < 0 else id_text(after)
        lost, found = yield ("PUBSUB", "REPLAY", where, count, *self._names)
        return id_number(lost), [Remembered(id_number(entry_id), channel, data) for channel, entry_id, data in found]

    def _adapt(self, messages: list[Remembered]) -> None:
        """Choose the length of the next page: few round trips, and not much in memory."""
        size = sum(len(message.data) for message in messages)
        self._count = max(1, self._count // 2) if size > PAGE_BYTES else min(PAGE_MAX, self._count * 2)


def answered(steps: Steps[T], ask: Callable[[tuple[Any, ...]], Any]) -> T:
    """Go through steps; returns their result.

    Args:
        ask: sends a command and returns the reply; what it raises ends the steps.
    """
    try:
        command = next(steps)
        while True:
            command = steps.send(ask(command))
    except StopIteration as end:
        result: T = end.value
        return result
