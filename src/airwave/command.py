"""What a command is, and the one table of them.

A command is a function with the decorator `command`: name, arity, flags and the rest stand there, and the docstring
gives summary, reply, cost and source. Dispatch, arity errors, COMMAND and its subcommands, ACL categories, HELP texts
and docs/commands.md all come from this table. The handlers are in `airwave.commands`.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airwave.session import Session

Argv = list[bytes]
# Returns the encoded reply, or None: no reply now (it was sent already, or comes later).
Handler = Callable[["Session", Argv], bytes | None]
# The form of a command for pipelines, where one call answers many requests. Given the requests of one read and the
# index of the first to look at, it runs those that are the same command, well-formed and cheap enough to be run in one
# go, puts their replies into `session.out` and returns how many it ran: at most BATCH_MAX, 0 when the first is not for
# it.
Batch = Callable[["Session", list[Argv], int], int]

BATCH_MAX = 64  # requests of one batch

COMMANDS: dict[str, "Command"] = {}

# In Redis's order, in which COMMAND INFO and ACL CAT show them. Flags not named here are for dispatch only.
FLAGS = (
    *("write", "readonly", "denyoom", "module", "admin", "pubsub", "noscript", "blocking", "loading", "stale"),
    *("skip_monitor", "skip_slowlog", "asking", "fast", "no_auth", "no_mandatory_keys"),
    *("no_async_loading", "no_multi", "movablekeys", "allow_busy"),
)
CATEGORIES = (
    *("keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo"),
    *("stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting"),
)

# Flags that imply an ACL category of the same name; every command is also `fast` or `slow`.
_FLAG_CATEGORIES = {"write": "write", "readonly": "read", "pubsub": "pubsub", "blocking": "blocking"}


@dataclass(frozen=True, eq=False)
class Command:
    """A row of the table.

    Attributes:
        name: lower case; `client|id` for a subcommand.
        arity: number of words of the request, the command's own included; negative: at least that many.
        flags: Redis's command flags, of which `COMMAND INFO` shows the public ones.
        keys: first key, last key and step within the request, as COMMAND INFO has them; `(0, 0, 0)` without keys.
        key_flags: what it does with its keys, in the words of key specifications; one for each key if they differ.
        key_word: the word behind which its keys stand, followed by as many other arguments (STREAMS), and where it is
            looked for from; else empty.
        key_count: which argument says how many keys stand behind it (EVAL); 0: none does.
        group: the section of the documentation.
        batch: the form for pipelines, if it has one.
        syntax: the arguments as Redis's documentation writes them.
        tips: hints for cluster clients.
        subcommands: by their own names, for a container such as CLIENT.
    """

    name: str
    handler: Handler
    batch: Batch | None
    arity: int
    flags: frozenset[str]
    keys: tuple[int, int, int]
    key_flags: tuple[str, ...]
    key_word: tuple[str, int]
    key_count: int
    categories: frozenset[str]
    group: str
    since: str
    syntax: str
    tips: tuple[str, ...]
    doc: str
    subcommands: dict[str, "Command"] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return self.doc.partition("\n")[0].rstrip(".")

    def about(self, label: str) -> str:
        """What the docstring says under `Reply:`, `Cost:` or `Source:`, on one line; empty when it says nothing."""
        match = re.search(rf"^{label}: (.*(?:\n(?!\w+: )\S.*)*)", self.doc, re.MULTILINE)
        return " ".join(match[1].split()) if match else ""

    @property
    def uses_keys(self) -> bool:
        """Whether it reads or changes keys; EXEC and EVAL do through the commands that they run."""
        others = ("exec", "flushall", "flushdb", "dbsize", "swapdb", "eval", "evalsha")
        return self.group in ("stream", "generic", "string") or self.name in others

    @property
    def pauses_with_writes(self) -> bool:
        """Whether CLIENT PAUSE WRITE holds it back: it changes something, or would be sent to replicas."""
        return not self.flags.isdisjoint(("write", "may_replicate"))


NO_COMMAND = Command(
    name="",
    handler=lambda _session, _argv: None,
    batch=None,
    arity=-1,
    flags=frozenset(),
    keys=(0, 0, 0),
    key_flags=(),
    key_word=("", 0),
    key_count=0,
    categories=frozenset(),
    group="",
    since="",
    syntax="",
    tips=(),
    doc="",
)
"""Stands for a request that names no command."""


def command(
    name: str,
    *,
    arity: int,
    flags: str = "",
    since: str,
    group: str,
    syntax: str = "",
    keys: tuple[int, int, int] = (0, 0, 0),
    key_flags: str = "RO",
    key_word: tuple[str, int] = ("", 0),
    key_count: int = 0,
    categories: str = "",
    tips: tuple[str, ...] = (),
    batch: Batch | None = None,
) -> Callable[[Handler], Handler]:
    """Put a handler into the table.

    Args:
        name: `PUBLISH`, or `CLIENT ID` for a subcommand, whose container must be there already.
        flags, categories: separated by spaces. Categories that follow from flags are added.
        key_flags: separated by spaces; `RW access delete | OW update` if the first key differs from the second.
    """

    def register(handler: Handler) -> Handler:
        words = frozenset(flags.split())
        implied = {category for flag, category in _FLAG_CATEGORIES.items() if flag in words}
        implied |= {"admin", "dangerous"} if "admin" in words else set()
        implied.add("fast" if "fast" in words else "slow")
        container, _, sub = name.lower().partition(" ")
        row = Command(
            name=f"{container}|{sub}" if sub else container,
            handler=handler,
            batch=batch,
            arity=arity,
            flags=words,
            keys=keys,
            key_flags=tuple(each.strip() for each in key_flags.split("|")),
            key_word=key_word,
            key_count=key_count,
            categories=frozenset(implied | set(categories.split())),
            group=group,
            since=since,
            syntax=syntax,
            tips=tips,
            doc=inspect.cleandoc(handler.__doc__ or ""),
        )
        if sub:
            COMMANDS[container].subcommands[sub] = row
        else:
            COMMANDS[container] = row
        return handler

    return register


def container(name: str, *, since: str, group: str, summary: str) -> None:
    """Put a command into the table that has nothing but subcommands; called alone it is an arity error."""

    def handler(session: "Session", argv: Argv) -> bytes | None:
        raise AssertionError((session, argv))  # dispatch goes to the subcommand

    handler.__doc__ = summary
    command(name, arity=-2, since=since, group=group)(handler)


def all_commands() -> list[Command]:
    """Every command, each followed by its subcommands; a mere container (CLIENT) is a command that is never run."""
    rows: list[Command] = []
    for row in COMMANDS.values():
        rows.append(row)
        rows.extend(row.subcommands.values())
    return rows


class CommandStats:
    """What INFO commandstats and LATENCY HISTOGRAM count for one command of one broker.

    Attributes:
        ns: time spent in its handler, in all.
        rejected: calls refused before the handler ran (arity, no authentication, wrong state).
        failed: calls whose handler answered with an error.
        buckets: calls by the bit length of their duration in units of 1,024 ns: below 1, 1, 2-3, 4-7, ...
    """

    __slots__ = ("buckets", "failed", "ns", "rejected")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew (CONFIG RESETSTAT)."""
        self.ns = self.rejected = self.failed = 0
        self.buckets = [0] * 64

    @property
    def calls(self) -> int:
        """How often the handler ran."""
        return sum(self.buckets)

    def count(self, calls: int, ns: int) -> None:
        """Note that so many calls took `ns` in all; each is taken to have had the same share."""
        self.ns += ns
        self.buckets[(ns // calls >> 10).bit_length()] += calls


class Entry:
    """A cell of a dispatch table: what a session in one state does with one command."""

    __slots__ = ("arity", "batch", "command", "handler", "monitored", "stats")

    def __init__(
        self, command: Any, handler: Handler, stats: CommandStats, *, monitored: bool, batch: Batch | None = None
    ) -> None:
        self.command: Command = command
        self.handler = handler
        self.batch = batch
        self.arity: int = command.arity
        self.stats = stats
        self.monitored = monitored

    def replaced(self, handler: Handler) -> "Entry":
        """The same command, answered by another handler, for another state; its calls are not counted."""
        return Entry(self.command, handler, CommandStats(), monitored=False)


Table = dict[bytes | str, Entry]
