"""Payloads: values to bytes and back.

What was published is read again by whoever knows Redis, so the rules are few and can be told in a sentence: bytes and
str go as they are, all else is JSON. The reader's annotation says which of the two it is.

    encode                          decoder(annotation)
    bytes, bytearray, memoryview    bytes, bytearray: as they are
    str (but no enum)               str, Literal of strings: UTF-8
    pydantic model                  the model, or anything with models in it: pydantic
    anything else: JSON             anything else: JSON, checked against the annotation by msgspec

pydantic is never imported here: a class that is one of its models brings what is needed, or has imported it.
"""

import enum
import sys
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin

import msgspec

Decoder = Callable[[bytes], Any]
"""Gives the value of a payload, or raises PayloadError."""


class PayloadError(ValueError):
    """A payload is not what the handler's annotation says. The text is the reason."""


def encode(value: Any) -> bytes:
    """A value as the payload of a message or an entry.

    Args:
        value: bytes, bytearray and memoryview go as they are, str as UTF-8; pydantic models, dataclasses, msgspec
            structs, typed dicts and plain values as JSON.

    Raises:
        TypeError: a value that JSON cannot say.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        return value.encode()
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if is_pydantic(type(value)):
        return bytes(type(value).__pydantic_serializer__.to_json(value, by_alias=True))
    try:
        return msgspec.json.encode(value, enc_hook=_encode_model)
    except (TypeError, NotImplementedError) as error:
        raise TypeError(f"a payload of type {type(value).__name__} cannot be written as JSON: {error}") from error


Kind = Literal["json", "text", "bytes"]


def kind_of(value: Any) -> Kind:
    """In which of the three ways `encode` writes a value."""
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        return "text"
    return "bytes" if isinstance(value, bytes | bytearray | memoryview) else "json"


def decode_kind(data: bytes, kind: Kind) -> Any:
    """The value of a payload of which nothing is known but how it was written.

    Raises:
        PayloadError: it was not.
    """
    return _OF_KIND[kind](data)


def decoder(annotation: Any) -> Decoder:
    """What reads payloads for a parameter.

    Args:
        annotation: the parameter's, resolved. `Any` and `object` take whatever is JSON.

    Returns:
        A function from bytes to the value. It raises PayloadError and nothing else.

    Raises:
        TypeError: no payload can be read as this.
    """
    annotation = Any if annotation is object else annotation
    read = _reader(annotation)
    expected = _name(annotation)
    hint = "; annotate the parameter with str or bytes to get payloads as they are" if annotation is Any else ""

    def decode(data: bytes) -> Any:
        try:
            return read(data)
        except Exception as error:  # a model's own checks may raise anything
            raise PayloadError(f"not {expected}: {error}{hint}") from error

    return decode


def is_pydantic(cls: Any) -> bool:
    """Whether a class is a model or a dataclass of pydantic."""
    return isinstance(cls, type) and "__pydantic_validator__" in vars(cls)


# --- how each kind is read --------------------------------------------------------------------------------------------


def _reader(annotation: Any) -> Decoder:
    plain = _unwrapped(annotation)
    if plain is bytes or plain is bytearray or plain is memoryview:
        return lambda data: msgspec.convert(plain(data), annotation)
    if plain is str or (get_origin(plain) is Literal and all(isinstance(text, str) for text in get_args(plain))):
        return lambda data: msgspec.convert(data.decode(), annotation)
    if get_origin(plain) in _UNIONS and {str, bytes} & set(map(_unwrapped, get_args(plain))):
        raise TypeError(
            f"a payload cannot be {_name(annotation)}: str and bytes travel as they are, nothing tells them from JSON"
        )
    if is_pydantic(plain):
        return typing.cast(Decoder, plain.__pydantic_validator__.validate_json)
    if _mentions_pydantic(plain):
        return typing.cast(Decoder, sys.modules["pydantic"].TypeAdapter(annotation).validate_json)
    info = msgspec.inspect.type_info(annotation)
    if isinstance(info, msgspec.inspect.CustomType):
        raise TypeError(
            f"a payload cannot be {_name(annotation)}: make it a dataclass, a msgspec.Struct, a TypedDict or a pydantic"
            " model, or take bytes"
        )
    return msgspec.json.Decoder(annotation, dec_hook=_decode_model).decode


_UNIONS = (Union, type(int | str))


def _unwrapped(annotation: Any) -> Any:
    """Without Annotated, NewType and the name that `type X = ...` gives."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = annotation.__origin__
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":  # from Python 3.12
            annotation = annotation.__value__
        else:
            return annotation


def _mentions_pydantic(annotation: Any) -> bool:
    plain = _unwrapped(annotation)
    return is_pydantic(plain) or any(map(_mentions_pydantic, get_args(plain)))


def _name(annotation: Any) -> str:
    if annotation is Any:
        return "JSON"
    return annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)


def _encode_model(value: Any) -> Any:
    """For msgspec: a pydantic model somewhere inside a value."""
    if is_pydantic(type(value)):
        return type(value).__pydantic_serializer__.to_python(value, mode="json", by_alias=True)
    raise NotImplementedError(f"nothing is known about objects of type {type(value).__name__}")


def _decode_model(cls: Any, value: Any) -> Any:
    """For msgspec: a pydantic model somewhere inside an annotation."""
    if is_pydantic(cls):
        return cls.__pydantic_validator__.validate_python(value)
    raise NotImplementedError(f"nothing is known about objects of type {_name(cls)}")


_OF_KIND: dict[Kind, Decoder] = {"json": decoder(Any), "text": decoder(str), "bytes": decoder(bytes)}
