"""CLIENT LIST, INFO and KILL: clients about each other."""

from collections.abc import Callable, Iterable

from airwave import errors, resp
from airwave.command import COMMANDS, Argv, command
from airwave.commands.client import ADMIN, OWN
from airwave.commands.connection import USER
from airwave.commands.parse import integer, pairs
from airwave.errors import CommandError
from airwave.session import Session

_TYPES = (b"normal", b"master", b"replica", b"slave", b"pubsub")


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
            "b" if session in broker.held or session.wait is not None else "",
            "c" if session.closing else "",
            "e" if "no-evict" in session.flags else "",
            "T" if "no-touch" in session.flags else "",
            "U" if session.on_unix_socket else "",
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
        "db": session.database.index,
        "sub": len(session.channels),
        "psub": len(session.patterns),
        "ssub": len(session.shard_channels),
        "multi": -1 if session.transaction is None else len(session.transaction.commands),
        "watch": 0 if session.watched is None else len(session.watched.keys),
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
    flags=OWN,
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
    flags=ADMIN,
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
    flags=ADMIN,
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
