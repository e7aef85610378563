"""XADD, the hottest of the stream commands: the common forms have ways of their own.

    XADD key [MAXLEN [=|~] n] * field value ...    on a stream that is there: `_add_next`
    the same, pipelined                            `_xadd_batch`: column by column instead of word by word
    everything else                                `_add`

An entry is encoded here, once, as readers will get it (see `airwave.streams.chunk`).
"""

from functools import lru_cache
from itertools import chain, repeat

from airwave import errors, resp
from airwave.command import BATCH_MAX, Argv, command
from airwave.commands.stream_options import LIMIT_DEFAULT, AddOptions, add_options
from airwave.errors import EXHAUSTED, TOO_LARGE, CommandError
from airwave.keyspace import STREAM, Database
from airwave.session import Session
from airwave.streams import ids as entry_ids
from airwave.streams.chunk import Cold
from airwave.streams.idempotency import digest
from airwave.streams.ids import ID_MAX, SEQ_BITS, SEQ_MAX
from airwave.streams.schedule import PRODUCER
from airwave.streams.stream import Stream
from airwave.streams.trimming import load_edge, trim_to_length

ENTRY_BYTES_MAX = 512 << 20

ID_IS_ZERO = CommandError("ERR The ID specified in XADD must be greater than 0-0")
ID_TOO_SMALL = CommandError("ERR The ID specified in XADD is equal or smaller than the target stream top item")

_BATCH_MIN = 4  # below that, one by one costs no more
_LENGTHS = tuple(b"\r\n$%d\r\n" % n for n in range(1024))
_SEQUENCES = tuple(b"%d\r\n" % n for n in range(1000))


# --- encoding ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=32)
def _format(words: int) -> bytes:
    return b"*2\r\n%%b*%d\r\n%b" % (words, b"$%d\r\n%b\r\n" * words)


def _encoded(id_bulk: bytes, fields: Argv) -> bytes:
    """An entry. One or two fields of short words: 0.4 µs; the way for any number costs 1.4 µs for two."""
    words = len(fields)
    try:
        if words == 2:
            name, value = fields
            return b"".join(
                (b"*2\r\n", id_bulk, b"*2", _LENGTHS[len(name)], name, _LENGTHS[len(value)], value, b"\r\n")
            )
        if words == 4:
            a, b, c, d = fields
            return b"".join(
                (
                    *(b"*2\r\n", id_bulk, b"*4", _LENGTHS[len(a)], a, _LENGTHS[len(b)], b),
                    *(_LENGTHS[len(c)], c, _LENGTHS[len(d)], d, b"\r\n"),
                )
            )
    except IndexError:  # a long word
        pass
    if words <= 64:
        return _format(words) % (id_bulk, *chain.from_iterable(zip(map(len, fields), fields, strict=True)))
    return b"*2\r\n%b*%d\r\n%b" % (id_bulk, words, b"".join([b"$%d\r\n%b\r\n" % (len(each), each) for each in fields]))


def _id_bulks(first_id: int, count: int) -> list[bytes]:
    """IDs that follow each other, as bulk strings."""
    ms, seq = first_id >> SEQ_BITS, first_id & SEQ_MAX
    end = seq + count
    if end > len(_SEQUENCES) or len(_SEQUENCES[seq]) != len(_SEQUENCES[end - 1]):
        return [entry_ids.bulk(entry_id) for entry_id in range(first_id, first_id + count)]
    shown = b"%d-" % ms
    head = b"$%d\r\n%b" % (len(shown) + len(_SEQUENCES[seq]) - 2, shown)
    return [*map(head.__add__, _SEQUENCES[seq:end])]


def _encoded_columns(id_bulks: list[bytes], columns: list[tuple[bytes, ...]]) -> list[bytes]:
    """Many entries of one shape, given as columns of words. 0.4 µs for an entry of two fields."""
    parts: list[object] = [repeat(b"*2\r\n"), id_bulks]
    constant = b"*%d" % len(columns)
    for column in columns:
        word = column[0]
        if column.count(word) == len(column):  # the names of fields, most of the time
            constant += b"\r\n$%d\r\n%b" % (len(word), word)
            continue
        if constant:
            parts.append(repeat(constant))
            constant = b""
        try:
            parts.append([*map(_LENGTHS.__getitem__, map(len, column))])
        except IndexError:
            parts.append([b"\r\n$%d\r\n" % len(each) for each in column])
        parts.append(column)
    parts.append(repeat(constant + b"\r\n"))
    return [*map(b"".join, zip(*parts))]  # noqa: B905  (some have no end)


