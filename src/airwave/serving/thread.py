"""A node in a thread of this process, on an event loop of its own."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Sequence

from airwave.server import descriptors, log
from airwave.server.node import Node, new_loop
from airwave.serving import lifetime
from airwave.serving.errors import ServerError
from airwave.serving.options import leave_the_log_alone
from airwave.settings import Settings, SettingsError


class NodeThread:
    """A node that serves, until it is stopped or a client shuts it down.

    Nothing of the process is changed: no signal handler, no working directory, no limit, no log. The thread is a daemon
    so that interpreter exit does not wait for it before `lifetime` stops it.

    Args:
        settings: the node's.
        sockets: they listen; the node closes them, also when it does not start.

    Raises:
        ServerError: it cannot start; nothing of it is left.
    """

    def __init__(self, settings: Settings, sockets: Sequence[socket.socket]) -> None:
        self._sockets = sockets
        self._started = threading.Event()
        self._failure: BaseException | None = None
        descriptors.make_room_at_start(settings, raising=False, level="notice")
        descriptors.follow(settings, raising=False)
        leave_the_log_alone(settings, "loglevel", "log-format")
        self._loop = new_loop()
        self._node = Node(settings, sockets=sockets, on_ready=self._started.set)
        self._thread = threading.Thread(target=self._run, name=f"airwave server {settings.port}", daemon=True)
        lifetime.add(self)
        self._start()

    def _start(self) -> None:
        try:
            self._thread.start()
        except RuntimeError as error:  # no more threads
            self._loop.close()
            lifetime.remove(self)
            raise ServerError(f"cannot start: {error}") from None
        try:
            self._started.wait()
        except BaseException:  # Ctrl-C
            self.stop(now=True)
            self.join(lifetime.EXIT_WAIT_S)
            raise
        if self._failure is not None:
            self._thread.join()
            raise ServerError(_reason(self._failure)) from None

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._node.serve())
        except BaseException as error:
            self._failure = error
            if not isinstance(error, SettingsError):
                log.event("error", "the server has ended by itself", exc_info=error)
        finally:
            lifetime.remove(self)
            self._started.set()

    def alive(self) -> bool:
        """See `Running`."""
        return self._thread.is_alive()

    def stop(self, *, now: bool) -> None:
        """See `Running`."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended
            self._loop.call_soon_threadsafe(self._node.stop, now)

    def join(self, timeout_s: float) -> bool:
        """See `Running`."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def end(self) -> bool:
        """See `Running`: a thread cannot be ended by force."""
        return False

    def abandon(self) -> None:
        """See `Running`."""
        lifetime.let_go([sock.fileno() for sock in self._sockets])
        if self._started.is_set():
            lifetime.let_go(self._node.descriptors)
            self._node.abandon()


def _reason(failure: BaseException) -> str:
    return str(failure) if isinstance(failure, SettingsError) else f"internal error, {failure!r}: see the log"
