"""ACL: who a connection is, and which commands belong together. There is one user, `default`, who may do everything."""

from airwave import resp
from airwave.command import CATEGORIES, Argv, all_commands, command, container
from airwave.commands.connection import USER
from airwave.commands.parse import help_text
from airwave.errors import CommandError, subcommand_syntax
from airwave.session import Session

container("ACL", since="6.0.0", group="server", summary="A container for Access List Control commands.")

_OWN = "noscript loading stale"


@command("ACL WHOAMI", arity=2, flags=_OWN, since="6.0.0", group="server")
def acl_whoami(session: Session, argv: Argv) -> bytes:
    """Return the user of this connection.

    Reply: `default`.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/acl-whoami/
    """
    del session, argv
    return resp.bulk(USER)


@command("ACL CAT", arity=-2, flags=_OWN, since="6.0.0", group="server", syntax="[categoryname]")
def acl_cat(session: Session, argv: Argv) -> bytes:
    """List the categories of commands, or the commands of one.

    Reply: array of names.
    Cost: O(N) for N commands.
    Source: https://redis.io/docs/latest/commands/acl-cat/
    """
    del session
    if len(argv) > 3:
        raise subcommand_syntax("acl", argv[1])
    if len(argv) == 2:
        return resp.array([resp.text(category) for category in CATEGORIES])
    category = argv[2].lower().decode("ascii", "replace")
    if category not in CATEGORIES:
        raise CommandError(b"ERR Unknown category '%b'" % argv[2])
    return resp.array([resp.text(row.name) for row in all_commands() if category in row.categories])


@command("ACL HELP", arity=2, flags="loading stale", since="6.0.0", group="server")
def acl_help(session: Session, argv: Argv) -> bytes:
    """Show the subcommands.

    Reply: array of lines.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/acl-help/
    """
    del session, argv
    return help_text("acl")
