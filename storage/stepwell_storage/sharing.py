"""Shares something bounded between senders, so that a flood of one leaves room and turns to the others.

`Room` says who may fill how much of it, `Turns` who is next. Both are plain bookkeeping without I/O.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class Room:
    """A bounded amount of which each key takes a part and leaves one.

    A key may hold as much as `key_share` / (1 - `key_share`) times what is free. Alone it fills `key_share` of all;
    with more keys each gets less, and whoever comes next always finds something free. No key, which is ``None``, is
    bound by the limit alone. (Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet
    Switches", 1998.)
    """

    def __init__(self, limit: int, key_share: float) -> None:
        self.limit = limit
        self.used = 0
        self._key_share = key_share
        self._held: dict[Hashable, int] = {}

    def fits(self, amount: int, key: Hashable = None) -> bool:
        """Whether the key may take so much more; what is larger than its part it may take when it holds nothing."""
        left = self.limit - self.used - amount
        if left < 0:
            return not self.used  # larger than all of it: alone or never
        held = 0 if key is None else self._held.get(key, 0)
        return not held or (held + amount) * (1 - self._key_share) <= left * self._key_share

    def take(self, amount: int, key: Hashable = None) -> None:
        """Counts so much as held by the key."""
        self.used += amount
        self._held[key] = self._held.get(key, 0) + amount

    def give_back(self, amount: int, key: Hashable = None) -> None:
        """Counts so much as free again."""
        self.used -= amount
        self._held[key] -= amount
        if not self._held[key]:
            del self._held[key]

    @contextmanager
    def held(self, amount: int, key: Hashable = None) -> Iterator[None]:
        """Holds so much during the block."""
        self.take(amount, key)
        try:
            yield
        finally:
            self.give_back(amount, key)


class Turns(Generic[_Item]):
    """A queue in which groups take turns, weighed by the cost of their items; a group's items keep their order.

    The next is the group that has had the least so far, where one that was away is not owed for it (start-time fair
    queueing: Goyal, Vin and Cheng, 1996).
    """

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[tuple[_Item, int]]] = {}
        self._starts: list[tuple[int, int, Hashable]] = []
        self._order = itertools.count()
        self._now = 0
        self._last_ends: dict[Hashable, int] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, group: Hashable, item: _Item, cost: int) -> None:
        """Adds an item at the end of its group."""
        if group in self._waiting:
            self._waiting[group].append((item, cost))
            return
        self._waiting[group] = deque([(item, cost)])
        self._starts_at(max(self._now, self._last_ends.pop(group, 0)), group)

    def take(self) -> _Item:
        """The next item.

        Raises:
            IndexError: there is none.
        """
        self._now, _, group = heapq.heappop(self._starts)
        items = self._waiting[group]
        item, cost = items.popleft()
        if items:
            self._starts_at(self._now + cost, group)
        else:
            del self._waiting[group]
            self._forget_past()
            self._last_ends[group] = self._now + cost
        return item

    def _starts_at(self, start: int, group: Hashable) -> None:
        heapq.heappush(self._starts, (start, next(self._order), group))

    def _forget_past(self) -> None:
        """Keeps no more ends than there may be groups that still matter."""
        if len(self._last_ends) > 2 * len(self._waiting) + 100:
            self._last_ends = {group: end for group, end in self._last_ends.items() if end > self._now}
