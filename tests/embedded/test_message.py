"""Messages and entries as objects."""

import pytest

import airwave
from airwave.embedded.message import OBJECTS, Entry, Message


def test_frames_of_subscribers_in_the_process() -> None:
    assert OBJECTS.message_head(b"message", b"news")(b"x") == Message(b"news", b"x")
    assert OBJECTS.message_head(b"pmessage", b"n*", b"news")(b"x") == Message(b"news", b"x", b"n*")


def test_all_subscribers_share_one_object(engine: airwave.Engine) -> None:
    with engine.subscribe("news") as one, engine.subscribe("news") as two:
        assert engine.publish("news", "x") == 2
        assert one.get() is two.get()


def test_they_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Message(b"c", b"d").data = b"e"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Entry(b"s", b"1-0", {}).id = b"2-0"  # type: ignore[misc]
    assert repr(Message(b"c", b"d")) == "Message(channel=b'c', data=b'd', pattern=None)"
