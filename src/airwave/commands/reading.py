"""XREAD, and what XREADGROUP (`group_reading.py`) has in common with it: options and the reply.

Order of checks and texts: redis 8 `t_stream.c`, xreadCommand.
"""

from functools import lru_cache

from airwave import resp
from airwave.command import Argv, command
from airwave.commands.parse import integer
from airwave.errors import NEGATIVE_TIMEOUT, NOT_A_TIMEOUT, SYNTAX, CommandError
from airwave.session import Session
from airwave.streams import ids as entry_ids
from airwave.streams.ids import ID_MAX
from airwave.streams.stream import Span, Stream

NO_IDLE = CommandError("ERR min-idle-time is not an integer or out of range")
NEGATIVE_IDLE = CommandError("ERR min-idle-time must be a positive integer")
TIMEOUT_RANGE = CommandError("ERR timeout is out of range")
NO_GROUP_OPTION = CommandError("ERR Missing GROUP option for XREADGROUP")
MAXCOUNT_BELOW_COUNT = CommandError("ERR MAXCOUNT must be greater than or equal to COUNT")
NEW_WITHOUT_GROUP = CommandError(
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
)

_TIMEOUT_MAX = (1 << 63) - 1
_STREAMS_WORD, _COUNT_WORD, _BLOCK_WORD = (frozenset((word.upper(), word)) for word in (b"streams", b"count", b"block"))
_PLAIN_DIGITS = 12  # of numbers that cannot be out of range
_ENTRY_BYTES_MIN = 16  # of an entry in a reply, so that MAXSIZE limits what has to be looked at


def _group_only(option: str) -> CommandError:
    return CommandError(f"ERR The {option} option is only supported by XREADGROUP. You called XREAD instead.")


class Options:
    """What XREAD and XREADGROUP are asked.

    Attributes:
        keys, wanted: the streams, and for each the ID as it was given; `first_id` is where those stand in the request.
        count: at most so many entries of each stream; None: all.
        maxcount, maxsize: at most so many entries, about so many bytes of reply, over all streams; None: no limit.
        timeout_ms: how long to wait for entries; 0: for ever; None: not at all.
        group, consumer: of XREADGROUP.
        noack: what is new does not become pending.
        claim_ms: also what has been pending for so long; None: not.
    """

    def __init__(self) -> None:
        self.keys: Argv = []
        self.wanted: Argv = []
        self.first_id = 0
        self.count: int | None = None
        self.maxcount: int | None = None
        self.maxsize: int | None = None
        self.timeout_ms: int | None = None
        self.group = self.consumer = b""
        self.grouped = self.noack = False
        self.claim_ms: int | None = None


def read_options(session: Session, argv: Argv, *, grouped: bool) -> Options:
    """Read the options and what stands behind STREAMS."""
    options = Options()
    place, size = 1, len(argv)
    while place < size:
        name = argv[place].upper()
        behind = size - place - 1
        if name == b"STREAMS" and behind:
            _streams(options, argv, place + 1, grouped=grouped)
            break
        if name == b"GROUP" and behind >= 2:
            if not grouped:
                raise _group_only("GROUP")
            options.grouped = True
            options.group, options.consumer = argv[place + 1 : place + 3]
            place += 3
        elif name == b"NOACK":
            if not grouped:
                raise _group_only("NOACK")
            options.noack = True
            place += 1
        elif behind:
            _number(session, options, name, argv[place + 1], grouped=grouped)
            place += 2
        else:
            raise SYNTAX
    if not options.keys:
        raise SYNTAX
    if grouped and not options.grouped:
        raise NO_GROUP_OPTION
    if options.maxcount and options.count and options.maxcount < options.count:
        raise MAXCOUNT_BELOW_COUNT
    return options


def _number(session: Session, options: Options, name: bytes, arg: bytes, *, grouped: bool) -> None:
    """Read an option that takes a number."""
    if name == b"COUNT":
        count = integer(arg)
        options.count = count if count > 0 else None
    elif name == b"BLOCK":
        options.timeout_ms = integer(arg, NOT_A_TIMEOUT)
        if options.timeout_ms < 0:
            raise NEGATIVE_TIMEOUT
        if options.timeout_ms > _TIMEOUT_MAX - session.broker.keyspace.now_ms():
            raise TIMEOUT_RANGE
    elif name == b"CLAIM":
        if not grouped:
            raise _group_only("CLAIM")
        options.claim_ms = integer(arg, NO_IDLE)
        if options.claim_ms < 0:
            raise NEGATIVE_IDLE
    elif name in (b"MAXCOUNT", b"MAXSIZE"):
        limit = integer(arg)
        if limit <= 0:
            raise CommandError(f"ERR {name.decode()} must be a positive integer")
        setattr(options, name.decode().lower(), limit)
    else:
        raise SYNTAX


