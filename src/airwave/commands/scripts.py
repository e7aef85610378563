"""Scripts. Airwave has no Lua: it knows the scripts of some libraries, and does itself what they do.

Such a script is recognised by the SHA1 digest of its text, as EVALSHA names it; a text that differs by one byte is
another script. `_KNOWN` has them all. What is done for one is written here with the commands that it would call, so
that events, journal and refusals are those of these commands. Between them nobody else's commands run.

An error within a script says where it happened, as Redis does: by the digest, and the line of the call in the text.
https://redis.io/docs/latest/develop/programmability/eval-intro/
"""

import re
from collections.abc import Callable
from hashlib import sha1

from airwave import glob, resp
from airwave.command import COMMANDS, Argv, command, container
from airwave.commands.parse import help_text, integer
from airwave.errors import CommandError
from airwave.session import Session

NO_SCRIPT = CommandError("NOSCRIPT No matching script. Please use EVAL.")
NO_LUA = CommandError(
    "ERR Airwave has no Lua: it knows only the scripts of redis-py's Lock (release, extend, reacquire) and of "
    "Litestar's channels (publish, flush_all), in the texts that these libraries send"
)
NEGATIVE_KEYS = CommandError("ERR Number of keys can't be negative")
TOO_MANY_KEYS = CommandError("ERR Number of keys can't be greater than number of args")
FLUSH_MODE = CommandError("ERR SCRIPT FLUSH only support SYNC|ASYNC option")

_NIL_ARGUMENT = "ERR Lua redis lib command arguments must be strings or integers"
_FLAGS = "noscript stale skip_monitor may_replicate no_mandatory_keys movablekeys"

# A string that Lua takes for a number: spaces around it do not matter.
_NUMBER = re.compile(rb"\s*([+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan))\s*", re.IGNORECASE)
_HEX_NUMBER = re.compile(rb"\s*([+-]?0x(?:[\da-f]+\.?[\da-f]*|\.[\da-f]+)(?:p[+-]?\d+)?)\s*", re.IGNORECASE)


class Run:
    """One run of a script.

    Args:
        digest: of its text, in lower case.
        keys, args: what it is given as KEYS and ARGV.
    """

    def __init__(self, session: Session, digest: str, keys: Argv, args: Argv) -> None:
        self.session = session
        self.keys = keys
        self.args = args
        self._digest = digest

    def key(self, place: int) -> bytes | None:
        """KEYS, counted from 1; None: there are not so many."""
        return self.keys[place - 1] if place <= len(self.keys) else None

    def arg(self, place: int) -> bytes | None:
        """ARGV, counted from 1; None: there are not so many."""
        return self.args[place - 1] if place <= len(self.args) else None

    def call(self, line: int, name: str, *args: bytes | None) -> bytes:
        """What a command replies that the script calls at a line of its text.

        Raises:
            CommandError: the command's own, with where it happened.
            Cold: see `Journal.fetch`; not once the script has changed something, because it could not begin again.
        """
        words = [name.encode(), *(arg for arg in args if arg is not None)]
        if len(words) <= len(args):
            raise self.error(line, _NIL_ARGUMENT)
        broker, row = self.session.broker, COMMANDS[name]
        writes = "write" in row.flags
        try:
            if writes and broker.refusal is not None:
                raise broker.refusal
            reply = row.handler(self.session, words)
        except CommandError as error:
            raise self.error(line, error.text) from None
        assert reply is not None, name  # none of them blocks
        broker.journal.patient = broker.journal.patient or writes
        return reply

    def error(self, line: int, text: str | bytes) -> CommandError:
        """An error that happened at a line of the script's text."""
        text = text.encode() if isinstance(text, str) else text
        return CommandError(b"%b script: %b, on @user_script:%d." % (text, self._digest.encode(), line))


# --- what the scripts do ----------------------------------------------------------------------------------------------


def _holds(run: Run) -> bool:
    """Whether the lock, the first key, has the token that is the first argument."""
    held, token = run.call(2, "get", run.key(1)), run.arg(1)
    return token is not None and held == resp.bulk(token)


