"""Looking at a server at work: MONITOR, SLOWLOG, MEMORY. LATENCY is in `latency.py`, INFO in `info.py`."""

import gc
import sys

from airwave import errors, resp
from airwave.broker import Broker
from airwave.command import Argv, command, container
from airwave.commands.info import human, used_and_peak_bytes
from airwave.commands.parse import help_text, integer
from airwave.errors import CommandError, subcommand_syntax
from airwave.session import Session


@command("MONITOR", arity=1, flags="admin noscript loading stale", since="1.0.0", group="server")
def monitor(session: Session, argv: Argv) -> bytes | None:
    """Show this connection every command that the server runs, until RESET or QUIT.

    Reply: `OK`, then a line for each command, every byte of it escaped. Logins and admin commands are not shown.
    Cost: O(N) per command for N monitors.
    Source: https://redis.io/docs/latest/commands/monitor/
    """
    del argv
    broker = session.broker
    if broker.executing:
        raise errors.NOT_WHILE_EXECUTING
    if session in broker.monitors:
        return None  # as in Redis
    broker.monitors.append(session)
    session.apply_limits()
    return resp.OK


container("SLOWLOG", since="2.2.12", group="server", summary="A container for slow log commands.")


@command(
    "SLOWLOG GET",
    arity=-2,
    flags="admin loading stale",
    since="2.2.12",
    group="server",
    syntax="[count]",
    tips=("request_policy:all_nodes", "nondeterministic_output"),
)
def slowlog_get(session: Session, argv: Argv) -> bytes:
    """Return the last commands that took longer than `slowlog-log-slower-than`, newest first.

    Reply: array of arrays: ID, Unix time in seconds, duration in µs, the command shortened and without passwords,
    address and name of the client. 10 of them, or as many as asked for; -1: all.
    Cost: O(N) for N entries.
    Source: https://redis.io/docs/latest/commands/slowlog-get/
    """
    if len(argv) > 3:
        raise subcommand_syntax("slowlog", argv[1])
    error = CommandError("ERR count should be greater than or equal to -1")
    count = integer(argv[2], error, minimum=-1) if len(argv) == 3 else 10
    entries = list(session.broker.slowlog.entries)
    return resp.array(
        [
            resp.array(
                [
                    *map(resp.integer, (entry.id, entry.at, entry.us)),
                    resp.bulks(entry.argv),
                    resp.text(entry.peer),
                    resp.bulk(entry.client_name),
                ]
            )
            for entry in (entries if count == -1 else entries[:count])
        ]
    )


@command(
    "SLOWLOG LEN",
    arity=2,
    flags="admin loading stale",
    since="2.2.12",
    group="server",
    tips=("request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"),
)
def slowlog_len(session: Session, argv: Argv) -> bytes:
    """Count the entries of the slow log.

    Reply: integer.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/slowlog-len/
    """
    del argv
    return resp.integer(len(session.broker.slowlog.entries))


