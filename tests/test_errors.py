"""Error replies are one line, whatever a client put into them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwave import errors
from airwave.errors import CommandError, ProtocolError


@given(st.binary() | st.text(st.characters(codec="utf-8")))
def test_an_error_is_one_line(text: bytes | str) -> None:
    for error in (CommandError(text), ProtocolError(text)):
        assert error.reply[:1] == b"-"
        assert error.reply.find(b"\r") == len(error.reply) - 2
        assert error.reply.find(b"\n") == len(error.reply) - 1


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_what_a_client_sent_is_shortened_and_one_line(argv: list[bytes]) -> None:
    for error in (errors.unknown_command(argv), errors.unknown_subcommand("client", argv[0])):
        assert len(error.reply) < 600
        assert error.reply.count(b"\n") == 1


@pytest.mark.parametrize(("error", "code"), [(errors.NO_AUTH, b"NOAUTH"), (errors.SYNTAX, b"ERR")])
def test_codes(error: CommandError, code: bytes) -> None:
    assert error.code == code
