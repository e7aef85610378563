"""Who plays in the demo: publishers and subscribers, each with a redis-py client of its own.

Every step waits for what the server must answer before the next one begins. So the transcript has one possible order,
and a message that does not come is found out.
"""

from __future__ import annotations

import json
import queue
import time
from typing import TYPE_CHECKING, Any

from airwave.cli.failure import Failure
from airwave.cli.stage import Stage

if TYPE_CHECKING:
    from redis import Redis

Payload = dict[str, Any]


def encoded(payload: Payload) -> str:
    """The JSON of a message, without spaces."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False)


class Publisher:
    """Publishes, and checks how many subscribers the server counted."""

    def __init__(self, stage: Stage, name: str, client: Redis) -> None:
        self._stage, self.name, self._client = stage, name, client

    def publish(self, channel: str, payload: Payload, *, delivered: int) -> None:
        """Publish and expect `delivered` subscribers."""
        message = encoded(payload)
        self._stage.sends(self.name, f"PUBLISH {channel}  {message}")
        count = self._client.publish(channel, message)
        self._stage.receives(self.name, f"Delivered to {count} subscriber(s)")
        if count != delivered:
            raise Failure(
                f"{self.name} published to {channel}: expected {delivered} deliveries, the server says {count}"
            )


class Subscriber:
    """Subscribes, and checks every message that comes.

    Args:
        patience_s: how long to wait for what must come.
    """

    def __init__(self, stage: Stage, name: str, client: Redis, patience_s: float) -> None:
        self._stage, self.name, self._patience_s = stage, name, patience_s
        self._pubsub: Any = client.pubsub()  # type: ignore[no-untyped-call]
        self.received = 0

    def subscribe(self, *channels: str) -> None:
        """SUBSCRIBE, and wait for the confirmations."""
        self._stage.sends(self.name, f"SUBSCRIBE {' '.join(channels)}")
        self._pubsub.subscribe(*channels)
        self._confirm("subscribe", channels)

    def psubscribe(self, *patterns: str) -> None:
        """PSUBSCRIBE, and wait for the confirmations."""
        self._stage.sends(self.name, f"PSUBSCRIBE {' '.join(patterns)}")
        self._pubsub.psubscribe(*patterns)
        self._confirm("psubscribe", patterns)

    def expect(self, channel: str, payload: Payload, pattern: str | None = None) -> None:
        """Wait for exactly this message.

        Raises:
            Failure: it did not come in time, or something else came.
        """
        message = encoded(payload)
        what = f"a message on {channel}"
        event = self._next(what)
        self._check(event, {"pattern": pattern, "channel": channel, "data": message}, what)
        self.received += 1
        by = f" (by {pattern})" if pattern else ""
        self._stage.receives(self.name, f"{channel}{by}  {message}")

    def leave(self) -> None:
        """Unsubscribe. The confirmation must come next: so nothing has come that nobody expected."""
        for kind, subscribed in (("unsubscribe", self._pubsub.channels), ("punsubscribe", self._pubsub.patterns)):
            names = [name.decode() for name in subscribed]
            if names:
                self._stage.sends(self.name, f"{kind.upper()} {' '.join(names)}")
                getattr(self._pubsub, kind)(*names)
                self._confirm(kind, names)

    def close(self) -> None:
        """Drop the connection."""
        self._pubsub.close()

    def _confirm(self, kind: str, names: tuple[str, ...] | list[str]) -> None:
        for name in names:
            what = f"the confirmation of {kind.upper()} {name}"
            self._check(self._poll(what), {"type": kind, "channel": name}, what)

    def _next(self, what: str) -> Payload:
        return self._poll(what)

    def _poll(self, what: str) -> Payload:
        deadline = time.monotonic() + self._patience_s
        while (left_s := deadline - time.monotonic()) > 0:
            event = self._pubsub.get_message(timeout=left_s)
            if event is not None:
                return {key: value.decode() if isinstance(value, bytes) else value for key, value in event.items()}
        raise self._missing(what)

    def _missing(self, what: str) -> Failure:
        return Failure(f"{self.name} did not get {what} within {self._patience_s:g} s")

    def _check(self, event: Payload, expected: Payload, what: str) -> None:
        if any(event[key] != value for key, value in expected.items()):
            raise Failure(f"{self.name} did not get {what} but {event['type']} {event['channel']} {event['data']}")


class BackgroundSubscriber(Subscriber):
    """A subscriber whose messages are handled in a thread of redis-py (`run_in_thread`)."""

    def __init__(self, stage: Stage, name: str, client: Redis, patience_s: float) -> None:
        super().__init__(stage, name, client, patience_s)
        self._events: queue.Queue[Payload | Exception] = queue.Queue()
        self._thread: Any = None

    def subscribe(self, *channels: str) -> None:
        """SUBSCRIBE with a handler, and start the thread."""
        self._stage.sends(self.name, f"SUBSCRIBE {' '.join(channels)}  (in a background thread)")
        self._pubsub.subscribe(**dict.fromkeys(channels, self._handle))
        self._confirm("subscribe", channels)
        self._thread = self._pubsub.run_in_thread(sleep_time=0.1, daemon=True, exception_handler=self._fail)

    def _handle(self, event: Payload) -> None:
        self._events.put({key: value.decode() if isinstance(value, bytes) else value for key, value in event.items()})

    def _fail(self, error: Exception, _: Any, thread: Any) -> None:
        self._events.put(error)
        thread.stop()

    def _next(self, what: str) -> Payload:
        try:
            event = self._events.get(timeout=self._patience_s)
        except queue.Empty:
            raise self._missing(what) from None
        if isinstance(event, Exception):
            raise event
        return event

    def leave(self) -> None:
        """Stop the thread, which drops the connection; nothing may have come that nobody expected."""
        self.close()
        if not self._events.empty():
            raise Failure(f"{self.name} got a message that nobody published: {self._events.get()}")
        self._stage.remarks(self.name, "stops its thread")

    def close(self) -> None:
        """Stop the thread; it closes the connection."""
        if self._thread is None:
            super().close()
        else:
            self._thread.stop()
            self._thread.join(self._patience_s)
