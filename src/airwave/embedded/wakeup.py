"""Waking who waits for something in an embedded engine: threads, and tasks of any event loop."""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable


class Wakeup:
    """Who waits, and how they are woken.

    What they wait for is a condition that becomes true before `wake` is called. Who waits sets `awaited` and then looks
    at the condition once more; who makes it true then looks at `awaited`: so one of the two sees the other.

    Attributes:
        awaited: somebody waits, or did; `wake` need not be called otherwise.
    """

    def __init__(self) -> None:
        self.awaited = False
        self._condition = threading.Condition()
        self._threads = 0
        self._tasks: deque[asyncio.Future[None]] = deque()

    def wake(self) -> None:
        """Have all who wait look again; from any thread."""
        self.awaited = False
        if self._threads:
            with self._condition:
                self._condition.notify_all()
        while self._tasks:
            try:
                future = self._tasks.popleft()
            except IndexError:  # another thread was faster
                return
            loop = future.get_loop()
            if runs_here(loop):
                _finish(future)
                continue
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there
                loop.call_soon_threadsafe(_finish, future)

    def wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        """Wait in this thread.

        Args:
            ready: must not take a lock that is held by who calls `wake`.
            timeout: seconds; None: for ever.

        Returns:
            What `ready` says in the end.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._condition:
            self._threads += 1
            try:
                while True:
                    self.awaited = True
                    if ready():
                        return True
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        return False
                    self._condition.wait(left)
            finally:
                self._threads -= 1

    async def wait_async(self, ready: Callable[[], bool]) -> None:
        """Wait in this task, until `ready` is true."""
        loop = asyncio.get_running_loop()
        while True:
            future = loop.create_future()
            self._tasks.append(future)
            self.awaited = True
            try:
                if ready():
                    return
                await future
            finally:
                if not future.done() or future.cancelled():  # else `wake` has taken it out
                    with contextlib.suppress(ValueError, IndexError):  # which it may do right now
                        self._tasks.remove(future)


def runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this is code that the loop runs. It may be run by another thread tomorrow, so that one does not count."""
    return asyncio._get_running_loop() is loop


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
