"""Options of XADD, XTRIM, XDELEX and XACKDEL as data; what they do is in the tests of the commands."""

import pytest

from airwave.commands.stream_options import LIMIT_DEFAULT, add_options, ids_block, trim_options
from airwave.errors import CommandError
from airwave.streams.references import ACKED, DELREF, KEEPREF
from airwave.streams.trimming import Trim


def words(line):
    return line.encode().split()


@pytest.mark.parametrize(
    ("line", "trim"),
    [
        ("MAXLEN 5", Trim(5)),
        ("maxlen = 5 delref", Trim(5, policy=DELREF)),
        ("ACKED MINID 5-1", Trim(None, 5 << 64 | 1, policy=ACKED)),
        ("MAXLEN ~ 5", Trim(5, exact=False, limit=LIMIT_DEFAULT)),
        ("LIMIT 3 MINID ~ 5", Trim(None, 5 << 64, exact=False, limit=3)),
        ("MAXLEN ~ 5 LIMIT 0", Trim(5, exact=False)),
    ],
)
def test_trimming(line, trim):
    assert trim_options(words(f"XTRIM s {line}")) == trim
    options = add_options(words(f"XADD s NOMKSTREAM {line} 7-* f v"))
    assert (options.trim, options.create, options.ms, options.seq) == (trim, False, 7, None)
    assert options.fields_at == 4 + len(line.split())


def test_a_policy_alone_trims_nothing():
    options = add_options(words("XADD s DELREF * f v"))
    assert (options.trim, options.ms, options.seq, options.fields_at) == (None, None, None, 4)


@pytest.mark.parametrize("line", ["KEEPREF DELREF * f v", "MAXLEN", "IDMP p", "LIMIT", "NOSUCH * f v"])
def test_what_is_no_option_of_xadd_is_an_id(line):
    with pytest.raises(CommandError, match="Invalid stream ID"):
        add_options(words(f"XADD s {line}"))


@pytest.mark.parametrize("line", ["KEEPREF DELREF MAXLEN 1", "MAXLEN 1 NOMKSTREAM", "MAXLEN", "* MAXLEN 1"])
def test_what_is_no_option_of_xtrim_is_an_error(line):
    with pytest.raises(CommandError, match="syntax error"):
        trim_options(words(f"XTRIM s {line}"))


def test_idempotence():
    options = add_options(words("XADD s IDMP p i MAXLEN 5 * f v"))
    assert (options.producer, options.iid, options.trim) == (b"p", b"i", Trim(5))
    options = add_options(words("XADD s idmpauto p * f v"))
    assert (options.producer, options.iid) == (b"p", b"")


def test_a_block_of_ids():
    assert ids_block(words("IDS 2 1-1 2-2")) == (KEEPREF, [b"1-1", b"2-2"])
    assert ids_block(words("ids 1 x acked")) == (ACKED, [b"x"])
    assert ids_block(words("DELREF IDS 1 a IDS 1 b")) == (DELREF, [b"b"])
    with pytest.raises(CommandError, match="IDS option is required"):
        ids_block(words("ACKED"))
