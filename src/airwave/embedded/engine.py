"""`airwave.Engine`: the direct API to an embedded engine, without redis-py.

Names and data may be given as text or bytes, and are given back as bytes. Everything may be called from any thread and
any event loop. What waits has an asynchronous twin, whose name begins with `a`.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from redis.exceptions import ResponseError

from airwave.embedded import entries
from airwave.embedded.call import Line, Reply, failure, stateless
from airwave.embedded.closing import Closing
from airwave.embedded.message import Entry
from airwave.embedded.node import EmbeddedError
from airwave.embedded.registry import opened, parse
from airwave.embedded.subscription import OVERFLOWS, Mailbox, Overflow, Subscription
from airwave.embedded.words import Word, as_bytes
from airwave.errors import CommandError
from airwave.position import Position
from airwave.since import Since, start_of

_LINES_MAX = 64  # kept for the next request; more exist while more requests wait


class Engine(Closing):
    """An engine in this process.

    Args:
        url: `memory://[name]` or `file:///path`, as for `airwave.connect`; whoever uses the same URL shares the engine.
            Of redis-py's options it takes `db`. A password is not asked for.

    Raises:
        EmbeddedError: it cannot be had.
        ValueError: the URL is wrong.
    """

    def __init__(self, url: str = "memory://") -> None:
        options = parse(url).options
        self.url = url
        self._db = int(options.pop("db", 0))
        unknown = sorted({*options} - {"username", "password"})
        if unknown:
            raise ValueError(f"{url}: {unknown[0]} is for airwave.connect, not for Engine")
        self._lines: list[Line] = []
        self._closed = True
        with opened(url) as node:
            node.enter()
        self._node = node
        self._closed = False
        self._broker = node.broker
        # What `publish` needs, which is half as fast if it goes from object to object.
        self._routes = node.broker.pubsub.routes
        self._deliver = node.broker.pubsub.deliver
        self._fan_out = node.broker.fan_out
        self._lock = node.lock
        self._held = node.held
        self._posted = node.posted

    def close(self) -> None:
        """Leave the engine. Subscriptions go on until they are closed; an engine on disk closes with its last user."""
        if self._closed or self._node.forked:
            return
        self._closed = True
        self._hang_up()
        self._node.post(self._node.leave)

    def _hang_up(self) -> None:
        while self._lines:
            with suppress(IndexError):  # another thread was faster
                self._lines.pop().hang_up()

    def _check(self) -> None:
        if self._closed:
            raise EmbeddedError(f"this Engine({self.url!r}) was closed: make another one")
        self._node.check()

    def __del__(self) -> None:
        if hasattr(self, "_node"):  # it could be had
            self.close()

    # --- Pub/Sub ----------------------------------------------------------------------------------------------------

    def publish(self, channel: str | bytes, message: Word) -> int:
        """Give a message to all who are subscribed: here, through redis-py, in all threads.

        Returns:
            How many subscriptions got it.

        Raises:
            redis.exceptions.ResponseError: the channel is remembered, and this message cannot be.
        """
        if type(channel) is not bytes:
            channel = as_bytes(channel)
        if type(message) is not bytes:
            message = as_bytes(message)
        if self._closed or self._node.unusable or self._held():
            self._check()
        with self._lock:
            if self._posted:
                self._node.catch_up()
            route = self._routes.get(channel)
            receivers = self._deliver(route, message) if route else self._publish_anew(channel, message)
            fan_out = self._fan_out
            if fan_out:
                if len(fan_out) == 1 and type(fan_out[0]) is Mailbox:
                    fan_out.popleft()  # it has been woken; a tick takes longer than all the rest
                else:
                    self._broker.wake()
                    self._node.settle()
        if self._posted:
            self._node.run_posted()
        return receivers

    def _publish_anew(self, channel: bytes, message: bytes) -> int:
        """On a channel that nobody has, that is new, or that is remembered. Call with the lock held."""
        broker = self._broker
        try:
            receivers = broker.publish(channel, message)
            if broker.awake:  # it is remembered: it must be durable before anybody is told so
                self._node.settle()
                if broker.refusal is not None:
                    raise broker.refusal
        except CommandError as error:
            raise failure(error.text) from None
        return receivers

    def subscribe(
        self,
        *channels: str | bytes,
        patterns: tuple[str | bytes, ...] | list[str | bytes] = (),
        since: Since | None = None,
        maxsize: int = 100_000,
        overflow: Overflow = "drop-oldest",
    ) -> Subscription:
        """Subscribe to channels and patterns. Use it in a `with` block, or close it.

        Args:
            patterns: Redis's globs.
            since: begin in the past of channels that the engine remembers: behind the ID of a message; at an age ("10m"
                or a timedelta) or a time (a datetime); with the last 100 ("-100"), or with all ("0"). At most `maxsize`
                messages, the newest; each once, also if several of the names match. None: with what comes.
            maxsize: messages that may wait to be read.
            overflow: what happens when more come. `drop-oldest` and `drop-newest` lose one for each (counted in
                `dropped`, logged once); `close` ends the subscription, and reading raises `SlowSubscriberError` once
                the rest has been read. Publishing never waits.

        Raises:
            redis.exceptions.ResponseError: with `since`: a channel is not remembered.
            ValueError: an argument makes no sense.
        """
        if maxsize < 1:
            raise ValueError(f"maxsize must be at least 1, not {maxsize}")
        if overflow not in OVERFLOWS:
            raise ValueError(f"overflow must be one of {', '.join(OVERFLOWS)}, not {overflow!r}")
        if isinstance(patterns, str | bytes):
            raise TypeError(f"patterns must be a list, not {patterns!r}")
        self._check()
        names, globs = [*map(as_bytes, channels)], [*map(as_bytes, patterns)]
        position = None if since is None else Position(names, globs, start_of(since))
        subscription = Subscription(self._node, names, globs, maxsize=maxsize, overflow=overflow)
        if position is not None:
            try:
                subscription.replay(position, lambda command: self.execute(*command))
            except BaseException:
                subscription.close()
                raise
        return subscription

    # --- any command ------------------------------------------------------------------------------------------------

    def execute(self, *words: Word) -> Reply:
        """Run a command, and wait for its reply if it blocks.

        Returns:
            The reply in RESP2: bytes, an integer, a list, or None.

        Raises:
            redis.exceptions.ResponseError: the reply is an error.
            ValueError: the command changes the state of a connection (MULTI, SUBSCRIBE, SELECT).
            EmbeddedError: the engine has ended.
        """
        line = self._start(words)
        try:
            line.wait()
            return line.reply()
        finally:
            self._put_back(line)

    async def aexecute(self, *words: Word) -> Reply:
        """Run a command; other tasks go on while it blocks. Otherwise as `execute`."""
        line = self._start(words)
        try:
            await line.wait_async()
            return line.reply()
        finally:
            self._put_back(line)

    def _start(self, words: tuple[Word, ...]) -> Line:
        argv = stateless([word if type(word) is bytes else as_bytes(word) for word in words])
        while True:
            line = self._take_line()
            try:
                if line.start(argv):
                    return line
            except BaseException:
                line.hang_up()
                raise

    def _take_line(self) -> Line:
        if self._closed:
            self._check()
        try:
            return self._lines.pop()
        except IndexError:
            return Line(self._node, self._db)

    def _put_back(self, line: Line) -> None:
        if line.asked or len(self._lines) >= _LINES_MAX:
            line.hang_up()  # after Ctrl-C a request must not take what nobody will see, nor the next one its reply
        else:
            self._lines.append(line)
        if self._closed:  # by now: `close` may not have seen this line
            self._hang_up()

    # --- streams ----------------------------------------------------------------------------------------------------

    def xadd(
        self,
        stream: str | bytes,
        fields: Mapping[str | bytes, Word],
        *,
        id: str | bytes = b"*",  # noqa: A002  (Redis's word)
        maxlen: int | None = None,
        approximate: bool = True,
    ) -> bytes:
        """Append an entry.

        Args:
            id: `*`: the next one.
            maxlen: trim the stream to about so many entries, or exactly if not `approximate`; None: do not.

        Returns:
            Its ID.
        """
        words: list[Word] = [b"XADD", stream]
        if maxlen is not None:
            words += [b"MAXLEN", b"~" if approximate else b"=", maxlen]
        words.append(id)
        for name, value in fields.items():
            words += [name, value]
        return self.execute(*words)  # type: ignore[return-value]

    def xlen(self, stream: str | bytes) -> int:
        """How many entries a stream has."""
        return self.execute(b"XLEN", stream)  # type: ignore[return-value]

    def xrange(
        self, stream: str | bytes, first: str | bytes = "-", last: str | bytes = "+", count: int | None = None
    ) -> list[Entry]:
        """The entries from one ID to another, both included; at most `count`."""
        limit: list[Word] = [] if count is None else ["COUNT", count]
        return entries.of_range(as_bytes(stream), self.execute(b"XRANGE", stream, first, last, *limit))

    def xread(
        self, streams: Mapping[str | bytes, str | bytes], *, count: int | None = None, block_ms: int | None = None
    ) -> list[Entry]:
        """Entries behind the given IDs (`$`: the last one there is now).

        Args:
            count: at most so many of each stream.
            block_ms: wait so long if there are none; 0: for ever; None: not at all.
        """
        return entries.of_read(self.execute(*entries.read_words(streams, count, block_ms)))

    async def axread(
        self, streams: Mapping[str | bytes, str | bytes], *, count: int | None = None, block_ms: int | None = None
    ) -> list[Entry]:
        """As `xread`, for tasks."""
        return entries.of_read(await self.aexecute(*entries.read_words(streams, count, block_ms)))

    def follow(self, stream: str | bytes, since: str | bytes = "$", *, count: int = 100) -> "entries.Follower":
        """The entries of a stream behind an ID, and those to come: an iterator, and an asynchronous one.

        Args:
            since: `$`: only those to come; `0`: all.
            count: read at most so many at once.
        """
        return entries.Follower(self, as_bytes(stream), as_bytes(since), count)

    def last_id(self, stream: str | bytes) -> bytes:
        """The greatest ID that a stream ever had; `0-0` when it is not there."""
        try:
            facts: Any = self.execute("XINFO", "STREAM", stream)
        except ResponseError as error:
            if str(error) == "no such key":
                return b"0-0"
            raise
        return facts[facts.index(b"last-generated-id") + 1]  # type: ignore[no-any-return]

    # --- consumer groups --------------------------------------------------------------------------------------------

    def xgroup_create(self, stream: str | bytes, group: str | bytes, since: str | bytes = "$") -> bool:
        """Create a group, and the stream if it is not there.

        Returns:
            False: the group was there already.
        """
        return entries.create_group(self, stream, group, since)

    def xreadgroup(
        self,
        group: str | bytes,
        consumer: str | bytes,
        stream: str | bytes,
        *,
        count: int | None = None,
        block_ms: int | None = None,
        claim_ms: int | None = None,
    ) -> list[Entry]:
        """Entries that nobody of the group has had; they stay pending until `xack`.

        Args:
            claim_ms: first those that have been pending for at least so long, whoever has them.
        """
        words = entries.group_words(group, consumer, stream, count=count, block_ms=block_ms, claim_ms=claim_ms)
        return entries.of_read(self.execute(*words))

    async def axreadgroup(
        self,
        group: str | bytes,
        consumer: str | bytes,
        stream: str | bytes,
        *,
        count: int | None = None,
        block_ms: int | None = None,
        claim_ms: int | None = None,
    ) -> list[Entry]:
        """As `xreadgroup`, for tasks."""
        words = entries.group_words(group, consumer, stream, count=count, block_ms=block_ms, claim_ms=claim_ms)
        return entries.of_read(await self.aexecute(*words))

    def xack(self, stream: str | bytes, group: str | bytes, *ids: str | bytes) -> int:
        """Entries are done: they are no longer pending. Gives how many were."""
        return self.execute(b"XACK", stream, group, *ids)  # type: ignore[return-value]
