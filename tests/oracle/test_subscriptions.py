"""Subscribers that come and go in any order, in the core and on redis-server side by side: everything must be the same.

Redis keeps subscriptions in hash tables: in what order one client's patterns get a message, UNSUBSCRIBE without
arguments drops channels, or PUBSUB CHANNELS lists them is chance there. Only in these places order is not compared.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from memory import Node
from peers import SocketPeer, meaning
from servers import Address

CHANNELS = ["a", "b", "ab", "a*", ""]
PATTERNS = ["*", "a*", "?", "[ab]", "a", "a\\*", "", "b*"]
KINDS = {"": CHANNELS, "P": PATTERNS, "S": CHANNELS}

clients = st.integers(0, 2)
channels = st.sampled_from(CHANNELS)
kinds = st.sampled_from(list(KINDS))


class Pair:
    """A client of both servers."""

    def __init__(self, address: Address, node: Node) -> None:
        self.peers = SocketPeer(address), node.peer()
        self.id = self.peers[0].id  # on redis-server

    def ask(self, *words: str) -> list[bytes]:
        """Send a command and a fence; give the frames up to the fence, which are the same on both sides."""
        heard = []
        for peer in self.peers:
            peer.asks(words)
            peer.asks(["PING", "fence"])
            frames = []
            while meaning(frame := peer.hears()) not in ("fence", ["pong", "fence"]):
                frames.append(frame)
            heard.append(frames)
        assert self.sorted(heard[0]) == self.sorted(heard[1]), words
        return heard[0]

    @staticmethod
    def sorted(frames: list[bytes]) -> list[Any]:
        """Runs of pmessages sorted; PUBSUB's channels sorted; the counts of confirmations apart from their names."""
        result: list[Any] = []
        run: list[bytes] = []
        for frame in frames:
            if b"pmessage" in frame[:24] or b"unsubscribe" in frame[:24]:
                run.append(frame)
                continue
            result += [*Pair._split(run), frame]
            run = []
        return [*result, *Pair._split(run)]

    @staticmethod
    def _split(run: list[bytes]) -> list[Any]:
        counts = [frame.rsplit(b":", 1)[1] for frame in run if b"unsubscribe" in frame[:24]]
        names = sorted(frame.rsplit(b":", 1)[0] if b"unsubscribe" in frame[:24] else frame for frame in run)
        return [counts, names]

    def close(self) -> None:
        for peer in self.peers:
            peer.close()


class Subscribers(RuleBasedStateMachine):
    address: Address

    @initialize(protocols=st.lists(st.sampled_from([2, 3]), min_size=3, max_size=3))
    def connect(self, protocols: list[int]) -> None:
        self.node = Node()
        self.pairs: list[Pair] = []
        self.publisher = self._client(2)
        self.clients = [self._client(protocol) for protocol in protocols]

    def _client(self, protocol: int) -> Pair:
        pair = Pair(self.address, self.node)
        self.pairs.append(pair)
        if protocol == 3:
            for peer in pair.peers:
                peer.ask("HELLO 3")
        return pair

    @rule(who=clients, kind=kinds, data=st.data())
    def subscribe(self, who: int, kind: str, data: st.DataObject) -> None:
        names = data.draw(st.lists(st.sampled_from(KINDS[kind]), min_size=1, max_size=3))
        self.clients[who].ask(f"{kind}SUBSCRIBE", *names)

    @rule(who=clients, kind=kinds, data=st.data())
    def unsubscribe(self, who: int, kind: str, data: st.DataObject) -> None:
        names = data.draw(st.lists(st.sampled_from(KINDS[kind]), max_size=3))
        self.clients[who].ask(f"{kind}UNSUBSCRIBE", *names)

    @rule(channel=channels, message=st.sampled_from(["x", "", "\r\n"]), shard=st.booleans())
    def publish(self, channel: str, message: str, shard: bool) -> None:
        self.publisher.ask("SPUBLISH" if shard else "PUBLISH", channel, message)
        for client in self.clients:
            client.ask("PING")

    @rule(channel=channels)
    def publish_many(self, channel: str) -> None:
        for number in range(5):
            self.publisher.ask("PUBLISH", channel, str(number))
        for client in self.clients:
            client.ask("PING")

    @rule()
    def count(self) -> None:
        self.publisher.ask("PUBSUB", "NUMSUB", *CHANNELS)
        self.publisher.ask("PUBSUB", "SHARDNUMSUB", *CHANNELS)
        self.publisher.ask("PUBSUB", "NUMPAT")

    @rule(pattern=st.sampled_from(["*", "a*", "b", None]), shard=st.booleans())
    def list_channels(self, pattern: str | None, shard: bool) -> None:
        line = ["PUBSUB", "SHARDCHANNELS" if shard else "CHANNELS", *([] if pattern is None else [pattern])]
        theirs, ours = [sorted(peer.ask(*line)) for peer in self.publisher.peers]
        assert theirs == ours

    @rule(who=clients)
    def reset(self, who: int) -> None:
        self.clients[who].ask("RESET")

    @rule(who=clients, protocol=st.sampled_from([2, 3]))
    def leave_and_come_again(self, who: int, protocol: int) -> None:
        for peer in self.clients[who].peers:
            peer.asks("QUIT")
            assert peer.rest() == b"+OK\r\n"
        self.clients[who] = self._client(protocol)

    @rule(who=clients, kind=kinds, channel=channels)
    def subscribe_in_a_transaction(self, who: int, kind: str, channel: str) -> None:
        client = self.clients[who]
        for peer in client.peers:
            for line in (["MULTI"], ["PUBSUB", "NUMPAT"], [f"{kind}SUBSCRIBE", channel], ["EXEC"]):
                peer.asks(line)
        client.ask("PING")

    def teardown(self) -> None:
        pairs = self.pairs if hasattr(self, "pairs") else []
        for pair in pairs:  # at once: the next run must not see them
            if pair is not self.publisher:
                self.publisher.peers[0].ask(f"CLIENT KILL ID {pair.id}")
        for pair in pairs:
            pair.close()


def run(address: Address, examples: int, steps: int) -> None:
    Subscribers.address = address
    # The shortest conversation that fails is not looked for: that takes minutes.
    phases = [phase for phase in Phase if phase not in (Phase.shrink, Phase.explain)]
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Subscribers,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, suppress_health_check=checks, phases=phases
        ),
    )


def test_subscribers_come_and_go_as_on_redis(redis_address: Address) -> None:
    run(redis_address, examples=15, steps=25)


@pytest.mark.slow
def test_subscribers_come_and_go_as_on_redis_at_length(redis_address: Address) -> None:
    run(redis_address, examples=300, steps=50)
