"""Handlers: what a function wants to be called with, found out once from its signature.

    @bus.on("notifications:user:{user_id}")
    async def notify(event: Notification, user_id: int, message: Message) -> None: ...

- A parameter with the name of a field of the template gets the field, converted to its annotation.
- A parameter annotated with the context's class (`Message` for events) gets the message itself.
- The first other one without a default gets the payload, read as its annotation says. It may be missing.
- What has a default, `*args` and `**kwargs` are left alone; a second one without is an error when it is registered.
"""

import asyncio
import contextvars
import functools
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import msgspec

from airwave.bus.payload import Decoder, Kind, decode_kind, decoder

_BY_POSITION = inspect.Parameter.POSITIONAL_ONLY
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class FieldError(ValueError):
    """A field of the channel is not what the handler's annotation says."""


class Handler:
    """A function that is called with messages.

    Args:
        function: async, or an ordinary one, which is run in a thread.
        fields: names of the template's fields.
        context: the class of what carries the payload: a parameter with this annotation gets it.
        threads: so many an ordinary function may have. They are its own: in asyncio's, which are few and everybody's,
            functions that hang would keep others from being called at all.

    Attributes:
        name: for log lines and errors.
        payload: the annotation of the parameter that gets the payload; None: there is no such parameter.
        returns: the annotation of what it returns; `Any` if there is none.

    Raises:
        TypeError: a parameter that nothing is given to, or an annotation that no payload can be read as.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        fields: Sequence[str] = (),
        context: type | None = None,
        *,
        threads: int = 1,
    ) -> None:
        self.function = function
        self._threads_max = threads
        self._threads: ThreadPoolExecutor | None = None
        self.name = name_of(function)
        self.payload: Any = None
        self._decode: Decoder | None = None
        self._payload_name = self._context_name = ""
        self._fields: dict[str, Any] = {}
        self._by_position: list[str] = []
        hints = self._hints()
        self.returns = hints.get("return", Any)
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind in _VARIABLE:
                continue
            given = self._assign(parameter, hints.get(parameter.name, Any), fields, context)
            if given and parameter.kind is _BY_POSITION:
                self._by_position.append(parameter.name)

    async def __call__(self, data: bytes, fields: Mapping[str, str], context: Any, kind: Kind = "json") -> Any:
        """Call the function; returns what it returns.

        Args:
            data: the payload.
            fields: all fields of the template.
            context: what carries the payload.
            kind: how the payload was written, for a parameter that takes anything.

        Raises:
            FieldError: a field does not fit.
            PayloadError: the payload does not fit.
            Exception: what the function raises.
        """
        given = {name: self._field(name, fields[name], annotation) for name, annotation in self._fields.items()}
        if self._decode is not None:
            given[self._payload_name] = decode_kind(data, kind) if self.payload is Any else self._decode(data)
        if self._context_name:
            given[self._context_name] = context
        if self._threads is None and not is_async(self.function):
            self._threads = ThreadPoolExecutor(self._threads_max, f"airwave.bus {self.name}")
        return await call(self.function, self._threads, *[given.pop(name) for name in self._by_position], **given)

    def close(self) -> None:
        """Let its threads end, when they are done. The next call makes others."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    # --- its signature ------------------------------------------------------------------------------------------------

    def _hints(self) -> dict[str, Any]:
        function = inspect.unwrap(self.function)  # as `inspect.signature` does, or names and annotations do not fit
        while isinstance(function, functools.partial):
            function = inspect.unwrap(function.func)
        if not (inspect.isfunction(function) or inspect.ismethod(function)):
            function = type(function).__call__
        try:
            return typing.get_type_hints(function, include_extras=True)
        except NameError as error:
            raise TypeError(
                f"{self.name}: {error}, which an annotation speaks of: under `from __future__ import annotations`"
                " classes must be defined at the top of a module"
            ) from error

    def _assign(
        self, parameter: inspect.Parameter, annotation: Any, fields: Sequence[str], context: type | None
    ) -> bool:
        """Decide what a parameter gets; False: nothing."""
        name = parameter.name
        if name in fields:
            self._fields[name] = str if annotation is Any else annotation
        elif context is not None and annotation is context:
            self._context_name = name
        elif parameter.default is not parameter.empty:
            return False
        elif not self._payload_name:
            self._payload_name, self.payload = name, Any if annotation is object else annotation
            self._decode = decoder(annotation)
        else:
            known = f"the fields are {', '.join(fields)}" if fields else "there are no fields"
            raise TypeError(
                f"{self.name}: nothing is given to the parameter {name!r}: {self._payload_name!r} gets the payload,"
                f" and {known}"
            )
        return True

    def _field(self, name: str, text: str, annotation: Any) -> Any:
        try:
            return text if annotation is str else msgspec.convert(text, annotation, strict=False)
        except Exception as error:  # a type's own checks may raise anything
            raise FieldError(f"field {name!r}: {error}") from error


def name_of(function: Callable[..., Any]) -> str:
    """How a function is called in log lines: module and name."""
    while isinstance(function, functools.partial):
        function = function.func
    module = getattr(function, "__module__", "")
    return f"{module}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling a function gives a coroutine."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


async def call(function: Callable[..., Any], threads: Executor | None, /, *args: Any, **kwargs: Any) -> Any:
    """Call an async function here, and an ordinary one in a thread; returns what it returns.

    A thread cannot be stopped: who cancels this leaves it running. What has not begun by then never begins.

    Args:
        threads: whose; None: those of the event loop.
    """
    if is_async(function):
        return await function(*args, **kwargs)
    context = contextvars.copy_context()
    called = functools.partial(context.run, _call, function, *args, **kwargs)
    result = await asyncio.get_running_loop().run_in_executor(threads, called)
    return await result if inspect.isawaitable(result) else result


def _call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except StopIteration as error:  # no future takes it, and who awaits would wait for ever
        raise RuntimeError("the function raised StopIteration") from error
