"""Payloads: what is written can be read again, as what the annotation says, and what cannot says why."""

import dataclasses
import datetime
import enum
import json
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, TypedDict

import msgspec
import pydantic
import pytest

from airwave.bus.payload import PayloadError, decoder, encode


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


class Order(msgspec.Struct):
    id: int
    lines: list[Point] = []


class Named(TypedDict):
    name: str


class Model(pydantic.BaseModel):
    when: datetime.date
    from_: str = pydantic.Field("", alias="from")


@pydantic.dataclasses.dataclass
class Checked:
    count: int


class Holder(msgspec.Struct):
    model: Model


class Colour(enum.StrEnum):
    RED = "red"


UserId = NewType("UserId", str)
Short = Annotated[str, msgspec.Meta(max_length=3)]
A_MODEL = Model.model_validate({"when": "2026-11-24", "from": "me"})


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (b"\x00\xff", bytes),
        (bytearray(b"x"), bytearray),
        ("grüße", str),
        ("", str),
        ("id", UserId),
        ("abc", Short),
        ("on", Literal["on", "off"]),
        (7, int),
        (None, None),
        (True, bool),
        ([1, "a", None], Any),
        (Point(1, 2.5), Point),
        (Order(1, [Point(2)]), Order),
        ({"name": "x"}, Named),
        ([Order(1)], list[Order]),
        (None, Order | None),
        (Colour.RED, Colour),
        (uuid.UUID(int=5), uuid.UUID),
        (Decimal("1.10"), Decimal),
        (datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), datetime.datetime),
        (A_MODEL, Model),
        (Checked(3), Checked),
        ([A_MODEL], list[Model]),
        (A_MODEL, Model | None),
        (None, Model | None),
        ({"a": A_MODEL}, dict[str, Model]),
        (Holder(A_MODEL), Holder),
    ],
    ids=repr,
)
def test_what_is_written_is_read_again(value: Any, annotation: Any) -> None:
    data = encode(value)
    assert type(data) is bytes
    assert decoder(annotation)(data) == value


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (b"raw", b"raw"),
        (memoryview(b"raw"), b"raw"),
        ("text", b"text"),
        (Colour.RED, b'"red"'),
        ({"a": 1}, b'{"a":1}'),
        (A_MODEL, b'{"when":"2026-11-24","from":"me"}'),
    ],
)
def test_what_others_see(value: Any, data: bytes) -> None:
    assert encode(value) == data


def test_a_value_that_json_cannot_say_is_refused() -> None:
    with pytest.raises(TypeError, match="a payload of type object cannot be written as JSON"):
        encode(object())
    with pytest.raises(TypeError, match="type list"):
        encode([object()])


class Picky(msgspec.Struct):
    x: int

    def __post_init__(self) -> None:
        raise KeyError("anything")


@pytest.mark.parametrize(
    ("data", "annotation", "reason"),
    [
        (b"{", Order, "not Order: Input data was truncated"),
        (b"{}", Order, "not Order: Object missing required field `id`"),
        (b'{"id":"x"}', Order, r"Expected `int`, got `str` - at `\$.id`"),
        (b"hello", Any, "annotate the parameter with str or bytes"),
        (b"\xff", str, "not str: .*can't decode byte 0xff"),
        (b"abcd", Short, "length <= 3"),
        (b"maybe", Literal["on", "off"], "Invalid enum value 'maybe'"),
        (b'{"when":"never"}', Model, "(?s)not Model: .*when"),
        (b'[{"when":"never"}]', list[Model], "when"),
        (b'{"model":{"when":"never"}}', Holder, "not Holder: "),
        (b'{"x":1}', Picky, "not Picky: 'anything'"),
        (b"[" * 100_000, Any, "not JSON: "),
    ],
)
def test_a_payload_that_does_not_fit_says_why(data: bytes, annotation: Any, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason):
        decoder(annotation)(data)


class Unknown:
    pass


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (str | None, "str and bytes travel as they are"),
        (Order | bytes, "str and bytes travel as they are"),
        (UserId | int, "str and bytes travel as they are"),
        (Unknown, "a payload cannot be Unknown: make it a dataclass"),
        (Order | Point, "Type unions may not contain more than one"),
    ],
)
def test_an_annotation_that_nothing_can_be_read_as_is_refused(annotation: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        decoder(annotation)


def test_numbers_are_checked_but_not_converted() -> None:
    with pytest.raises(PayloadError, match="Expected `int`"):
        decoder(int)(json.dumps("7").encode())
