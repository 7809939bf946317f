"""Keeps the last few readings for a short while: one page asks several questions about the same runs.

A reading of all runs of a window holds as long as the window's figures stay as they are; one of a sample, which is an
estimate anyway, for `MAX_AGE_S`.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api.insight.reading import Reading, read_sample
from stepwell_api.question import Question
from stepwell_api.totals import Totals

MAX_READINGS: Final = 4
"""Each takes up to some 40 MB."""
MAX_AGE_S: Final = 60.0

Hours = Mapping[datetime, Totals]


@dataclass(slots=True)
class Kept:
    """A reading, and what was made of it."""

    reading: Reading
    figures: Hashable
    read_at_s: float
    made: dict[str, Any] = field(default_factory=dict)
    counted: dict[Hashable, Any] = field(default_factory=dict)
    """Exact answers, for as long as the figures stay as they are."""

    async def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, which is asked once, in a thread."""
        if name not in self.made:
            self.made[name] = await asyncio.to_thread(make)
        return self.made[name]


@dataclass(slots=True)
class ReadingCache:
    """The newest readings by what was asked."""

    clock: Callable[[], float] = time.monotonic
    _kept: "OrderedDict[Hashable, Kept]" = field(default_factory=OrderedDict)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One reading at a time: two would need twice the memory, and each other's disk."""

    async def get(
        self,
        connection: AsyncConnection,
        asked: Hashable,
        question: Question,
        hours: Hours,
        *,
        with_steps: bool = True,
    ) -> Kept:
        """The reading of what was asked; `asked` names the question whatever the time is now."""
        async with self._reading:
            figures = _figures(hours)
            asked = (asked, with_steps)
            kept = self._kept.get(asked)
            if kept is None or not self._holds(kept, figures):
                reading = await read_sample(connection, question, hours, with_steps=with_steps)
                kept = self._kept[asked] = Kept(reading, figures, self.clock())
            if kept.figures != figures:
                kept.figures = figures
                kept.counted.clear()
            self._kept.move_to_end(asked)
            while len(self._kept) > MAX_READINGS:
                self._kept.popitem(last=False)
            return kept

    def _holds(self, kept: Kept, figures: Hashable) -> bool:
        if self.clock() - kept.read_at_s > MAX_AGE_S:
            return False
        return kept.figures == figures or not kept.reading.is_exact


def _figures(hours: Hours) -> Hashable:
    """What changes with every run that comes, goes or ends."""
    last_seen = max((totals.last_seen for totals in hours.values() if totals.last_seen is not None), default=None)
    return (*map(sum, zip(*(totals.values for totals in hours.values()), strict=True)), last_seen)
