"""The promise: no call gets a value that an invalidation had overtaken longer ago than `stale_max`.

Several real caches, a database and a server, all under one clock. What happens, and in which order, is up to a seed:
values change, which is published some time later; messages, questions and answers are under way for any time; the
listener sleeps; connections break, noticed or not; loads stand still before and behind their look into the database.
Only sockets and the thread are not real: the caches hear of the server through their own `Watch`.
"""

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from random import Random

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from airwave.cache import Cache, CachedCoroutine
from airwave.cache.watch import Watch

from .conftest import Clock

STALE_MAX_S, TTL_S = 5.0, 20.0
KEYS = ("item:a", "item:b")
NEVER_S = float("inf")
MESSAGES = (b'{"key": "item:a"}', b'{"tag": "t:item:b"}', b'{"tag": "items"}', b'{"prefix": "it"}', b'{"all": true}')
SEEDS, STEPS, CALLS_MAX = 16, 3000, 30


@dataclass
class Value:
    """What a load found.

    Attributes:
        overtaken_s: when an invalidation reached the server that was sent after the next value was there.
    """

    number: int
    read_s: float
    overtaken_s: float = NEVER_S


class Link:
    """A connection: two directions, each in order. Once broken, nothing new arrives at the other end."""

    def __init__(self) -> None:
        self.up: deque[tuple[str, bytes]] = deque([("subscribe", b"")])
        self.down: deque[tuple[str, bytes, dict[str, int]]] = deque()
        self.subscribed = self.broken = False


@dataclass
class Side:
    """A process: its cache, and its connection.

    Attributes:
        floor: by key the oldest value that a call from now on may get, because the cache has heard of a newer one.
    """

    cache: Cache
    watch: Watch
    get: CachedCoroutine[[str], Value] = field(init=False)
    link: Link | None = None
    floor: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KEYS, 0))


@dataclass
class Call:
    task: "asyncio.Task[Value]"
    side: Side
    key: str
    began_s: float
    floor: int


class World:
    """Everything there is; each method is something that can happen."""

    def __init__(self, sides: int = 3) -> None:
        self.clock = Clock()
        self.loop = asyncio.new_event_loop()
        self.history = {key: [Value(0, 0.0)] for key in KEYS}
        self.gates: list[asyncio.Future[None]] = []
        self.calls: list[Call] = []
        self.reachable = True
        self.sides = [self._side() for _ in range(sides)]

    def _side(self) -> Side:
        cache = Cache("memory://nobody", ttl=TTL_S, stale_max=STALE_MAX_S, clock=self.clock)
        cache._channel = self  # type: ignore[assignment]
        cache._listener.started = True
        side = Side(cache, cache._listener._watch)

        async def get(key: str) -> Value:
            await self._gate()
            now = self.history[key][-1]
            found = Value(now.number, self.clock())
            await self._gate()
            return found

        side.get = cache.cached("{key}", tags=("items", "t:{key}"))(get)
        return side

    async def _gate(self) -> None:
        gate = self.loop.create_future()
        self.gates.append(gate)
        await gate

    def settle(self) -> None:
        """Let the event loop do all that it can do just now."""

        for _ in range(5):  # a task that ends wakes another, and so on
            self.loop.stop()
            self.loop.run_forever()
        for call in [call for call in self.calls if call.task.done()]:
            self.calls.remove(call)
            if not call.task.cancelled():
                self.check(call, call.task.result())

    def check(self, call: Call, value: Value) -> None:
        overtaken_s = self.history[call.key][value.number].overtaken_s
        assert call.began_s - overtaken_s <= STALE_MAX_S, f"overtaken {call.began_s - overtaken_s} s before the call"
        assert call.began_s - value.read_s < TTL_S, "older than its ttl"
        assert value.number >= call.floor, "the cache had heard of a newer one"

    # --- the database, and those who tell of changes ----------------------------------------------------------------

    def write(self, key: str) -> None:
        self.history[key].append(Value(len(self.history[key]), self.clock()))

    def numbers(self, keys: tuple[str, ...]) -> dict[str, int]:
        return {key: self.history[key][-1].number for key in keys}

    def publish(self, payload: bytes) -> None:
        """The caches' channel, and everybody else's way to publish."""
        if not self.reachable:
            raise RedisConnectionError("refused")
        message = json.loads(payload)
        keys = (message["key"],) if "key" in message else (message["tag"][2:],) if "t:" in str(message) else KEYS
        newest = self.numbers(keys)
        for key in keys:
            for value in self.history[key][:-1]:
                value.overtaken_s = min(value.overtaken_s, self.clock())
        for side in self.sides:
            if side.link and side.link.subscribed and not side.link.broken:
                side.link.down.append(("message", payload, newest))

    def invalidate(self, side: Side, key: str) -> None:
        try:
            side.cache.invalidate(key)
        except RedisConnectionError:
            assert not self.reachable
        side.floor |= self.numbers((key,))

    def close(self) -> None:
        """As a channel."""

    # --- connections ------------------------------------------------------------------------------------------------

    def connect(self, side: Side) -> None:
        if side.link is None:
            side.watch.opened()
            side.link = Link()

    def server_reads(self, link: Link) -> None:
        if link.up and not link.broken:
            kind, data = link.up.popleft()
            link.subscribed = True
            link.down.append((kind, data, {}))

    def client_reads(self, side: Side) -> None:
        if side.link and side.link.down:
            kind, data, newest = side.link.down.popleft()
            side.watch.hear(kind, data)
            for key, number in newest.items():
                side.floor[key] = max(side.floor[key], number)

    def client_asks(self, side: Side) -> None:
        if side.link:
            try:
                token = side.watch.question()
            except TimeoutError:
                self.client_notices(side)
            else:
                if token:
                    side.link.up.append(("pong", token))

    def client_notices(self, side: Side) -> None:
        side.link = None
        side.watch.lost()
        assert side.cache.stats.size == 0

    def listen(self, side: Side) -> None:
        """What the listener's thread does when it is awake."""
        self.connect(side)
        self.client_reads(side)
        self.client_asks(side)

    # --- calls ------------------------------------------------------------------------------------------------------

    def call(self, side: Side, key: str, *, anew: bool = False) -> Call:
        get = side.get.refresh if anew else side.get
        call = Call(self.loop.create_task(get(key)), side, key, self.clock(), side.floor[key])
        self.calls.append(call)
        self.settle()
        return call

    def calm(self) -> None:
        """All is told, all connections stand, all loads end: from here on every value must be right, and kept."""
        self.reachable = True
        for key in KEYS:
            self.publish(json.dumps({"key": key}).encode())
        for side in self.sides:
            if side.link is None or side.link.broken:
                self.client_notices(side)
                self.connect(side)
            assert side.link
            while side.link.up or side.link.down:
                self.server_reads(side.link)
                self.client_reads(side)
        self.finish_loads()
        assert not self.calls

    def finish_loads(self) -> None:
        while self.gates:
            self.open(self.gates.pop())

    def open(self, gate: "asyncio.Future[None]") -> None:
        if not gate.done():
            gate.set_result(None)
        self.settle()

    def check_indices(self) -> None:
        """What is remembered beside the entries goes with them."""
        for side in self.sides:
            store = side.cache._store
            assert all(key in store._entries for keys in store._tagged.values() for key in keys)
            assert sum(map(len, store._loading.values())) <= len(self.calls)

    def end(self) -> None:
        for call in self.calls:
            call.task.cancel()
        self.settle()
        self.loop.close()
        for side in self.sides:
            assert not side.cache._store._loading
            side.cache.close()


