"""The server as a whole: its clock, its state, its end. INFO's text is made in `info.py`, CONFIG is in `config.py`."""

import math

from airwave import errors, resp
from airwave.command import Argv, command, container
from airwave.commands import info, lolwut
from airwave.commands.parse import help_text, integer
from airwave.errors import CommandError, subcommand_syntax
from airwave.session import Session
from airwave.version import REDIS_VERSION, __version__

_SLEEP_MAX_S = 1e6


@command(
    "INFO",
    arity=-1,
    flags="loading stale",
    since="1.0.0",
    group="server",
    syntax="[section [section ...]]",
    categories="dangerous",
    tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
)
def info_(session: Session, argv: Argv) -> bytes:
    """Return the state of the server and its counters.

    Reply: text, `field:value` lines under `# Section` headings. Sections: server, clients, memory, persistence, stats,
    replication, cpu, modules, commandstats, errorstats, latencystats, cluster, keyspace; `default` is all but
    commandstats and latencystats, `all` and `everything` are all of them.
    Cost: O(N) for N connections.
    Source: https://redis.io/docs/latest/commands/info/
    """
    return session.encoder.verbatim(info.render(session.broker, argv[1:]))


@command("TIME", arity=1, flags="loading stale fast", since="2.6.0", group="server", tips=("nondeterministic_output",))
def time(session: Session, argv: Argv) -> bytes:
    """Return the server's time.

    Reply: array of Unix time in seconds and the microseconds of the second.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/time/
    """
    del argv
    now_us = int(session.broker.host.wall() * 1_000_000)
    return resp.bulks([b"%d" % (now_us // 1_000_000), b"%d" % (now_us % 1_000_000)])


@command(
    "SHUTDOWN",
    arity=-1,
    flags="admin noscript loading stale no_multi allow_busy",
    since="1.0.0",
    group="server",
    syntax="[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
)
def shutdown(session: Session, argv: Argv) -> bytes | None:
    """Stop the server: it takes no more connections, sends what waits for clients and ends.

    NOW does not wait for slow clients. What was answered is in the database already and synced by any stop, so SAVE,
    NOSAVE and FORCE change nothing. A stop that has begun cannot be taken back: ABORT answers the error that none is in
    progress.

    Reply: none, the connection is closed.
    Cost: O(N) for N connections.
    Source: https://redis.io/docs/latest/commands/shutdown/
    """
    options = [arg.lower() for arg in argv[1:]]
    if not {*options} <= {b"nosave", b"save", b"now", b"force", b"abort"}:
        raise errors.SYNTAX
    if (b"save" in options and b"nosave" in options) or (b"abort" in options and {*options} != {b"abort"}):
        raise errors.SYNTAX
    if b"abort" in options:
        raise errors.NO_SHUTDOWN
    session.broker.host.log("notice", "shutdown requested by a client", client=session.peer, name=session.name)
    session.broker.host.shutdown(now=b"now" in options)
    return None


@command(
    "ROLE", arity=1, flags="noscript loading stale fast", since="2.8.12", group="server", categories="admin dangerous"
)
def role(session: Session, argv: Argv) -> bytes:
    """Return the part this server plays in replication. Airwave does not replicate: it is a master without replicas.

    Reply: array of `master`, the replication offset 0 and an empty array of replicas.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/role/
    """
    del session, argv
    return resp.array([resp.bulk(b"master"), resp.integer(0), resp.EMPTY_ARRAY])


@command(
    "WAIT",
    arity=3,
    flags="noscript",
    since="3.0.0",
    group="generic",
    syntax="numreplicas timeout",
    categories="connection",
    tips=("request_policy:all_shards", "response_policy:agg_min"),
)
def wait(session: Session, argv: Argv) -> bytes:
    """Wait until replicas have the writes of this connection. Airwave has no replicas: it answers at once.

    Reply: integer, the number of replicas that have them: 0.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/wait/
    """
    del session
    integer(argv[1])
    if integer(argv[2], errors.NOT_A_TIMEOUT) < 0:
        raise errors.NEGATIVE_TIMEOUT
    return resp.integer(0)


@command(
    "DEBUG",
    arity=-2,
    flags="admin noscript loading stale",
    since="1.0.0",
    group="server",
    syntax="<SLEEP delay-seconds | HELP>",
)
def debug(session: Session, argv: Argv) -> bytes:
    """Try how clients behave when the server does not answer: SLEEP stops it for so many seconds, fractions included.

    Only with the setting `enable-debug-command`.

    Reply: `OK` after the sleep; HELP: array of lines.
    Cost: as long as it sleeps, for every client.
    Source: https://redis.io/docs/latest/commands/debug/
    """
    allowed = session.broker.settings.enable_debug_command
    if allowed == "no" or (allowed == "local" and not _is_local(session)):
        raise errors.DEBUG_REFUSED
    subcommand = argv[1].lower()
    if subcommand == b"help" and len(argv) == 2:
        lines = (
            "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "SLEEP <seconds>",
            "    Stop the server for <seconds>. Decimals allowed.",
            "HELP",
            "    Print this help.",
        )
        return resp.array([resp.simple(line.encode()) for line in lines])
    if subcommand != b"sleep" or len(argv) != 3:
        raise subcommand_syntax("debug", argv[1])
    session.broker.host.sleep(_seconds(argv[2]))
    return resp.OK


def _is_local(session: Session) -> bool:
    """As Redis: the Unix socket or a loopback address."""
    return session.on_unix_socket or session.peer.startswith(("127.0.0.1:", "[::1]:"))


def _seconds(arg: bytes) -> float:
    try:
        value = float(arg)
    except ValueError:
        value = math.nan
    if not value <= _SLEEP_MAX_S:
        raise CommandError("ERR value is not a valid float")
    return max(0.0, value)


@command("LOLWUT", arity=-1, flags="readonly fast", since="5.0.0", group="server", syntax="[VERSION version] [columns]")
def lolwut_(session: Session, argv: Argv) -> bytes:
    """Draw two transmitters and the waves between them; never twice the same.

    Reply: text, with the version at its end.
    Cost: O(N) for N columns.
    Source: https://redis.io/docs/latest/commands/lolwut/
    """
    args = argv[1:]
    if len(args) > 1 and args[0].lower() == b"version":
        integer(args[1])
        args = args[2:]
    columns = integer(args[0]) if args else lolwut.COLUMNS
    drawing = lolwut.draw(columns, seed=session.broker.host.wall())
    signature = f"Redis ver. {REDIS_VERSION}, played by Airwave {__version__}\n"
    return session.encoder.verbatim(f"{drawing}\n{signature}".encode())


container("MODULE", since="4.0.0", group="server", summary="A container for module commands.")


@command(
    "MODULE LIST",
    arity=2,
    flags="admin noscript",
    since="4.0.0",
    group="server",
    tips=("nondeterministic_output_order",),
)
def module_list(session: Session, argv: Argv) -> bytes:
    """List the loaded modules. Airwave has none.

    Reply: an empty array.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/module-list/
    """
    del session, argv
    return resp.EMPTY_ARRAY


@command("MODULE HELP", arity=2, flags="loading stale", since="5.0.0", group="server")
def module_help(session: Session, argv: Argv) -> bytes:
    """Show the subcommands.

    Reply: array of lines.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/module-help/
    """
    del session, argv
    return help_text("module")
