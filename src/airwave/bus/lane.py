"""A lane: the messages that wait for one handler, and those it is at work on. Both are bounded.

Messages are taken from the queue in the order in which they came. With a concurrency of 1 a message is begun when the
one before has been handled; with more, so many are handled at a time and may end in any order.

What happens when the queue is full is the handler's choice:

    wait            nobody reads on until there is room: nothing is lost here. All handlers of the bus wait, and a
                    server that cannot get rid of its messages cuts the connection, which is a gap
    drop-oldest     the oldest waiting message is dropped
    drop-newest     the message that comes is dropped

What is dropped is counted; the first is logged, and when the queue is half empty again, how many it were, which is then
also told as a gap.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Literal, TypeVar, get_args

from airwave.bus.tasks import cancel

logger = logging.getLogger("airwave.bus")

WhenFull = Literal["wait", "drop-oldest", "drop-newest"]

TURN = 16  # messages that are handled, or read, before others get a turn of the event loop

T = TypeVar("T")


class Lane(Generic[T]):
    """A bounded queue, and a bounded number of tasks that empty it.

    Args:
        name: for log lines.
        handle: called with each; it must not raise.
        concurrency: so many at a time.
        queue: so many may wait.
        when_full: see above.
        overflowed: called with the first that is dropped.
        recovered: called when the queue is half empty again, with the number of those that were dropped.

    Attributes:
        dropped: so many in all, those included that were not done when the lane was stopped.

    Raises:
        ValueError: a number below 1, or an unknown choice.
    """

    def __init__(
        self,
        name: str,
        handle: Callable[[T], Awaitable[None]],
        *,
        concurrency: int,
        queue: int,
        when_full: WhenFull,
        overflowed: Callable[[], None],
        recovered: Callable[[int], Awaitable[None]],
    ) -> None:
        if concurrency < 1 or queue < 1:
            raise ValueError(f"{name}: concurrency and queue must be at least 1, not {concurrency} and {queue}")
        if when_full not in get_args(WhenFull):
            raise ValueError(f"{name}: when_full must be one of {', '.join(get_args(WhenFull))}, not {when_full!r}")
        self.name, self.queue_max, self.dropped = name, queue, 0
        self._handle, self._overflowed, self._recovered = handle, overflowed, recovered
        self._concurrency, self._when_full = concurrency, when_full
        self._waiting: deque[T] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._dropped_now = 0  # since the queue was last in order

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many are being handled."""
        return len(self._tasks)

    async def put(self, item: T) -> None:
        """Let it be handled. Waits only if the queue is full and the choice was to wait."""
        while len(self._waiting) >= self.queue_max:
            if self._when_full == "wait":
                self._room.clear()
                await self._room.wait()
                continue
            self._drop()
            if self._when_full == "drop-newest":
                return
            self._waiting.popleft()
        self._waiting.append(item)
        if len(self._tasks) < self._concurrency:
            self._tasks.add(asyncio.create_task(self._work(), name=f"airwave.bus {self.name}"))

    async def stop(self, deadline: float, caller: asyncio.Task[Any] | None = None) -> None:
        """Let what waits be handled until a time of the loop's clock, then cancel. Nothing may be put any more.

        Args:
            caller: not waited for and not cancelled; None: all are.
        """
        loop = asyncio.get_running_loop()
        tasks = {task for task in self._tasks if task is not caller}
        late = (await asyncio.wait(tasks, timeout=max(deadline - loop.time(), 0)))[1] if tasks else set()
        unhandled = len(self._waiting)
        self._waiting.clear()  # first: a handler that swallows its cancellation must not begin with the next
        await cancel(late)
        self._tasks -= late  # one that had not begun could not do so itself
        if late or unhandled:
            logger.warning(
                "%s: stopped before it was done: %d cancelled, %d never begun", self.name, len(late), unhandled
            )
        self.dropped += len(late) + unhandled
        self._room = asyncio.Event()  # it belongs to this event loop; the lane may be used in another one next

    def abandon(self) -> None:
        """Forget what was left in an event loop that is no more."""
        self.dropped += len(self._waiting)
        self._waiting.clear()
        self._tasks.clear()
        self._room = asyncio.Event()

    # --- what it does -------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Empty the queue. There is no task while there is nothing to do."""
        done = 0
        try:
            while self._waiting:
                item = self._waiting.popleft()
                self._room.set()
                await self._handle(item)
                if self._dropped_now and len(self._waiting) <= self.queue_max // 2:
                    await self._recover()
                done += 1
                if done % TURN == 0:
                    await asyncio.sleep(0)
        finally:  # at once, not in a callback: what is put next needs a new task
            self._tasks.discard(asyncio.current_task())

    def _drop(self) -> None:
        self.dropped += 1
        self._dropped_now += 1
        if self._dropped_now == 1:
            self._overflowed()
            logger.warning(
                "%s is too slow: %d messages wait, its queue is full, %s", self.name, self.queue_max, self._when_full
            )

    async def _recover(self) -> None:
        dropped, self._dropped_now = self._dropped_now, 0
        logger.warning("%s keeps up again: %d messages were dropped", self.name, dropped)
        await self._recovered(dropped)
