"""Consumer groups and their consumers: XGROUP.

In Redis no change of a group is a change of its key: WATCH does not see it. Only the keyspace notification is sent.
"""

from airwave import resp
from airwave.command import Argv, command, container
from airwave.commands.parse import integer
from airwave.errors import CommandError, subcommand_syntax
from airwave.keyspace import STREAM
from airwave.session import Session
from airwave.streams import ids as entry_ids
from airwave.streams.group import UNKNOWN, Group
from airwave.streams.ids import ID_MAX
from airwave.streams.pending import Consumer
from airwave.streams.stream import Stream

NO_KEY = CommandError(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option "
    "to create an empty stream automatically."
)
BAD_ENTRIES_READ = CommandError("ERR value for ENTRIESREAD must be positive or -1")
BUSY_GROUP = CommandError("BUSYGROUP Consumer Group name already exists")


def _tell(session: Session, key: bytes, event: bytes) -> None:
    """Send a keyspace notification."""
    database = session.database
    if database.alert:
        session.broker.keyspace.notify(STREAM, event, key, database.index)


def consumer_of(session: Session, key: bytes, group: Group, name: bytes, now_ms: int) -> Consumer:
    """The consumer of this name, who is seen now; a new one if there is none."""
    consumer = group.consumers.get(name)
    if consumer is None:
        consumer = group.add_consumer(name, now_ms)
        _tell(session, key, b"xgroup-createconsumer")
    consumer.seen_ms = now_ms
    return consumer


def find_group(session: Session, key: bytes, name: bytes) -> tuple[Stream, Group]:
    """A stream and a consumer group of it.

    Raises:
        CommandError: WRONGTYPE, NOGROUP.
    """
    stream = session.database.look_stream(key)
    group = stream.groups.get(name) if stream is not None else None
    if stream is None or group is None:
        raise CommandError(b"NOGROUP No such key '%b' or consumer group '%b'" % (key, name))
    return stream, group


def _stream(session: Session, key: bytes) -> Stream:
    stream = session.database.stream(key)
    if stream is None:
        raise NO_KEY
    return stream


def _group(session: Session, argv: Argv) -> Group:
    group = _stream(session, argv[2]).groups.get(argv[3])
    if group is None:
        raise CommandError(b"NOGROUP No such consumer group '%b' for key name '%b'" % (argv[3], argv[2]))
    return group


def _options(argv: Argv, *, creating: bool) -> tuple[int, bool]:
    """What stands behind the ID: ENTRIESREAD, UNKNOWN when it is not there, and whether MKSTREAM is."""
    read, create = UNKNOWN, False
    place = 5
    while place < len(argv):
        name = argv[place].upper()
        if name == b"MKSTREAM" and creating:
            create = True
            place += 1
        elif name == b"ENTRIESREAD" and place + 1 < len(argv):
            read = integer(argv[place + 1])
            if read < UNKNOWN:
                raise BAD_ENTRIES_READ
            place += 2
        else:
            raise subcommand_syntax("xgroup", argv[1])
    return read, create


container("XGROUP", since="5.0.0", group="stream", summary="A container for consumer groups commands.")


@command(
    "XGROUP CREATE",
    arity=-5,
    flags="write denyoom",
    since="5.0.0",
    group="stream",
    categories="stream",
    syntax="key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]",
    keys=(2, 2, 1),
    key_flags="RW insert",
)
def xgroup_create(session: Session, argv: Argv) -> bytes:
    """Create a consumer group.

    Reply: OK, or the error BUSYGROUP when there is one of this name. The group will be given entries behind the ID; `$`
    stands for the last one. With MKSTREAM the stream is created if it is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/xgroup-create/
    """
    read, create = _options(argv, creating=True)
    key, name, where = argv[2:5]
    database = session.database
    stream = database.stream(key)
    if stream is None and not create:
        raise NO_KEY
    if len(argv) > 8:
        raise subcommand_syntax("xgroup", argv[1])
    newest = stream.last_id if stream is not None else 0
    last_id = newest if where == b"$" else entry_ids.parse(where)
    if stream is None:
        stream = database.create_stream(key)
        database.touched(key, arrived=True)
    if name in stream.groups:
        raise BUSY_GROUP
    stream.add_group(name, last_id, min(read, stream.added))
    _tell(session, key, b"xgroup-create")
    return resp.OK


