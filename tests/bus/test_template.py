"""Channel templates: which pattern they are, and which channels are theirs."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwave import glob
from airwave.bus.template import Template


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("notifications:user:{user_id}", b"notifications:user:*"),
        ("{a}:{b}", b"*:*"),
        ("{day}.{hour}:x", b"*.*:x"),
        ("log:{path...}", b"log:*"),
        ("{all...}", b"*"),
        ("a?[b]\\{x}", b"a\\?\\[b\\]\\\\*"),
        ("{{x}}:{x}", b"{x}:*"),
        ("grüße:{x}", "grüße:*".encode()),
    ],
)
def test_a_template_with_fields_is_a_pattern(text: str, pattern: bytes) -> None:
    template = Template(text)
    assert (template.pattern, template.channel) == (pattern, None)


@pytest.mark.parametrize(("text", "channel"), [("news", b"news"), ("a?[b]", b"a?[b]"), ("{{x}}", b"{x}")])
def test_a_template_without_fields_is_a_channel(text: str, channel: bytes) -> None:
    template = Template(text)
    assert (template.channel, template.pattern, template.fields) == (channel, None, ())
    assert template.match(channel) == {}
    assert template.match(channel + b"x") is None


@pytest.mark.parametrize(
    ("text", "channel", "fields"),
    [
        ("user:{id}", b"user:42", {"id": "42"}),
        ("user:{id}", b"user:", None),
        ("user:{id}", b"user:4:2", None),
        ("user:{id}", b"user:a\nb", {"id": "a\nb"}),
        ("user:{id}", b"xuser:1", None),
        ("user:{id}", "user:ü".encode(), {"id": "ü"}),
        ("user:{id}", b"user:\xff", None),
        ("{a}:{b}", b"1:2", {"a": "1", "b": "2"}),
        ("{a}:{b}", b"1:2:3", None),
        ("{day}.{hour}", b"mon.12", {"day": "mon", "hour": "12"}),
        ("{day}.{hour}", b"mon.12.5", {"day": "mon", "hour": "12.5"}),
        ("{a}-x", b"1-x", {"a": "1"}),
        ("{a}é{b}", "ü1é2".encode(), {"a": "ü1", "b": "2"}),
        ("log:{path...}", b"log:a:b", {"path": "a:b"}),
        ("log:{path...}", b"log:", None),
        ("log:{level}:{path...}", b"log:info:a:b", {"level": "info", "path": "a:b"}),
        ("{{{x}}}", b"{1}", {"x": "1"}),
    ],
)
def test_which_channels_are_its_own(text: str, channel: bytes, fields: dict[str, str] | None) -> None:
    assert Template(text).match(channel) == fields


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must not be empty"),
        ("news:*", "* is no wildcard here; write {name} or, for all the rest, {name...}"),
        ("a{", "a brace that is no field"),
        ("a}", "a brace that is no field"),
        ("{user-id}", "'user-id' is not a name that a parameter can have"),
        ("{id:int}", "'id:int' is not a name that a parameter can have"),
        ("x{", "a brace that is no field"),
        ("{}", "'' is not a name that a parameter can have"),
        ("{class}", "'class' is not a name that a parameter can have"),
        ("{1}", "'1' is not a name that a parameter can have"),
        ("{a}:{a}", "the field 'a' is there twice"),
        ("{a}{b}", "there must be text behind {a}"),
        ("{a}{b...}", "there must be text behind {a}"),
        ("{a...}:x", "{a...} takes all the rest and must be the end"),
    ],
)
def test_what_is_no_template_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        Template(text)


_PIECE = st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"]), min_size=1)
_LITERAL = st.text(st.characters(exclude_characters="*{}", exclude_categories=["Cs"]), min_size=1)


@given(_LITERAL, _PIECE, _LITERAL, st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_the_pattern_matches_all_channels_that_the_template_does(a: str, x: str, b: str, rest: str) -> None:
    """Whatever the literal text is: none of it works as a glob, and what was put in comes out."""
    template = Template(a + "{x}" + b + "{rest...}")
    assert template.pattern is not None
    channel = (a + x + b + rest).encode()
    assert glob.compile(template.pattern)(channel)
    fields = template.match(channel)
    if b[0] not in x:
        assert fields == {"x": x, "rest": rest}
    if fields is not None:
        assert a + fields["x"] + b + fields["rest"] == channel.decode()
