"""What a WebSocket client may ask for. Each message is a JSON object with a `type`; its `id` comes back in the answer.

{"id": 1, "type": "subscribe", "channel": "news", "since": "10m"}   {"id": 1, "ok": true, "entry": "..."}
{"id": 2, "type": "publish", "channel": "news", "data": "hello"}    {"id": 2, "ok": false, "error": "..."}
"""

import asyncio
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from airwave.streams import ids as entry_ids
from airwave.web.frames import text_frame
from airwave.web.history import history
from airwave.web.limits import Limits
from airwave.web.lines import CommandFailed, Lines
from airwave.web.replay import Replay, Topics, Wanted, position, remembers, wanted

if TYPE_CHECKING:
    from airwave.web.subscriber import WebSession

HISTORIES_MAX = 16  # that one client may ask for at once


class Ask(msgspec.Struct):
    """A message of a client."""

    type: str
    id: int | float | str | None = None
    channel: str | None = None
    pattern: str | None = None
    since: str | int | None = None
    data: str | None = None
    data64: str | None = None
    count: int = 100


class Refused(Exception):  # noqa: N818  (an answer, not a fault)
    """A client cannot have what it asks for; the message is the answer."""


_decode = msgspec.json.Decoder(Ask).decode


class Conversation:
    """What one client asks, and what it is answered.

    Args:
        session: the client.
        lines: where commands go.
        limits: what is too much.
        client: by what it is known there.
    """

    def __init__(self, session: "WebSession", lines: Lines, limits: Limits, client: str) -> None:
        self._session = session
        self._broker = session.broker
        self._lines = lines
        self._limits = limits
        self._client = client
        self._histories: set[asyncio.Task[None]] = set()

    def take(self, text: bytes) -> None:
        """Do what a message says."""
        if not self._limits.admits(self._client):
            self.refuse("too many messages: see http-rate-limit", _id_of(text))
            return
        try:
            ask = _decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            self.refuse(f"not understood: {error}", _id_of(text))
            return
        handler = _HANDLERS.get(ask.type)
        try:
            if handler is None:
                raise Refused(f"no such type: {ask.type[:40]}; there are {', '.join(_HANDLERS)}")
            handler(self, ask)
        except Refused as error:
            self.refuse(str(error), ask.id)

    def answer(self, ask_id: object, **about: Any) -> None:
        """Answer that it was done."""
        self._session.say(text_frame(msgspec.json.encode({"id": ask_id, "ok": True, **about})))

    def refuse(self, error: str, ask_id: object = None) -> None:
        """Answer that it was not."""
        self._session.say(text_frame(msgspec.json.encode({"id": ask_id, "ok": False, "error": error})))

    # --- subscribing ------------------------------------------------------------------------------------------------

    def subscribe(self, ask: Ask) -> None:
        """Add a channel."""
        channel = _name(ask.channel, "channel")
        if not self._session.visitor.may_subscribe(channel):
            raise Refused(f"you may not subscribe to {ask.channel}")
        self._add(ask, Topics([channel], []))

    def psubscribe(self, ask: Ask) -> None:
        """Add a pattern."""
        pattern = _name(ask.pattern, "pattern")
        if not self._session.visitor.may_psubscribe(pattern):
            raise Refused(f"you may not subscribe to {ask.pattern}")
        self._add(ask, Topics([], [pattern]))

    def _add(self, ask: Ask, topics: Topics) -> None:
        session, memory = self._session, self._broker.memory
        begin = self._begin(ask, topics)
        if self._has(topics):
            self.answer(ask.id)
            return
        allowed = self._broker.settings.http_max_subscriptions
        if session.subscription_count + len(session.replays) >= allowed:
            raise Refused(f"you have {allowed} subscriptions: see http-max-subscriptions")
        if begin is None:
            session.join(topics)
            self.answer(ask.id, **_entry(position(memory, topics) if remembers(memory, topics) else None))
            return

        def started(after: int) -> None:
            self.answer(ask.id, **_entry(after))

        session.start_replay(
            Replay(memory, session.wire, topics, begin, partial(session.join, topics), started=started)
        )

    def _has(self, topics: Topics) -> bool:
        session = self._session
        return (
            any(each in session.channels for each in topics.channels)
            or any(each in session.patterns for each in topics.patterns)
            or any(replay.topics == topics for replay in session.replays)
        )

    def _begin(self, ask: Ask, topics: Topics) -> Wanted | None:
        if ask.since is None:
            return None
        try:
            begin = wanted(str(ask.since), self._broker.host.wall_ms())
        except ValueError as error:
            raise Refused(f"since {str(ask.since)[:60]}: {error}") from None
        # An ID is where a client stopped: if the channel is not remembered any more, it is told of a gap.
        if begin.start is not None and begin.start.id is None and not remembers(self._broker.memory, topics):
            raise Refused("not remembered, so there is no since: see the setting remember")
        return begin

    def unsubscribe(self, ask: Ask) -> None:
        """Drop a channel."""
        channel = _name(ask.channel, "channel")
        self._drop_replay(Topics([channel], []))
        self._broker.pubsub.unsubscribe(self._session, channel)
        self.answer(ask.id)

    def punsubscribe(self, ask: Ask) -> None:
        """Drop a pattern."""
        pattern = _name(ask.pattern, "pattern")
        self._drop_replay(Topics([], [pattern]))
        self._broker.pubsub.punsubscribe(self._session, pattern)
        self.answer(ask.id)

    def _drop_replay(self, topics: Topics) -> None:
        replays = self._session.replays
        for replay in [each for each in replays if each.topics == topics]:
            replays.remove(replay)

    # --- the rest ---------------------------------------------------------------------------------------------------

    def publish(self, ask: Ask) -> None:
        """Publish a message."""
        channel = _name(ask.channel, "channel")
        if not self._session.visitor.may_publish(channel):
            raise Refused(f"you may not publish on {ask.channel}")
        self._lines.start([b"PUBLISH", channel, _payload(ask)], partial(self._published, ask.id))

    def _published(self, ask_id: object, reply: Any, entry_id: int) -> None:
        if isinstance(reply, CommandFailed):
            self.refuse(str(reply), ask_id)
        else:
            self.answer(ask_id, delivered=reply, entry=_entry(entry_id or None).get("entry"))

    def history(self, ask: Ask) -> None:
        """Ask for what was published."""
        channel = _name(ask.channel, "channel")
        if not self._session.visitor.may_subscribe(channel):
            raise Refused(f"you may not read {ask.channel}")
        if len(self._histories) >= HISTORIES_MAX:
            raise Refused(f"{HISTORIES_MAX} histories are on their way already")
        task = asyncio.get_running_loop().create_task(self._send_history(ask, channel))
        self._histories.add(task)
        task.add_done_callback(self._histories.discard)

    async def _send_history(self, ask: Ask, channel: bytes) -> None:
        begin = "0" if ask.since is None else str(ask.since)
        try:
            self.answer(ask.id, **await history(self._broker, self._lines, channel, begin, ask.count))
        except (ValueError, CommandFailed) as error:
            self.refuse(str(error), ask.id)

    def ping(self, ask: Ask) -> None:
        """Ask whether the server is there."""
        self.answer(ask.id)


