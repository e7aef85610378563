"""What the direct API takes for words."""

import enum

import pytest
import redis

import airwave
from airwave.embedded.words import as_bytes


class Colour(enum.IntEnum):
    RED = 1


class Text(str):
    __slots__ = ()


class Octets(bytes):
    pass


@pytest.mark.parametrize(
    ("word", "sent"),
    [
        ("é", b"\xc3\xa9"),
        (b"\xff", b"\xff"),
        (Text("x"), b"x"),
        (Octets(b"x"), b"x"),
        (bytearray(b"x"), b"x"),
        (memoryview(b"xyz")[1:], b"yz"),
        (-7, b"-7"),
        (Colour.RED, b"1"),
        (0.1, b"0.1"),
        (1e100, b"1e+100"),
    ],
)
def test_words(word: str, sent: bytes, engine: airwave.Engine) -> None:
    assert as_bytes(word) == sent
    assert type(as_bytes(word)) is bytes
    assert engine.execute("ECHO", word) == sent


@pytest.mark.parametrize("word", [None, True, [], {}, object()])
def test_nothing_else(word: str, engine: airwave.Engine) -> None:
    with pytest.raises(TypeError, match=f"expected text, bytes or a number, not {type(word).__name__}: convert"):
        engine.publish("news", word)
    with airwave.connect(engine.url) as client, pytest.raises(redis.DataError):
        client.publish("news", word)  # redis-py has it so