@command(
    "XGROUP SETID",
    arity=-5,
    flags="write",
    since="5.0.0",
    group="stream",
    categories="stream",
    syntax="key group <id | $> [ENTRIESREAD entries-read]",
    keys=(2, 2, 1),
    key_flags="RW update",
)
def xgroup_setid(session: Session, argv: Argv) -> bytes:
    """Set the ID behind which a consumer group will be given entries.

    Reply: OK. Readers that are blocked are not woken, as in Redis.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/xgroup-setid/
    """
    read, _ = _options(argv, creating=False)
    group = _group(session, argv)
    if len(argv) not in (5, 7):
        raise subcommand_syntax("xgroup", argv[1])
    stream, where = _stream(session, argv[2]), argv[4]
    special = {b"$": stream.last_id, b"-": 0, b"+": ID_MAX}
    group.move_to(special[where] if where in special else entry_ids.parse(where), min(read, stream.added))
    _tell(session, argv[2], b"xgroup-setid")
    return resp.OK


@command(
    "XGROUP DESTROY",
    arity=4,
    flags="write",
    since="5.0.0",
    group="stream",
    categories="stream",
    syntax="key group",
    keys=(2, 2, 1),
    key_flags="RW delete",
)
def xgroup_destroy(session: Session, argv: Argv) -> bytes:
    """Remove a consumer group with all that is pending in it.

    Reply: 1, or 0 when there was none. Its readers that are blocked get the error NOGROUP.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/xgroup-destroy/
    """
    _, _, key, name = argv
    stream = _stream(session, key)
    group = stream.groups.get(name)
    if group is None:
        return resp.integer(0)
    stream.remove_group(group)
    _tell(session, key, b"xgroup-destroy")
    wake_readers(session, key)
    return resp.integer(1)


def wake_readers(session: Session, key: bytes) -> None:
    """Let those who are blocked on a stream look, though nothing was added."""
    if key in session.database.waiters:
        session.broker.keyspace.ready[session.database, key] = None


@command(
    "XGROUP CREATECONSUMER",
    arity=5,
    flags="write denyoom",
    since="6.2.0",
    group="stream",
    categories="stream",
    syntax="key group consumer",
    keys=(2, 2, 1),
    key_flags="RW insert",
)
def xgroup_createconsumer(session: Session, argv: Argv) -> bytes:
    """Create a consumer in a consumer group.

    Reply: 1, or 0 when there is one of this name. Reading creates consumers as well.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/xgroup-createconsumer/
    """
    group = _group(session, argv)
    if argv[4] in group.consumers:
        return resp.integer(0)
    consumer_of(session, argv[2], group, argv[4], session.broker.keyspace.now_ms())
    return resp.integer(1)


@command(
    "XGROUP DELCONSUMER",
    arity=5,
    flags="write",
    since="5.0.0",
    group="stream",
    categories="stream",
    syntax="key group consumer",
    keys=(2, 2, 1),
    key_flags="RW delete",
)
def xgroup_delconsumer(session: Session, argv: Argv) -> bytes:
    """Remove a consumer from a consumer group. What was pending for it is forgotten: claim it before.

    Reply: integer, how many entries were pending for it.
    Cost: O(N) for N pending entries.
    Source: https://redis.io/docs/latest/commands/xgroup-delconsumer/
    """
    group = _group(session, argv)
    consumer = group.consumers.get(argv[4])
    if consumer is None:
        return resp.integer(0)
    pending = group.remove_consumer(consumer)
    _tell(session, argv[2], b"xgroup-delconsumer")
    return resp.integer(pending)


# Redis's own text, which says more than the table.
_HELP = """\
XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
CREATE <key> <groupname> <id|$> [option]
    Create a new consumer group. Options are:
    * MKSTREAM
      Create the empty stream if it does not exist.
    * ENTRIESREAD entries_read
      Set the group's entries_read counter (internal use).
CREATECONSUMER <key> <groupname> <consumer>
    Create a new consumer in the specified group.
DELCONSUMER <key> <groupname> <consumer>
    Remove the specified consumer.
DESTROY <key> <groupname>
    Remove the specified group.
SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]
    Set the current group ID and entries_read counter.
HELP
    Print this help."""


@command("XGROUP HELP", arity=2, flags="loading stale", since="5.0.0", group="stream", categories="stream")
def xgroup_help(session: Session, argv: Argv) -> bytes:
    """Show the subcommands.

    Reply: array of lines.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/xgroup-help/
    """
    del session, argv
    return resp.array([resp.simple(line.encode()) for line in _HELP.splitlines()])