class Fate:
    """Chooses what happens next. Who is asleep or cut off stays so for a while, or nothing would come of it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.world = World()
        self.asleep: set[int] = set()
        self.database_hangs = False

    def step(self) -> None:
        for number, side in enumerate(self.world.sides):
            if side.link and self.random.random() < 0.6:
                self.world.server_reads(side.link)
            if number not in self.asleep and self.random.random() < 0.6:
                self.world.listen(side)
        (happening,) = self.random.choices(list(self.happenings), list(self.happenings.values()))
        happening(self)
        self.world.check_indices()

    @property
    def side(self) -> Side:
        return self.random.choice(self.world.sides)

    @property
    def key(self) -> str:
        return self.random.choice(KEYS)

    def time_passes(self) -> None:
        self.world.clock.advance(self.random.choice([0.1, 0.5, 1.0, 2.0]))

    def value_changes(self) -> None:
        self.world.write(self.key)

    def somebody_publishes(self) -> None:
        if self.world.reachable:
            self.world.publish(self.random.choice(MESSAGES))

    def value_changes_and_is_invalidated(self) -> None:
        key = self.key
        self.world.write(key)
        self.world.invalidate(self.side, key)

    def publishers_lose_or_find_the_server(self) -> None:
        self.world.reachable = not self.world.reachable

    def somebody_calls(self) -> None:
        if len(self.world.calls) < CALLS_MAX:
            self.world.call(self.side, self.key, anew=self.random.random() < 0.1)

    def a_load_goes_on(self) -> None:
        if (gates := self.world.gates) and not self.database_hangs:
            self.world.open(gates.pop(self.random.randrange(len(gates))))

    def all_loads_end(self) -> None:
        self.database_hangs = False
        self.world.finish_loads()

    def the_database_hangs(self) -> None:
        self.database_hangs = True

    def a_caller_is_cancelled(self) -> None:
        if self.world.calls:
            self.random.choice(self.world.calls).task.cancel()
            self.world.settle()

    def a_listener_falls_asleep_or_wakes_up(self) -> None:
        self.asleep ^= {self.random.randrange(len(self.world.sides))}

    def connection_breaks_in_silence(self) -> None:
        if link := self.side.link:
            link.broken = True

    def client_notices(self) -> None:
        side = self.side
        if side.link:
            self.world.client_notices(side)

    happenings = {  # noqa: RUF012
        time_passes: 6,
        value_changes: 2,
        somebody_publishes: 2,
        value_changes_and_is_invalidated: 2,
        publishers_lose_or_find_the_server: 0.3,
        somebody_calls: 14,
        a_load_goes_on: 14,
        all_loads_end: 1.5,
        the_database_hangs: 0.5,
        a_caller_is_cancelled: 0.5,
        a_listener_falls_asleep_or_wakes_up: 1,
        connection_breaks_in_silence: 1,
        client_notices: 0.3,
    }


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_call_gets_what_was_overtaken_longer_ago_than_the_bound(seed: int) -> None:
    fate = Fate(seed)
    world = fate.world
    try:
        for _ in range(STEPS):
            fate.step()
        world.calm()
        for side in world.sides:
            for key in KEYS:
                world.call(side, key)
                world.finish_loads()
                kept = world.call(side, key).task
                assert kept.done(), "a value that is right was not kept"
                assert kept.result().number == world.history[key][-1].number
    finally:
        world.end()
