"""Every error a client can be told, once, in Redis's own words.

Layer L0. A `CommandError` is the client's fault: it becomes the reply and the connection goes on. A `ProtocolError` is
the client's fault as well, but its bytes make no sense from there on: Redis answers and closes.
Texts: redis-server 7.0 `server.c`, `networking.c`, `multi.c`, `config.c`, asked of a running server by the tests.
"""

_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")


class CommandError(Exception):
    """An error reply.

    Args:
        text: code and message as they go over the wire without the leading `-`, for example `ERR syntax error`.
            Line breaks become spaces, because an error reply is one line.
    """

    def __init__(self, text: str | bytes) -> None:
        raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        self.text = raw.translate(_LINE_BREAKS)
        super().__init__(self.text.decode("utf-8", "backslashreplace"))

    @property
    def code(self) -> bytes:
        """The first word, by which INFO errorstats counts."""
        return self.text.split(b" ", 1)[0]

    @property
    def reply(self) -> bytes:
        """The encoded reply; the same in RESP2 and RESP3."""
        return b"-%b\r\n" % self.text


class ProtocolError(CommandError):
    """The request itself is broken: the reply is sent and the connection closed."""

    def __init__(self, detail: str | bytes) -> None:
        raw = detail.encode() if isinstance(detail, str) else detail
        super().__init__(b"ERR Protocol error: " + raw)


SYNTAX = CommandError("ERR syntax error")
NOT_AN_INTEGER = CommandError("ERR value is not an integer or out of range")
NOT_AN_INT = CommandError("ERR value is out of range, value must between -2147483648 and 2147483647")
WRONG_TYPE = CommandError("WRONGTYPE Operation against a key holding the wrong kind of value")
NO_SUCH_KEY = CommandError("ERR no such key")
NO_AUTH = CommandError("NOAUTH Authentication required.")
NOT_A_TIMEOUT = CommandError("ERR timeout is not an integer or out of range")
NEGATIVE_TIMEOUT = CommandError("ERR timeout is negative")
WRONG_PASS = CommandError("WRONGPASS invalid username-password pair or user is disabled.")
NO_PASSWORD_SET = CommandError(
    "ERR AUTH <password> called without any password configured for the default user. "
    "Are you sure your configuration is correct?"
)
NO_PROTO = CommandError("NOPROTO unsupported protocol version")
NO_SUCH_CLIENT = CommandError("ERR No such client")
EXEC_ABORT = CommandError("EXECABORT Transaction discarded because of previous errors.")
DB_INDEX_RANGE = CommandError("ERR DB index is out of range")
NOT_IN_TRANSACTION = CommandError("ERR Command not allowed inside a transaction")
NO_SHUTDOWN = CommandError("ERR No shutdown in progress.")
NOT_WHILE_EXECUTING = CommandError("ERR MONITOR isn't allowed for DENY BLOCKING client")
SSUBSCRIBE_WHILE_EXECUTING = CommandError("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
DEBUG_REFUSED = CommandError(
    'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local '
    "connection, otherwise you need to set this option in the configuration file, and then restart the server."
)
EXHAUSTED = CommandError("ERR The stream has exhausted the last possible ID, unable to add more items")
TOO_LARGE = CommandError("ERR Elements are too large to be stored")
INTERNAL = CommandError("ERR internal error")
MAX_CLIENTS = CommandError("ERR max number of clients reached")
PROTECTED_MODE = CommandError(
    "DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the "
    "default user. In this mode connections are only accepted from the loopback interface. If you want to connect "
    "from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode "
    "sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the "
    "same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. "
    "Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by "
    "editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the "
    "server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' "
    "option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above "
    "things in order for the server to start accepting connections from the outside."
)


def wrong_arity(name: str) -> CommandError:
    """`name` is the full name, `client|id` for a subcommand."""
    return CommandError(f"ERR wrong number of arguments for '{name}' command")


def unknown_command(argv: list[bytes]) -> CommandError:
    """Names the command and the first arguments, at most about 128 bytes of each, as Redis does."""
    shown = b""
    for arg in argv[1:]:
        if len(shown) >= 128:
            break
        shown += b"'%b' " % arg[: 128 - len(shown)]
    return CommandError(b"ERR unknown command '%b', with args beginning with: %b" % (argv[0][:128], shown))


def unknown_subcommand(container: str, name: bytes) -> CommandError:
    """`container` is the command, `name` what stood behind it (at most 128 bytes are shown)."""
    return CommandError(b"ERR unknown subcommand '%b'. Try %b HELP." % (name[:128], container.upper().encode()))


def subcommand_syntax(container: str, name: bytes) -> CommandError:
    """Too many arguments for a subcommand that takes an optional one; `name` as the client wrote it."""
    return CommandError(
        b"ERR unknown subcommand or wrong number of arguments for '%b'. Try %b HELP."
        % (name[:128], container.upper().encode())
    )


def subscriber_context(name: str) -> CommandError:
    """What a RESP2 subscriber is told that sends anything but subscription commands."""
    return CommandError(
        f"ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
        "are allowed in this context"
    )


def discarded(reason: CommandError) -> CommandError:
    """What a refused EXEC is told."""
    return CommandError(b"EXECABORT Transaction discarded because of: " + reason.text.removeprefix(b"ERR "))


def nested(name: str) -> CommandError:
    """MULTI or WATCH inside MULTI, EXEC or DISCARD outside."""
    texts = {
        "multi": "ERR MULTI calls can not be nested",
        "watch": "ERR WATCH inside MULTI is not allowed",
        "exec": "ERR EXEC without MULTI",
        "discard": "ERR DISCARD without MULTI",
    }
    return CommandError(texts[name])
