"""What a client says about its connection: PING, AUTH, HELLO, SELECT, RESET, QUIT. CLIENT is in `client.py`."""

import hmac

from airwave import errors, resp
from airwave.command import Argv, command
from airwave.commands.parse import integer
from airwave.errors import CommandError
from airwave.session import Session
from airwave.version import REDIS_VERSION, __version__

USER = b"default"  # the only one


@command(
    "PING",
    arity=-1,
    flags="fast",
    since="1.0.0",
    group="connection",
    syntax="[message]",
    categories="connection",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)
def ping(session: Session, argv: Argv) -> bytes:
    """Ask whether the server answers.

    Reply: `PONG`, or the message; for a RESP2 subscriber an array of `pong` and the message.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/ping/
    """
    if len(argv) > 2:
        raise errors.wrong_arity("ping")
    if session.is_subscriber and session.encoder.version == 2:
        return resp.bulks([b"pong", argv[1] if len(argv) == 2 else b""])
    return resp.bulk(argv[1]) if len(argv) == 2 else resp.PONG


@command(
    "ECHO",
    arity=2,
    flags="loading stale fast",
    since="1.0.0",
    group="connection",
    syntax="message",
    categories="connection",
)
def echo(session: Session, argv: Argv) -> bytes:
    """Say something back.

    Reply: the message.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/echo/
    """
    del session
    return resp.bulk(argv[1])


@command(
    "QUIT",
    arity=-1,
    flags="noscript loading stale fast no_auth allow_busy",
    since="1.0.0",
    group="connection",
    categories="connection",
)
def quit_(session: Session, argv: Argv) -> bytes:
    """Close the connection once what waits has been sent.

    Reply: `OK`.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/quit/
    """
    del argv
    session.closing = True
    return resp.OK


@command(
    "RESET",
    arity=1,
    flags="noscript loading stale fast no_auth allow_busy",
    since="6.2.0",
    group="connection",
    categories="connection",
)
def reset(session: Session, argv: Argv) -> bytes:
    """Put the connection back to what a new one has: subscriptions, transaction, protocol, name and login are gone.

    Reply: `RESET`.
    Cost: O(N) for N subscriptions.
    Source: https://redis.io/docs/latest/commands/reset/
    """
    del argv
    session.reset()
    return resp.RESET


@command(
    "SELECT",
    arity=2,
    flags="loading stale fast",
    since="1.0.0",
    group="connection",
    syntax="index",
    categories="connection",
)
def select(session: Session, argv: Argv) -> bytes:
    """Choose a numbered database. Channels belong to none: messages cross them.

    Reply: `OK`.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/select/
    """
    index = integer(argv[1])
    if not -(1 << 31) <= index < 1 << 31:
        raise errors.NOT_AN_INT
    if not 0 <= index < session.broker.settings.databases:
        raise errors.DB_INDEX_RANGE
    session.database = session.broker.keyspace.databases[index]
    return resp.OK


def _login(session: Session, user: bytes, password: bytes) -> None:
    required = session.broker.settings.requirepass
    # Compared in constant time: how long a wrong password takes says nothing about it. Without a password set
    # every one is right for the default user, as in Redis.
    right = not required or hmac.compare_digest(password, required)
    if user != USER or not right:
        raise errors.WRONG_PASS
    session.authenticate()


@command(
    "AUTH",
    arity=-2,
    flags="noscript loading stale fast no_auth allow_busy",
    since="1.0.0",
    group="connection",
    syntax="[username] password",
    categories="connection",
)
def auth(session: Session, argv: Argv) -> bytes:
    """Log in with the password that `requirepass` sets, as the user `default` if one is named.

    Reply: `OK`, or the error `WRONGPASS`.
    Cost: O(N) for a password of N bytes.
    Source: https://redis.io/docs/latest/commands/auth/
    """
    if len(argv) > 3:
        raise errors.SYNTAX
    if len(argv) == 2 and not session.broker.settings.requirepass:
        raise errors.NO_PASSWORD_SET
    _login(session, argv[1] if len(argv) == 3 else USER, argv[-1])
    return resp.OK


def checked_name(name: bytes) -> bytes:
    """A client's name: printable ASCII without spaces, so that CLIENT LIST stays readable; empty takes it away."""
    if any(not 33 <= byte <= 126 for byte in name):
        raise CommandError("ERR Client names cannot contain spaces, newlines or special characters.")
    return name


@command(
    "HELLO",
    arity=-1,
    flags="noscript loading stale fast no_auth allow_busy",
    since="6.0.0",
    group="connection",
    syntax="[protover [AUTH username password] [SETNAME clientname]]",
    categories="connection",
)
def hello(session: Session, argv: Argv) -> bytes:
    """Choose the protocol, log in and give the connection a name in one step.

    Reply: map of server, version, proto, id, mode, role and modules.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/hello/
    """
    version, name = _hello_options(session, argv)
    if not session.authenticated:
        raise CommandError(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH "
            "<user> <pass> option can be used to authenticate the client and select the RESP protocol version at "
            "the same time"
        )
    if name is not None:
        session.name = name
    if version is not None:
        session.set_protocol(version)
    text, number = resp.text, resp.integer
    return session.encoder.map(
        [
            (text("server"), text("redis")),
            (text("version"), text(REDIS_VERSION)),
            (text("proto"), number(session.encoder.version)),
            (text("id"), number(session.id)),
            (text("mode"), text("standalone")),
            (text("role"), text("master")),
            (text("modules"), resp.EMPTY_ARRAY),
            (text("server_name"), text("airwave")),
            (text("airwave_version"), text(__version__)),
        ]
    )


def _hello_options(session: Session, argv: Argv) -> tuple[int | None, bytes | None]:
    """The protocol version and the name that HELLO asks for; logs in on the way, as Redis does."""
    version = None
    if len(argv) > 1:
        version = integer(argv[1], CommandError("ERR Protocol version is not an integer or out of range"))
        if version not in (2, 3):
            raise errors.NO_PROTO
    name = credentials = None
    rest = argv[2:]
    while rest:
        option = rest[0].upper()
        if option == b"AUTH" and len(rest) >= 3:
            credentials, rest = rest[1:3], rest[3:]
        elif option == b"SETNAME" and len(rest) >= 2:
            name, rest = checked_name(rest[1]), rest[2:]
        else:
            raise CommandError(b"ERR Syntax error in HELLO option '%b'" % rest[0])
    if credentials is not None:
        _login(session, *credentials)
    return version, name
