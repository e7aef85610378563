"""The keys of a database in an order that SCAN can follow with nothing but a number as its cursor.

SCAN promises that a key which is there during the whole scan is returned. The order is that in which values were put
at keys, `Value.order`: it only grows, and a key whose value is replaced or that another one is renamed to moves to the
end, never to the front. So whoever has seen all orders up to a cursor misses nothing by going on behind it, and the
server need not remember who scans. (An order by value number would not do: RENAME onto a key would put it in front of
a cursor that has yet to reach it.)

A dict keeps its keys in just this order, but cannot be entered in the middle. So the keys are also kept here as a list,
together with their orders, by which a cursor is found by bisection. The list is made when a scan begins, extended by
what is new when the next one begins, and made anew when half of it is gone: each key is looked at about once, however
many scans there are, and who never scans pays nothing. Keys that came since are not in the list: SCAN need not return
them, and so it ends even if keys come faster than it reads.
"""

from bisect import bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airwave.value import Value

_GONE_MIN = 1000  # keys that are gone which the list may always have


class KeyList:
    """The keys of one database, as of the last time when a scan began; some may be gone."""

    def __init__(self) -> None:
        self._values: Mapping[bytes, Value] | None = None
        self._keys: list[bytes] = []
        self._orders: list[int] = []

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, place: int) -> bytes:
        return self._keys[place]

    def follow(self, values: "dict[bytes, Value]") -> None:
        """Be the list of these keys, if it is that of others (FLUSHDB, SWAPDB) or of too many that are gone."""
        if self._values is not values or len(self._keys) > 2 * len(values) + _GONE_MIN:
            self._values = values
            self._keys = [*values]
            self._orders = [value.order for value in values.values()]

    def extend(self, values: "dict[bytes, Value]") -> None:
        """Add the keys that came since."""
        self.follow(values)
        last = self._orders[-1] if self._orders else 0
        new = []
        for key in reversed(values):
            order = values[key].order
            if order <= last:
                break
            new.append((order, key))
        for order, key in reversed(new):
            self._orders.append(order)
            self._keys.append(key)

    def after(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """The next keys of a scan.

        Args:
            cursor: the last order that it has seen; 0: it begins.
            count: how many keys.

        Returns:
            The new cursor, 0 when that was all, and the keys; some may be gone.
        """
        start = bisect_right(self._orders, cursor)
        stop = start + count
        return self._orders[stop - 1] if stop < len(self._orders) else 0, self._keys[start:stop]
