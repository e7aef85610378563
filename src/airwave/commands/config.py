"""CONFIG: the settings of the running server. What a setting is, and how it is changed, is in `airwave.settings`."""

from airwave import resp
from airwave.command import Argv, command, container
from airwave.commands.parse import help_text, pairs
from airwave.errors import CommandError
from airwave.session import Session
from airwave.settings import ConfigSetError

container("CONFIG", since="2.0.0", group="server", summary="A container for server configuration commands.")

_ADMIN = "admin noscript loading stale"


@command("CONFIG GET", arity=-3, flags=_ADMIN, since="2.0.0", group="server", syntax="parameter [parameter ...]")
def config_get(session: Session, argv: Argv) -> bytes:
    """Return the values of settings.

    Reply: map of names and values, of every setting that a name or a glob pattern fits; none if nothing does.
    Cost: O(N*M) for N patterns and M settings.
    Source: https://redis.io/docs/latest/commands/config-get/
    """
    found = session.broker.settings.get(argv[2:])
    return session.encoder.map([(resp.bulk(name), resp.bulk(value)) for name, value in found])


@command(
    "CONFIG SET",
    arity=-4,
    flags=_ADMIN,
    since="2.0.0",
    group="server",
    syntax="parameter value [parameter value ...]",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def config_set(session: Session, argv: Argv) -> bytes:
    """Change settings while the server runs: all that are named, or none if one cannot be changed.

    Reply: `OK`.
    Cost: O(N) for N settings; O(M) for M clients when their limits change.
    Source: https://redis.io/docs/latest/commands/config-set/
    """
    try:
        session.broker.settings.set(pairs(argv[2:]))
    except ConfigSetError as error:
        raise CommandError(str(error)) from None
    return resp.OK


@command("CONFIG REWRITE", arity=2, flags=_ADMIN, since="2.8.0", group="server")
def config_rewrite(session: Session, argv: Argv) -> bytes:
    """Write the settings as they are now into the config file; its comments and order stay.

    Reply: `OK`; an error when the server was started without a config file or cannot write it.
    Cost: O(N) for N lines of the file.
    Source: https://redis.io/docs/latest/commands/config-rewrite/
    """
    del argv
    session.broker.host.rewrite_config()
    return resp.OK


@command("CONFIG RESETSTAT", arity=2, flags=_ADMIN, since="2.0.0", group="server")
def config_resetstat(session: Session, argv: Argv) -> bytes:
    """Set the counters of INFO and the histograms of LATENCY HISTOGRAM to zero.

    Reply: `OK`.
    Cost: O(N) for N commands.
    Source: https://redis.io/docs/latest/commands/config-resetstat/
    """
    del argv
    session.broker.reset_stats()
    return resp.OK


@command("CONFIG HELP", arity=2, flags="loading stale", since="5.0.0", group="server")
def config_help(session: Session, argv: Argv) -> bytes:
    """Show the subcommands.

    Reply: array of lines.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/config-help/
    """
    del session, argv
    return help_text("config")
