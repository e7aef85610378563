"""MULTI and what belongs to it: https://redis.io/docs/latest/develop/using-commands/transactions/"""

from airwave import errors, resp
from airwave.command import Argv, command
from airwave.session import Session


@command(
    "MULTI",
    arity=1,
    flags="noscript loading stale fast allow_busy",
    since="1.2.0",
    group="transactions",
    categories="transaction",
)
def multi(session: Session, argv: Argv) -> bytes:
    """Begin a transaction: commands are queued until EXEC.

    Reply: `OK`.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/multi/
    """
    del argv
    if session.transaction is not None:
        raise errors.nested("multi")
    session.begin_transaction()
    return resp.OK


@command(
    "EXEC",
    arity=1,
    flags="noscript loading stale skip_slowlog",
    since="1.2.0",
    group="transactions",
    categories="transaction",
)
def exec_(session: Session, argv: Argv) -> bytes:
    """Run what was queued since MULTI, with nobody else's commands in between.

    Reply: array of the commands' replies; null when a watched key has changed. The error `EXECABORT` when a command
    was refused while queuing.
    Cost: that of the commands.
    Source: https://redis.io/docs/latest/commands/exec/
    """
    del argv
    if session.transaction is None:
        raise errors.nested("exec")
    failed = session.watched is not None and session.watched.failed(session.broker.keyspace.now_ms())
    transaction = session.end_transaction()
    if transaction.broken:
        raise errors.EXEC_ABORT
    if failed:
        return session.encoder.null_array
    broker = session.broker
    broker.executing = broker.journal.patient = True
    try:
        return resp.array([session.call(entry, queued) for entry, queued in transaction.commands])
    finally:
        broker.executing = broker.journal.patient = False


@command(
    "DISCARD",
    arity=1,
    flags="noscript loading stale fast allow_busy",
    since="2.0.0",
    group="transactions",
    categories="transaction",
)
def discard(session: Session, argv: Argv) -> bytes:
    """Forget what was queued since MULTI.

    Reply: `OK`.
    Cost: O(N) for N queued commands.
    Source: https://redis.io/docs/latest/commands/discard/
    """
    del argv
    if session.transaction is None:
        raise errors.nested("discard")
    session.end_transaction()
    return resp.OK


@command(
    "WATCH",
    arity=-2,
    flags="noscript loading stale fast allow_busy",
    since="2.2.0",
    group="transactions",
    syntax="key [key ...]",
    keys=(1, -1, 1),
    categories="transaction",
)
def watch(session: Session, argv: Argv) -> bytes:
    """Make the next EXEC fail if one of the keys changes before it.

    Reply: `OK`.
    Cost: O(N) for N keys.
    Source: https://redis.io/docs/latest/commands/watch/
    """
    if session.transaction is not None:
        raise errors.nested("watch")
    session.watch(argv[1:])
    return resp.OK


@command(
    "UNWATCH",
    arity=1,
    flags="noscript loading stale fast allow_busy",
    since="2.2.0",
    group="transactions",
    categories="transaction",
)
def unwatch(session: Session, argv: Argv) -> bytes:
    """Forget the watched keys.

    Reply: `OK`.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/unwatch/
    """
    del argv
    session.stop_watching()
    return resp.OK
