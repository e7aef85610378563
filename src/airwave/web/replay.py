"""From history to live: what a browser has missed, and then what comes, without a hole or a double.

A replay goes a page at a time, as its session's transport takes them. The last page is read, and the session
subscribed, in one step: nothing can be published in between. Entries that limits remove meanwhile are a gap, as are
those that were gone before.
"""

from collections.abc import Callable
from typing import NamedTuple

from airwave import glob, since
from airwave.errors import CommandError
from airwave.pubsub import Current
from airwave.remember import Memory
from airwave.since import SEQ_BITS, Start
from airwave.streams import ids as entry_ids
from airwave.web.formats import BrowserFormat, Frame, shown

PAGE_MIN, PAGE_MAX = 16, 1024  # entries
PAGE_BYTES = 128 * 1024  # what a page should have: so that little is held for one client


class Topics(NamedTuple):
    """What somebody subscribes to."""

    channels: list[bytes]
    patterns: list[bytes]


class Wanted(NamedTuple):
    """Where somebody wants to begin.

    Attributes:
        start: see `airwave.since`; None: the text is no position of this server, so that all they know is lost.
        text: in their words.
        asked_ms: when they said so, Unix ms.
        resumes: it is an ID, where they stopped: what is missing behind it is a gap.
    """

    start: Start | None
    text: str
    asked_ms: int
    resumes: bool


def wanted(text: str, now_ms: int) -> Wanted:
    """Read `since`.

    Raises:
        ValueError: it is nothing of the kind; the message says what it may be.
    """
    start = since.parse(text)
    return Wanted(start, _shown(text), now_ms, resumes=start.id is not None)


def resumption(text: str) -> Wanted:
    """Read a Last-Event-ID, which a browser sends by itself: what cannot be read is a gap, not an error."""
    try:
        return Wanted(Start(id=entry_ids.parse(text.encode())), _shown(text), 0, resumes=True)
    except (CommandError, UnicodeEncodeError):
        return Wanted(None, _shown(text), 0, resumes=True)


def _shown(text: str) -> str:
    """What a client has sent, short and without halves of characters."""
    return text[:64].encode("utf-8", "replace").decode()


def remembers(memory: Memory, topics: Topics) -> bool:
    """Whether one of them may have a history."""
    return bool(topics.patterns and memory.rules) or any(
        memory.rule(channel) is not None for channel in topics.channels
    )


def position(memory: Memory, topics: Topics) -> int:
    """Where somebody is who subscribes now, and from where they can resume."""
    return max(memory.last_id, memory.lost(*topics))


class Replay:
    """One replay.

    Args:
        memory: the history.
        wire: in which format.
        topics: of these.
        begin: where to begin.
        join: subscribes; called in the step that reads the last page.
        started: called with the position where it begins, before the first page.
    """

    def __init__(
        self,
        memory: Memory,
        wire: BrowserFormat,
        topics: Topics,
        begin: Wanted,
        join: Callable[[], None],
        *,
        started: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.topics = topics
        self._memory = memory
        self._wire = wire
        self._begin = begin
        self._join = join
        self._started = started
        self._after = -1  # not known yet
        self._count = PAGE_MIN
        self._current = Current()
        self._heads: dict[bytes, list[Frame]] = {}

    def step(self) -> tuple[list[bytes], bool]:
        """The next frames, and whether that was all, and the session is subscribed.

        Raises:
            Cold: entries are being read from disk.
        """
        first = self._after < 0
        after = self._position() if first else self._after
        page = self._memory.replay(*self.topics, after, self._count)
        if first:
            self._started(after)
        frames = self._gap(after, first=first)
        size = 0
        for entry_id, channel, message in page:
            self._current.text = entry_ids.text(entry_id)
            for head in self._heads_of(channel):
                frames.append(head(message))
                size += len(frames[-1])
        self._after = page[-1][0] if page else after
        complete = len(page) < self._count
        if complete:
            self._join()
        else:
            self._count = max(PAGE_MIN, min(PAGE_MAX, PAGE_BYTES * len(page) // (size + 1)))
        return frames, complete

    def _position(self) -> int:
        start = self._begin.start
        if start is None:
            return self._memory.last_id
        if start.last is not None:
            return self._memory.last(*self.topics, start.last) if start.last else self._memory.last_id
        if start.id is not None:
            return start.id
        ms = start.at_ms if start.at_ms is not None else self._begin.asked_ms - (start.ago_ms or 0)
        return max(0, (max(0, ms) << SEQ_BITS) - 1)

    def _gap(self, after: int, *, first: bool) -> list[bytes]:
        """The event for what is missing behind a position; none if nothing is."""
        memory, begin = self._memory, self._begin
        if first and not begin.resumes:
            return []
        lost = memory.lost(*self.topics)
        known = not first or (
            begin.start is not None and after <= max(lost, self._latest(after)) and remembers(memory, self.topics)
        )
        if known and lost <= after:
            return []
        about = {
            "channels": shown(self.topics.channels),
            "patterns": shown(self.topics.patterns),
            "since": begin.text if first else entry_ids.text(after).decode(),
            "lost": entry_ids.text(lost).decode() if lost > after else None,
        }
        return [self._wire.gap(about, max(lost, min(after, memory.last_id)))]

    def _latest(self, after: int) -> int:
        """The greatest ID there is. Whoever adds to a stream by XADD may have given it one ahead of all others."""
        memory = self._memory
        if after <= memory.last_id:
            return memory.last_id
        matching = [channel for pattern in self.topics.patterns for channel in memory.channels(pattern)]
        streams = [memory.stream(channel) for channel in (*self.topics.channels, *matching)]
        return max([memory.last_id, *[stream.last_id for stream in streams if stream is not None]])

    def _heads_of(self, channel: bytes) -> list[Frame]:
        """What makes the frames of a channel: one for each subscription that it fits."""
        heads = self._heads.get(channel)
        if heads is None:
            heads = self._heads[channel] = self._make_heads(channel)
        return heads

    def _make_heads(self, channel: bytes) -> list[Frame]:
        entry_head = self._wire.entry_head
        heads = [entry_head(self._current, b"message", channel)] if channel in self.topics.channels else []
        matching = [pattern for pattern in self.topics.patterns if glob.compile(pattern)(channel)]
        return heads + [entry_head(self._current, b"pmessage", pattern, channel) for pattern in matching]
