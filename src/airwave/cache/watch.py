"""One subscription as the store hears of it: what came, what is asked, and when the server has been silent too long.

No I/O: a `Listener` brings the events and sends the questions.

    opened --"subscribe"--> subscribed: asks every quarter of `stale_max_s`, waits half of it for an answer
       |                         |
       +------- no answer -------+--> the connection is to be given up, and `lost` called
"""

import logging
from collections.abc import Callable

from airwave.cache.messages import PayloadError, decode
from airwave.cache.store import NEVER_S, Store

COMPLAIN_EVERY_S = 60.0

log = logging.getLogger("airwave.cache")


class Watch:
    """Tells a store what is heard. Used by one thread.

    Args:
        store: told of all that happens.
        origin: messages that say to be from here are not applied: they were, before they were sent.
        stale_max_s, clock: of the store.

    Attributes:
        interval_s: between two questions.
        answer_max_s: how long an answer may take.
        subscribed: the subscription stands.
    """

    def __init__(self, store: Store, origin: str, stale_max_s: float, clock: Callable[[], float]) -> None:
        self.interval_s, self.answer_max_s = stale_max_s / 4, stale_max_s / 2
        self.subscribed = False
        self._store, self._origin, self._clock = store, origin, clock
        self._questions = 0
        self._token, self._asked_s, self._waiting = b"", NEVER_S, False
        self._complained_s = NEVER_S

    def opened(self) -> None:
        """The subscription is about to be asked for."""
        self._token, self._asked_s, self._waiting = b"", self._clock(), True

    def hear(self, kind: str, data: bytes) -> None:
        """An event came: `subscribe`, `message` or `pong`, and what with it. Others mean nothing."""
        if kind == "message":
            self._apply(data)
        elif kind == "subscribe":
            self._store.covered(self._asked_s)
            self.subscribed = True
            self._waiting = False
        elif kind == "pong" and data == self._token and self.subscribed:
            self._store.verified(self._asked_s)
            self._waiting = False

    def question(self) -> bytes | None:
        """What to send as a PING just now; None: nothing.

        Raises:
            TimeoutError: the last question, or the subscription, should have been answered by now.
        """
        now_s = self._clock()
        since_s = now_s - self._asked_s
        if self._waiting:
            if since_s > self.answer_max_s:
                raise TimeoutError(f"no answer from the server for {since_s:.3g} s")
            return None
        if since_s < self.interval_s:
            return None
        self._questions += 1
        self._token, self._asked_s, self._waiting = b"airwave-cache-%d" % self._questions, now_s, True
        return self._token

    def lost(self) -> None:
        """The connection is gone, or never came."""
        self.subscribed = False
        self._store.lost()

    def _apply(self, payload: bytes) -> None:
        try:
            invalidation = decode(payload)
        except PayloadError as error:
            self._store.apply_undecodable()
            now_s = self._clock()
            if now_s - self._complained_s >= COMPLAIN_EVERY_S:
                self._complained_s = now_s
                log.warning(
                    "a message on the invalidation channel is not understood, so the cache is emptied; send "
                    '{"key": "..."} (told once a minute; all are counted in stats.undecodable): %s: %.200r',
                    error,
                    payload,
                )
            return
        if invalidation.origin != self._origin:
            self._store.apply(invalidation)
