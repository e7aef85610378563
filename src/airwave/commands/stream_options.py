"""Options that several stream commands share: how XADD and XTRIM trim, and the `IDS` of XDELEX and XACKDEL."""

from dataclasses import dataclass

from airwave.command import Argv
from airwave.commands.parse import integer
from airwave.errors import SYNTAX, CommandError
from airwave.streams import ids as entry_ids
from airwave.streams.ids import SEQ_BITS
from airwave.streams.references import KEEPREF, POLICIES
from airwave.streams.trimming import Trim

# What `~` without LIMIT removes at most: Redis's 100 nodes of 100 entries.
LIMIT_DEFAULT = 10_000

TWO_STRATEGIES = CommandError("ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
NEGATIVE_MAXLEN = CommandError("ERR The MAXLEN argument must be >= 0.")
NEGATIVE_LIMIT = CommandError("ERR The LIMIT argument must be >= 0.")
LIMIT_OF_NOTHING = CommandError("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
LIMIT_EXACT = CommandError("ERR syntax error, LIMIT cannot be used without the special ~ option")
NO_STRATEGY = CommandError("ERR syntax error, XTRIM must be called with a trimming strategy")
TWO_IDMP = CommandError("ERR syntax error, IDMP/IDMPAUTO specified multiple times")
IDMP_NEEDS_AUTO = CommandError("ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs")
NO_PRODUCER = CommandError("ERR syntax error, IDMP requires a non-empty producer ID")
NO_PRODUCER_AUTO = CommandError("ERR syntax error, IDMPAUTO requires a non-empty producer ID")
NO_IID = CommandError("ERR syntax error, IDMP requires a non-empty idempotent ID")
NUMIDS = CommandError("ERR Number of IDs must be a positive integer")
NUMIDS_MISMATCH = CommandError("ERR The `numids` parameter must match the number of arguments")
IDS_REQUIRED = CommandError("ERR IDS option is required")


@dataclass(slots=True)
class AddOptions:
    """What stands between the key and the fields of XADD, or behind the key of XTRIM.

    Attributes:
        trim: None: nothing is trimmed.
        create: a missing key is created.
        producer: of IDMP and IDMPAUTO; empty: neither was given.
        iid: of IDMP; empty with IDMPAUTO.
        ms: the ID's first half; None: `*`.
        seq: the ID's second half; None: `*`.
        fields_at: where the fields begin.
    """

    trim: Trim | None = None
    create: bool = True
    producer: bytes = b""
    iid: bytes = b""
    ms: int | None = None
    seq: int | None = None
    fields_at: int = 0


class _Reader:
    """Reads options word by word, in any order, as streamParseAddOrTrimArgsOrReply does."""

    def __init__(self, argv: Argv) -> None:
        self.argv = argv
        self.place = 2
        self.options = AddOptions()
        self.max_len: int | None = None
        self.min_id: int | None = None
        self.approximate = False
        self.limit: int | None = None
        self.policy = b""

    def read_option(self) -> bool:
        """Take an option and its arguments; False: what stands here is none."""
        word = self.argv[self.place].upper()
        more = len(self.argv) - self.place - 1
        if word in (b"MAXLEN", b"MINID") and more:
            self._strategy(word)
        elif word == b"LIMIT" and more:
            self.limit = integer(self._next())
            if self.limit < 0:
                raise NEGATIVE_LIMIT
        elif word in POLICIES and not self.policy:
            self.policy = word
        else:
            return False
        self.place += 1
        return True

    def read_add_option(self) -> bool:
        """The same for the options that only XADD has."""
        word = self.argv[self.place].upper()
        more = len(self.argv) - self.place - 1
        options = self.options
        if word == b"NOMKSTREAM":
            options.create = False
        elif word == b"IDMPAUTO" and more:
            if options.producer:
                raise TWO_IDMP
            options.producer = self._next()
            if not options.producer:
                raise NO_PRODUCER_AUTO
        elif word == b"IDMP" and more > 1:
            if options.producer:
                raise TWO_IDMP
            options.producer, options.iid = self._next(), self._next()
            if not options.producer:
                raise NO_PRODUCER
            if not options.iid:
                raise NO_IID
        else:
            return False
        self.place += 1
        return True

    def _next(self) -> bytes:
        self.place += 1
        return self.argv[self.place]

    def _strategy(self, word: bytes) -> None:
        if self.max_len is not None or self.min_id is not None:
            raise TWO_STRATEGIES
        more = len(self.argv) - self.place - 1
        threshold = self._next()
        # A strategy that is given twice is refused, so this says how the only one trims.
        if threshold in (b"~", b"=") and more > 1:
            self.approximate = threshold == b"~"
            threshold = self._next()
        if word == b"MINID":
            self.min_id = entry_ids.parse(threshold)
            return
        self.max_len = integer(threshold)
        if self.max_len < 0:
            raise NEGATIVE_MAXLEN

    def trim(self, *, required: bool) -> Trim | None:
        """What was asked for; the order of the checks is Redis's."""
        nothing = self.max_len is None and self.min_id is None
        if self.limit and nothing:
            raise LIMIT_OF_NOTHING
        if nothing and required:
            raise NO_STRATEGY
        if self.limit is not None and not self.approximate:
            raise LIMIT_EXACT
        if nothing:
            return None
        limit = self.limit if self.limit is not None else LIMIT_DEFAULT if self.approximate else 0
        return Trim(self.max_len, self.min_id or 0, not self.approximate, limit, self.policy or KEEPREF)


def add_options(argv: Argv) -> AddOptions:
    """The options of XADD, and its ID.

    Raises:
        CommandError: they are wrong. Whether fields follow is not looked at.
    """
    reader = _Reader(argv)
    options = reader.options
    while reader.place < len(argv):
        word = argv[reader.place]
        if word == b"*":
            break
        if not reader.read_option() and not reader.read_add_option():
            ms, dash, seq = word.partition(b"-")
            if dash and seq == b"*" and len(word) <= 127:
                options.ms = entry_ids.number(ms)
            else:
                entry_id = entry_ids.parse(word)
                options.ms, options.seq = entry_id >> SEQ_BITS, entry_id & entry_ids.SEQ_MAX
            if options.producer:
                raise IDMP_NEEDS_AUTO
            break
    options.fields_at = reader.place + 1
    options.trim = reader.trim(required=False)
    return options


def trim_options(argv: Argv) -> Trim:
    """The options of XTRIM."""
    reader = _Reader(argv)
    while reader.place < len(argv):
        if not reader.read_option():
            raise SYNTAX
    trim = reader.trim(required=True)
    assert trim is not None
    return trim


def ids_block(args: Argv) -> tuple[bytes, Argv]:
    """`[KEEPREF | DELREF | ACKED] IDS numids id [id ...]` in any order.

    Returns:
        The policy and the IDs, which are not parsed yet: of a missing key Redis does not look at them.
    """
    policy, ids = b"", None
    place = 0
    while place < len(args):
        word = args[place].upper()
        more = len(args) - place - 1
        if word in POLICIES and not policy:
            policy = word
            place += 1
        elif word == b"IDS" and more:
            count = integer(args[place + 1], NUMIDS, minimum=1)
            if count > more - 1:
                raise NUMIDS_MISMATCH
            ids = args[place + 2 : place + 2 + count]
            place += 2 + count
        else:
            raise SYNTAX
    if ids is None:
        raise IDS_REQUIRED
    return policy or KEEPREF, ids
