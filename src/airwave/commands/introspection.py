"""COMMAND: what commands there are, all of it read from the table."""

from collections.abc import Iterable
from functools import cache

from airwave import errors, glob, resp
from airwave.command import CATEGORIES, COMMANDS, FLAGS, Argv, Command, all_commands, command
from airwave.commands.parse import help_text
from airwave.commands.syntax import Argument, arguments
from airwave.errors import CommandError
from airwave.resp import Encoder
from airwave.session import Session

_OPEN = "loading stale"
_SECOND_KEYS = ("newkey", "destination")  # have a key specification of their own
_UNORDERED = ("nondeterministic_output_order",)


@command("COMMAND", arity=-1, flags=_OPEN, since="2.8.13", group="server", categories="connection", tips=_UNORDERED)
def command_(session: Session, argv: Argv) -> bytes:
    """Describe all commands to clients: arity, flags, keys, categories.

    Reply: array of what COMMAND INFO says about each command.
    Cost: O(N) for N commands.
    Source: https://redis.io/docs/latest/commands/command/
    """
    del argv
    return resp.array([_described(session.encoder, row) for row in COMMANDS.values()])


@command("COMMAND COUNT", arity=2, flags=_OPEN, since="2.8.13", group="server", categories="connection")
def command_count(session: Session, argv: Argv) -> bytes:
    """Count the commands; subcommands are not counted.

    Reply: integer.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/command-count/
    """
    del session, argv
    return resp.integer(len(COMMANDS))


@command(
    "COMMAND INFO",
    arity=-2,
    flags=_OPEN,
    since="2.8.13",
    group="server",
    categories="connection",
    syntax="[command-name [command-name ...]]",
    tips=_UNORDERED,
)
def command_info(session: Session, argv: Argv) -> bytes:
    """Describe some commands to clients, or all when none is named; `client|id` names a subcommand.

    Reply: array, for each command null if there is none of that name, else an array of ten: name, arity, flags, first
    key, last key, step between keys, ACL categories, tips, key specifications, subcommands in the same form.
    Cost: O(N) for N commands.
    Source: https://redis.io/docs/latest/commands/command-info/
    """
    encoder = session.encoder
    rows = map(_find, argv[2:]) if len(argv) > 2 else COMMANDS.values()
    return resp.array([encoder.null if row is None else _described(encoder, row) for row in rows])


@command(
    "COMMAND DOCS",
    arity=-2,
    flags=_OPEN,
    since="7.0.0",
    group="server",
    categories="connection",
    syntax="[command-name [command-name ...]]",
    tips=_UNORDERED,
)
def command_docs(session: Session, argv: Argv) -> bytes:
    """Document some commands for people, or all when none is named; unknown names are left out.

    Reply: map of names to maps of `summary`, `since`, `group`, `complexity`, `arguments` and `subcommands`.
    Cost: O(N) for N commands.
    Source: https://redis.io/docs/latest/commands/command-docs/
    """
    rows = map(_find, argv[2:]) if len(argv) > 2 else COMMANDS.values()
    return _documents(session.encoder, [row for row in rows if row is not None])


@command(
    "COMMAND LIST",
    arity=-2,
    flags=_OPEN,
    since="7.0.0",
    group="server",
    categories="connection",
    syntax="[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
    tips=_UNORDERED,
)
def command_list(session: Session, argv: Argv) -> bytes:
    """List the names of the commands and subcommands: all, those of an ACL category, or those that a glob fits.

    Reply: array of names; none by MODULE, because there are no modules.
    Cost: O(N) for N commands.
    Source: https://redis.io/docs/latest/commands/command-list/
    """
    del session
    rows = all_commands()
    if len(argv) != 2:
        if len(argv) != 5 or argv[2].lower() != b"filterby":
            raise errors.SYNTAX
        rows = _filtered(rows, argv[3].lower(), argv[4])
    return resp.array([resp.text(row.name) for row in rows])


def _filtered(rows: Iterable[Command], kind: bytes, wanted: bytes) -> list[Command]:
    if kind == b"module":
        return []
    if kind == b"aclcat":
        category = wanted.lower().decode("ascii", "replace")
        return [row for row in rows if category in row.categories]
    if kind == b"pattern":
        matches = glob.compile(wanted, nocase=True)
        return [row for row in rows if matches(row.name.encode())]
    raise errors.SYNTAX


