"""What the demo tells: acts about channels, patterns, a background thread, a cache, a stream, a channel that remembers.

Each act publishes or adds, and names everything that must arrive; see actors.py and workers.py for how that is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from airwave.cli.actors import BackgroundSubscriber, Payload, Publisher, Subscriber, encoded
from airwave.cli.failure import Failure
from airwave.cli.stage import Stage
from airwave.cli.workers import Archivist, Foreman, Ledger, Shop, Worker

if TYPE_CHECKING:
    from redis import Redis

Connect = Callable[[], "Redis"]

_USER = "notifications:user:42"
_OTHER_USER = "notifications:user:7"
_USERS = "notifications:user:*"
_ORDERS = "events:orders:*"
_GLOBAL = "notifications:global"
_INVALIDATE = "cache:invalidate"
_PRODUCT = "product:42"
_PARCELS = "parcels"
_PACKERS = "packers"
_HELLO: Payload = {"type": "new_message", "from": "Alice", "text": "Lunch at noon?"}
_ANYONE: Payload = {"type": "new_message", "from": "Alice", "text": "Anyone?"}
REMEMBERED = "notifications:*"


class AppServer:
    """A server of an application that keeps products in a cache of its own."""

    def __init__(self, stage: Stage, subscriber: Subscriber, database: Payload) -> None:
        self._stage, self._subscriber, self._database = stage, subscriber, database
        self._cache: Payload = {}

    def start(self) -> None:
        """Listen to invalidations, then fill the cache; in this order no change can slip through in between."""
        self._subscriber.subscribe(_INVALIDATE)
        self._load("loads")

    def invalidate(self, payload: Payload) -> None:
        """Get the invalidation, drop the product, load it again."""
        self._subscriber.expect(_INVALIDATE, payload)
        self._cache.pop(payload["key"], None)
        self._stage.remarks(self._subscriber.name, f"drops {payload['key']}; cache: {encoded(self._cache)}")
        self._load("reloads")

    def _load(self, verb: str) -> None:
        self._cache[_PRODUCT] = self._database[_PRODUCT]
        self._stage.remarks(self._subscriber.name, f"{verb} {_PRODUCT}; cache: {encoded(self._cache)}")


class Packers(NamedTuple):
    """Who plays on the stream of parcels."""

    shop: Shop
    foreman: Foreman
    one: Worker
    two: Worker
    archivist: Archivist


class Cast:
    """All who play. A context manager: at the end every connection is closed, also after a failure."""

    def __init__(self, stage: Stage, connect: Connect, patience_s: float) -> None:
        self.stage = stage
        self._connect, self._patience_s = connect, patience_s
        self._exits = ExitStack()
        self._subscribers: list[Subscriber] = []
        self.user = self._add(Subscriber(stage, "user 42", self._client(), patience_s))
        self.auditor = self._add(Subscriber(stage, "auditor", self._client(), patience_s))
        self.orders = self._add(Subscriber(stage, "order desk", self._client(), patience_s))
        self.worker = self._add(BackgroundSubscriber(stage, "worker thread", self._client(), patience_s))

    def __enter__(self) -> Cast:
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def publisher(self, name: str) -> Publisher:
        """A publisher with a connection of its own."""
        return Publisher(self.stage, name, self._client())

    def app_server(self, name: str, database: Payload) -> AppServer:
        """An app server with a subscriber of its own."""
        subscriber = self._add(Subscriber(self.stage, name, self._client(), self._patience_s))
        return AppServer(self.stage, subscriber, database)

    def packers(self) -> Packers:
        """A stream of parcels, and those who have to do with it; each has a connection of its own."""
        ledger, stage = Ledger(_PARCELS), self.stage
        one, two = (Worker(stage, f"worker {n}", self._client(), ledger, _PACKERS) for n in (1, 2))
        return Packers(
            Shop(stage, "shop", self._client(), ledger),
            Foreman(stage, "foreman", self._client(), ledger, _PACKERS),
            one,
            two,
            Archivist(stage, "archivist", self._client(), ledger),
        )

    def leave(self) -> int:
        """Everybody unsubscribes; how many messages arrived in all."""
        for subscriber in self._subscribers:
            subscriber.leave()
        return sum(subscriber.received for subscriber in self._subscribers)

    def _add(self, subscriber: Subscriber) -> Subscriber:
        self._subscribers.append(subscriber)
        self._exits.callback(subscriber.close)
        return subscriber

    def _client(self) -> Redis:
        client = self._connect()
        self._exits.callback(client.close)
        return client


def play(stage: Stage, connect: Connect, patience_s: float, *, remembers: bool = False) -> None:
    """Play the whole story.

    Args:
        connect: makes a client of the server.
        patience_s: how long to wait for each message.
        remembers: the server remembers the channels of `REMEMBERED`.

    Raises:
        Failure: an expected message did not arrive, an unexpected one did, or a count was wrong.
        redis.RedisError: the server failed.
    """
    with Cast(stage, connect, patience_s) as cast:
        subscribe(cast)
        notify_users(cast)
        follow_orders(cast)
        broadcast(cast)
        invalidate_caches(cast)
        packers = cast.packers()
        share_work(stage, packers)
        lose_a_worker(stage, packers)
        replay(stage, packers)
        received = leave(cast)
    if remembers:
        recall(stage, connect)
    done = packers.one.done + packers.two.done
    stage.done(
        f"All {received} messages arrived, in order; {done} parcels are packed, each once; every count was right."
    )


def recall(stage: Stage, connect: Connect) -> None:
    """What was published while nobody listened is still there.

    Raises:
        Failure: it is not.
    """
    stage.act("10. But this channel remembers: who comes late asks for what was said")
    stage.sends("user 42", f"XRANGE {_USER} - +")
    with connect() as client:
        entries: Any = client.xrange(_USER)
    found = [fields[b"message"].decode() for _, fields in entries]
    for message in found:
        stage.receives("user 42", f"{_USER}  {message}")
    if found != [encoded(payload) for payload in (_HELLO, _ANYONE)]:
        raise Failure(f"{_USER} remembers {found} instead of the two messages that were published there")


def subscribe(cast: Cast) -> None:
    """Everybody says what they want to hear."""
    cast.stage.act("1. Subscribers say what they want to hear")
    cast.user.subscribe(_USER)
    cast.auditor.psubscribe(_USERS)
    cast.orders.psubscribe(_ORDERS)
    cast.worker.subscribe(_GLOBAL, _INVALIDATE)


def notify_users(cast: Cast) -> None:
    """A message reaches the subscribers of its channel and those whose pattern fits."""
    cast.stage.act("2. A message reaches its channel and every pattern that fits")
    chat = cast.publisher("chat")
    chat.publish(_USER, _HELLO, delivered=2)
    cast.user.expect(_USER, _HELLO)
    cast.auditor.expect(_USER, _HELLO, _USERS)
    mention = {"type": "mention", "from": "Bob", "post": 1234}
    chat.publish(_OTHER_USER, mention, delivered=1)
    cast.auditor.expect(_OTHER_USER, mention, _USERS)


def follow_orders(cast: Cast) -> None:
    """One pattern follows many channels."""
    cast.stage.act("3. One pattern follows many channels")
    shop = cast.publisher("shop")
    events: list[tuple[str, Payload]] = [
        ("created", {"order": 1001, "total": 39.8}),
        ("shipped", {"order": 1001, "carrier": "DHL"}),
        ("cancelled", {"order": 1002, "reason": "changed my mind"}),
    ]
    for event, payload in events:
        channel = f"events:orders:{event}"
        shop.publish(channel, payload, delivered=1)
        cast.orders.expect(channel, payload, _ORDERS)


def broadcast(cast: Cast) -> None:
    """A background thread handles messages while the program does something else."""
    cast.stage.act("4. A background thread listens while the program does something else")
    notice = {"type": "maintenance", "text": "Back in five minutes"}
    cast.publisher("operator").publish(_GLOBAL, notice, delivered=1)
    cast.worker.expect(_GLOBAL, notice)


def invalidate_caches(cast: Cast) -> None:
    """Two app servers drop what has changed from their caches."""
    cast.stage.act("5. A price changes, and every cache learns it at once")
    database: Payload = {_PRODUCT: {"name": "Radio", "price": 19.9}}
    app_servers = [cast.app_server(name, database) for name in ("app server 1", "app server 2")]
    for app_server in app_servers:
        app_server.start()
    database[_PRODUCT] = {"name": "Radio", "price": 17.5}
    cast.stage.remarks("price editor", f"writes to the database: {encoded(database)}")
    change = {"type": "invalidate", "key": _PRODUCT}
    cast.publisher("price editor").publish(_INVALIDATE, change, delivered=3)
    cast.worker.expect(_INVALIDATE, change)
    for app_server in app_servers:
        app_server.invalidate(change)


def share_work(stage: Stage, packers: Packers) -> None:
    """Each entry of a stream goes to one worker of a group, and is theirs until they acknowledge it."""
    stage.act("6. A stream keeps what is added, and two workers of a group share it")
    shop, foreman, one, two, _ = packers
    foreman.found()
    for parcel, item in enumerate(("Radio", "Lamp", "Clock", "Map"), 1):
        shop.add({"parcel": str(parcel), "item": item})
    one.take(1)
    two.take(2)
    one.finish(1)
    one.take(3)
    foreman.look({2: two, 3: one})


def lose_a_worker(stage: Stage, packers: Packers) -> None:
    """What a worker has not acknowledged when it dies is claimed by another one."""
    stage.act("7. A worker dies at its work, and the other one takes it over")
    _, foreman, one, two, _ = packers
    foreman.kill(two)
    stage.remarks(two.name, "is gone, and the parcel of entry 2 is not packed")
    one.finish(3)
    one.take(4)
    one.finish(4)
    foreman.look({2: two})
    one.claim(2)
    one.finish(2)
    foreman.look({})


def replay(stage: Stage, packers: Packers) -> None:
    """Acknowledged or not, the entries are still there."""
    stage.act("8. Somebody new reads everything from the start")
    packers.archivist.replay()


def leave(cast: Cast) -> int:
    """Nobody listens any more; how many messages had arrived."""
    cast.stage.act("9. Nobody listens any more")
    received = cast.leave()
    cast.publisher("chat").publish(_USER, _ANYONE, delivered=0)
    return received