@command(
    "SLOWLOG RESET",
    arity=2,
    flags="admin loading stale",
    since="2.2.12",
    group="server",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def slowlog_reset(session: Session, argv: Argv) -> bytes:
    """Empty the slow log.

    Reply: `OK`.
    Cost: O(N) for N entries.
    Source: https://redis.io/docs/latest/commands/slowlog-reset/
    """
    del argv
    session.broker.slowlog.entries.clear()
    return resp.OK


@command("SLOWLOG HELP", arity=2, flags="loading stale", since="6.2.0", group="server")
def slowlog_help(session: Session, argv: Argv) -> bytes:
    """Show the subcommands.

    Reply: array of lines.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/slowlog-help/
    """
    del session, argv
    return help_text("slowlog")


container("MEMORY", since="4.0.0", group="server", summary="A container for memory diagnostics commands.")

_SHARDS = ("nondeterministic_output", "request_policy:all_shards", "response_policy:special")


@command(
    "MEMORY USAGE",
    arity=-3,
    flags="readonly",
    since="4.0.0",
    group="server",
    syntax="key [SAMPLES count]",
    keys=(2, 2, 1),
    key_flags="RO",
)
def memory_usage(session: Session, argv: Argv) -> bytes:
    """Estimate the memory that a key takes; entries that are on disk only take none. SAMPLES changes nothing.

    Reply: integer, bytes; null when the key is not there.
    Cost: O(N) for N chunks and groups of a stream.
    Source: https://redis.io/docs/latest/commands/memory-usage/
    """
    options = argv[3:]
    while options:
        if options[0].lower() != b"samples" or len(options) == 1:
            raise errors.SYNTAX
        if integer(options[1]) < 0:
            raise errors.SYNTAX
        options = options[2:]
    value = session.database.peek(argv[2])
    return session.encoder.null if value is None else resp.integer(value.memory_bytes)


@command("MEMORY STATS", arity=2, since="4.0.0", group="server", tips=_SHARDS)
def memory_stats(session: Session, argv: Argv) -> bytes:
    """Return what the process uses, and what waits for clients.

    Reply: map. `total.allocated` and `peak.allocated` are the memory of the process; `clients.waiting-bytes` counts a
    message once for each client it waits for, though they share one copy.
    Cost: O(N) for N connections and the messages that wait for them.
    Source: https://redis.io/docs/latest/commands/memory-stats/
    """
    del argv
    broker, encoder = session.broker, session.encoder
    used, peak = used_and_peak_bytes(broker)
    keys = sum([len(database.values) for database in broker.keyspace.databases])
    numbers = {
        "peak.allocated": peak,
        "total.allocated": used,
        "replication.backlog": 0,
        "clients.slaves": 0,
        "clients.waiting-bytes": sum([client.waiting_bytes for client in broker.clients.values()]),
        "clients.lagging": len(broker.lagging),
        "pubsub.cached-routes": broker.pubsub.cached_routes,
        "python.allocated-blocks": sys.getallocatedblocks(),
        "keys.count": keys,
        "keys.bytes-per-key": used // keys if keys else 0,
    }
    pairs = [(resp.text(name), resp.integer(number)) for name, number in numbers.items()]
    return encoder.map([*pairs, (resp.bulk(b"peak.percentage"), encoder.double(100 * used / peak))])


@command("MEMORY DOCTOR", arity=2, since="4.0.0", group="server", tips=_SHARDS)
def memory_doctor(session: Session, argv: Argv) -> bytes:
    """Say in words whether something is wrong with the memory, and what to do.

    Reply: text.
    Cost: O(N) for N connections that lag.
    Source: https://redis.io/docs/latest/commands/memory-doctor/
    """
    del argv
    return session.encoder.verbatim(_diagnosis(session.broker).encode())


def _diagnosis(broker: Broker) -> str:
    used, peak = used_and_peak_bytes(broker)
    findings = []
    if broker.lagging:
        waiting = sum([client.waiting_bytes for client in broker.lagging])
        findings.append(
            f"{len(broker.lagging)} clients do not read as fast as messages come; {human(waiting)} wait for them "
            "(messages that several wait for are kept once). CLIENT LIST shows who: look at omem. "
            "client-output-buffer-limit says when they are cut off, slow-subscriber-policy how."
        )
    if peak > 1.5 * used:
        findings.append(
            f"At its peak the process had {human(peak)}, now it has {human(used)}: there was a burst. What waited for "
            "clients then is freed."
        )
    if not findings:
        return f"Nothing is wrong: the process uses {human(used)}, and no client lags.\n"
    return "".join([f"- {finding}\n" for finding in findings])


@command(
    "MEMORY PURGE",
    arity=2,
    since="4.0.0",
    group="server",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)
def memory_purge(session: Session, argv: Argv) -> bytes:
    """Collect garbage in all of the memory. It holds the server for tens of ms with thousands of connections.

    Reply: `OK`.
    Cost: O(N) for N objects.
    Source: https://redis.io/docs/latest/commands/memory-purge/
    """
    del session, argv
    # The server keeps old objects from the collector (gc.freeze); here it may look at all of them.
    frozen = gc.get_freeze_count() > 0
    gc.unfreeze()
    gc.collect()
    if frozen:
        gc.freeze()
    return resp.OK


@command("MEMORY MALLOC-STATS", arity=2, since="4.0.0", group="server", tips=_SHARDS)
def memory_malloc_stats(session: Session, argv: Argv) -> bytes:
    """Return what Python's allocator and garbage collector say about themselves.

    Reply: text.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/memory-malloc-stats/
    """
    del argv
    lines = [f"allocated blocks: {sys.getallocatedblocks()}"]
    for generation, stats in enumerate(gc.get_stats()):
        shown = ", ".join([f"{name} {number}" for name, number in stats.items()])
        lines.append(f"garbage collector, generation {generation}: {shown}")
    return session.encoder.verbatim("".join([f"{line}\n" for line in lines]).encode())


@command("MEMORY HELP", arity=2, flags="loading stale", since="4.0.0", group="server")
def memory_help(session: Session, argv: Argv) -> bytes:
    """Show the subcommands.

    Reply: array of lines.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/memory-help/
    """
    del session, argv
    return help_text("memory")
