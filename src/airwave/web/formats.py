"""The wire formats of browsers: a message as JSON, in an event of an SSE stream or in a frame of a WebSocket.

    {"channel": "news", "data": "hello"}
    {"channel": "news", "pattern": "n*", "data64": "/w==", "entry": "1700000000000-0"}

`data` is text. What is not UTF-8 comes as `data64`, in base64. `entry` is there if the channel is remembered. A name
that is not UTF-8 is shown with replacement characters, and as it is in `channel64`.
"""

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from airwave.pubsub import Current
from airwave.streams import ids as entry_ids
from airwave.web.frames import header_size, text_frame

Frame = Callable[[bytes], bytes]
_encode = msgspec.json.encode


def data_field(message: bytes) -> bytes:
    """A message as a JSON field."""
    try:
        return b'"data":' + _encode(message.decode())
    except UnicodeDecodeError:
        return b'"data64":"%b"' % b64encode(message)


def data_fields(message: bytes) -> dict[str, str]:
    """The same, for an object that is not encoded yet."""
    try:
        return {"data": message.decode()}
    except UnicodeDecodeError:
        return {"data64": b64encode(message).decode()}


def _names(names: Sequence[bytes]) -> bytes:
    """The beginning of a message's object: `{"channel":"a","pattern":"a*",`."""
    *pattern, channel = names
    fields = [name_field(b"channel", channel), *[name_field(b"pattern", each) for each in pattern]]
    return b"{%b," % b",".join(fields)


def name_field(key: bytes, name: bytes) -> bytes:
    """A channel or pattern as a JSON field."""
    try:
        return b'"%b":%b' % (key, _encode(name.decode()))
    except UnicodeDecodeError:
        shown = _encode(name.decode(errors="replace"))
        return b'"%b":%b,"%b64":"%b"' % (key, shown, key, b64encode(name))


class SseFormat:
    """Server-Sent Events."""

    def message_head(self, kind: bytes, *names: bytes) -> Frame:
        """See `pubsub.Format`."""
        del kind  # the number of names tells it
        begin = b"data: " + _names(names)
        return lambda message: b"%b%b}\n\n" % (begin, data_field(message))

    def entry_head(self, current: Current, kind: bytes, *names: bytes) -> Frame:
        """See `pubsub.Format`."""
        del kind  # the number of names tells it
        begin = b"\ndata: " + _names(names)

        def frame(message: bytes) -> bytes:
            entry = current.text
            return b'id: %b%b%b,"entry":"%b"}\n\n' % (entry, begin, data_field(message), entry)

        return frame

    def event(self, name: str, about: dict[str, Any], entry: int = 0) -> bytes:
        """An event that is no message.

        Args:
            entry: the position that the browser has from now on; 0: as before.
        """
        where = b"id: %b\n" % entry_ids.text(entry) if entry else b""
        return b"%bevent: %b\ndata: %b\n\n" % (where, name.encode(), _encode(about))

    def gap(self, about: dict[str, Any], entry: int = 0) -> bytes:
        """Messages are missing here."""
        return self.event("gap", about, entry)

    def is_message(self, frame: bytes) -> bool:
        """Whether a frame may be dropped."""
        return frame.startswith((b"data: ", b"id: ")) and b"\nevent: " not in frame[:64]


class WsFormat:
    """WebSocket: each frame is a message of its own."""

    def message_head(self, kind: bytes, *names: bytes) -> Frame:
        """See `pubsub.Format`."""
        del kind  # the number of names tells it
        begin = _names(names)
        return lambda message: text_frame(b"%b%b}" % (begin, data_field(message)))

    def entry_head(self, current: Current, kind: bytes, *names: bytes) -> Frame:
        """See `pubsub.Format`."""
        del kind  # the number of names tells it
        begin = _names(names)
        return lambda message: text_frame(b'%b%b,"entry":"%b"}' % (begin, data_field(message), current.text))

    def gap(self, about: dict[str, Any], entry: int = 0) -> bytes:
        """Messages are missing here."""
        if entry:
            about = {**about, "entry": entry_ids.text(entry).decode()}
        return text_frame(_encode({"gap": about}))

    def is_message(self, frame: bytes) -> bool:
        """Whether a frame may be dropped."""
        return frame.startswith(b'{"channel":', header_size(frame))


BrowserFormat = SseFormat | WsFormat
SSE = SseFormat()
WS = WsFormat()


def shown(names: Sequence[bytes]) -> list[str]:
    """Names for people."""
    return [name.decode(errors="replace") for name in names]
