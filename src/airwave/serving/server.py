"""`airwave.Server`: what the caller holds."""

import asyncio
import contextlib
import errno
import os
import socket
import threading
import warnings
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import quote

from airwave.server.sockets import address_text, listen_tcp, listen_unix, reason_text
from airwave.serving import lifetime
from airwave.serving.child import ChildNode
from airwave.serving.errors import ServerError
from airwave.serving.options import directives, settings_of
from airwave.serving.thread import NodeThread

STOP_WAIT_S = 30.0  # beyond `shutdown-timeout`, for a server that stops

_ON_THIS_MACHINE = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::*": "::1", "::": "::1"}


class Server:
    """A server of the caller's own, that every client of Redis can use.

        with airwave.Server() as server:
            client = redis.Redis.from_url(server.url)

    Also `async with`, which does not block the event loop; or `start` and `stop`. At interpreter exit a server that
    still runs is stopped. In a child made by fork it is not there: its address is known, and it can be connected to,
    but it cannot be started or stopped. From a thread or an event loop it may be used like from any other.

    Args:
        host: the address to listen on; `*` for every IPv4 address, `::*` for every IPv6 address.
        port: 0 for a free one; None: no TCP.
        unixsocket: path of a Unix socket to listen on as well, relative to `dir`; None: none.
        process: run in a child process rather than in a thread of this one. It uses a core of its own, and ends when
            this process ends, however that happens.
        settings: directives of `airwave serve` with underscores: `requirepass="x"`, `appendonly=True`, `dir="data"`.

    Raises:
        ServerError: a setting is wrong; one line says which.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int | None = 0,
        unixsocket: str | os.PathLike[str] | None = None,
        process: bool = False,
        **settings: object,
    ) -> None:
        if unixsocket is not None:
            settings["unixsocket"] = os.fspath(unixsocket)
        elif port is None:
            raise ServerError("nothing to listen on: give port or unixsocket")
        if not host:
            raise ServerError("host is empty: give an address, or * for every IPv4 address")
        self._directives = directives(settings, process=process) | {"bind": [host], "port": [str(port or 0)]}
        self._settings = settings_of(self._directives)
        self._host = host
        self._port = port
        self._process = process
        self._lock = threading.Lock()
        self._running: NodeThread | ChildNode | None = None
        self._pid = 0  # of the process that started it; 0: it has never been started
        self._forgotten: weakref.finalize[[lifetime.Running], Server] | None = None

    def __repr__(self) -> str:
        where = "a child process" if self._process else "this process"
        state = "running" if self._running is not None and self._running.alive() else "stopped"
        return f"<airwave.Server {self._host}:{self._port} in {where}, {state}>"

    # --- where it is ------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """For clients on this machine: `redis://127.0.0.1:41234`, or `unix:///path`; with the password, if there is
        one."""
        self._check_started()
        password = self._settings.requirepass
        login = f":{quote(password, safe='')}@" if password else ""
        if not self._port:
            return f"unix://{login}{quote(self._settings.unixsocket)}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"redis://{login}{host}:{self._port}"

    @property
    def host(self) -> str:
        """The address for clients on this machine."""
        return _ON_THIS_MACHINE.get(self._host, self._host)

    @property
    def port(self) -> int:
        """The TCP port; 0: none."""
        self._check_started()
        return self._port or 0

    def _check_started(self) -> None:
        if not self._pid:
            raise ServerError("the server has no address before it is started: use `with`, or call start()")

    # --- start and stop ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start; clients can connect when this returns.

        A server that was stopped may be started again: it listens on the port that it had.

        Raises:
            ServerError: it cannot start, or runs already.
        """
        self._check_process()
        with self._lock:
            if self._running is not None:
                if self._running.alive():
                    raise ServerError(f"the server runs already, at {self.url}: a second one is a second Server")
                self._clean_up(self._running)
            sockets = self._listen()
            try:
                running = self._run(sockets)
            except BaseException:
                for sock in sockets:
                    sock.close()
                self._unlink()
                raise
            self._running = running
            self._pid = os.getpid()
            self._forgotten = weakref.finalize(self, _stop_forgotten, running)
            self._forgotten.atexit = False

    def stop(self) -> None:
        """Stop: clients get what waits for them, for at most `shutdown-timeout`, and are disconnected.

        Nothing of the server is left when this returns: no thread, no process, no socket. One that does not run, or was
        shut down by a client, is fine.

        Raises:
            ServerError: this process is not the one that started it, or it does not stop.
        """
        self._check_process()
        with self._lock:
            running = self._running
            if running is None:
                return
            running.stop(now=False)
            if not running.join(self._settings.shutdown_timeout + STOP_WAIT_S) and not running.end():
                raise ServerError(f"the server at {self.url} does not stop: see the log")
            self._clean_up(running)

    def _clean_up(self, running: NodeThread | ChildNode) -> None:
        running.stop(now=False)  # a child that has ended by itself has left the lifeline
        if self._forgotten is not None:
            self._forgotten.detach()
        self._running = None

    def _check_process(self) -> None:
        if self._running is not None and self._pid != os.getpid():
            raise ServerError(
                f"the server belongs to process {self._pid}, from which this one was forked: start or stop it there, "
                "or make a Server here"
            )

    def _listen(self) -> list[socket.socket]:
        backlog = self._settings.tcp_backlog
        sockets: list[socket.socket] = []
        try:
            if self._port is not None:
                where = address_text((self._host, self._port))
                sockets.append(listen_tcp(self._host, self._port, backlog))
            if self._settings.unixsocket:
                where = f"unix socket {self._settings.unixsocket}"
                sockets.append(listen_unix(self._settings.unixsocket, self._settings.unixsocketperm, backlog))
        except OSError as error:
            for sock in sockets:
                sock.close()
            advice = ": choose another port, or 0 for a free one" if error.errno == errno.EADDRINUSE else ""
            raise ServerError(f"cannot listen on {where}: {reason_text(error)}{advice}") from None
        return sockets

    def _run(self, sockets: list[socket.socket]) -> NodeThread | ChildNode:
        if self._port is not None:
            self._port = sockets[0].getsockname()[1]
        found = self._directives | {"port": [str(self._port or 0)]}
        return ChildNode(found, sockets) if self._process else NodeThread(settings_of(found), sockets)

    def _unlink(self) -> None:
        if self._settings.unixsocket:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._settings.unixsocket)

    # --- context managers -------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pid == os.getpid():  # a child made by fork may leave the block as well
            self.stop()

    async def __aenter__(self) -> Self:
        try:
            await _elsewhere(self.start)
        except asyncio.CancelledError:
            await _elsewhere(self.stop)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._pid == os.getpid():
            await _elsewhere(self.stop)


async def _elsewhere(function: Callable[[], None]) -> None:
    """Call what blocks in a thread that ends with it. Who is cancelled meanwhile waits for it all the same."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def call() -> None:
        try:
            function()
        except BaseException as error:
            loop.call_soon_threadsafe(done.set_exception, error)
        else:
            loop.call_soon_threadsafe(done.set_result, None)

    thread = threading.Thread(target=call, name="airwave start or stop")
    thread.start()
    cancelled: asyncio.CancelledError | None = None
    while not done.done():
        try:
            await asyncio.wait([done])
        except asyncio.CancelledError as error:
            cancelled = error
    thread.join()
    if cancelled is not None:
        done.exception()
        raise cancelled
    done.result()


def _stop_forgotten(running: lifetime.Running) -> None:
    """Nobody can stop this server any more. Called by the garbage collector, anywhere: nothing here may wait."""
    runs = running.alive()  # else a client has shut it down, or it runs in the process from which this one was forked
    running.stop(now=True)
    if runs:
        warnings.warn(
            "an airwave.Server was never stopped, and nothing refers to it any more", ResourceWarning, stacklevel=2
        )
