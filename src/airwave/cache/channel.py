"""The invalidation channel on a server, with redis-py: publishing, and one subscription."""

from typing import Any

from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from airwave.connecting import connect
from airwave.notices import ASK, DROPPED_CHANNEL, gives_notice

Event = tuple[str, bytes]
"""What came (`subscribe`, `message`, `pong`), and what with it."""


class Channel:
    """A channel by its name.

    Args:
        url: see `airwave.connect`.
        name: of the channel.
        options: redis-py's.
        timeout_s: how long the subscription waits when it connects or sends.

    Raises:
        ValueError: a URL that nothing knows.
    """

    def __init__(self, url: str, name: str, options: dict[str, Any], timeout_s: float) -> None:
        self._url, self._name = url, name
        self._publisher = connect(url, **options)
        # A subscription that reconnects by itself, as redis-py's do, is one whose gaps nobody sees.
        never = Retry(NoBackoff(), 0, supported_errors=())
        timeouts = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
        self._options = {**timeouts, **options, "retry": never}

    def publish(self, payload: bytes) -> None:
        """Send a message.

        Raises:
            redis.RedisError: it may not have been sent.
        """
        self._publisher.publish(self._name, payload)

    def subscribe(self) -> "Subscription":
        """Connect, and ask for the subscription; it stands when its `subscribe` event has come.

        Raises:
            redis.RedisError, OSError: there is no connection.
        """
        return Subscription(self._url, self._name, self._options)

    def close(self) -> None:
        """Close the publisher's connections; they come back if it publishes again."""
        self._publisher.close()


class Subscription:
    """One connection, subscribed to one channel."""

    def __init__(self, url: str, name: str, options: dict[str, Any]) -> None:
        self._client = connect(url, **options)
        # redis-py takes the answer to a PING apart wrongly when it decodes; the URL may have asked for it.
        self._client.connection_pool.connection_kwargs["decode_responses"] = False
        self._pubsub = self._client.pubsub()  # type: ignore[no-untyped-call]
        try:
            self._pubsub.subscribe(name, *([DROPPED_CHANNEL] if self._gives_notice() else []))
        except BaseException:
            self.close()
            raise

    def _gives_notice(self) -> bool:
        self._pubsub.execute_command(*ASK)
        try:
            return gives_notice(self._pubsub.parse_response())
        except ResponseError:  # not allowed
            return False

    def receive(self, timeout_s: float) -> Event | None:
        """The next event; None: there was none for so long.

        Raises:
            redis.RedisError, OSError: the connection is gone, messages of it are, or the server refused something.
        """
        try:
            message = self._pubsub.get_message(timeout=timeout_s)
        except RedisTimeoutError:  # part of a message has come; the rest is awaited by the next call
            return None
        if message is None:
            return None
        data = message["data"]
        if message["channel"] == DROPPED_CHANNEL:
            if message["type"] == "message":
                raise RedisConnectionError("the server has dropped messages, as they were not read in time")
            return None
        return message["type"], data if isinstance(data, bytes) else b"%d" % data

    def ping(self, token: bytes) -> None:
        """Send a PING; its answer is the event `pong` with this token.

        Raises:
            redis.RedisError, OSError: the connection is gone.
        """
        self._pubsub.execute_command("PING", token)

    def close(self) -> None:
        """Close the connection."""
        self._pubsub.close()
        self._client.close()