def _streams(options: Options, argv: Argv, first: int, *, grouped: bool) -> None:
    if (len(argv) - first) % 2:
        name, symbols = ("xreadgroup", "ID or '>'") if grouped else ("xread", "ID, '+', or '$'")
        raise CommandError(
            f"ERR Unbalanced '{name}' list of streams: for each stream key an {symbols} must be specified."
        )
    options.first_id = first + (len(argv) - first) // 2
    options.keys = argv[first : options.first_id]
    options.wanted = argv[options.first_id :]


class Reply:
    """A reply in the making, and how much more may go into it.

    Attributes:
        served: streams that are in it.
    """

    def __init__(self, session: Session, options: Options) -> None:
        self._resp3 = session.encoder.version == 3
        self._count = options.count
        self._left = options.maxcount
        self._room = options.maxsize
        self._given = 0  # entries
        self.served = 0
        self._parts: list[bytes] = []

    @property
    def full(self) -> bool:
        """Whether the limits for all streams together are reached; one entry always goes in."""
        return self._given > 0 and (self._left == 0 or (self._room is not None and self._room <= 0))

    @property
    def limit(self) -> int | None:
        """How many entries of the next stream may go in."""
        if self._left is None and self._room is None:
            return self._count
        room = None if self._room is None else max(0, self._room) // _ENTRY_BYTES_MIN + 1
        return min([limit for limit in (self._count, self._left, room) if limit is not None], default=None)

    def open(self, key: bytes) -> None:
        """Begin with a stream."""
        head = resp.bulk(key)
        if not self._resp3:
            head = b"*2\r\n" + head
        self.served += 1
        self._parts.append(head)
        if self._room is not None:
            self._room -= len(head)

    def add(self, count: int, body: bytes) -> None:
        """End a stream, of which so many entries were given."""
        head = b"*%d\r\n" % count
        self._parts += (head, body)
        if self._left is not None:
            self._left -= count
        if self._room is not None:
            self._room -= len(head)  # the entries were counted by `fits`
        self._given += count

    def fits(self, entry: bytes, given: int) -> bool:
        """Whether one more entry goes in, after so many of the same stream; it is counted then."""
        if self._room is not None:
            if self._room <= 0 and self._given + given:
                return False
            self._room -= len(entry)
        return True

    def spans(self, spans: list[Span], *, extra: bytes = b"", given: int = 0) -> list[Span]:
        """As much of these entries as goes in, each with some more bytes."""
        if self._room is None:
            return spans
        fitting: list[Span] = []
        for chunk, start, stop in spans:
            place = start
            for entry in chunk.entry_list(start, stop):
                if not self.fits(entry + extra, given):
                    break
                place += 1
                given += 1
            if place > start:
                fitting.append((chunk, start, place))
            if place < stop:
                break
        return fitting

    def encoded(self) -> bytes:
        """The reply."""
        return b"%b%d\r\n%b" % (b"%" if self._resp3 else b"*", self.served, b"".join(self._parts))


def count_of(spans: list[Span]) -> int:
    """How many entries they are."""
    return sum([stop - start for _, start, stop in spans])


def bytes_of(spans: list[Span]) -> bytes:
    """Their entries, encoded, one after the other."""
    if len(spans) == 1:
        ((chunk, start, stop),) = spans
        return chunk.entries(start, stop)
    return b"".join([chunk.entries(start, stop) for chunk, start, stop in spans])


# --- XREAD ------------------------------------------------------------------------------------------------------------


def _find(session: Session, key: bytes) -> Stream | None:
    """The stream of a key. For a reader that waits already, a key that became something else is not there, as in Redis.

    Raises:
        CommandError: WRONGTYPE.
    """
    try:
        return session.database.look_stream(key)
    except CommandError:
        if session.wait is None:
            raise
        return None


def _position(stream: Stream | None, wanted: bytes) -> int:
    """The ID behind which XREAD is to read."""
    if wanted == b"$":
        return stream.last_id if stream is not None else 0
    if wanted == b"+":
        last = stream.spans_back(0, ID_MAX, 1) if stream is not None else []
        return last[0][0].ids(last[0][1], last[0][2])[0] - 1 if last else 0
    if wanted == b">":
        raise NEW_WITHOUT_GROUP
    return entry_ids.parse(wanted)


