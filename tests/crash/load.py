"""Random requests of one client that owns its keys, so that a model can say what each of them did.

What a request does follows from those before it: entry IDs and times are given, not left to the server. The exceptions
are *open* units, whose outcome the server decides: the reply tells it, or, when the reply was lost, the state does. An
open unit is the last of its pipeline, so that nothing has covered its traces.
"""

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Word = bytes | str | int
Request = tuple[Word, ...]
Place = tuple[int, bytes]
"""A numbered database and a key."""

LONG_AGO_MS = 946_684_800_000  # the year 2000: where times that XCLAIM gives begin
FAR_MS = 4_000_000_000_000  # the year 2096
RELATIVE_MS = 5_000_000  # expiry times that count from now
FOREVER_MS = 10**10  # four months: longer than anything is idle here that was not claimed with a time of long ago

PLAIN = "plain"  # the same requests do the same again
AUTO = "auto"  # XADD *: the reply is the ID
TRIM = "trim"  # MULTI, a trim with ~, XLEN, EXEC: how much is left is the server's choice
EXPIRY = "expiry"  # MULTI, something with a relative expiry time, PEXPIRETIME, EXEC
FLEETING = "fleeting"  # a key that is gone soon; nothing touches it again, but PERSIST
STAY = "stay"  # PERSIST of such a key


@dataclass(slots=True)
class Unit:
    """Requests that are done as a whole or not at all: one, or MULTI to EXEC.

    Attributes:
        touches: what they may change; None: everything the client owns.
        timed: replies depend on the clock or on what is not kept, and are not compared.
        until_ms: when a fleeting key goes.
    """

    requests: list[Request]
    touches: list[Place] | None
    kind: str = PLAIN
    timed: bool = False
    until_ms: int = 0

    @property
    def open(self) -> bool:
        """Whether the server decides what it does."""
        return self.kind in (AUTO, TRIM, EXPIRY)


