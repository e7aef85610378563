import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwave.cache.messages import Invalidation, PayloadError, decode

names = st.lists(st.text(st.characters(exclude_categories=["Cs"]))).map(tuple)


@given(st.builds(Invalidation, names, names, names, st.booleans()).filter(lambda each: not each.is_empty))
def test_what_is_sent_is_what_is_read(invalidation: Invalidation) -> None:
    assert decode(invalidation.encode()) == invalidation


def test_one_name_is_sent_as_everybody_writes_it() -> None:
    assert Invalidation(keys=("product:42",)).encode() == b'{"key":"product:42"}'
    assert Invalidation(keys=("a", "b")).encode("me") == b'{"keys":["a","b"],"origin":"me"}'
    assert Invalidation(everything=True).encode() == b'{"all":true}'


@pytest.mark.parametrize(
    ("payload", "meaning"),
    [
        (b'{"key": "product:42"}', Invalidation(keys=("product:42",))),
        (b'{"key": "a", "keys": ["b"], "version": 7}', Invalidation(keys=("a", "b"))),
        (b'{"prefix": "", "tag": "t", "tags": []}', Invalidation(prefixes=("",), tags=("t",))),
        (b'{"keys": []}', Invalidation()),
        (b' {"all": true, "origin": "x"}\n', Invalidation(everything=True, origin="x")),
    ],
)
def test_messages_of_other_publishers(payload: bytes, meaning: Invalidation) -> None:
    assert decode(payload) == meaning


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"product:42",
        b'"product:42"',
        b'["product:42"]',
        b"{}",
        b'{"id": 42}',
        b'{"key": 42}',
        b'{"keys": "product:42"}',
        b'{"all": false}',
        b'{"all": "yes"}',
        b'{"key": "\xff"}',
        b"[" * 100_000,
    ],
)
def test_what_means_nothing_is_refused(payload: bytes) -> None:
    with pytest.raises(PayloadError):
        decode(payload)


@pytest.mark.parametrize("key", [42, b"product:42", ["a", "b"], None])
def test_names_are_text(key: object) -> None:
    with pytest.raises(TypeError, match="each an argument of its own"):
        Invalidation(keys=(key,))  # type: ignore[arg-type]


def test_text_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        Invalidation(keys=("\ud800",)).encode()
