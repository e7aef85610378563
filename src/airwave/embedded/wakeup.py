"""Waking who waits for something in an embedded engine: threads, and tasks of any event loop."""

import asyncio
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
        self._tasks: deque[tuple[asyncio.Future[None], asyncio.AbstractEventLoop, int]] = deque()

    def wake(self) -> None:
        """Have all who wait look again; from any thread."""
        self.awaited = False
        if self._threads:
            with self._condition:
                self._condition.notify_all()
        while self._tasks:
            try:
                future, loop, thread = self._tasks.popleft()
            except IndexError:  # another thread was faster
                return
            if thread == threading.get_ident():
                _finish(future)
                continue
            try:
                loop.call_soon_threadsafe(_finish, future)
            except RuntimeError:  # the loop is closed: nobody waits there
                continue

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
            waiting = (loop.create_future(), loop, threading.get_ident())
            self._tasks.append(waiting)
            self.awaited = True
            try:
                if ready():
                    return
                await waiting[0]
            finally:
                if waiting in self._tasks:
                    self._tasks.remove(waiting)


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done() and not future.get_loop().is_closed():
        future.set_result(None)
