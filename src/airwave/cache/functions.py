"""What `Cache.cached` makes of a function."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from airwave.cache.keys import Arguments, Template, Text
from airwave.cache.loading import Request
from airwave.cache.store import MISSING

if TYPE_CHECKING:
    from airwave.cache.cache import Cache

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class Plan:
    """How the values of one function are kept.

    Args:
        function: that loads them.
        key, tags: see `Cache.cached`.
        ttl_s: `inf`: until it is invalidated.
        none: whether None is kept.

    Raises:
        ValueError, TypeError: a template does not fit the function.
    """

    def __init__(
        self, function: Callable[..., Any], key: Template, tags: Iterable[Template], ttl_s: float, none: bool
    ) -> None:
        arguments, where = Arguments(function), getattr(function, "__qualname__", repr(function))
        self.key = Text(key, arguments, where)
        self._tags = tuple(Text(tag, arguments, where) for tag in tags)
        self._ttl_s, self._none = ttl_s, none

    def request(self, key: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, anew: bool = False) -> Request:
        """What is wanted by a call."""
        tags = dict.fromkeys(tag(args, kwargs) for tag in self._tags)
        return Request(key, tuple(tags), self._ttl_s, self._none, anew)


class _Cached(ABC, Generic[P, R]):
    """A function and its cache."""

    __wrapped__: Callable[..., Any]

    def __init__(self, cache: "Cache", plan: Plan, function: Callable[..., Any], bound: tuple[Any, ...] = ()) -> None:
        update_wrapper(self, function)
        self._cache, self._plan, self._function, self._bound = cache, plan, function, bound
        if bound:
            self.__wrapped__ = partial(function, *bound)  # its signature has no `self`

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key of a call with these arguments.

        Raises:
            TypeError: the function cannot be called like that.
        """
        return self._plan.key(self._bound + args, kwargs)

    def _of(self, instance: object) -> Self:
        """The method of an instance."""
        return type(self)(self._cache, self._plan, self._function, (instance,))

    def __reduce__(self) -> str:
        """Pickled by name, as functions are."""
        return str(getattr(self._function, "__qualname__", ""))

    def __repr__(self) -> str:
        return f"<cached {self._function!r}>"

    @abstractmethod
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """The value, from the cache if it has one that may be served."""


class CachedFunction(_Cached[P, R]):
    """A function whose values are cached. Called like the function itself; values are shared, not copied."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        args_ = self._bound + args
        key = self._plan.key(args_, kwargs)
        value: Any = self._cache.find(key)
        if value is MISSING:
            value = self._load(key, args_, kwargs, anew=False)
        found: R = value
        return found

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Load the value whatever is in the cache, and keep it. The other caches are not told.

        Returns: the new value.
        """
        args_ = self._bound + args
        loaded: R = self._load(self._plan.key(args_, kwargs), args_, kwargs, anew=True)
        return loaded

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """The value for these arguments has changed: see `Cache.invalidate`."""
        self._cache.invalidate(self._plan.key(self._bound + args, kwargs))

    def _load(self, key: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, anew: bool) -> Any:
        request = self._plan.request(key, args, kwargs, anew=anew)
        return self._cache.load(request, partial(self._function, *args, **kwargs))

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(
        self: "CachedFunction[Concatenate[S, Q], R]", instance: S, owner: type | None = None, /
    ) -> "CachedFunction[Q, R]": ...
    def __get__(self, instance: object, owner: type | None = None, /) -> Any:
        return self if instance is None else self._of(instance)


class CachedCoroutine(_Cached[P, R]):
    """An async function whose values are cached. Called like the function itself; values are shared, not copied."""

    def __init__(self, cache: "Cache", plan: Plan, function: Callable[..., Any], bound: tuple[Any, ...] = ()) -> None:
        super().__init__(cache, plan, function, bound)
        _mark_as_async(self)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        args_ = self._bound + args
        key = self._plan.key(args_, kwargs)
        value: Any = self._cache.find(key)
        if value is MISSING:
            value = await self._load(key, args_, kwargs, anew=False)
        found: R = value
        return found

    async def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Load the value whatever is in the cache, and keep it. The other caches are not told.

        Returns: the new value.
        """
        args_ = self._bound + args
        loaded: R = await self._load(self._plan.key(args_, kwargs), args_, kwargs, anew=True)
        return loaded

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """The value for these arguments has changed: see `Cache.ainvalidate`."""
        await self._cache.ainvalidate(self._plan.key(self._bound + args, kwargs))

    async def _load(self, key: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, anew: bool) -> Any:
        request = self._plan.request(key, args, kwargs, anew=anew)
        return await self._cache.aload(request, partial(self._function, *args, **kwargs))

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(
        self: "CachedCoroutine[Concatenate[S, Q], R]", instance: S, owner: type | None = None, /
    ) -> "CachedCoroutine[Q, R]": ...
    def __get__(self, instance: object, owner: type | None = None, /) -> Any:
        return self if instance is None else self._of(instance)


class Decorator:
    """Makes a function a cached one. See `Cache.cached`."""

    def __init__(self, cache: "Cache", key: Template, tags: Iterable[Template], ttl_s: float, none: bool) -> None:
        self._cache, self._key, self._tags, self._ttl_s, self._none = cache, key, tuple(tags), ttl_s, none

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]]) -> CachedCoroutine[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[P, R]) -> CachedFunction[P, R]: ...
    def __call__(self, function: Callable[..., Any]) -> Any:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__qualname__} is a generator, which can be used up only once: return a list")
        plan = Plan(function, self._key, self._tags, self._ttl_s, self._none)
        kind = CachedCoroutine if inspect.iscoroutinefunction(function) else CachedFunction
        return kind(self._cache, plan, function)


def _mark_as_async(function: object) -> None:
    """Frameworks ask with `iscoroutinefunction`, which looks at more than functions only if they have a mark."""
    if mark := getattr(inspect, "markcoroutinefunction", None):  # Python 3.12
        mark(function)
    else:
        import asyncio.coroutines  # noqa: PLC0415

        function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
