"""SAVE and its kin. What was answered is on disk already; they sync it, and compact the database.

Redis saves a snapshot or rewrites its log; users run these commands to be sure that all is on disk, or to make files
smaller. A node without persistence refuses them: to say OK would be a lie.
"""

from airwave import errors, resp
from airwave.command import Argv, command
from airwave.errors import CommandError
from airwave.session import Session

_NOT_DURABLE = CommandError("ERR this server keeps its data in memory only: start it with appendonly yes")
_UNDER_WAY = CommandError("ERR Background save already in progress")
_REWRITE_UNDER_WAY = CommandError("ERR Background append only file rewriting already in progress")
_STARTED = b"+Background saving started\r\n"
_REWRITE_STARTED = b"+Background append only file rewriting started\r\n"


def _begin(session: Session, under_way: CommandError) -> None:
    broker = session.broker
    if not broker.journal.durable:
        raise _NOT_DURABLE
    if broker.refusal is not None:
        raise broker.refusal
    if broker.journal.saving:
        raise under_way
    broker.journal.save()


@command(
    "SAVE",
    arity=1,
    flags="admin noscript no_async_loading no_multi",
    since="1.0.0",
    group="server",
    categories="admin dangerous",
)
def save(session: Session, argv: Argv) -> bytes:
    """Sync and compact the database, while everybody waits.

    Reply: `OK`.
    Cost: O(N) for N values and pages that changed since they were last written as rows.
    Source: https://redis.io/docs/latest/commands/save/
    """
    del argv
    broker = session.broker
    _begin(session, _UNDER_WAY)
    while broker.journal.saving:
        broker.commit()
        if broker.refusal is not None:
            raise broker.refusal
        broker.journal.wait_for_saving()
    return resp.OK


@command(
    "BGSAVE",
    arity=-1,
    flags="admin noscript no_async_loading",
    since="1.0.0",
    group="server",
    categories="admin dangerous",
    syntax="[SCHEDULE]",
)
def bgsave(session: Session, argv: Argv) -> bytes:
    """Sync and compact the database, a little at a time.

    Reply: `Background saving started`. INFO persistence tells when it is done.
    Cost: O(1) at once; see SAVE.
    Source: https://redis.io/docs/latest/commands/bgsave/
    """
    if len(argv) > 2 or (len(argv) == 2 and argv[1].lower() != b"schedule"):
        raise errors.SYNTAX
    _begin(session, _UNDER_WAY)
    return _STARTED


@command(
    "BGREWRITEAOF",
    arity=1,
    flags="admin noscript no_async_loading",
    since="1.0.0",
    group="server",
    categories="admin dangerous",
)
def bgrewriteaof(session: Session, argv: Argv) -> bytes:
    """Sync and compact the database, a little at a time: the same as BGSAVE.

    Reply: `Background append only file rewriting started`.
    Cost: O(1) at once; see SAVE.
    Source: https://redis.io/docs/latest/commands/bgrewriteaof/
    """
    del argv
    _begin(session, _REWRITE_UNDER_WAY)
    return _REWRITE_STARTED


@command(
    "LASTSAVE",
    arity=1,
    flags="loading stale fast",
    since="1.0.0",
    group="server",
    categories="admin dangerous",
    tips=("nondeterministic_output",),
)
def lastsave(session: Session, argv: Argv) -> bytes:
    """Return when SAVE, BGSAVE or BGREWRITEAOF was last done.

    Reply: integer, Unix time in seconds; when the server started if there was none since.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/lastsave/
    """
    del argv
    broker = session.broker
    return resp.integer(broker.journal.facts().get("last_save_s", broker.started_at))