class _OtherForm(Exception):  # noqa: N818  (an event, not a fault)
    """It is not the common form, or it is wrong."""


def _plain(wanted: bytes, *words: bytes) -> tuple[int | None, int | None, int | None]:
    """What the common form says: COUNT, BLOCK, and the ID; None for `$`.

    Args:
        wanted: the ID.
        words: the words in between, `[COUNT n] [BLOCK ms]`.

    Raises:
        _OtherForm: it cannot be said.
    """
    count = timeout_ms = position = None
    for name, number in zip(words[::2], words[1::2], strict=True):
        if not number.isdigit() or len(number) > _PLAIN_DIGITS or (number[:1] == b"0" and number != b"0"):
            raise _OtherForm
        if name in _COUNT_WORD:
            count = int(number) or None
        elif name in _BLOCK_WORD:
            timeout_ms = int(number)
        else:
            raise _OtherForm
    if wanted != b"$":
        try:
            position = entry_ids.parse(wanted)
        except CommandError:  # `+`, or wrong: but the errors of other words come before that
            raise _OtherForm from None
    return count, timeout_ms, position


# Those who wait for a stream all ask the same. Nothing large is remembered: errors are not.
_plain_of_many = lru_cache(maxsize=256)(_plain)


def _read_one(session: Session, argv: Argv) -> bytes | None:
    """XREAD's common form, `XREAD [COUNT n] [BLOCK ms] STREAMS key ID`: a third of the cost of any form.

    Raises:
        _OtherForm: it is another one; nothing was done.
    """
    if len(argv) & 1 or argv[-3] not in _STREAMS_WORD:
        raise _OtherForm
    plain = _plain_of_many if argv[1] in _BLOCK_WORD or len(argv) == 8 else _plain
    count, timeout_ms, position = plain(argv[-1], *argv[1:-3])
    key = argv[-2]
    stream = _find(session, key)
    if position is None:
        position = stream.last_id if stream is not None else 0
        argv = [*argv[:-1], entry_ids.text(position)]
    if stream is not None and position < stream.last_id and (spans := stream.spans(position + 1, ID_MAX, count)):
        head = b"%1\r\n" if session.encoder.version == 3 else b"*1\r\n*2\r\n"
        return b"%b$%d\r\n%b\r\n*%d\r\n%b" % (head, len(key), key, count_of(spans), bytes_of(spans))
    if timeout_ms is None:
        return session.encoder.null_array
    return session.block([key], argv, timeout_ms, shared=True)


def _read(session: Session, argv: Argv) -> bytes | None:
    """Any form."""
    options = read_options(session, argv, grouped=False)
    streams: list[Stream | None] = []
    positions: list[int] = []
    for key, wanted in zip(options.keys, options.wanted, strict=True):
        streams.append(_find(session, key))
        positions.append(_position(streams[-1], wanted))
    reply = Reply(session, options)
    for key, stream, position in zip(options.keys, streams, positions, strict=True):
        if reply.full:
            break
        if stream is None or position >= stream.last_id:
            continue
        spans = stream.spans(position + 1, ID_MAX, reply.limit)
        if spans:
            reply.open(key)
            spans = reply.spans(spans)
            reply.add(count_of(spans), bytes_of(spans))
    if reply.served:
        return reply.encoded()
    if options.timeout_ms is None:
        return session.encoder.null_array
    again = argv[: options.first_id]
    for wanted, position in zip(options.wanted, positions, strict=True):
        again.append(entry_ids.text(position) if wanted == b"$" else wanted)
    return session.block(options.keys, again, options.timeout_ms, shared=True)


@command(
    "XREAD",
    arity=-4,
    flags="readonly blocking movablekeys",
    since="5.0.0",
    group="stream",
    categories="stream",
    syntax="[COUNT count] [MAXCOUNT maxcount] [MAXSIZE maxsize] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
    key_flags="RO access",
    key_word=("STREAMS", 1),
)
def xread(session: Session, argv: Argv) -> bytes | None:
    """Read the entries of streams that come after an ID, or wait for some.

    Reply: for each stream that has any its key and an array of entries, each an ID and an array of fields and values;
    a map in RESP3. Null when there is nothing. The ID `$` stands for the last one now, `+` for the one before the last
    entry.
    Cost: O(N) for N entries: they are copied as they are kept.
    Source: https://redis.io/docs/latest/commands/xread/
    """
    try:
        return _read_one(session, argv)
    except _OtherForm:
        return _read(session, argv)
