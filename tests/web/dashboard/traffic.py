"""Traffic of all kinds, so that there is something to look at."""

import json
import math
import random
import threading
from typing import Self

from live import Peer

from ..site import Site

TRACEBACK = """Traceback (most recent call last):
  File "shop.py", line 12, in charge
LookupError: there is no customer user:17"""


class Traffic:
    """Publishers, subscribers and workers of a server, in a thread, until the block ends."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._peers: list[Peer] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._random = random.Random(1)
        self._turn = 0

    def __enter__(self) -> Self:
        for number in range(12):
            peer = self._connect(f"gateway-{number + 1}")
            names = [f"user:{number * 100 + place}:inbox" for place in range(100)]
            self._subscribe(peer, *names, "kept:news", "prices:eurusd")
        pattern = self._connect("audit")
        pattern.do("PSUBSCRIBE", "orders:*")
        self._main = self._connect("shop-api")
        self._fill()
        self._step()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for peer in self._peers:
            peer.close()
        self._site.redis("FLUSHALL")

    def _connect(self, name: str) -> Peer:
        peer = self._site.node.connect()
        self._peers.append(peer)
        peer.do("CLIENT", "SETNAME", name)
        peer.do("CLIENT", "SETINFO", "LIB-NAME", "redis-py")
        peer.do("CLIENT", "SETINFO", "LIB-VER", "8.1.0")
        return peer

    def _subscribe(self, peer: Peer, *channels: str) -> None:
        peer.send("SUBSCRIBE", *channels)
        for _ in channels:
            peer.read()

    def _fill(self) -> None:
        do = self._main.do
        do("XGROUP", "CREATE", "orders", "billing", "0", "MKSTREAM")
        do("XGROUP", "CREATE", "orders", "mailing", "0")
        for number in range(40):
            self._order(number)
        do("XREADGROUP", "GROUP", "billing", "ann", "COUNT", 12, "STREAMS", "orders", ">")
        do("XREADGROUP", "GROUP", "billing", "bob", "COUNT", 7, "STREAMS", "orders", ">")
        for number in range(3):
            letter = {
                "data": json.dumps({"order": number, "customer": "user:17", "total": 12.5}),
                "error": "LookupError: there is no customer user:17",
                "traceback": TRACEBACK,
                "attempts": "5",
                "id": f"170000000000{number}-0",
                "group": "billing",
                "at": "1700000000000",
                "field:type": "placed",
            }
            do("XADD", "orders:dead", "*", *[word for pair in letter.items() for word in pair])
        do("XADD", "thumbnails", "*", "image", bytes(range(64)), "size", "64x64")
        do("CONFIG", "SET", "slowlog-log-slower-than", 0)
        do("PUBSUB", "CHANNELS", "user:*")
        do("CONFIG", "SET", "slowlog-log-slower-than", 10_000)

    def _order(self, number: int) -> None:
        total = round(self._random.uniform(5, 90), 2)
        data = {"order": number, "customer": f"user:{self._random.randrange(1200)}", "total": total, "gift": False}
        self._main.do("XADD", "orders", "*", "data", json.dumps(data), "type", "placed")

    def _run(self) -> None:
        while not self._ended.wait(0.1):
            self._step()

    def _step(self) -> None:
        """What happens in a tenth of a second."""
        self._turn += 1
        wave = 40 + 25 * math.sin(self._turn / 170) + self._random.uniform(-8, 8)
        sent = 0
        for _ in range(int(wave)):
            user = self._random.randrange(1200)
            self._main.send("PUBLISH", f"user:{user}:inbox", json.dumps({"from": "ann", "unread": user % 7}))
            sent += 1
        news = {"id": self._turn, "headline": "Rain is expected in the north", "tags": ["weather", "north"]}
        self._main.send("PUBLISH", "prices:eurusd", f"{1.08 + self._random.uniform(0, 0.01):.5f}")
        self._main.send("PUBLISH", "orders:placed", json.dumps({"order": self._turn}))
        self._main.send("PUBLISH", "kept:news", json.dumps(news))
        for _ in range(sent + 3):
            self._main.read()
        if self._turn % 4 == 0:
            self._order(self._turn)
        for group, consumer in (("billing", "cleo"), ("mailing", "dora")):
            self._work(group, consumer)
        for peer in self._peers[:13]:
            self._drain(peer)

    def _work(self, group: str, consumer: str) -> None:
        """Read what is new, and acknowledge it."""
        do = self._main.do
        found = do("XREADGROUP", "GROUP", group, consumer, "COUNT", 100, "STREAMS", "orders", ">")
        if found:
            do("XACK", "orders", group, *[row[0] for row in found[0][1]])

    def _drain(self, peer: Peer) -> None:
        """Read what has come, so that nobody is slow."""
        peer.socket.setblocking(False)
        try:
            while peer.socket.recv(1 << 18):
                pass
        except BlockingIOError:
            pass
        finally:
            peer.socket.setblocking(True)
