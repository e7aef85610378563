"""Traffic for the demo: a small shop that goes on by itself, so that there is something to look at.

One thread plays all of it, with a redis-py client for each who plays: phones that listen, a shop that publishes and
adds orders, packers who share them. One packer is slower than the orders come now and then, so that there is some lag.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis import Redis

_ORDERS = "orders:new"
_GROUP = "packers"
_USERS = range(100, 108)
_ITEMS = ("Radio", "Lamp", "Clock", "Map", "Kettle", "Chair", "Globe")
_STEP_S = 0.05
_ORDER_CHANCE = 0.15
_SLOW_S = (4.0, 12.0)  # every twelve seconds a packer has a break of four
_LENGTH_MAX = 2000


class Traffic:
    """A context manager: goes on until it is left, or the server is gone.

    Args:
        connect: makes a client of the server.
    """

    def __init__(self, connect: Callable[[], Redis]) -> None:
        self._connect = connect
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="airwave traffic", daemon=True)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _run(self) -> None:
        import redis  # noqa: PLC0415  (keeps `airwave --help` fast)

        try:
            with ExitStack() as stack:
                shop = _Shop(lambda: stack.enter_context(self._connect()), stack)
                while not self._left.wait(_STEP_S):
                    shop.step(time.monotonic())
        except (redis.RedisError, OSError):
            pass  # the server has ended, and whoever waits for it says so


class _Shop:
    """Everybody who plays."""

    def __init__(self, client: Callable[[], Redis], stack: ExitStack) -> None:
        self._random = random.Random(42)
        self._shop, *self._packers = client(), client(), client()
        self._order = 1000
        for number, packer in enumerate(self._packers, 1):
            packer.client_setname(f"packer-{number}")
        self._shop.client_setname("shop")
        if not self._shop.exists(_ORDERS):
            self._shop.xgroup_create(_ORDERS, _GROUP, id="0", mkstream=True)
        self._phones = [self._phone(client(), user, stack) for user in _USERS]

    def _phone(self, client: Redis, user: int, stack: ExitStack) -> Any:
        phone: Any = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        stack.callback(phone.close)
        phone.execute_command("CLIENT", "SETNAME", f"phone-of-user-{user}")
        phone.parse_response()
        phone.subscribe(f"notifications:user:{user}", "notifications:global")
        if user % 2:
            phone.psubscribe("prices:*")
        return phone

    def step(self, now_s: float) -> None:
        """What happens in a twentieth of a second."""
        chance = self._random.random
        user = self._random.choice(_USERS)
        text = self._random.choice(("Lunch at noon?", "On my way", "Parcel is at the door", "Call me"))
        self._publish(f"notifications:user:{user}", {"type": "message", "to": user, "text": text})
        item = self._random.choice(_ITEMS)
        if chance() < 0.5:
            self._publish(f"prices:{item.lower()}", {"item": item, "price": round(5 + 40 * chance(), 2)})
        if chance() < 0.01:
            self._publish("notifications:global", {"type": "news", "text": f"{item}s are half the price today"})
        if chance() < _ORDER_CHANCE:
            self._order += 1
            fields: Any = {"order": self._order, "item": item, "customer": user}
            self._shop.xadd(_ORDERS, fields, maxlen=_LENGTH_MAX)
        self._pack(now_s)
        for phone in self._phones:
            while phone.get_message(timeout=0) is not None:
                pass

    def _publish(self, channel: str, payload: dict[str, Any]) -> None:
        self._shop.publish(channel, json.dumps(payload))

    def _pack(self, now_s: float) -> None:
        """The packers take an order each and finish it, but the second has breaks, and leaves one in a while lying."""
        for number, packer in enumerate(self._packers, 1):
            if (number == 2 and now_s % _SLOW_S[1] < _SLOW_S[0]) or self._random.random() < 0.7:
                continue
            got: Any = packer.xreadgroup(_GROUP, f"packer-{number}", {_ORDERS: ">"}, count=1)
            for _, entries in got or ():
                for entry_id, _ in entries:
                    if self._random.random() > 0.01:
                        packer.xack(_ORDERS, _GROUP, entry_id)
