import contextlib

import pytest
from live import DEADLINE_S, HOST, free_port, wait_for
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from airwave.cache.channel import Channel, Event, Subscription
from airwave.connecting import connect


def events(subscription: Subscription, number: int) -> list[Event]:
    return [wait_for(lambda: subscription.receive(0.1), "an event") for _ in range(number)]


@pytest.mark.parametrize("options", [{}, {"protocol": 2}, {"protocol": 3, "decode_responses": True}])
def test_what_is_published_comes_in_order_and_before_later_answers(
    url: str, channel: str, options: dict[str, object]
) -> None:
    if options.get("decode_responses"):
        url += "?decode_responses=yes"  # which wins over the option
    here = Channel(url, channel, options, DEADLINE_S)
    with contextlib.closing(here), contextlib.closing(here.subscribe()) as subscription:
        assert events(subscription, 1) == [("subscribe", b"1")]
        here.publish(b"one")
        here.publish(b'{"two": "\xc3\xa9"}')
        subscription.ping(b"token")
        assert events(subscription, 3) == [("message", b"one"), ("message", b'{"two": "\xc3\xa9"}'), ("pong", b"token")]
        assert subscription.receive(0.0) is None


@pytest.mark.parametrize("options", [{}, {"retry": Retry(NoBackoff(), 10)}], ids=["", "retry"])
def test_a_lost_connection_is_an_error_and_not_made_again_in_silence(
    url: str, channel: str, options: dict[str, object]
) -> None:
    here = Channel(url, channel, options, DEADLINE_S)
    with contextlib.closing(here), contextlib.closing(here.subscribe()) as subscription:
        events(subscription, 1)
        with contextlib.closing(connect(url)) as other:
            other.client_kill_filter(_type="pubsub")

        def fails() -> bool:
            try:
                subscription.receive(0.1)
            except (RedisError, OSError):
                return True
            return False

        wait_for(fails, "the error")


def test_what_the_server_dropped_is_a_lost_connection(channel: str) -> None:
    url = f"memory://{channel}"
    here = Channel(url, channel, {}, DEADLINE_S)
    with contextlib.closing(connect(url)) as server, contextlib.closing(here):
        for name, value in ("slow-subscriber-policy", "drop-oldest"), ("client-output-buffer-limit", "pubsub 1mb 0 0"):
            server.config_set(name, value)
        with contextlib.closing(here.subscribe()) as subscription:
            events(subscription, 1)
            for _ in range(10):
                here.publish(bytes(1 << 20))
            with pytest.raises(RedisError, match="dropped"):
                wait_for(lambda: subscription.receive(0.1) and None, "the error")  # behind messages that came


def test_where_nobody_listens() -> None:
    here = Channel(f"redis://{HOST}:{free_port()}", "channel", {"retry": None}, DEADLINE_S)
    with contextlib.closing(here):
        with pytest.raises((RedisError, OSError)):
            here.subscribe()
        with pytest.raises(RedisError):
            here.publish(b"message")


def test_a_url_that_nothing_knows_is_refused_at_once() -> None:
    with pytest.raises(ValueError):
        Channel("http://localhost", "channel", {}, DEADLINE_S)
