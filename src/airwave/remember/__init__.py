"""Channels that remember: what is published on them is an entry of the stream of the same name as well.

`memory` is the front: rules, publishing, limits. `entries` is what a message looks like in a stream, and how it is read
from there.
"""

from airwave.remember.entries import Replayed, message_of
from airwave.remember.memory import Memory

__all__ = ["Memory", "Replayed", "message_of"]
