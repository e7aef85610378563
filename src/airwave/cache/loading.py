"""Loads that callers share: of each key at most one is under way that a caller may still join.

Threads wait for the thread that loads. On an event loop a load is a task of its own, so that cancelling one caller
does not fail the others; when the last caller has gone, it is cancelled. Each event loop has loads of its own.

A loader that asks for a value that waits for it, its own or through others, would wait for itself. That is found out
by following who waits for whom; such a call runs the function once more, as it would without a cache.
"""

import asyncio
import inspect
import sys
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from airwave.cache.store import MISSING, Load, Store

F = TypeVar("F", bound="_Flight")


@dataclass(frozen=True, slots=True)
class Request:
    """A value that is wanted.

    Args:
        tags: each once.
        ttl_s: for how long it may be kept, from when its load began; `inf`: until it is invalidated.
        none: whether None is kept.
        anew: load it whatever is there, or under way.
    """

    key: str
    tags: tuple[str, ...]
    ttl_s: float
    none: bool
    anew: bool = False


class _Flight:
    """A load that callers share.

    Attributes:
        depth: of loads within loads.
        over: the loader has ended.
        waits_for: loads that the loader is waiting for; guarded by `_graph`.
    """

    def __init__(self, load: Load, parent: "_Flight | None") -> None:
        self.load = load
        self.depth: int = parent.depth + 1 if parent else 0
        self.over = False
        self.waits_for: list[_Flight] = []

    def depends_on(self, other: "_Flight") -> bool:
        """Whether it cannot end before `other` does."""
        seen: set[_Flight] = set()
        left = [self]
        while left:
            flight = left.pop()
            if flight is other:
                return True
            if flight not in seen:
                seen.add(flight)
                left += flight.waits_for
        return False


class _ThreadFlight(_Flight):
    def __init__(self, load: Load, parent: _Flight | None) -> None:
        super().__init__(load, parent)
        self.done = threading.Event()
        self.value: Any = MISSING
        self.error: BaseException | None = None


class _TaskFlight(_Flight):
    def __init__(self, load: Load, parent: _Flight | None) -> None:
        super().__init__(load, parent)
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[None] | None = None
        self.callers = 0


_current: ContextVar[_Flight | None] = ContextVar("airwave_cache_flight", default=None)
_graph = threading.Lock()  # one for all caches: a loader of one may ask another


def forget_waits() -> None:
    """In a forked child: another thread may have held the lock."""
    global _graph  # noqa: PLW0603
    _graph = threading.Lock()


def _parent() -> _Flight | None:
    """The load whose loader is running here. One that is over is none: a task it left behind has its context still."""
    flight = _current.get()
    return None if flight is None or flight.over else flight


def _enter(parent: _Flight | None, flight: _Flight) -> bool:
    """The loader of `parent` begins to wait for `flight`; False: it would wait for itself."""
    if parent is None:
        return True
    with _graph:
        if flight.depends_on(parent):
            return False
        parent.waits_for.append(flight)
        return True


def _leave(parent: _Flight | None, flight: _Flight) -> None:
    if parent is not None:
        with _graph:
            parent.waits_for.remove(flight)