_HANDLERS: dict[str, Callable[[Conversation, Ask], None]] = {
    "subscribe": Conversation.subscribe,
    "psubscribe": Conversation.psubscribe,
    "unsubscribe": Conversation.unsubscribe,
    "punsubscribe": Conversation.punsubscribe,
    "publish": Conversation.publish,
    "history": Conversation.history,
    "ping": Conversation.ping,
}


class _WithId(msgspec.Struct):
    id: int | float | str | None = None


def _id_of(text: bytes) -> object:
    """The id of a message that is wrong otherwise."""
    try:
        return msgspec.json.decode(text, type=_WithId).id
    except (msgspec.DecodeError, RecursionError):
        return None


def _name(text: str | None, kind: str) -> bytes:
    if text is None:
        raise Refused(f"there is no {kind}")
    return text.encode("utf-8", "surrogatepass")


def _payload(ask: Ask) -> bytes:
    if (ask.data is None) == (ask.data64 is None):
        raise Refused("send either data, which is text, or data64, which is base64")
    if ask.data is not None:
        return ask.data.encode("utf-8", "surrogatepass")
    try:
        return b64decode(ask.data64 or "", validate=True)
    except (Base64Error, ValueError):
        raise Refused("data64 is not base64") from None


def _entry(entry_id: int | None) -> dict[str, str]:
    """An ID for an answer, if there is one."""
    return {} if entry_id is None else {"entry": entry_ids.text(entry_id).decode()}