def _lock_release(run: Run) -> bytes:
    if not _holds(run):
        return resp.integer(0)
    run.call(6, "del", run.key(1))
    return resp.integer(1)


def _lock_extend(run: Run) -> bytes:
    """The second argument is added to the time that the lock has left, or replaces it if the third is not 0."""
    if not _holds(run):
        return resp.integer(0)
    left_ms = int(run.call(6, "pttl", run.key(1))[1:-2])
    if left_ms < 0:  # it is for ever
        return resp.integer(0)
    time = run.arg(2)
    if run.arg(3) == b"0":
        time = b"%.17g" % (_number(run, 16, time) + left_ms)
    run.call(18, "pexpire", run.key(1), time)
    return resp.integer(1)


def _number(run: Run, line: int, arg: bytes | None) -> float:
    """An argument that Lua calculates with."""
    if arg is not None and (match := _NUMBER.fullmatch(arg)):
        return float(match[1])
    if arg is not None and (match := _HEX_NUMBER.fullmatch(arg)):
        return float.fromhex(match[1].decode())
    kind = "nil" if arg is None else "string"
    raise run.error(line, f"ERR user_script:{line}: attempt to perform arithmetic on field '?' (a {kind} value)")


def _lock_reacquire(run: Run) -> bytes:
    if not _holds(run):
        return resp.integer(0)
    run.call(6, "pexpire", run.key(1), run.arg(2))
    return resp.integer(1)


def _channels_publish(run: Run) -> bytes:
    for channel in run.keys:
        run.call(4, "publish", channel, run.arg(1))
    return run.session.encoder.null


def _channels_add(run: Run) -> bytes:
    """Arguments: data, length of the streams, their time in ms, one that is of no effect, and a channel for each key.

    The fourth asks for `~`, but the script compares a string with a number: on Redis, too, it always trims exactly.
    """
    data, limit, time = run.arg(1), run.arg(2), run.arg(3)
    for place, key in enumerate(run.keys, 5):
        run.call(10, "xadd", key, b"MAXLEN", limit, b"*", b"data", data, b"channel", run.arg(place))
        run.call(12, "pexpire", key, time)
    return run.session.encoder.null


def _channels_flush(run: Run) -> bytes:
    pattern = run.arg(1)
    if pattern is None:
        raise run.error(7, _NIL_ARGUMENT)
    matches, database = glob.compile(pattern), run.session.database
    wanted = [key for key in [*database.values] if matches(key) and database.peek(key) is not None]
    for key in wanted:
        run.call(9, "del", key)
    return resp.integer(len(wanted))


_KNOWN: dict[str, Callable[[Run], bytes]] = {
    # redis-py 4.6 to 8.1, Lock: the same in redis.asyncio
    "c3f8721cbb97f72bc19e972846bd7aaf91901658": _lock_release,
    "a4e8783852e6b949f9ef3a97212805108459a890": _lock_extend,
    "1cac51482acf5858da00f6d685d68f886cd6b6b2": _lock_reacquire,
    # Litestar 2.9 to 2.25, litestar.channels.backends.redis
    "8609be48d66a0ef1a8ad3a35d0db70e333e2ad32": _channels_publish,
    "baba00348103d367af4a78b59d6ca69c7ed4321f": _channels_add,
    "294e8740dfb7d470da8b18ff0b770356549613f0": _channels_flush,
}


# --- commands ---------------------------------------------------------------------------------------------------------


def _run(session: Session, argv: Argv, digest: str, unknown: CommandError) -> bytes:
    """Run a known script with the keys and arguments of EVAL or EVALSHA; `unknown` is for any other."""
    count = integer(argv[2])
    if count > len(argv) - 3:
        raise TOO_MANY_KEYS
    if count < 0:
        raise NEGATIVE_KEYS
    script = _KNOWN.get(digest)
    if script is None:
        raise unknown
    journal = session.broker.journal
    patient = journal.patient
    try:
        return script(Run(session, digest, argv[3 : 3 + count], argv[3 + count :]))
    finally:
        journal.patient = patient


