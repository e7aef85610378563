"""The socket that redis-py's synchronous connection gets of an embedded engine."""

import errno

from airwave.embedded.pipe import Pipe
from airwave.embedded.registry import opened
from airwave.embedded.wakeup import Wakeup


class SyncPipe(Pipe):
    """A pipe that threads read."""

    def __init__(self, url: str) -> None:
        self._wakeup = Wakeup()
        with opened(url) as node:
            super().__init__(node)

    def _wake(self) -> None:
        if self._wakeup.awaited:
            self._wakeup.wake()

    def await_something(self, timeout: float | None) -> bool:
        """Wait until there is something in `inbox`, or the end; False: the time is over.

        Args:
            timeout: seconds; None: for ever.
        """
        if self.node.forked:
            self.node.check()
        if timeout == 0 or self.inbox:  # as pools ask, before each command
            return self._is_ready()
        return self._wakeup.wait(self._is_ready, timeout)

    def _is_ready(self) -> bool:
        return bool(self.inbox) or self.ended or self.closed

    def hang_up(self) -> None:
        """See `Pipe`; who reads in another thread is told."""
        super().hang_up()
        if not self.node.forked:  # the lock of who waits may be held for ever
            self._wake()


class PipeSocket:
    """The client's end of a pipe, with the methods of a socket that redis-py uses.

    Args:
        url: of the engine.
        timeout: seconds that reading may take; None: for ever.
    """

    def __init__(self, url: str, timeout: float | None) -> None:
        self._pipe = SyncPipe(url)
        self._rest: bytes | memoryview = b""  # of a piece of which something was read
        self._timeout = timeout

    def __del__(self) -> None:
        if hasattr(self, "_pipe"):  # it could be had
            self._pipe.hang_up()

    def sendall(self, data: bytes) -> None:
        """See `socket.socket`; what is sent has been done when this returns."""
        self._pipe.send(data)

    def recv_into(self, buffer: bytearray) -> int:
        """See `socket.socket`; 0: the end.

        Raises:
            TimeoutError: nothing came in time.
            BlockingIOError: nothing is there, and the timeout is 0.
        """
        pipe = self._pipe
        if not self._rest and not self._await():
            return 0
        room = len(buffer)
        filled = 0
        while filled < room:
            data = self._rest or pipe.take()
            if data is None:
                break
            size = min(len(data), room - filled)
            buffer[filled : filled + size] = data[:size]
            self._rest = memoryview(data)[size:] if size < len(data) else b""
            filled += size
        pipe.taken(filled)
        return filled

    def recv(self, size: int) -> bytes:
        """See `socket.socket`; empty: the end. Raises as `recv_into`."""
        buffer = bytearray(size)
        return bytes(buffer[: self.recv_into(buffer)])

    def _await(self) -> bool:
        """Wait for something to read; False: the end has come."""
        pipe = self._pipe
        if not pipe.await_something(self._timeout):
            if self._timeout == 0:
                raise BlockingIOError(errno.EWOULDBLOCK, "nothing to read")
            raise TimeoutError("timed out")
        return bool(pipe.inbox)

    def poll(self, timeout: float | None) -> bool:
        """Wait until something can be read, the end included; False: the time is over.

        Args:
            timeout: seconds; None: for ever.
        """
        return bool(self._rest) or self._pipe.await_something(timeout)

    @property
    def at_end(self) -> bool:
        """Nothing can be read, and nothing will come."""
        pipe = self._pipe
        return not self._rest and not pipe.inbox and (pipe.ended or pipe.closed)

    def settimeout(self, timeout: float | None) -> None:
        """See `socket.socket`."""
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        """See `socket.socket`."""
        return self._timeout

    def shutdown(self, how: int) -> None:
        """See `socket.socket`; both ways, whatever is asked for."""
        del how
        self._pipe.hang_up()

    def close(self) -> None:
        """See `socket.socket`."""
        self._pipe.hang_up()
