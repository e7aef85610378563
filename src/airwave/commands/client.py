"""CLIENT: what a client says about its own connection, and pausing all. LIST, INFO and KILL are in `client_list.py`."""

from airwave import errors, resp
from airwave.command import Argv, command, container
from airwave.commands.connection import checked_name
from airwave.commands.parse import help_text, integer
from airwave.errors import CommandError
from airwave.session import Session

container("CLIENT", since="2.4.0", group="connection", summary="A container for client connection commands.")

OWN = "noscript loading stale"
ADMIN = "admin noscript loading stale"


@command("CLIENT ID", arity=2, flags=OWN, since="5.0.0", group="connection", categories="connection")
def client_id(session: Session, argv: Argv) -> bytes:
    """Return the ID of this connection.

    Reply: integer; IDs grow and are never used again.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/client-id/
    """
    del argv
    return resp.integer(session.id)


@command("CLIENT GETNAME", arity=2, flags=OWN, since="2.6.9", group="connection", categories="connection")
def client_getname(session: Session, argv: Argv) -> bytes:
    """Return the name of this connection.

    Reply: the name, or null when it has none.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/client-getname/
    """
    del argv
    return resp.bulk(session.name) if session.name else session.encoder.null


@command(
    "CLIENT SETNAME",
    arity=3,
    flags=OWN,
    since="2.6.9",
    group="connection",
    syntax="connection-name",
    categories="connection",
)
def client_setname(session: Session, argv: Argv) -> bytes:
    """Give this connection a name, for CLIENT LIST and the log.

    Reply: `OK`. The name is printable ASCII without spaces; an empty one takes it away.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/client-setname/
    """
    session.name = checked_name(argv[2])
    return resp.OK