@command(
    "EVAL",
    arity=-3,
    flags=_FLAGS,
    since="2.6.0",
    group="scripting",
    syntax="script numkeys [key [key ...]] [arg [arg ...]]",
    key_count=2,
    key_flags="RW access update",
    categories="scripting",
)
def eval_(session: Session, argv: Argv) -> bytes:
    """Run a script of a library that Airwave knows; there is no Lua for others.

    Known are, by the digest of their text, the scripts of redis-py's Lock (release, extend, reacquire) and those of
    Litestar's channels (publish and flush_all of RedisChannelsPubSubBackend and RedisChannelsStreamBackend).

    Reply: what the script returns; an error for an unknown one.
    Cost: that of the commands that the script calls; flush_all is O(N) for N keys of the database.
    Source: https://redis.io/docs/latest/commands/eval/
    """
    return _run(session, argv, _digest(argv[1]), NO_LUA)


@command(
    "EVALSHA",
    arity=-3,
    flags=_FLAGS,
    since="2.6.0",
    group="scripting",
    syntax="sha1 numkeys [key [key ...]] [arg [arg ...]]",
    key_count=2,
    key_flags="RW access update",
    categories="scripting",
)
def evalsha(session: Session, argv: Argv) -> bytes:
    """Run a script of a library that Airwave knows, by the digest of its text; otherwise as EVAL.

    Reply: what the script returns; the error `NOSCRIPT` for an unknown one.
    Cost: as EVAL.
    Source: https://redis.io/docs/latest/commands/evalsha/
    """
    if len(argv[1]) != 40:
        raise NO_SCRIPT
    return _run(session, argv, _named(argv[1]), NO_SCRIPT)


def _digest(text: bytes) -> str:
    return sha1(text, usedforsecurity=False).hexdigest()


def _named(digest: bytes) -> str:
    return digest.lower().decode("ascii", "replace")


container("SCRIPT", since="2.6.0", group="scripting", summary="Ask about the scripts that Airwave knows")


@command(
    "SCRIPT LOAD",
    arity=3,
    flags="noscript stale",
    since="2.6.0",
    group="scripting",
    syntax="script",
    categories="scripting",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def script_load(session: Session, argv: Argv) -> bytes:
    """Return the digest of a script that Airwave knows, for EVALSHA; nothing is loaded.

    Reply: the SHA1 digest of the text, in hexadecimal; an error for an unknown script.
    Cost: O(N) for a text of N bytes.
    Source: https://redis.io/docs/latest/commands/script-load/
    """
    del session
    digest = _digest(argv[2])
    if digest not in _KNOWN:
        raise NO_LUA
    return resp.text(digest)


@command(
    "SCRIPT EXISTS",
    arity=-3,
    flags="noscript",
    since="2.6.0",
    group="scripting",
    syntax="sha1 [sha1 ...]",
    categories="scripting",
    tips=("request_policy:all_shards", "response_policy:agg_logical_and"),
)
def script_exists(session: Session, argv: Argv) -> bytes:
    """Tell which scripts Airwave knows; they need not be loaded.

    Reply: array of integers, 1 for each digest that is known, else 0.
    Cost: O(N) for N digests.
    Source: https://redis.io/docs/latest/commands/script-exists/
    """
    del session
    return resp.array([resp.integer(_named(digest) in _KNOWN) for digest in argv[2:]])


@command(
    "SCRIPT FLUSH",
    arity=-2,
    flags="noscript",
    since="2.6.0",
    group="scripting",
    syntax="[ASYNC | SYNC]",
    categories="scripting",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def script_flush(session: Session, argv: Argv) -> bytes:
    """Do nothing: no script was loaded that could be forgotten.

    Reply: `OK`.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/script-flush/
    """
    del session
    if len(argv) > 3 or (len(argv) == 3 and argv[2].lower() not in (b"async", b"sync")):
        raise FLUSH_MODE
    return resp.OK


@command("SCRIPT HELP", arity=2, flags="loading stale", since="5.0.0", group="scripting", categories="scripting")
def script_help(session: Session, argv: Argv) -> bytes:
    """Show the subcommands.

    Reply: array of lines.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/script-help/
    """
    del session, argv
    return help_text("script")
