"""Free ports for servers under test."""

import random
import socket

HOST = "127.0.0.1"
# Below those that the system gives to connections: one of thousands that other tests make would take it meanwhile.
_FIRST, _LAST = 10_000, 32_767
_random = random.SystemRandom()  # hypothesis seeds the other one, in all processes alike


def free_port() -> int:
    """A TCP port that nobody listens on."""
    while True:
        port = _random.randint(_FIRST, _LAST)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
