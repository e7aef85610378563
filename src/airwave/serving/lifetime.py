"""What becomes of running servers when this process forks, and when it ends.

A child made by fork has none of the parent's threads, but all of its file descriptors: as long as it held a listener or
a connection, clients would wait for a server that cannot answer, or would not be told that it has stopped. So the child
lets go of them at once. At interpreter exit servers are stopped, and waited for, but not for long.
"""

import atexit
import os
from collections.abc import Iterable
from typing import Protocol

EXIT_WAIT_S = 5.0  # how long a server may take to stop at interpreter exit


class Running(Protocol):
    """A server that runs: in a thread, or in a child process."""

    def alive(self) -> bool:
        """Whether it still serves, or is about to end."""
        ...

    def stop(self, *, now: bool) -> None:
        """Ask it to stop; `now` without waiting for slow clients. From any thread, at any time; does not wait."""
        ...

    def join(self, timeout_s: float) -> bool:
        """Wait for its end. Nothing of it is left when this gives True."""
        ...

    def end(self) -> bool:
        """End it by force, where that is possible."""
        ...

    def abandon(self) -> None:
        """In a child made by fork: let go of what the parent's server has."""
        ...


_running: set[Running] = set()


def add(running: Running) -> None:
    """A server starts."""
    _running.add(running)


def remove(running: Running) -> None:
    """A server has ended."""
    _running.discard(running)


def let_go(descriptors: Iterable[int]) -> None:
    """Close descriptors that the parent's objects still name, without giving their numbers to others: they become
    /dev/null, so that an object which closes its own later closes nothing else."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in descriptors:
        if descriptor >= 0:
            os.dup2(null, descriptor, inheritable=False)
    os.close(null)


def _after_fork() -> None:
    for running in _running:
        running.abandon()
    _running.clear()


def _at_exit() -> None:
    servers = list(_running)
    for running in servers:
        running.stop(now=True)
    for running in servers:
        if not running.join(EXIT_WAIT_S):
            running.end()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
