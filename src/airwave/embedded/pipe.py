"""A pipe between a client library and its session in an embedded engine.

It is the session's transport on one side. On the other it is what redis-py wants of a connection: an object with the
methods of a socket (`sync_pipe`), or a stream reader and a writer of asyncio (`async_pipe`). What a client sends runs
at once, in its thread (see `node`); what the session writes waits here until it is read. When more than the high-water
mark waits, the session is asked to pause, as by a transport of asyncio: what comes then stays in its `out`, as shared
bytes, under the limits of `client-output-buffer-limit`.
"""

import errno
from collections import deque
from typing import Any

from airwave.client import HIGH_WATER_BYTES
from airwave.embedded.node import LocalNode
from airwave.session import Session

_GONE = "the engine has closed the connection"


class Pipe:
    """What both kinds have in common: the transport of a session.

    Args:
        node: the engine; its lock is held.
    """

    def __init__(self, node: LocalNode) -> None:
        self.inbox: deque[bytes] = deque()  # what the session wrote
        self._written = self._taken = 0  # bytes, to and from `inbox`; each is changed by one thread at a time
        self.ended = False  # nothing more will come
        self.closed = False  # this side has closed
        self._high_bytes = HIGH_WATER_BYTES
        self._paused = False
        self.node = node
        node.enter()
        self._session = Session(node.broker, self, f"{node.url}:{node.entered}", node.url)

    # --- what the session sees; the lock of the node is held ------------------------------------------------------

    def write(self, data: bytes) -> None:
        """See `airwave.client.Transport`."""
        if self.ended:
            return
        self.inbox.append(data)
        self._written += len(data)
        self._wake()
        if not self._paused and self.get_write_buffer_size() > self._high_bytes:
            self._paused = True
            self._session.pause_writing()
            self.go_on()  # who reads may have taken it all before `_paused` was there to be seen

    def close(self) -> None:
        """See `airwave.client.Transport`: what was written can still be read."""
        if not self.ended:
            self.ended = True
            self.node.post(self._lost)
            self._wake()

    def abort(self) -> None:
        """See `airwave.client.Transport`."""
        self.inbox.clear()
        self.close()

    def pause_reading(self) -> None:
        """Nothing to do: whatever is sent runs before `send` returns, or is kept by the session, within limits."""

    def resume_reading(self) -> None:
        """See `pause_reading`."""

    def get_write_buffer_size(self) -> int:
        """Bytes that wait to be read."""
        return self._written - self._taken

    def get_extra_info(self, name: str) -> Any:
        """There is no socket."""
        del name

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `airwave.client.Transport`."""
        del low
        assert high is not None
        self._high_bytes = high

    def _wake(self) -> None:
        """Something can be read, or the end has come."""
        raise NotImplementedError

    def _lost(self) -> None:
        """The connection is over: forget the session."""
        self._session.connection_lost(None)
        self.node.leave()

    # --- what the client does ---------------------------------------------------------------------------------------

    def take(self) -> bytes | None:
        """The next piece that was written; None: there is none. To be followed by `taken`."""
        try:
            return self.inbox.popleft()
        except IndexError:
            return None

    def send(self, data: bytes) -> None:
        """Run what a client sends.

        Raises:
            BrokenPipeError: the connection is closed.
            EmbeddedError: the engine cannot be used.
        """
        if self.ended or self.closed:
            self.node.check()
            raise BrokenPipeError(errno.EPIPE, _GONE)
        self.node.receive(self._session, data)

    def hang_up(self) -> None:
        """The client closes; also called by the garbage collector, and in the child of a fork."""
        if not self.closed:
            self.closed = True
            if not self.node.forked:
                self.node.post(self.abort)

    def taken(self, size: int) -> None:
        """So many bytes have left `inbox`."""
        self._taken += size
        self.go_on()

    def go_on(self) -> None:
        """Let the session go on if it was paused and there is room again."""
        if self._paused and self._has_room():
            self.node.post(self._resume)

    def _has_room(self) -> bool:
        return self.get_write_buffer_size() <= self._high_bytes // 4

    def _resume(self) -> None:
        if self._paused and not self.ended and self._has_room():
            self._paused = False
            self._session.resume_writing()
