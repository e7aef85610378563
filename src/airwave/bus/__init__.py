"""`airwave.Bus`: events, workers and requests over Pub/Sub and streams, on any server that speaks Redis."""

from airwave.bus.backoff import constant, exponential
from airwave.bus.bus import Bus
from airwave.bus.entry import Entry
from airwave.bus.hooks import Failure, Gap, Message
from airwave.bus.payload import PayloadError
from airwave.bus.requests import RequestError

__all__ = [
    "Bus",
    "Entry",
    "Failure",
    "Gap",
    "Message",
    "PayloadError",
    "RequestError",
    "constant",
    "exponential",
]
