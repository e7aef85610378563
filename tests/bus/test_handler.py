"""What a function is called with, and what is refused when it is registered."""

import functools
import re
import threading
import uuid
from typing import Any, Literal

import msgspec
import pytest

from airwave.bus.handler import FieldError, Handler, is_async, name_of
from airwave.bus.hooks import Message
from airwave.bus.payload import PayloadError
from bus.running import run


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
