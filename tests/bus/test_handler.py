"""What a function is called with, and what is refused when it is registered."""

import asyncio
import contextvars
import functools
import re
import threading
import uuid
from typing import Any, Literal

import msgspec
import pytest
from live import DEADLINE_S

from airwave.bus.handler import FieldError, Handler, is_async, name_of
from airwave.bus.hooks import Message
from airwave.bus.payload import PayloadError
from bus.running import run, until


class Order(msgspec.Struct):
    id: int


MESSAGE = Message("c", b'{"id":1}', "c")


async def both(order: Order, user_id: int) -> Any:
    return order, user_id


async def reordered(user_id: int, context: Message, order: Order) -> Any:
    return user_id, context, order


async def only_field(user_id: uuid.UUID) -> Any:
    return user_id


async def nothing() -> Any:
    return "called"


async def unannotated(event, user_id):  # type: ignore[no-untyped-def]
    return event, user_id


async def anything(event: object) -> Any:
    return event


async def by_position(order: Order, /, user_id: Literal["a", "b"]) -> Any:
    return order, user_id


async def with_defaults(order: Order, limit: int = 5, *args: Any, **kwargs: Any) -> Any:
    return order, limit, args, kwargs


def ordinary(order: Order) -> Any:
    return order, threading.current_thread() is threading.main_thread()


def gives_awaitable(order: Order) -> Any:
    return both(order, 3)


class Callable:
    async def __call__(self, order: Order) -> Any:
        return order

    async def method(self, order: Order) -> Any:
        return order


def decorated(function: Any) -> Any:
    """By a decorator that makes an object of it."""

    class Decorated:
        async def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return await function(*args, **kwargs)

    return functools.update_wrapper(Decorated(), function)


FIELDS = {"user_id": "42"}
ID = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("function", "fields", "result"),
    [
        (both, FIELDS, (Order(1), 42)),
        (reordered, FIELDS, (42, MESSAGE, Order(1))),
        (only_field, {"user_id": str(ID)}, ID),
        (nothing, FIELDS, "called"),
        (unannotated, FIELDS, ({"id": 1}, "42")),
        (anything, {}, {"id": 1}),
        (by_position, {"user_id": "b"}, (Order(1), "b")),
        (with_defaults, {}, (Order(1), 5, (), {})),
        (ordinary, {}, (Order(1), False)),
        (gives_awaitable, {}, (Order(1), 3)),
        (Callable(), {}, Order(1)),
        (Callable().method, {}, Order(1)),
        (functools.partial(with_defaults, limit=9), {}, (Order(1), 9, (), {})),
        (decorated(both), FIELDS, (Order(1), 42)),
        (functools.partial(decorated(with_defaults), limit=9), {}, (Order(1), 9, (), {})),
        (decorated(functools.partial(with_defaults, limit=9)), {}, (Order(1), 9, (), {})),
    ],
    ids=lambda value: name_of(value) if callable(value) else "",
)
def test_what_a_function_is_called_with(function: Any, fields: dict[str, str], result: Any) -> None:
    async def body() -> None:
        handler = Handler(function, list(fields), Message)
        assert await handler(b'{"id":1}', fields, MESSAGE) == result

    run(body())


@pytest.mark.parametrize(("kind", "value"), [("json", {"id": 1}), ("text", '{"id":1}'), ("bytes", b'{"id":1}')])
def test_a_parameter_that_takes_anything_gets_what_was_written(kind: Any, value: Any) -> None:
    async def body() -> None:
        assert await Handler(anything)(b'{"id":1}', {}, None, kind) == value

    run(body())


def test_what_does_not_fit_is_told_apart() -> None:
    async def body() -> None:
        handler = Handler(both, ["user_id"])
        with pytest.raises(FieldError, match="field 'user_id': Expected `int`"):
            await handler(b'{"id":1}', {"user_id": "x"}, None)
        with pytest.raises(PayloadError, match="not Order"):
            await handler(b"{}", FIELDS, None)

    run(body())


def two_payloads(order: Order, other: Order) -> None:
    del order, other


def a_set(event: Handler) -> None:
    del event


@pytest.mark.parametrize(
    ("function", "fields", "reason"),
    [
        (
            two_payloads,
            [],
            "nothing is given to the parameter 'other': 'order' gets the payload, and there are no fields",
        ),
        (two_payloads, ["a", "b"], "the fields are a, b"),
        (a_set, [], "a payload cannot be Handler"),
    ],
)
def test_a_function_that_cannot_be_called_is_refused(function: Any, fields: list[str], reason: str) -> None:
    with pytest.raises(TypeError, match=re.escape(reason)):
        Handler(function, fields)


def test_an_annotation_that_leads_nowhere_is_refused() -> None:
    def handler(event: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821
        del event

    with pytest.raises(TypeError, match="name 'Nowhere' is not defined, which an annotation speaks of"):
        Handler(handler)


def test_names_and_kinds_of_functions() -> None:
    assert name_of(both) == "bus.test_handler.both"
    assert name_of(functools.partial(both)) == "bus.test_handler.both"
    assert name_of(Callable()) == "bus.test_handler.Callable"
    assert is_async(both)
    assert is_async(Callable())
    assert is_async(functools.partial(both))
    assert not is_async(ordinary)


# --- ordinary functions -----------------------------------------------------------------------------------------------


def test_an_ordinary_function_has_threads_of_its_own_and_no_more() -> None:
    async def body() -> None:
        everybody = threading.Barrier(40)  # more than asyncio has threads, on any machine
        at_once = [0, 0]
        lock = threading.Lock()

        def meet() -> None:
            with lock:
                at_once[0] += 1
                at_once[1] = max(at_once)
            everybody.wait(DEADLINE_S)
            with lock:
                at_once[0] -= 1

        handler = Handler(meet, threads=40)
        await asyncio.gather(*[handler(b"", {}, None) for _ in range(80)])
        assert at_once == [0, 40]
        mine = [thread for thread in threading.enumerate() if "test_handler" in thread.name]
        assert len(mine) == 40
        handler.close()
        await until(lambda: not any(thread.is_alive() for thread in mine))
        again = Handler(ordinary)
        assert await again(b'{"id":1}', {}, None) == (Order(1), False)
        again.close()

    run(body())


def test_a_call_that_has_not_begun_when_it_is_cancelled_never_begins() -> None:
    async def body() -> None:
        go = threading.Event()
        called: list[str] = []

        def wait(text: str) -> None:
            called.append(text)
            go.wait(DEADLINE_S)

        handler = Handler(wait)
        first, second = [asyncio.create_task(handler(data, {}, None)) for data in (b"first", b"second")]
        await until(lambda: called)
        second.cancel()
        await asyncio.wait([second])
        go.set()
        await first
        assert called == ["first"]
        handler.close()

    run(body())


def test_context_variables_are_there_in_threads() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def body() -> None:
        variable.set("mine")

        def get() -> str:
            return variable.get()

        handler = Handler(get)
        assert await handler(b"", {}, None) == "mine"
        handler.close()

    run(body())


def test_stop_iteration_is_an_error_like_any_other() -> None:
    def first_of_none() -> None:
        next(iter([]))

    async def body() -> None:
        handler = Handler(first_of_none)
        with pytest.raises(RuntimeError, match="the function raised StopIteration"):
            await handler(b"", {}, None)
        handler.close()

    run(body())