# --- the common form --------------------------------------------------------------------------------------------------


def _star(argv: Argv) -> int:
    """Where the `*` stands in `XADD key [MAXLEN [=|~] n] * field value ...`; 0: it is another form, or wrong."""
    if argv[2] == b"*":
        place = 2
    elif argv[2] in (b"MAXLEN", b"maxlen"):
        place = 5 if argv[3] in (b"~", b"=") else 4
        if place >= len(argv) or argv[place] != b"*":
            return 0
        threshold = argv[place - 1]
        if not threshold.isdigit() or len(threshold) > 18 or (threshold[:1] == b"0" and threshold != b"0"):
            return 0
    else:
        return 0
    words = len(argv) - place - 1
    return place if words >= 2 and not words & 1 else 0


def _prepare_max_len(stream: Stream, argv: Argv, added: int) -> tuple[int, bool]:
    """MAXLEN's threshold and whether it is exact; what trimming needs is in memory then."""
    exact = argv[3] != b"~"
    max_len = int(argv[4] if argv[3] in (b"~", b"=") else argv[3])
    excess = stream.length + added - max_len
    # Each XADD drops one entry, most of the time, and only the first chunk has to be there.
    if exact and excess > 0 and stream.sealed and (excess > 1 or stream.sealed[0].blob is None):
        load_edge(stream, excess, 0)
    return max_len, exact


def _trim_to(stream: Stream, max_len: int, *, exact: bool) -> int:
    return trim_to_length(stream, max_len, exact=exact, limit=0 if exact else LIMIT_DEFAULT)


def _xadd_batch(session: Session, requests: list[Argv], first: int) -> int:
    """XADD for pipelines: the common form, again and again for one stream that is there.

    What comes here was read at once, so that no entry can be too large (`request.FAST_MAX`).
    """
    database = session.database
    run = requests[first : first + BATCH_MAX]
    argv = run[0]
    if database.alert or len(run) < _BATCH_MIN or len(argv) < 5 or not (star := _star(argv)):
        return 0
    columns = _alike(run, star + 1)
    count = len(columns[0])
    stream = database.find(argv[1])
    if count < _BATCH_MIN or type(stream) is not Stream:
        return 0
    first_id = stream.next_id(session.broker.keyspace.now_ms())
    if first_id > ID_MAX or (first_id & SEQ_MAX) + count > SEQ_MAX:
        return 0
    id_bulks = _id_bulks(first_id, count)
    entries = _encoded_columns(id_bulks, columns[star + 1 :])
    if star == 2:
        stream.extend(range(first_id, first_id + count), entries)
    else:
        try:
            max_len, exact = _prepare_max_len(stream, argv, count)
        except Cold:  # one by one it may wait
            return 0
        stream.extend(range(first_id, first_id + count), entries)
        _trim_to(stream, max_len, exact=exact)
    session.out.append(b"".join(id_bulks))
    return count


def _alike(run: list[Argv], head: int) -> list[tuple[bytes, ...]]:
    """The requests at the beginning with as many words as the first and the same `head` words, as columns."""
    words = len(run[0])
    count = len(run)
    if [*map(len, run)].count(words) != count:
        count = next(place for place, argv in enumerate(run) if len(argv) != words)
    columns = [*zip(*run[:count])]  # noqa: B905  (they are as long as each other)
    for column in columns[:head]:
        if column.count(column[0]) != count:
            opening = run[0][:head]
            count = next(place for place, argv in enumerate(run) if argv[:head] != opening)
            return [column[:count] for column in columns]
    return columns


def _add_next(session: Session, stream: Stream, argv: Argv, star: int) -> bytes:
    """The common form on a stream that is there and does not expire."""
    keyspace = session.broker.keyspace
    stream.used_s = keyspace.now_s
    entry_id = keyspace.now_ms() << SEQ_BITS
    if entry_id <= stream.last_id:
        entry_id = stream.last_id + 1
        if entry_id > ID_MAX:
            raise EXHAUSTED
    shown = b"%d-%d" % (entry_id >> SEQ_BITS, entry_id & SEQ_MAX)
    id_bulk = b"$%d\r\n%b\r\n" % (len(shown), shown)
    entry = _encoded(id_bulk, argv[star + 1 :])
    if len(entry) > ENTRY_BYTES_MAX:
        raise TOO_LARGE
    trimmed = 0
    if star == 2:
        stream.append(entry_id, entry)
    else:
        max_len, exact = _prepare_max_len(stream, argv, 1)
        stream.append(entry_id, entry)
        if stream.length > max_len:
            trimmed = _trim_to(stream, max_len, exact=exact)
    if session.database.alert:
        _tell(session.database, argv[1], trimmed)
    return id_bulk