@command(
    "CLIENT SETINFO",
    arity=4,
    flags=OWN,
    since="7.2.0",
    group="connection",
    syntax="<LIB-NAME libname | LIB-VER libver>",
    categories="connection",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def client_setinfo(session: Session, argv: Argv) -> bytes:
    """Tell which library and version this connection uses, for CLIENT LIST.

    Reply: `OK`.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/client-setinfo/
    """
    attribute, value = argv[2].lower(), argv[3]
    if attribute not in (b"lib-name", b"lib-ver"):
        raise CommandError(b"ERR Unrecognized option '%b'" % argv[2])
    if any(not 33 <= byte <= 126 for byte in value):
        raise CommandError(b"ERR %b cannot contain spaces, newlines or special characters." % attribute)
    if attribute == b"lib-name":
        session.lib_name = value
    else:
        session.lib_version = value
    return resp.OK


@command(
    "CLIENT REPLY",
    arity=3,
    flags=OWN,
    since="3.2.0",
    group="connection",
    syntax="<ON | OFF | SKIP>",
    categories="connection",
)
def client_reply(session: Session, argv: Argv) -> bytes | None:
    """Choose whether this connection gets replies: all, none, or not the next one. Messages still come.

    Reply: `OK` for ON; nothing for OFF and SKIP.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/client-reply/
    """
    mode = argv[2].lower()
    if mode not in (b"on", b"off", b"skip"):
        raise errors.SYNTAX
    if mode == b"on":
        session.set_replies("on")
        return resp.OK
    if mode == b"off" or session.replies != "off":
        session.set_replies(mode.decode())
    return None


@command(
    "CLIENT PAUSE",
    arity=-3,
    flags=ADMIN,
    since="3.0.0",
    group="connection",
    syntax="timeout [WRITE | ALL]",
    categories="connection",
)
def client_pause(session: Session, argv: Argv) -> bytes:
    """Hold back the commands of all clients for so many ms; with WRITE only those that write or publish.

    Reply: `OK`.
    Cost: O(N) for N connections.
    Source: https://redis.io/docs/latest/commands/client-pause/
    """
    mode = argv[3].lower() if len(argv) == 4 else b"all"
    if len(argv) > 4:
        raise errors.subcommand_syntax("client", argv[1])
    if mode not in (b"write", b"all"):
        raise CommandError("ERR CLIENT PAUSE mode must be WRITE or ALL")
    duration_ms = integer(argv[2], errors.NOT_A_TIMEOUT)
    if duration_ms < 0:
        raise errors.NEGATIVE_TIMEOUT
    session.broker.pause(duration_ms, writes_only=mode == b"write")
    return resp.OK


@command("CLIENT UNPAUSE", arity=2, flags=ADMIN, since="6.2.0", group="connection", categories="connection")
def client_unpause(session: Session, argv: Argv) -> bytes:
    """End CLIENT PAUSE.

    Reply: `OK`.
    Cost: O(N) for N connections.
    Source: https://redis.io/docs/latest/commands/client-unpause/
    """
    del argv
    session.broker.unpause()
    return resp.OK


@command(
    "CLIENT UNBLOCK",
    arity=-3,
    flags=ADMIN,
    since="5.0.0",
    group="connection",
    syntax="client-id [TIMEOUT | ERROR]",
    categories="connection",
)
def client_unblock(session: Session, argv: Argv) -> bytes:
    """Wake a client that waits in a blocking command, as if its time were over or with an error.

    Reply: integer, 1 if the client was woken, else 0.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/client-unblock/
    """
    if len(argv) > 4:
        raise errors.subcommand_syntax("client", argv[1])
    reason = argv[3].lower() if len(argv) == 4 else b"timeout"
    if reason not in (b"timeout", b"error"):
        raise CommandError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    blocked = session.broker.clients.get(integer(argv[2]))
    if blocked is None or blocked.wait is None:
        return resp.integer(0)
    blocked.unblock(blocked.encoder.null_array if reason == b"timeout" else _UNBLOCKED.reply)
    return resp.integer(1)


_UNBLOCKED = CommandError("UNBLOCKED client unblocked via CLIENT UNBLOCK")


@command("CLIENT GETREDIR", arity=2, flags=OWN, since="6.0.0", group="connection", categories="connection")
def client_getredir(session: Session, argv: Argv) -> bytes:
    """Return where client-side caching sends its invalidations.

    Reply: -1, because CLIENT TRACKING is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/client-getredir/
    """
    del session, argv
    return resp.integer(-1)


def _set_flag(session: Session, flag: str, arg: bytes) -> bytes:
    if arg.lower() not in (b"on", b"off"):
        raise errors.SYNTAX
    others = tuple(each for each in session.flags if each != flag)
    session.flags = (*others, flag) if arg.lower() == b"on" else others
    return resp.OK


@command(
    "CLIENT NO-EVICT",
    arity=3,
    flags=ADMIN,
    since="7.0.0",
    group="connection",
    syntax="<ON | OFF>",
    categories="connection",
)
def client_no_evict(session: Session, argv: Argv) -> bytes:
    """Mark this connection as one that must not be evicted. Airwave evicts no clients; the mark shows in CLIENT LIST.

    Reply: `OK`.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/client-no-evict/
    """
    return _set_flag(session, "no-evict", argv[2])


@command(
    "CLIENT NO-TOUCH",
    arity=3,
    flags=OWN,
    since="7.2.0",
    group="connection",
    syntax="<ON | OFF>",
    categories="connection",
)
def client_no_touch(session: Session, argv: Argv) -> bytes:
    """Do not let this connection's commands count as use of a key. Airwave notes the wish, shown in CLIENT LIST, and
    does not follow it: nothing but OBJECT IDLETIME would differ.

    Reply: `OK`.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/client-no-touch/
    """
    return _set_flag(session, "no-touch", argv[2])


@command(
    "CLIENT CAPA",
    arity=-3,
    flags=OWN,
    since="0.1.0",
    group="connection",
    syntax="capability [capability ...]",
    categories="connection",
)
def client_capa(session: Session, argv: Argv) -> bytes:
    """Tell the server what this client can do. `ids`: it takes messages of remembered channels with one element more,
    the ID of their entry. Others are ignored, as by Valkey, which brought the command.

    Reply: `OK`.
    Cost: O(N) for N capabilities; for `ids` also O(M) for M subscriptions.
    Source: remember.md#client-capa
    """
    if b"ids" in [word.lower() for word in argv[2:]]:
        session.set_message_ids(True)
    return resp.OK


@command("CLIENT HELP", arity=2, flags="loading stale", since="5.0.0", group="connection", categories="connection")
def client_help(session: Session, argv: Argv) -> bytes:
    """Show the subcommands.

    Reply: array of lines.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/client-help/
    """
    del session, argv
    return help_text("client")