@command(
    "COMMAND GETKEYS",
    arity=-4,
    flags=_OPEN,
    since="2.8.13",
    group="server",
    categories="connection",
    syntax="command [arg [arg ...]]",
)
def command_getkeys(session: Session, argv: Argv) -> bytes:
    """Tell which arguments of a command are keys.

    Reply: array of keys; an error if the command has none.
    Cost: O(N) for N arguments.
    Source: https://redis.io/docs/latest/commands/command-getkeys/
    """
    del session
    return resp.bulks(_keys(argv[2:])[1])


@command(
    "COMMAND GETKEYSANDFLAGS",
    arity=-4,
    flags=_OPEN,
    since="7.0.0",
    group="server",
    categories="connection",
    syntax="command [arg [arg ...]]",
)
def command_getkeysandflags(session: Session, argv: Argv) -> bytes:
    """Tell which arguments of a command are keys, and what it does with each.

    Reply: array of pairs of a key and its flags.
    Cost: O(N) for N arguments.
    Source: https://redis.io/docs/latest/commands/command-getkeysandflags/
    """
    row, keys = _keys(argv[2:])
    words = row.key_flags
    if row.name == "set":  # as in Redis: it depends on whether the old value is asked for
        words = ("RW access update",) if b"GET" in [arg.upper() for arg in argv[5:]] else ("OW update",)
    flags = [_key_flags(session.encoder, each) for each in words]
    pairs = [(key, flags[min(place, len(flags) - 1)]) for place, key in enumerate(keys)]
    return resp.array([resp.array([resp.bulk(key), about]) for key, about in pairs])


@command("COMMAND HELP", arity=2, flags=_OPEN, since="5.0.0", group="server", categories="connection")
def command_help(session: Session, argv: Argv) -> bytes:
    """Show the subcommands.

    Reply: array of lines.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/command-help/
    """
    del session, argv
    return help_text("command")


# --- looking up -------------------------------------------------------------------------------------------------------


def _find(name: bytes) -> Command | None:
    """A command or, as `client|id`, a subcommand."""
    container_name, bar, sub = name.lower().decode("ascii", "replace").partition("|")
    row = COMMANDS.get(container_name)
    return row.subcommands.get(sub) if row is not None and bar else row


def _keys(argv: Argv) -> tuple[Command, Argv]:
    """The command of a request and its keys, with Redis's errors for requests that have none."""
    row = COMMANDS.get(argv[0].lower().decode("ascii", "replace"))
    if row is not None and row.subcommands and len(argv) > 1:
        row = row.subcommands.get(argv[1].lower().decode("ascii", "replace"))
    if row is None:
        raise CommandError("ERR Invalid command specified")
    first, last, step = row.keys
    if not (first or row.key_word[0] or row.key_count) or _names_channels(row):
        raise CommandError("ERR The command has no key arguments")
    if len(argv) != row.arity and (row.arity > 0 or len(argv) < -row.arity):
        raise CommandError("ERR Invalid number of arguments specified for command")
    if row.key_word[0]:
        return row, _keys_behind(*row.key_word, argv)
    if row.key_count:
        return row, _keys_counted(row.key_count, argv)
    return row, argv[first : (last if last >= 0 else len(argv) + last) + 1 : step]