def _tell(database: Database, key: bytes, trimmed: int) -> None:
    database.changed(key, STREAM, b"xadd", arrived=True)
    if trimmed:
        database.changed(key, STREAM, b"xtrim")


# --- any form ---------------------------------------------------------------------------------------------------------


def _choose_id(last_id: int, options: AddOptions, now_ms: int) -> int:
    """The ID of the new entry."""
    ms, seq = options.ms, options.seq
    if last_id == ID_MAX:
        raise EXHAUSTED
    if ms is None:
        return max(now_ms << SEQ_BITS, last_id + 1)
    if seq is not None:
        entry_id = ms << SEQ_BITS | seq
    elif ms == last_id >> SEQ_BITS:
        entry_id = last_id + 1
        if not entry_id & SEQ_MAX:  # no sequence number is left in this ms
            raise ID_TOO_SMALL
    else:
        entry_id = ms << SEQ_BITS
    if entry_id <= last_id:
        raise ID_TOO_SMALL
    return entry_id


def _known(stream: Stream, producer: bytes, iid: bytes, now_ms: int) -> bytes | None:
    """What names the entry that was sent before: its ID, or the token by which it is scheduled. None: there is none."""
    if (entry_id := stream.producers.known(producer, iid, now_ms)) is not None:
        stream.producers.duplicates += 1
        return entry_ids.bulk(entry_id)
    if producer == PRODUCER and stream.schedule is not None:
        item = stream.schedule.by_token.get(iid)
        return resp.bulk(iid) if item is not None and item.named else None
    return None


def _add(session: Session, argv: Argv) -> bytes:
    options = add_options(argv)
    fields = argv[options.fields_at :]
    if len(fields) < 2 or len(fields) % 2:
        raise errors.wrong_arity("xadd")
    if options.ms == 0 and options.seq == 0:
        raise ID_IS_ZERO
    key, database = argv[1], session.database
    stream = database.stream(key)
    if stream is None and not options.create:
        return session.encoder.null
    now_ms = session.broker.keyspace.now_ms()
    producer, iid = options.producer, options.iid
    if producer:
        iid = iid or digest(fields)
        known = _known(stream, producer, iid, now_ms) if stream is not None else None
        if known is not None:
            return known
    entry_id = _choose_id(stream.last_id if stream is not None else 0, options, now_ms)
    id_bulk = entry_ids.bulk(entry_id)
    entry = _encoded(id_bulk, fields)
    if len(entry) > ENTRY_BYTES_MAX:
        raise TOO_LARGE
    trim = options.trim
    if stream is None:
        stream = database.create_stream(key)
    elif trim is not None:
        trim.prepare(stream)
    stream.append(entry_id, entry)
    if producer:
        stream.producers.remember(producer, iid, entry_id, now_ms)
    trimmed = trim.run(stream) if trim is not None else 0
    if database.alert:
        _tell(database, key, trimmed)
    return id_bulk


@command(
    "XADD",
    arity=-5,
    flags="write denyoom fast",
    since="5.0.0",
    group="stream",
    syntax="key [NOMKSTREAM] [KEEPREF | DELREF | ACKED] [IDMPAUTO producer-id | IDMP producer-id idempotent-id] "
    "[<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]",
    keys=(1, 1, 1),
    key_flags="RW update",
    categories="stream",
    tips=("nondeterministic_output",),
    batch=_xadd_batch,
)
def xadd(session: Session, argv: Argv) -> bytes:
    """Append an entry to a stream; the stream is created if it is not there.

    Reply: the ID of the entry; with IDMP or IDMPAUTO and a message that is known, the ID it was given, or the token if
    the producer is `schedule` and XSCHEDULE has it waiting; nil with NOMKSTREAM when the key is not there.
    Cost: O(1), and O(N) for N entries trimmed away; whole chunks of them cost O(1).
    Source: https://redis.io/docs/latest/commands/xadd/
    """
    star = 2 if argv[2] == b"*" and len(argv) & 1 else _star(argv)
    if star:
        stream = session.database.values.get(argv[1])
        if type(stream) is Stream and not stream.expires_ms:
            return _add_next(session, stream, argv, star)
    return _add(session, argv)
