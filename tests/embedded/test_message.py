"""Messages and entries as objects."""

import pytest
from redis.exceptions import ResponseError

import airwave
from airwave.embedded.message import OBJECTS, Entry, Message
from airwave.pubsub import Current


def test_frames_of_subscribers_in_the_process() -> None:
    assert OBJECTS.message_head(b"message", b"news")(b"x") == Message(b"news", b"x")
    assert OBJECTS.message_head(b"pmessage", b"n*", b"news")(b"x") == Message(b"news", b"x", b"n*")


def test_frames_of_remembered_channels_have_the_id_of_the_entry() -> None:
    current = Current()
    by_name = OBJECTS.entry_head(current, b"message", b"news")
    by_pattern = OBJECTS.entry_head(current, b"pmessage", b"n*", b"news")
    current.text = b"5-1"
    assert by_name(b"x") == Message(b"news", b"x", None, b"5-1")
    assert by_pattern(b"x") == Message(b"news", b"x", b"n*", b"5-1")


def test_what_is_published_on_a_remembered_channel_is_kept_or_refused(engine: airwave.Engine) -> None:
    engine.execute("CONFIG", "SET", "remember", "news")
    with engine.subscribe("news") as news:
        assert engine.publish("news", "x") == 1
        message = news.get()
        assert message is not None
        assert [entry.id for entry in engine.xrange("news")] == [message.id]
        engine.execute("DEL", "news")
        engine.execute("SET", "news", "a string")
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            engine.publish("news", "y")
        assert news.get(timeout=0) is None


def test_all_subscribers_share_one_object(engine: airwave.Engine) -> None:
    with engine.subscribe("news") as one, engine.subscribe("news") as two:
        assert engine.publish("news", "x") == 2
        assert one.get() is two.get()


def test_they_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Message(b"c", b"d").data = b"e"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Entry(b"s", b"1-0", {}).id = b"2-0"  # type: ignore[misc]
    assert repr(Message(b"c", b"d")) == "Message(channel=b'c', data=b'd', pattern=None, id=None)"