def _keys_behind(word: str, start: int, argv: Argv) -> Argv:
    """The first half of what stands behind a word."""
    for place in range(start, len(argv) - 1):
        if argv[place].upper() == word.encode():
            behind = argv[place + 1 :]
            return behind[: len(behind) // 2]
    raise CommandError("ERR Invalid arguments specified for command")


def _keys_counted(place: int, argv: Argv) -> Argv:
    """As many as an argument says, behind it; none when it says nothing that can be, as in Redis."""
    count = int(argv[place]) if argv[place].isdigit() and len(argv[place]) < 10 else 0
    return argv[place + 1 : place + 1 + count] if count < len(argv) - place else []


def _names_channels(row: Command) -> bool:
    """Whether its "keys" are shard channels: clients route by them, but no key of that name is touched."""
    return row.group == "pubsub"


# --- describing -------------------------------------------------------------------------------------------------------
# The table does not change: what is said about a command is encoded once for each protocol. Every redis-cli asks for
# all of COMMAND DOCS when it starts; that takes milliseconds the first time.


@cache
def _described(encoder: Encoder, row: Command) -> bytes:
    """What COMMAND INFO says about a command."""
    subcommands = [_described(encoder, sub) for sub in row.subcommands.values()]
    return resp.array(
        [
            resp.text(row.name),
            resp.integer(row.arity),
            encoder.set([resp.simple(flag.encode()) for flag in FLAGS if flag in row.flags]),
            *map(resp.integer, row.keys),
            encoder.set([resp.simple(b"@" + name.encode()) for name in CATEGORIES if name in row.categories]),
            encoder.set([resp.text(tip) for tip in row.tips]),
            encoder.set(_key_specs(encoder, row)),
            resp.array(subcommands) if subcommands else encoder.set([]),
        ]
    )


def _key_flags(encoder: Encoder, flags: str) -> bytes:
    return encoder.set([resp.simple(flag.encode()) for flag in flags.split()])


def _key_specs(encoder: Encoder, row: Command) -> list[bytes]:
    """Where the keys are and what is done with them, as Redis 7 says it; keys that differ one by one."""
    first, last, step = row.keys
    if row.key_word[0]:
        word, start = row.key_word
        begin = (b"keyword", {"keyword": resp.text(word), "startfrom": resp.integer(start)})
        return [_key_spec(encoder, row.key_flags[0], begin, lastkey=-1, keystep=1, limit=2)]
    if row.key_count:
        begin = _at(row.key_count)
        return [_key_spec(encoder, row.key_flags[0], begin, b"keynum", keynumidx=0, firstkey=1, keystep=1)]
    if not first:
        return []
    if len(row.key_flags) > 1:
        return [
            _key_spec(encoder, flags, _at(first + place * step), lastkey=0, keystep=1, limit=0)
            for place, flags in enumerate(row.key_flags)
        ]
    flags = "not_key" if _names_channels(row) else row.key_flags[0]
    lastkey = last - first if last >= 0 else last  # counted from the first key, or from the end
    return [_key_spec(encoder, flags, _at(first), lastkey=lastkey, keystep=step, limit=0)]


_Begin = tuple[bytes, dict[str, bytes]]


def _at(index: int) -> _Begin:
    return b"index", {"index": resp.integer(index)}


def _key_spec(encoder: Encoder, flags: str, begin: _Begin, find: bytes = b"range", **numbers: int) -> bytes:
    def spec(kind: bytes, values: dict[str, bytes]) -> bytes:
        inner = encoder.map([(resp.text(name), value) for name, value in values.items()])
        return encoder.map([(resp.bulk(b"type"), resp.bulk(kind)), (resp.bulk(b"spec"), inner)])

    span = {name: resp.integer(number) for name, number in numbers.items()}
    return encoder.map(
        [
            (resp.bulk(b"flags"), _key_flags(encoder, flags)),
            (resp.bulk(b"begin_search"), spec(*begin)),
            (resp.bulk(b"find_keys"), spec(find, span)),
        ]
    )


def _documents(encoder: Encoder, rows: Iterable[Command]) -> bytes:
    return encoder.map([(resp.text(row.name), _document(encoder, row)) for row in rows])


@cache
def _document(encoder: Encoder, row: Command) -> bytes:
    """What COMMAND DOCS says about a command."""
    cost = row.about("Cost") or ("Depends on subcommand." if row.subcommands else "")
    fields = {"summary": row.summary, "since": row.since, "group": row.group, "complexity": cost}
    pairs = [(resp.text(name), resp.text(value)) for name, value in fields.items() if value]
    if row.syntax:
        pairs.append((resp.bulk(b"arguments"), _arguments(encoder, arguments(row.syntax))))
    if row.subcommands:
        pairs.append((resp.bulk(b"subcommands"), _documents(encoder, row.subcommands.values())))
    return encoder.map(pairs)


def _arguments(encoder: Encoder, wanted: Iterable[Argument]) -> bytes:
    return resp.array([_argument(encoder, each) for each in wanted])


def _argument(encoder: Encoder, argument: Argument) -> bytes:
    pairs = [(resp.bulk(b"name"), resp.text(argument.name)), (resp.bulk(b"type"), resp.text(argument.kind))]
    if argument.kind == "key":
        pairs.append((resp.bulk(b"key_spec_index"), resp.integer(argument.name in _SECOND_KEYS)))
    if argument.token:
        pairs.append((resp.bulk(b"token"), resp.text(argument.token)))
    flags = [word for word, has in ((b"optional", argument.optional), (b"multiple", argument.multiple)) if has]
    if flags:
        pairs.append((resp.bulk(b"flags"), encoder.set([resp.simple(flag) for flag in flags])))
    if argument.parts:
        pairs.append((resp.bulk(b"arguments"), _arguments(encoder, argument.parts)))
    return encoder.map(pairs)
