"""Streams, groups and keys in any order, in the core and on redis-server side by side: every reply must be the same.

Where redis-server 7.0 is no measure, requests are made so that it does not matter: consumers are created before they
read or claim (later versions create them also when there is nothing for them), nothing is trimmed approximately, and
`lag` and `entries-read` are not compared, which are counted better since.
"""

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from peers import SocketPeer
from servers import Address

from oracle.sweeping import NOT_COMPARED, Reply, node_of_today, tree

UNCOUNTED = NOT_COMPARED | {b"lag", b"entries-read"}
KEYS = ["a", "b", "c"]
GROUPS = ["g", "h"]
PLACES = {
    "key": KEYS,
    "other": KEYS,
    "group": GROUPS,
    "consumer": ["alice", "bob", "carol"],
    "id": ["0", "1", "2-0", "3-0", "4-0", "5-0", "6-0", "7-0", "9-0", "12-0"],
    "id2": ["2-0", "3-0", "4-0", "5-0", "8-0", "10-0"],
    "start": ["-", "0", "2-0", "(3-0", "5"],
    "end": ["+", "4-0", "(6-0", "9"],
    "count": ["1", "2", "3", "10"],
    "from": ["0", "2-0", "5-0", ">", ">", ">"],
    "db": ["0", "1"],
    "idle": ["0", "0", "0", "200000"],
}
TEMPLATES = """
XADD {key} {new} f {count}
XADD {key} {new} f {count} g x
XADD {key} {new} f x
XADD {key} {id} f x
XADD {key} NOMKSTREAM {new} f x
XADD {key} MAXLEN {count} {new} f x
XADD {key} MINID {id} {new} f x
XGROUP CREATE {key} {group} 0 MKSTREAM
XGROUP CREATE {key} {group} {id}
XGROUP CREATE {key} {group} $
XGROUP SETID {key} {group} {id}
XGROUP DESTROY {key} {group}
XGROUP CREATECONSUMER {key} {group} {consumer}
XGROUP DELCONSUMER {key} {group} {consumer}
XREADGROUP GROUP {group} {consumer} COUNT {count} STREAMS {key} {from}
XREADGROUP GROUP {group} {consumer} COUNT {count} STREAMS {key} >
XREADGROUP GROUP {group} {consumer} STREAMS {key} >
XREADGROUP GROUP {group} {consumer} NOACK COUNT {count} STREAMS {key} >
XREADGROUP GROUP {group} {consumer} COUNT {count} STREAMS {key} {other} {from} >
XREADGROUP GROUP {group} {consumer} STREAMS {key} 0
XACK {key} {group} {id} {id2}
XACK {key} {group} {id}
XCLAIM {key} {group} {consumer} {idle} {id} {id2}
XCLAIM {key} {group} {consumer} {idle} {id} JUSTID
XCLAIM {key} {group} {consumer} 0 {id} {id2} IDLE 300000 RETRYCOUNT {count}
XCLAIM {key} {group} {consumer} {idle} {id} FORCE
XCLAIM {key} {group} {consumer} 0 {id} FORCE JUSTID LASTID {id2}
XAUTOCLAIM {key} {group} {consumer} {idle} {id} COUNT {count}
XAUTOCLAIM {key} {group} {consumer} {idle} 0 JUSTID
XAUTOCLAIM {key} {group} {consumer} 0 (2-0
XPENDING {key} {group}
XPENDING {key} {group} {start} {end} {count}
XPENDING {key} {group} IDLE {idle} {start} {end} 10 {consumer}
XDEL {key} {id} {id2}
XDEL {key} {id}
XTRIM {key} MAXLEN {count}
XTRIM {key} MINID {id}
XLEN {key}
XRANGE {key} {start} {end} COUNT {count}
XREVRANGE {key} {end} {start}
XREAD COUNT {count} STREAMS {key} {other} {id} {id2}
XREAD STREAMS {key} {id}
XINFO STREAM {key}
XINFO GROUPS {key}
XINFO CONSUMERS {key} {group}
DEL {key}
EXISTS {key} {other}
TYPE {key}
RENAME {key} {other}
RENAMENX {key} {other}
COPY {key} {other}
COPY {key} {other} REPLACE
COPY {key} {other} DB {db} REPLACE
MOVE {key} {db}
SELECT {db}
SWAPDB 0 1
EXPIREAT {key} 4000000000
EXPIREAT {key} 4000000001 GT
EXPIREAT {key} 1
EXPIRETIME {key}
PERSIST {key}
SET {key} 5
SET {key} x NX
INCR {key}
GET {key}
FLUSHDB
""".strip().splitlines()
# What everything is compared with now and then.
VIEWS = ["TYPE {}", "XINFO STREAM {} FULL COUNT 0", "XRANGE {} - +", "XREVRANGE {} + -", "EXPIRETIME {}"]
GROUP_VIEWS = ["XPENDING {} {}", "XPENDING {} {} - + 99", "XINFO CONSUMERS {} {}"]

# The few that end much are drawn less often.
ENDINGS = ("FLUSHDB", "DEL", "SET", "SWAPDB", "EXPIREAT {key} 1", "XGROUP DESTROY", "SELECT", "MOVE")
WEIGHTED = [line for line in TEMPLATES for _ in range(1 if line.startswith(ENDINGS) else 4)]

