"""CLIENT: clients about themselves and about each other."""

from collections.abc import Callable, Iterable

from airwave import errors, resp
from airwave.command import COMMANDS, Argv, command, container
from airwave.commands.connection import USER, checked_name
from airwave.commands.parse import help_text, integer, pairs
from airwave.errors import CommandError
from airwave.session import Session

container("CLIENT", since="2.4.0", group="connection", summary="A container for client connection commands.")

_OWN = "noscript loading stale"
_ADMIN = "admin noscript loading stale"
_TYPES = (b"normal", b"master", b"replica", b"slave", b"pubsub")


@command("CLIENT ID", arity=2, flags=_OWN, since="5.0.0", group="connection", categories="connection")
def client_id(session: Session, argv: Argv) -> bytes:
    """Return the ID of this connection.

    Reply: integer; IDs grow and are never used again.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/client-id/
    """
    del argv
    return resp.integer(session.id)


@command("CLIENT GETNAME", arity=2, flags=_OWN, since="2.6.9", group="connection", categories="connection")
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
    flags=_OWN,
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
    flags=_OWN,
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


def describe(session: Session) -> bytes:
    """A client's line in CLIENT LIST; times in seconds, sizes in bytes."""
    broker = session.broker
    now_ns = broker.clock()
    waiting = sum(map(len, session.out))
    buffered = session.transport.get_write_buffer_size() if not session.gone else 0
    flags = "".join(
        [
            "O" if session in broker.monitors else "",
            "P" if session.is_subscriber else "",
            "x" if session.transaction is not None else "",
            "b" if session in broker.held else "",
            "c" if session.closing else "",
            "e" if "no-evict" in session.flags else "",
            "T" if "no-touch" in session.flags else "",
            "U" if session.peer.endswith(":0") else "",
        ]
    )
    fields = {
        "id": session.id,
        "addr": session.peer,
        "laddr": session.local,
        "fd": session.fileno,
        "name": session.name.decode("ascii"),
        "age": (now_ns - session.created_ns) // 1_000_000_000,
        "idle": (now_ns - session.active_ns) // 1_000_000_000,
        "flags": flags or "N",
        "db": session.db,
        "sub": len(session.channels),
        "psub": len(session.patterns),
        "ssub": len(session.shard_channels),
        "multi": -1 if session.transaction is None else len(session.transaction.commands),
        "watch": len(session.watched or ()),
        "qbuf": session.requests.buffered_bytes,
        "qbuf-free": 0,
        "argv-mem": 0,
        "multi-mem": 0 if session.transaction is None else session.transaction.size,
        "obl": buffered,
        "oll": len(session.out),
        "omem": waiting,
        "tot-mem": waiting + buffered + session.requests.buffered_bytes,
        "events": "r" if not (waiting or buffered) else "rw",
        "cmd": session.last_command.name or "NULL",
        "user": USER.decode() if session.authenticated else "(none)",
        "redir": -1,
        "resp": session.encoder.version,
        "lib-name": session.lib_name.decode("ascii"),
        "lib-ver": session.lib_version.decode("ascii"),
        "dropped": session.dropped,
    }
    return " ".join([f"{key}={value}" for key, value in fields.items()]).encode("utf-8", "surrogateescape") + b"\n"


@command(
    "CLIENT INFO",
    arity=2,
    flags=_OWN,
    since="6.2.0",
    group="connection",
    categories="connection",
    tips=("nondeterministic_output",),
)
def client_info(session: Session, argv: Argv) -> bytes:
    """Return what CLIENT LIST says about this connection.

    Reply: one line of `field=value` pairs.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/client-info/
    """
    session.last_command = COMMANDS["client"].subcommands[argv[1].lower().decode()]
    return session.encoder.verbatim(describe(session))


@command(
    "CLIENT LIST",
    arity=-2,
    flags=_ADMIN,
    since="2.4.0",
    group="connection",
    syntax="[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
    categories="connection",
    tips=("nondeterministic_output",),
)
def client_list(session: Session, argv: Argv) -> bytes:
    """List the connections, or those of a type or with given IDs.

    Reply: a line of `field=value` pairs for each. `sub`, `psub`, `ssub` count subscriptions; `omem` and `obl` are the
    bytes that wait to be sent; `dropped` counts messages lost under slow-subscriber-policy drop-oldest.
    Cost: O(N) for N connections.
    Source: https://redis.io/docs/latest/commands/client-list/
    """
    session.last_command = COMMANDS["client"].subcommands[argv[1].lower().decode()]
    clients: Iterable[Session] = list(session.broker.clients.values())
    option = argv[2].lower() if len(argv) > 3 else b""
    if option == b"type" and len(argv) == 4:
        kind = client_type(argv[3])
        clients = [client for client in clients if _is_type(client, kind)]
    elif option == b"id":
        ids = [integer(arg, CommandError("ERR Invalid client ID")) for arg in argv[3:]]
        known = session.broker.clients
        clients = [known[each] for each in ids if each in known]
    elif len(argv) > 2:
        raise errors.SYNTAX
    return session.encoder.verbatim(b"".join([describe(client) for client in clients]))


