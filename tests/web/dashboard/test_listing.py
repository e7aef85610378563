"""Searching, sorting and paging, in the server."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwave.web.dashboard.listing import Order, Query, matcher, select

from .api import Api, error

BY_NAME = Order(lambda item: item[0], number=False)
BY_NUMBER = Order(lambda item: item[1])

Item = tuple[bytes, int]


def picked(items: list[Item], query: Query, order: Order) -> tuple[list[Item], int]:
    return asyncio.run(select(items, query, order, lambda item: item[0]))


@given(
    st.lists(st.tuples(st.binary(max_size=3), st.integers(0, 5)), unique_by=lambda item: item[0], max_size=40),
    st.booleans(),
    st.integers(0, 20),
    st.integers(1, 20),
)
def test_a_page_is_that_of_the_sorted_list(items: list[Item], descending: bool, offset: int, limit: int) -> None:
    query = Query("", "", descending, offset, limit)
    by_name = sorted(items, reverse=descending)
    by_number = sorted(items, key=lambda item: (-item[1] if descending else item[1], item[0]))
    assert picked(items, query, BY_NAME) == (by_name[offset : offset + limit], len(items))
    assert picked(items, query, BY_NUMBER) == (by_number[offset : offset + limit], len(items))


def test_others_have_a_turn_between_slices() -> None:
    async def main() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        items = [(b"%d" % number, number) for number in range(5000)]
        await select(items, Query("", "", False, 0, 10), BY_NUMBER, lambda item: item[0])
        task.cancel()
        return turns

    assert asyncio.run(main()) >= 10


@pytest.mark.parametrize(
    ("search", "name", "found"),
    [
        ("", b"x", True),
        ("news", b"the-NEWS-today", True),
        ("News", b"news", True),
        ("news", b"new", False),
        ("news:*", b"news:eu", True),
        ("NEWS:*", b"news:eu", True),
        ("news:*", b"old news:eu", False),
        ("n?ws", b"news", True),
        ("ä", "Käse".encode(), True),
        ("\\", b"a\\b", True),
    ],
)
def test_a_search_is_a_part_or_a_glob(search: str, name: bytes, found: bool) -> None:
    assert matcher(search)(name) is found


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"sort": "nothing"}, "sort must be one of name, subscribers, rate, last"),
        ({"offset": "-1"}, "offset must be a number from 0 to 100000"),
        ({"limit": "0"}, "limit must be a number from 1 to 200"),
        ({"limit": "201"}, "limit must be a number from 1 to 200"),
        ({"limit": "1e3"}, "limit must be a number from 1 to 200"),
        ({"limit": "٣"}, "limit must be a number from 1 to 200"),
        ({"q": "x" * 513}, "q must have at most 512 characters"),
    ],
)
def test_what_makes_no_sense_is_refused(api: Api, words: dict[str, str], why: str) -> None:
    assert error(api.ask("channels", **words)) == why