lines = st.builds(
    lambda template, words: template.format(**words, new="{new}").split(),
    st.sampled_from(WEIGHTED),
    st.fixed_dictionaries({place: st.sampled_from(words) for place, words in PLACES.items()}),
)


class Pair:
    """A client of both servers."""

    def __init__(self, *peers: SocketPeer, protocol: int) -> None:
        self.peers = peers
        if protocol == 3:
            for peer in peers:
                peer.ask("HELLO 3")

    def ask(self, words: list[str]) -> None:
        """The replies must be the same."""
        theirs, ours = self._replies(words)
        self._same(words, Reply(words, ours, UNCOUNTED), Reply(words, theirs, UNCOUNTED))

    def ask_in_a_transaction(self, requests: list[list[str]]) -> None:
        for words in [["MULTI"], *requests]:
            self.ask(words)
        theirs, ours = (tree(frame) for frame in self._replies(["EXEC"]))
        watched = [not isinstance(reply[1], list) for reply in (theirs, ours)]
        assert watched[0] == watched[1], f"what was watched has changed: Redis {watched[0]}, Airwave {watched[1]}"
        if not watched[0]:
            for words, their, our in zip(requests, theirs[1], ours[1], strict=True):
                self._same(words, Reply(words, our, UNCOUNTED), Reply(words, their, UNCOUNTED))

    def _replies(self, words: list[str]) -> Iterator[bytes]:
        for peer in self.peers:
            peer.asks(words)
        return (peer.hears() for peer in self.peers)

    def _same(self, words: list[str], ours: Reply, theirs: Reply) -> None:
        assert ours == theirs, f"{words}\n  Airwave: {ours}\n  Redis:   {theirs}"

    def close(self) -> None:
        for peer in self.peers:
            peer.close()


class Streams(RuleBasedStateMachine):
    address: Address

    @initialize(protocols=st.tuples(st.sampled_from([2, 3]), st.sampled_from([2, 3])))
    def connect(self, protocols: tuple[int, int]) -> None:
        with contextlib.closing(SocketPeer(self.address)) as peer:
            peer.ask("FLUSHALL")
        node = node_of_today()
        self.clients = [Pair(SocketPeer(self.address), node.peer(), protocol=protocol) for protocol in protocols]
        self.last = 0

    def requests(self, line: list[str]) -> list[list[str]]:
        """What is sent for a line: new IDs grow, and a consumer is there before it gets something."""
        words = []
        for word in line:
            if word == "{new}":
                self.last += 1
                words.append(f"{self.last}-0")
            else:
                words.append(word)
        match words:
            case ["XREADGROUP", "GROUP", group, consumer, *_]:
                keys = [word for word in words if word in KEYS]
                return [*(["XGROUP", "CREATECONSUMER", key, group, consumer] for key in keys), words]
            case ["XCLAIM" | "XAUTOCLAIM", key, group, consumer, *_]:
                return [["XGROUP", "CREATECONSUMER", key, group, consumer], words]
        return [words]

    @rule(lines=st.lists(lines, min_size=1, max_size=6), who=st.integers(0, 1))
    def ask(self, lines: list[list[str]], who: int) -> None:
        for line in lines:
            for words in self.requests(line):
                self.clients[who].ask(words)

    @rule(lines=st.lists(lines, max_size=4), who=st.integers(0, 1))
    def ask_in_a_transaction(self, lines: list[list[str]], who: int) -> None:
        self.clients[who].ask_in_a_transaction([words for line in lines for words in self.requests(line)])

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1), line=lines, who=st.integers(0, 1))
    def watch(self, keys: list[str], line: list[str], who: int) -> None:
        one, another = self.clients[who], self.clients[1 - who]
        one.ask(["WATCH", *keys])
        for words in self.requests(line):
            another.ask(words)
        one.ask_in_a_transaction([["DBSIZE"]])

    @rule()
    def look_at_everything(self) -> None:
        client = self.clients[0]
        client.ask(["DBSIZE"])
        client.ask(["KEYS", "*"])
        for key in KEYS:
            for view in VIEWS:
                client.ask(view.format(key).split())
            for group in GROUPS:
                for view in GROUP_VIEWS:
                    client.ask(view.format(key, group).split())

    def teardown(self) -> None:
        if not hasattr(self, "clients"):
            return
        try:
            self.look_at_everything()
        finally:
            for client in self.clients:
                client.close()
            with contextlib.closing(SocketPeer(self.address)) as peer:
                peer.ask("FLUSHALL")


def run(address: Address, examples: int, steps: int) -> None:
    Streams.address = address
    # The shortest conversation that fails is not looked for: that takes minutes.
    phases = [phase for phase in Phase if phase not in (Phase.shrink, Phase.explain)]
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Streams,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, suppress_health_check=checks, phases=phases
        ),
    )


def test_streams_live_as_on_redis(redis_address: Address) -> None:
    run(redis_address, examples=15, steps=25)


@pytest.mark.slow
def test_streams_live_as_on_redis_at_length(redis_address: Address) -> None:
    run(redis_address, examples=100, steps=50)
