"""What Airwave tells a subscriber of itself, in band: that messages were dropped for it.

Under `slow-subscriber-policy drop-oldest` a subscriber that is too slow loses its oldest messages, and keeps its
connection. One that is subscribed to `DROPPED_CHANNEL` finds a message of this channel in their place: how many were
dropped so far on this connection, as a decimal number. Ours, not Redis's: ask before subscribing, as elsewhere it would
be a channel like any other, and access rules might forbid it.
"""

from typing import Any

DROPPED_CHANNEL = b"__airwave__:dropped"

ASK = ("COMMAND", "INFO", "XSCHEDULE")
"""What to ask a server; `gives_notice` knows the answer."""

ASK_FOR_IDS = ("CLIENT", "CAPA", "ids")
"""What a server that gives notice can be told: messages of channels that it remembers shall carry their entry IDs."""


def gives_notice(answer: Any) -> bool:
    """Whether a server is one that tells, by its answer to `ASK`: only Airwave knows this command."""
    return isinstance(answer, list) and isinstance(answer[0], list)


def newly_dropped(payload: bytes, before: int) -> int:
    """How many messages are missing where a notice stands.

    Args:
        payload: the notice's.
        before: what the last notice on this connection said; 0 without one.

    Returns:
        0 if it is none of the server's: anybody may publish there.
    """
    return max(0, int(payload) - before) if payload.isdigit() and len(payload) < 20 else 0