class Script:
    """What one client sends.

    Args:
        rng: where every choice comes from.
        owner: its keys begin with this and a colon.
        databases: that it uses, the first to begin with.
        alone: nobody else uses them: it may swap and flush them.
        newer: the server knows the commands that came after Redis 7.0.
    """

    def __init__(
        self, rng: random.Random, owner: bytes, databases: list[int], *, alone: bool = False, newer: bool = False
    ) -> None:
        self.rng = rng
        self.owner = owner
        self.databases = databases
        self.database = databases[0]
        self._streams = [b"%s:s%d" % (owner, number) for number in range(3)]
        self._strings = [b"%s:k%d" % (owner, number) for number in range(3)]
        self._counters = [b"%s:n%d" % (owner, number) for number in range(2)]
        self._added: dict[bytes, deque[bytes]] = {}  # IDs by stream
        self._given: dict[tuple[Word, Word], deque[bytes]] = {}  # and those that were delivered, by stream and group
        self._ms = 1000
        self._count = 0
        self._fleeting: list[bytes] = []
        steps: list[tuple[int, Callable[[], Unit]]] = [
            (60, self._xadd),
            (6, self._xdel),
            (2, self._xtrim),
            (1, self._xsetid),
            (8, self._xgroup_create),
            (3, self._xgroup_other),
            (30, self._xreadgroup),
            (20, self._xack),
            (8, self._xclaim),
            (5, self._xautoclaim),
            (12, self._set),
            (8, self._count_up),
            (5, self._change_string),
            (6, self._expire_at),
            (3, self._key),
        ]
        if newer:
            steps += [(4, self._xdelex), (4, self._xackdel), (5, self._xnack), (6, self._schedule)]
        self._newer = newer
        self._steps = [step for _, step in steps]
        self._weights = [weight for weight, _ in steps]
        self._alone = alone

    def connected(self) -> list[Unit]:
        """What a new connection sends first."""
        self.database = self.rng.choice(self.databases)
        return [self._unit("SELECT", self.database)]

    def pipeline(self) -> list[Unit]:
        """What is sent in one piece."""
        rng = self.rng
        size = rng.choice((1, 1, 2, 3, 5, 8, 13))
        if rng.random() < 0.1:  # so many that chunks of entries fill
            key = rng.choice(self._streams)
            units = [self._xadd(key) for _ in range(rng.randint(30, 120))]
        else:
            units = [self._step() for _ in range(size)]
        while units[-1].kind == PLAIN and rng.random() < 0.15:
            units.append(rng.choice((self._auto, self._trim, self._expiry))())
        return units

    def hear(self, unit: Unit, reply: Any) -> None:
        """The reply of a unit. What was delivered can be acknowledged and claimed."""
        request = unit.requests[0]
        if request[0] == "XREADGROUP" and isinstance(reply, list):
            for key, entries in reply:
                given = self._given.setdefault((key, request[2]), deque(maxlen=400))
                given.extend([entry[0] for entry in entries])

    def _step(self) -> Unit:
        rng, chance = self.rng, self.rng.random()
        if chance < 0.02:
            self.database = rng.choice(self.databases)
            return self._unit("SELECT", self.database)
        if chance < 0.05:
            return self._fleet()
        if self._alone and chance < 0.07:
            if rng.random() < 0.8:
                return Unit([("SWAPDB", *rng.sample(self.databases, 2))], None)
            return Unit([("FLUSHDB",)], None)
        if chance < 0.2:
            parts = [self._plain() for _ in range(rng.randint(1, 5))]
            requests: list[Request] = [("MULTI",), *[each for part in parts for each in part.requests], ("EXEC",)]
            touches = [place for part in parts for place in part.touches or ()]
            return Unit(requests, touches, timed=any(part.timed for part in parts))
        return self._plain()

    def _plain(self) -> Unit:
        (step,) = self.rng.choices(self._steps, self._weights)
        return step()

    def _unit(self, *request: Word, touches: list[bytes] | None = None, timed: bool = False) -> Unit:
        return Unit([request], [(self.database, key) for key in touches or ()], timed=timed)

    # --- words ------------------------------------------------------------------------------------------------------

    def _next_id(self, key: bytes) -> bytes:
        self._ms += self.rng.choice((0, 1, 1, 7))
        self._count += 1
        made = b"%d-%d" % (self._ms, self._count)
        self._added.setdefault(key, deque(maxlen=400)).append(made)
        return made

    def _some_ids(self, key: bytes, most: int = 1, *, group: bytes | None = None) -> list[bytes]:
        """IDs that were added to a stream, or delivered to a group; it may have them no more."""
        known = self._added.get(key) if group is None else self._given.get((key, group), self._added.get(key))
        if not known:
            return [b"1-1"]
        newest = len(known) - 1
        # The newer the likelier: streams are trimmed.
        return [known[newest - int(newest * self.rng.random() ** 2)] for _ in range(self.rng.randint(1, most))]

    def _old_id(self, key: bytes) -> bytes:
        known = self._added.get(key, deque([b"1-1"]))
        return known[int(len(known) * self.rng.random() ** 3)]

    def _stream(self) -> bytes:
        return self.rng.choice(self._streams)

    def _any_key(self) -> bytes:
        return self.rng.choice(self._streams + self._strings + self._counters)

    def _group(self) -> bytes:
        return self.rng.choice((b"g1", b"g1", b"g2"))

    def _consumer(self) -> bytes:
        return self.rng.choice((b"anna", b"ben", b"\xff\r\n\x00"))

    def _value(self) -> bytes:
        rng, chance = self.rng, self.rng.random()
        size = rng.randint(0, 60) if chance < 0.97 else rng.choice((1000, 5000, 70_000))
        return b"%d:" % self._count + rng.randbytes(min(size, 20)) + b"." * max(0, size - 20)

    def _far_ms(self) -> int:
        return FAR_MS + self.rng.randrange(10**9)

    # --- streams ----------------------------------------------------------------------------------------------------

    def _xadd(self, key: bytes | None = None) -> Unit:
        rng, chance = self.rng, self.rng.random()
        key = key or self._stream()
        options: Request = ()
        if chance < 0.04:
            options = ("MAXLEN", *rng.choice((("=",), ())), rng.choice((5, 100, 300, 600)))
        elif chance < 0.06:
            options = ("MINID", self._old_id(key))
        elif chance < 0.08:
            options = ("NOMKSTREAM",)
        if self._newer and rng.random() < 0.1:
            options = (rng.choice(("KEEPREF", "DELREF", "ACKED")), *options)
        made = self._next_id(key)
        if rng.random() < 0.03:
            self._ms += 1
            made = b"%d-*" % self._ms
        fields = [word for _ in range(rng.choice((1, 1, 2, 3))) for word in (b"field", self._value())]
        return self._unit("XADD", key, *options, made, *fields, touches=[key])

    def _auto(self) -> Unit:
        # In a stream of its own: the server's IDs are far beyond those of the script.
        key = b"%s:auto" % self.owner
        self._count += 1
        return Unit([("XADD", key, "*", "field", self._value())], [(self.database, key)], AUTO)

    def _trim(self) -> Unit:
        rng, key = self.rng, self._stream()
        least = rng.choice((10, 200, 500))
        option: Request = ("MAXLEN", "~", least)
        if rng.random() < 0.3:
            option = (*option, "LIMIT", rng.choice((0, 128, 200, 1000)))
        first: Request = ("XTRIM", key, *option)
        if rng.random() < 0.5:
            first = ("XADD", key, *option, self._next_id(key), "field", self._value())
        return Unit([("MULTI",), first, ("XLEN", key), ("EXEC",)], [(self.database, key)], TRIM)

    def _xdel(self) -> Unit:
        key = self._stream()
        return self._unit("XDEL", key, *self._some_ids(key, 6), touches=[key])

    def _xdelex(self) -> Unit:
        key = self._stream()
        ids = self._some_ids(key, 6)
        policy = self.rng.choice(("KEEPREF", "DELREF", "ACKED"))
        return self._unit("XDELEX", key, policy, "IDS", len(ids), *ids, touches=[key])

    def _xtrim(self) -> Unit:
        rng, key = self.rng, self._stream()
        option: Request = ("MAXLEN", rng.choice((0, 50, 200, 400, 400)))
        if rng.random() < 0.5:
            option = ("MINID", "=", self._old_id(key))
        return self._unit("XTRIM", key, *option, touches=[key])

    def _xsetid(self) -> Unit:
        rng, key = self.rng, self._stream()
        options: Request = ()
        if rng.random() < 0.6:
            options = ("ENTRIESADDED", rng.choice((10, 5000)), "MAXDELETEDID", self._some_ids(key)[0])
        return self._unit("XSETID", key, self._next_id(key), *options, touches=[key])

    def _schedule(self) -> Unit:
        # Never due while this runs: when entries come by themselves is in test_schedule.py.
        rng, key = self.rng, self._stream()
        token = b"t%d" % rng.randrange(30)
        if rng.random() < 0.3:
            return self._unit("XUNSCHEDULE", key, token, b"t%d" % rng.randrange(30), touches=[key])
        words = ("XSCHEDULE", key, "AT", self._far_ms(), "ID", token, "field", self._value())
        return self._unit(*words, touches=[key])

    # --- groups -----------------------------------------------------------------------------------------------------

    def _xgroup_create(self) -> Unit:
        rng, key = self.rng, self._stream()
        where = rng.choice(("0", "$", self._some_ids(key)[0]))
        options: Request = ("MKSTREAM",) if rng.random() < 0.7 else ()
        if rng.random() < 0.3:
            options = (*options, "ENTRIESREAD", rng.randint(0, 50))
        return self._unit("XGROUP", "CREATE", key, self._group(), where, *options, touches=[key])

    def _xgroup_other(self) -> Unit:
        rng, key, group = self.rng, self._stream(), self._group()
        choices: list[Request] = [
            ("SETID", key, group, rng.choice(("0", "$", *self._some_ids(key)))),
            ("SETID", key, group, self._some_ids(key)[0], "ENTRIESREAD", rng.randint(0, 50)),
            ("CREATECONSUMER", key, group, self._consumer()),
            ("DELCONSUMER", key, group, self._consumer()),
            ("DESTROY", key, group),
        ]
        chosen = rng.choice(choices)
        # Redis 7.0 forgets consumers at restart that have nothing, so that one may be new again.
        return self._unit("XGROUP", *chosen, touches=[key], timed=chosen[0] == "CREATECONSUMER" and not self._newer)

    def _xreadgroup(self) -> Unit:
        rng, keys = self.rng, self.rng.sample(self._streams, rng_count(self.rng))
        options: Request = ("COUNT", rng.choice((1, 3, 10, 50, 200)))
        claims = self._newer and rng.random() < 0.1
        if claims:  # without COUNT: which entries are idle longest is for the clock to say
            options = ("CLAIM", rng.choice((0, FOREVER_MS)))
        if rng.random() < 0.15:
            options = (*options, "NOACK")
        # Redis 7.0 does not log that reading one's own pending entries again counts as a delivery.
        history = ("0", *self._some_ids(keys[0])) if self._newer else ()
        where = [rng.choice((">", ">", ">", ">", *history)) for _ in keys]
        words = ("GROUP", self._group(), self._consumer(), *options, "STREAMS", *keys, *where)
        return self._unit("XREADGROUP", *words, touches=keys, timed=claims)

    def _xack(self) -> Unit:
        key, group = self._stream(), self._group()
        return self._unit("XACK", key, group, *self._some_ids(key, 12, group=group), touches=[key])

    def _xackdel(self) -> Unit:
        key, group = self._stream(), self._group()
        ids = self._some_ids(key, 6, group=group)
        policy = self.rng.choice(("KEEPREF", "DELREF", "ACKED"))
        return self._unit("XACKDEL", key, group, policy, "IDS", len(ids), *ids, touches=[key])

    def _xnack(self) -> Unit:
        rng, key, group = self.rng, self._stream(), self._group()
        ids = self._some_ids(key, 5, group=group)
        options: Request = rng.choice(((), (), ("RETRYCOUNT", 7), ("FORCE",)))
        mode = rng.choice(("SILENT", "FAIL", "FATAL"))
        return self._unit("XNACK", key, group, mode, "IDS", len(ids), *ids, *options, touches=[key])

    def _xclaim(self) -> Unit:
        rng, key, group = self.rng, self._stream(), self._group()
        options: Request = ()
        if rng.random() < 0.6:
            options = rng.choice((("IDLE", 1000), ("TIME", LONG_AGO_MS + rng.randrange(10**9))))
        if rng.random() < 0.3:
            options = (*options, "RETRYCOUNT", rng.randint(0, 9))
        if rng.random() < 0.3:
            options = (*options, "FORCE")
        if rng.random() < 0.3:
            options = (*options, "JUSTID")
        if rng.random() < 0.1:
            options = (*options, "LASTID", self._some_ids(key)[0])
        least = rng.choice((0, 0, FOREVER_MS))
        words = (key, group, self._consumer(), least, *self._some_ids(key, 8, group=group), *options)
        return self._unit("XCLAIM", *words, touches=[key])

    def _xautoclaim(self) -> Unit:
        rng, key = self.rng, self._stream()
        words = (key, self._group(), self._consumer(), rng.choice((0, FOREVER_MS)))
        start = rng.choice(("0", self._some_ids(key)[0]))
        options: Request = ("COUNT", rng.choice((1, 5, 20)))
        if rng.random() < 0.3:
            options = (*options, "JUSTID")
        return self._unit("XAUTOCLAIM", *words, start, *options, touches=[key])

    # --- strings ----------------------------------------------------------------------------------------------------

    def _set(self) -> Unit:
        rng, key = self.rng, self.rng.choice(self._strings)
        self._count += 1
        options: Request = rng.choice(
            ((), (), (), ("NX",), ("XX",), ("GET",), ("KEEPTTL",), ("XX", "GET"), ("PXAT", self._far_ms()))
        )
        return self._unit("SET", key, self._value(), *options, touches=[key])

    def _count_up(self) -> Unit:
        rng, key = self.rng, self.rng.choice(self._counters)
        step = rng.choice((("INCR", key), ("DECR", key), ("INCRBY", key, rng.randint(-99, 99))))
        return self._unit(*step, touches=[key])

    def _change_string(self) -> Unit:
        rng, key = self.rng, self.rng.choice(self._strings)
        other = rng.choice(self._strings)
        choices: list[Request] = [
            ("APPEND", key, self._value()),
            ("GETDEL", key),
            ("GETEX", key, "PXAT", self._far_ms()),
            ("GETEX", key, "PERSIST"),
            ("SETNX", key, self._value()),
            ("MSET", key, self._value(), other, self._value()),
        ]
        return self._unit(*rng.choice(choices), touches=[key, other])

    # --- keys -------------------------------------------------------------------------------------------------------

    def _expire_at(self) -> Unit:
        rng, key = self.rng, self._any_key()
        flags: Request = rng.choice(((), (), ("NX",), ("XX",), ("GT",), ("LT",)))
        choices: list[Request] = [
            ("PEXPIREAT", key, self._far_ms(), *flags),
            ("EXPIREAT", key, self._far_ms() // 1000, *flags),
            ("PERSIST", key),
            ("PERSIST", key),
            ("PEXPIREAT", key, 1),  # long ago: deletes it
        ]
        (step,) = rng.choices(choices, (5, 3, 3, 3, 0.3))
        return self._unit(*step, touches=[key])

    def _key(self) -> Unit:
        rng, key, other = self.rng, self._any_key(), self._any_key()
        target = rng.choice(self.databases)
        words: Request
        if rng.random() < 0.6:  # streams to streams, so that not all of them end as the wrong type
            key, other = self._stream(), self._stream()
        (word,) = rng.choices(("DEL", "UNLINK", "RENAME", "RENAMENX", "COPY", "MOVE"), (2, 1, 4, 3, 6, 4))
        match word:
            case "DEL" | "UNLINK":
                words = (word, key)
            case "RENAME" | "RENAMENX":
                words = (word, key, other)
            case "COPY":
                words = (word, key, other, "DB", target, *rng.choice(((), ("REPLACE",))))
            case _:
                words = (word, key, target)
        touches = [(database, each) for database in {self.database, target} for each in (key, other)]
        return Unit([words], touches)

    # --- expiry times that count from now ---------------------------------------------------------------------------

    def _expiry(self) -> Unit:
        rng, key = self.rng, self.rng.choice(self._strings)
        self._count += 1
        first: Request = rng.choice(
            (
                ("EXPIRE", key, RELATIVE_MS // 1000),
                ("PEXPIRE", key, RELATIVE_MS),
                ("SET", key, self._value(), "EX", RELATIVE_MS // 1000),
                ("PSETEX", key, RELATIVE_MS, self._value()),
                ("GETEX", key, "EX", RELATIVE_MS // 1000),
            )
        )
        requests: list[Request] = [("MULTI",), first, ("PEXPIRETIME", key), ("EXEC",)]
        return Unit(requests, [(self.database, key)], EXPIRY)

    def _fleet(self) -> Unit:
        rng = self.rng
        if self._fleeting and rng.random() < 0.4:
            key = self._fleeting.pop(rng.randrange(len(self._fleeting)))
            # In the database where it was made, or there is nothing to persist.
            return Unit([("PERSIST", key)], [(self.database, key)], STAY)
        self._count += 1
        key = b"%s:f%d" % (self.owner, self._count)
        until_ms = int(time.time() * 1000) + rng.randint(1, 400)
        if not self._alone:
            self._fleeting.append(key)
        requests: list[Request] = [("SET", key, self._value(), "PXAT", until_ms)]
        if rng.random() < 0.5:
            requests = [("MULTI",), ("XADD", key, "1-1", "f", "v"), ("PEXPIREAT", key, until_ms), ("EXEC",)]
        return Unit(requests, [(self.database, key)], FLEETING, until_ms=until_ms)


def rng_count(rng: random.Random) -> int:
    """How many streams one XREADGROUP reads."""
    return 2 if rng.random() < 0.15 else 1
