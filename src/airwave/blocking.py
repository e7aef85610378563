"""Commands that wait: XREAD and XREADGROUP with BLOCK.

A blocked command is run again, from scratch, when one of its keys has changed, as Redis 7.2 and later do: then it
answers, with entries or with an error, or goes on waiting. Those who wait on a key are served in the order in which
they came. Serving happens right behind the command that changed the key (behind EXEC for a transaction), so that nobody
else's command comes in between.
"""

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING

from airwave.command import Argv

if TYPE_CHECKING:
    from airwave.keyspace import Database, Keyspace
    from airwave.session import Session

_EARLY_NS = 2_000_000  # event loops count in ms: a tick may come so much before the time that was asked for
_STALE_MIN = 64  # outdated items that the heap may always have


class Wait:
    """A blocked command.

    Attributes:
        keys: in `database`; one of them has to change.
        argv: the request to be run again.
        deadline_ns: when it ends without result, by the node's clock; 0: never.
        wake_ms: Unix time at which it is run again in any case; 0: never.
        shared: equal requests get equal replies and change nothing: one reply may serve many.
        over: it has been answered, or its client is gone.
    """

    __slots__ = ("argv", "database", "deadline_ns", "keys", "over", "session", "shared", "wake_ms")

    def __init__(self, session: "Session", keys: list[bytes], argv: Argv, deadline_ns: int, *, shared: bool) -> None:
        self.session = session
        self.database: Database = session.database
        self.keys = keys
        self.argv = argv
        self.deadline_ns = deadline_ns
        self.wake_ms = 0
        self.shared = shared
        self.over = False


class Blocking:
    """All blocked commands of a node.

    Args:
        keyspace: knows which keys have changed.
        clock: the node's clock, in ns.
        wake_after: asks for a tick after so many seconds.
    """

    def __init__(self, keyspace: "Keyspace", clock: Callable[[], int], wake_after: Callable[[float], None]) -> None:
        self._keyspace = keyspace
        self._clock = clock
        self._wake_after = wake_after
        self.waits: dict[Wait, None] = {}
        self.timers: list[tuple[int, int, Wait]] = []  # a heap: ns, count, wait; may be outdated
        self._count = 0
        self._awaited_ns = 0  # the tick that was asked for comes then; 0: none was

    def add(self, wait: Wait) -> None:
        """A command is blocked."""
        self.waits[wait] = None
        for key in wait.keys:
            wait.database.wait(key, wait)
        if wait.deadline_ns:
            self._expect(wait, wait.deadline_ns)

    def wake_at(self, wait: Wait, wake_ms: int) -> None:
        """Run a command again at this Unix time, at the latest."""
        if wake_ms != wait.wake_ms:
            wait.wake_ms = wake_ms
            self._expect(wait, self._clock() + max(0, wake_ms - self._keyspace.now_ms()) * 1_000_000)

    def remove(self, wait: Wait) -> None:
        """A command is no longer blocked."""
        wait.over = True
        self.waits.pop(wait, None)
        for key in wait.keys:
            wait.database.stop_waiting(key, wait)

    def _expect(self, wait: Wait, at_ns: int) -> None:
        self._count += 1
        heapq.heappush(self.timers, (at_ns, self._count, wait))
        if len(self.timers) > 2 * len(self.waits) + _STALE_MIN:
            self.timers = [item for item in self.timers if not item[2].over]
            heapq.heapify(self.timers)
        self._ask(self._clock())

    def _ask(self, now_ns: int) -> None:
        """Make sure that a tick comes when the next time is over."""
        while self.timers and self.timers[0][2].over:
            heapq.heappop(self.timers)
        if self.timers and not now_ns < self._awaited_ns <= self.timers[0][0]:
            self._awaited_ns = max(self.timers[0][0], now_ns + 1)
            self._wake_after((self._awaited_ns - now_ns) / 1e9)

    def look(self, *, may_write: bool) -> None:
        """Do what a tick has to do about everything that waits: commands, and entries that are scheduled.

        Args:
            may_write: otherwise scheduled entries wait, though their time may have come.
        """
        keyspace = self._keyspace
        agenda = keyspace.agenda
        if agenda.streams and may_write:
            keyspace.add_due()
            agenda.ask(self._clock(), keyspace.now_ms(), self._wake_after)
        if self.timers:
            self.end_overdue()
        if keyspace.ready:
            self.serve()

    def end_overdue(self) -> None:
        """End the commands whose time is over, and run those again whose time has come."""
        timers = self.timers
        now_ns = self._clock()
        while timers and (timers[0][0] <= now_ns or timers[0][2].over):
            wait = heapq.heappop(timers)[2]
            if wait.over:
                continue
            if wait.deadline_ns and wait.deadline_ns <= now_ns:
                wait.session.unblock(wait.session.encoder.null_array)
            else:
                wait.wake_ms = 0
                self._retry(wait, {})
        if timers:
            if self._awaited_ns - now_ns < _EARLY_NS:
                self._awaited_ns = 0
            self._ask(now_ns)

    def serve(self) -> None:
        """Run again what waits for the keys that have changed."""
        ready = self._keyspace.ready
        while ready:
            database, key = next(iter(ready))
            del ready[database, key]
            replies: dict[tuple[object, ...], bytes] = {}
            for wait in [*database.waiters.get(key, ())]:
                if not wait.over:
                    self._retry(wait, replies)

    def retry_all(self) -> None:
        """Run all blocked commands again: something may have come for them that they could not have."""
        for wait in [*self.waits]:
            if not wait.over:
                self._retry(wait, {})

    @staticmethod
    def _retry(wait: Wait, replies: dict[tuple[object, ...], bytes]) -> None:
        """Run a command again.

        Args:
            replies: what shared requests were answered since the key changed.
        """
        session = wait.session
        if not wait.shared:
            session.retry(wait)
            return
        question = (session.encoder, *wait.argv)
        reply = replies.get(question)
        if reply is not None:
            session.unblock(reply)
        elif (reply := session.retry(wait)) is not None:
            replies[question] = reply