class Loading:
    """Values from a store, loaded when they are not there.

    Args:
        store: where they are kept, and which says what may be kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._threads: dict[str, _ThreadFlight] = {}
        self._loops: dict[asyncio.AbstractEventLoop, dict[str, _TaskFlight]] = {}

    def _board(
        self, flights: dict[str, F], make: Callable[[Load, _Flight | None], F], request: Request, parent: _Flight | None
    ) -> tuple[Any, F | None, bool]:
        """What a caller is to do.

        Returns: the value, if it is there; the load to wait for (neither: run the function); whether the caller is the
            one to start it.
        """
        store, key = self._store, request.key
        with store.lock:
            if not request.anew and (value := store.find(key)) is not MISSING:
                return value, None, False
            store.misses += 1
            flight = flights.get(key)
            if flight is None or request.anew or not store.may_join(flight.load):
                flight = flights[key] = make(store.begin(key, request.tags), parent)
                _enter(parent, flight)
                return MISSING, flight, True
            if not _enter(parent, flight):
                store.loads += 1
                return MISSING, None, False
            store.joined += 1
            return MISSING, flight, False

    def _keep(self, flight: _Flight, request: Request, value: Any) -> None:
        if value is not None or request.none:
            self._store.keep(flight.load, value, request.ttl_s)

    def _land(self, flights: dict[str, F], flight: F) -> None:
        flight.over = True
        with self._store.lock:
            self._store.end(flight.load)
            if flights.get(flight.load.key) is flight:
                del flights[flight.load.key]

    # --- threads ----------------------------------------------------------------------------------------------------

    def call(self, request: Request, function: Callable[[], Any]) -> Any:
        """The value, from the store, another thread's load, or the function.

        Raises:
            Exception: what the function raised, here or in the thread that loaded.
        """
        while True:
            parent = _parent()
            value, flight, new = self._board(self._threads, _ThreadFlight, request, parent)
            if flight is None:
                return function() if value is MISSING else value
            try:
                if new:
                    return self._run(flight, request, function)
                flight.done.wait()
            finally:
                _leave(parent, flight)
            if flight.error is None:
                return flight.value
            if isinstance(flight.error, Exception):
                raise flight.error
            # KeyboardInterrupt and the like were meant for the thread that loaded, not for this one.

    def _run(self, flight: _ThreadFlight, request: Request, function: Callable[[], Any]) -> Any:
        outer = _current.set(flight)
        try:
            value = flight.value = function()
            if inspect.iscoroutine(value):
                value.close()
                raise TypeError(f"what loads {request.key!r} returned a coroutine: decorate the async function itself")
            self._keep(flight, request, value)
        except BaseException as error:
            flight.error = error
            raise
        finally:
            _current.reset(outer)
            self._land(self._threads, flight)
            flight.done.set()
        return value

    # --- event loops ------------------------------------------------------------------------------------------------

    async def acall(self, request: Request, function: Callable[[], Awaitable[Any]]) -> Any:
        """The value, from the store, a load of this event loop, or the function.

        Raises:
            Exception: what the function raised, here or in the task that loaded.
        """
        flights, parent = self._flights_of_this_loop(), _parent()
        if parent is not None and parent.depth >= sys.getrecursionlimit():
            raise RecursionError(f"loads within loads, {parent.depth} deep, at {request.key!r}")
        value, flight, new = self._board(flights, _TaskFlight, request, parent)
        if flight is None:
            return await function() if value is MISSING else value
        flight.callers += 1
        try:
            if new:
                flight.task = asyncio.create_task(self._fly(flight, request, function))
                flight.task.add_done_callback(partial(self._landed, flights, flight))
            return await asyncio.shield(flight.future)
        finally:
            _leave(parent, flight)
            flight.callers -= 1
            if not flight.callers and not flight.future.done() and flight.task:
                self._land(flights, flight)  # now, so that nobody joins it any more
                if not flight.task.get_loop().is_closed():  # else this runs because somebody collects what is left
                    flight.task.cancel()

    async def _fly(self, flight: _TaskFlight, request: Request, function: Callable[[], Awaitable[Any]]) -> None:
        _current.set(flight)  # in the context of this task only
        try:
            value = await function()
            self._keep(flight, request, value)
        except Exception as error:
            if not flight.future.done():
                flight.future.set_exception(error)
                flight.future.exception()  # it counts as seen, even if every caller has gone
        else:
            if not flight.future.done():
                flight.future.set_result(value)

    def _landed(self, flights: dict[str, _TaskFlight], flight: _TaskFlight, _: asyncio.Task[None]) -> None:
        self._land(flights, flight)
        flight.future.cancel()  # no effect unless the task was cancelled

    def _flights_of_this_loop(self) -> dict[str, _TaskFlight]:
        loop = asyncio.get_running_loop()
        flights = self._loops.get(loop)
        if flights is None:
            with self._store.lock:
                for other in [other for other in self._loops if other.is_closed()]:
                    for flight in self._loops.pop(other).values():
                        self._store.end(flight.load)
                flights = self._loops.setdefault(loop, {})
        return flights
