"""When something occurs among runs: whether more and more often, for the first time, or again after silence. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from stepwell_api import effects
from stepwell_api.times import Window

LENGTHS: Final = tuple(timedelta(hours=hours) for hours in (1, 2, 6, 24, 7 * 24, 30 * 24))
MAX_STRETCHES: Final = 60
MIN_SILENCE: Final = timedelta(days=1)
SURE: Final = 0.01
"""Significance of a trend, and how unlikely a silence has to be by chance."""


@dataclass(frozen=True, slots=True)
class Stretches:
    """A window and the time before it as stretches of equal length."""

    window: Window
    length: timedelta
    origin: datetime
    """A stretch starts here, the first of the window."""

    @classmethod
    def of(cls, window: Window) -> "Stretches":
        """As short as `MAX_STRETCHES` allow for the window."""
        origin = window.start.replace(minute=0, second=0, microsecond=0)
        span = window.stop - origin
        longest = timedelta(days=span.days // MAX_STRETCHES + 1)
        length = next((length for length in LENGTHS if span <= length * MAX_STRETCHES), longest)
        return cls(window, length, origin)

    def place(self, time: datetime) -> int:
        """Which stretch the time lies in; below 0 before the window."""
        return (time - self.origin) // self.length

    def start(self, place: int) -> datetime:
        """When a stretch starts."""
        return self.origin + place * self.length

    def places(self) -> range:
        """Those of the window."""
        return range(self.place(self.window.stop - timedelta(microseconds=1)) + 1)


Counts = Mapping[int, int]
"""How often in each stretch; those without any may be left out."""


def trend(stretches: Stretches, hits: Counts, runs: Counts) -> dict[str, Any]:
    """Whether the rate rises or falls over the window, and the counts behind it; `p_value` is not corrected."""
    places = stretches.places()
    sizes = [max(runs.get(place, 0), hits.get(place, 0)) for place in places]
    z = effects.trend_z([hits.get(place, 0) for place in places], sizes)
    return {
        "direction": direction(z, effects.two_sided(z)),
        "p_value": effects.two_sided(z),
        "buckets": [
            {"start": stretches.start(place), "count": hits.get(place, 0), "executions": size}
            for place, size in zip(places, sizes, strict=True)
        ],
    }


def direction(z: float, p_value: float) -> str:
    """`rising`, `falling` or `steady`."""
    if p_value > SURE:
        return "steady"
    return "rising" if z > 0 else "falling"


def is_new(hits: Counts, runs: Counts) -> bool:
    """Whether it never occurred before the window, although as many runs as there were would have told of it."""
    if any(count for place, count in hits.items() if place < 0):
        return False
    rate = sum(hits.values()) / max(sum(count for place, count in runs.items() if place >= 0), 1)
    return _is_unlikely(rate, sum(count for place, count in runs.items() if place < 0))


def reopened_at(stretches: Stretches, hits: Counts, runs: Counts) -> datetime | None:
    """When it last came back in the window after a silence that is none by chance: at the rate until then."""
    seen = sorted(place for place, count in hits.items() if count)
    for before, after in reversed(list(pairwise(seen))):
        silent = range(before + 1, after)
        if after >= 0 and len(silent) * stretches.length >= MIN_SILENCE:
            earlier = [place for place in runs if place <= before]
            rate = sum(hits.get(place, 0) for place in earlier) / max(sum(runs[place] for place in earlier), 1)
            if _is_unlikely(rate, sum(runs.get(place, 0) for place in silent)):
                return stretches.start(after)
    return None


def counted(stretches: Stretches, times: Sequence[tuple[datetime, int]]) -> dict[int, int]:
    """Counts at some times by their stretch."""
    found: dict[int, int] = {}
    for time, count in times:
        place = stretches.place(time)
        found[place] = found.get(place, 0) + count
    return found


def _is_unlikely(rate: float, runs: int) -> bool:
    """Whether so many runs without any are less likely than `SURE` at that rate."""
    return bool(runs) and rate > 0 and (1 - min(rate, 1.0)) ** runs < SURE
