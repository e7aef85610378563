"""Which channels and patterns a list of globs allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwave import glob
from airwave.web.rights import EVERYTHING, NOTHING, Globs


def test_channels() -> None:
    globs = Globs([b"news", b"user:42:*", b"log[12]"])
    for channel in (b"news", b"user:42:", b"user:42:mail", b"log1"):
        assert globs.allow(channel)
    for channel in (b"News", b"news2", b"user:421", b"user:42", b"log3", b""):
        assert not globs.allow(channel)
    assert not NOTHING.allow(b"news")


@pytest.mark.parametrize(
    ("allowed", "pattern", "covered"),
    [
        (b"user:*", b"user:*", True),
        (b"user:*", b"user:42:*", True),
        (b"user:*", b"user:?", True),
        (b"user:*", b"user:[ab]c*", True),
        (b"user:*", b"user:42", True),
        (b"user:*", b"user*", False),
        (b"user:*", b"*", False),
        (b"user:*", b"use?:*", False),
        (b"user:*", b"[u]ser:*", True),  # one letter: no choice
        (b"user:*:mail", b"user:*:mail", True),
        (b"user:*:mail", b"user:4*:mail", False),  # it is, but that is not easily seen
        (b"user:*:mail", b"user:*", False),
        (b"user:?", b"user:*", False),
        (b"us[e]r:*", b"us[e]r:*", True),
        (rb"a\*", rb"a\*", True),
        (rb"a\*", b"a*", False),
        (rb"a\*", b"ab", False),
        (b"news", b"news", True),
        (b"news", b"new?", False),
        (b"*", b"a*", True),
    ],
)
def test_patterns(allowed: bytes, pattern: bytes, covered: bool) -> None:
    assert Globs([allowed]).cover(pattern) is covered


_GLOB = st.lists(
    st.sampled_from([b"a", b"b", b"*", b"?", b"[ab]", b"[^a]", rb"\*", b"_", b"\\", b"["]), max_size=6
).map(b"".join)


@given(_GLOB, _GLOB, st.lists(st.sampled_from(b"ab*_c"), max_size=6).map(bytes))
def test_who_may_use_a_pattern_may_use_all_that_it_matches(allowed: bytes, pattern: bytes, channel: bytes) -> None:
    globs = Globs([allowed])
    if globs.cover(pattern) and glob.compile(pattern)(channel) and not channel.startswith(b"__"):
        assert globs.allow(channel)


def test_names_of_the_server_have_to_be_named() -> None:
    assert not Globs([b"*"]).allow(b"__presence__:news")
    assert not Globs([b"*"]).cover(b"__presence__:*")
    assert not Globs([b"?_presence__:*"]).allow(b"__presence__:news")
    assert Globs([b"__presence__:*"]).allow(b"__presence__:news")
    assert Globs([b"__*"]).cover(b"__presence__:*")
    assert EVERYTHING.allow(b"__presence__:news")
    assert EVERYTHING.allow(b"news")
    assert EVERYTHING.cover(b"*")
