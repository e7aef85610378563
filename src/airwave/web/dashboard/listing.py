"""One page of a long list: searched, sorted and cut here, so that a browser never gets ten thousand rows.

The list is looked at a slice at a time, and others have a turn between two slices. Only the rows of the page are made.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from itertools import chain
from typing import Any, TypeVar

from aiohttp import web

from airwave import glob
from airwave.web.dashboard.gate import bad_request, number_in

SLICE = 500
ROWS_MAX = 200
OFFSET_MAX = 100_000  # nobody turns so many pages
SEARCH_CHARS_MAX = 512

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Order:
    """A way to sort.

    Attributes:
        value: what to sort by; of equal ones the name decides.
        number: it is a number: the largest come first when descending, and then the names still ascend.
    """

    value: Callable[[Any], Any]
    number: bool = True


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody wants to see of a list.

    Attributes:
        search: part of a name in any letter case, or a glob; empty: all.
        sort: the name of an order.
    """

    search: str
    sort: str
    descending: bool
    offset: int
    limit: int


def query_of(request: web.Request, orders: Iterable[str], default: str) -> Query:
    """The query of a request: q, sort, desc, offset, limit.

    Raises:
        HTTPBadRequest: it makes no sense.
    """
    words = request.query
    sort = words.get("sort", default)
    if sort not in orders:
        raise bad_request(f"sort must be one of {', '.join(orders)}")
    search = words.get("q", "")
    if len(search) > SEARCH_CHARS_MAX:
        raise bad_request(f"q must have at most {SEARCH_CHARS_MAX} characters")
    return Query(
        search=search,
        sort=sort,
        descending=words.get("desc", "0") == "1",
        offset=number_in(words, "offset", 0, 0, OFFSET_MAX),
        limit=number_in(words, "limit", 50, 1, ROWS_MAX),
    )


def matcher(search: str) -> Callable[[bytes], bool]:
    """Whether a name is what is searched for."""
    if not search:
        return lambda _: True
    if any(mark in search for mark in "*?["):
        return glob.compile(search.encode("utf-8", "replace"), nocase=True)
    wanted = search.lower().encode("utf-8", "replace")
    return lambda name: wanted in name.lower()


async def select(
    items: Sequence[T],
    query: Query,
    order: Order,
    name: Callable[[T], bytes],
    words: Callable[[T], bytes] | None = None,
) -> tuple[list[T], int]:
    """The items of the page, and how many match in all.

    Args:
        name: unique among the items.
        words: what is searched; None: the name.
    """
    matches = matcher(query.search)
    text = words or name
    sign = -1 if query.descending and order.number else 1
    pick = nlargest if query.descending and not order.number else nsmallest
    best: list[tuple[Any, bytes, T]] = []
    total = 0
    for part in _slices(items):
        found = [(order.value(item), name(item), item) for item in part if matches(text(item))]
        if order.number:
            found = [(sign * value, key, item) for value, key, item in found]
        total += len(found)
        best = pick(query.offset + query.limit, chain(best, found), key=_without_item)
        await asyncio.sleep(0)
    return [item for _, _, item in best[query.offset :]], total


def _without_item(row: tuple[Any, bytes, Any]) -> tuple[Any, bytes]:
    return row[:2]


def _slices(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + SLICE] for start in range(0, len(items), SLICE))