def client_type(arg: bytes) -> bytes:
    """A client type as CLIENT LIST and KILL know it."""
    kind = arg.lower()
    if kind not in _TYPES:
        raise CommandError(b"ERR Unknown client type '%b'" % arg)
    return kind


def _is_type(client: Session, kind: bytes) -> bool:
    if kind in (b"normal", b"pubsub"):
        return client.is_subscriber == (kind == b"pubsub")
    return False  # there are no replicas and no master


@command(
    "CLIENT KILL",
    arity=-3,
    flags=_ADMIN,
    since="2.4.0",
    group="connection",
    syntax="<ip:port | <[ID client-id] [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [USER username] "
    "[ADDR ip:port] [LADDR ip:port] [SKIPME yes/no] [MAXAGE seconds]>>",
    categories="connection",
)
def client_kill(session: Session, argv: Argv) -> bytes:
    """Disconnect clients, by address (old form) or by every filter that is given.

    Reply: `OK` for the old form; integer, how many were disconnected, for the new one.
    Cost: O(N) for N connections.
    Source: https://redis.io/docs/latest/commands/client-kill/
    """
    clients = list(session.broker.clients.values())
    if len(argv) == 3:
        victims = [client for client in clients if client.peer.encode() == argv[2]]
        if not victims:
            raise errors.NO_SUCH_CLIENT
    else:
        matches = _kill_filter(session, pairs(argv[2:]))
        victims = [client for client in clients if matches(client)]
    for client in victims:
        if client is session:
            client.closing = True  # it still gets its reply
        else:
            client.disconnect()
    return resp.OK if len(argv) == 3 else resp.integer(len(victims))


def _kill_filter(session: Session, options: list[tuple[bytes, bytes]]) -> Callable[[Session], bool]:
    tests: list[Callable[[Session], bool]] = []
    skip_me = True
    for name, value in options:
        option = name.lower()
        if option == b"skipme":
            if value.lower() not in (b"yes", b"no"):
                raise errors.SYNTAX
            skip_me = value.lower() == b"yes"
        else:
            tests.append(_kill_test(session, option, value))
    return lambda client: not (skip_me and client is session) and all(test(client) for test in tests)


def _kill_test(session: Session, option: bytes, value: bytes) -> Callable[[Session], bool]:
    if option == b"id":
        wanted = integer(value, CommandError("ERR client-id should be greater than 0"), minimum=1)
        return lambda client: client.id == wanted
    if option == b"type":
        kind = client_type(value)
        return lambda client: _is_type(client, kind)
    if option == b"user":
        if value != USER:
            raise CommandError(b"ERR No such user '%b'" % value)
        return lambda client: client.authenticated
    if option == b"addr":
        return lambda client: client.peer.encode() == value
    if option == b"laddr":
        return lambda client: client.local.encode() == value
    if option == b"maxage":
        error = CommandError("ERR maxage is not an integer or out of range")
        oldest_ns = session.broker.clock() - integer(value, error) * 1_000_000_000
        return lambda client: client.created_ns <= oldest_ns
    raise errors.SYNTAX


@command(
    "CLIENT REPLY",
    arity=3,
    flags=_OWN,
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
    flags=_ADMIN,
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


@command("CLIENT UNPAUSE", arity=2, flags=_ADMIN, since="6.2.0", group="connection", categories="connection")
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
    flags=_ADMIN,
    since="5.0.0",
    group="connection",
    syntax="client-id [TIMEOUT | ERROR]",
    categories="connection",
)
def client_unblock(session: Session, argv: Argv) -> bytes:
    """Wake a client that waits in a blocking command. Airwave has no blocking command yet.

    Reply: integer, 1 if the client was woken, else 0.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/client-unblock/
    """
    del session
    if len(argv) > 4:
        raise errors.subcommand_syntax("client", argv[1])
    if len(argv) == 4 and argv[3].lower() not in (b"timeout", b"error"):
        raise CommandError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    integer(argv[2])
    return resp.integer(0)


@command("CLIENT GETREDIR", arity=2, flags=_OWN, since="6.0.0", group="connection", categories="connection")
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
    flags=_ADMIN,
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
    flags=_OWN,
    since="7.2.0",
    group="connection",
    syntax="<ON | OFF>",
    categories="connection",
)
def client_no_touch(session: Session, argv: Argv) -> bytes:
    """Do not let this connection's commands count as use of a key. There are no keys yet; the mark shows in CLIENT
    LIST.

    Reply: `OK`.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/client-no-touch/
    """
    return _set_flag(session, "no-touch", argv[2])


@command("CLIENT HELP", arity=2, flags="loading stale", since="5.0.0", group="connection", categories="connection")
def client_help(session: Session, argv: Argv) -> bytes:
    """Show the subcommands.

    Reply: array of lines.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/client-help/
    """
    del session, argv
    return help_text("client")
