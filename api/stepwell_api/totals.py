"""Sums of the rollups' measures, and what is told of them: known sums, means and percentiles."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from stepwell_storage.rollups import histogram
from stepwell_storage.rollups.figures import MEASURES

AGREEMENT: Final = 1e-9
"""How far rounding may part two ways to the same sum, as a fraction."""

_AT: Final = {measure: at for at, measure in enumerate(MEASURES)}
_COUNT, _SUM, _SQUARES = _AT["duration_count"], _AT["duration_ms"], _AT["duration_square_ms2"]


@dataclass(slots=True)
class Totals:
    """Sums of `MEASURES`, in their order and the units of their names, and histograms of durations and memory."""

    values: Sequence[Any] = (0,) * len(MEASURES)
    durations: Sequence[int] | None = None
    memories: Sequence[int] | None = None
    last_seen: datetime | None = None

    def __getitem__(self, measure: str) -> Any:
        return self.values[_AT[measure]]

    @classmethod
    def of(cls, parts: Iterable["Totals"]) -> "Totals":
        """The sum of all parts."""
        parts = list(parts)
        if len(parts) < 2:
            return parts[0] if parts else cls()
        return cls(
            [sum(column) for column in zip(*(part.values for part in parts), strict=True)],
            histogram.merged(part.durations for part in parts),
            histogram.merged(part.memories for part in parts),
            max((part.last_seen for part in parts if part.last_seen is not None), default=None),
        )

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> "Totals":
        """From measures, lists of histograms as JSON, and the last sign of life."""
        return cls(row[:-3], merged(row[-3]), merged(row[-2]), row[-1])

    def add(self, other: "Totals") -> None:
        """Adds the other's sums."""
        total = Totals.of((self, other))
        self.values, self.durations, self.memories = total.values, total.durations, total.memories
        self.last_seen = total.last_seen

    def known(self, measure: str, count: str) -> Any:
        """A sum, ``None`` where nothing that was added up told its value; `count` says how many did."""
        return self.values[_AT[measure]] if self.values[_AT[count]] else None

    def mean(self, measure: str, count: str) -> float | None:
        """The mean over those that told a value."""
        known = self.values[_AT[count]]
        return self.values[_AT[measure]] / known if known else None

    def duration_percentiles(self, shares: Sequence[float]) -> list[float | None]:
        """Milliseconds; exact for one value, two, and any number of the same one."""
        count = self.values[_COUNT]
        if not count:
            return [None] * len(shares)
        mean = self.values[_SUM] / count
        variance = self.values[_SQUARES] / count - mean * mean
        if count == 1 or variance <= AGREEMENT * mean * mean:
            return [mean] * len(shares)
        if count == 2:
            return [mean + math.sqrt(variance) * (2 * share - 1) for share in shares]
        return histogram.percentiles(self.durations, shares)

    def memory_percentile(self, share: float) -> float | None:
        """Megabytes; exact for one value."""
        if self["memory_known"] == 1:
            return float(self["memory_mb"])
        return histogram.percentiles(self.memories, (share,))[0]


def sample_variance(totals: Totals) -> float | None:
    """SQL's ``var_samp`` of the durations, in square milliseconds; ``None`` for fewer than two."""
    count = totals["duration_count"]
    if count < 2:
        return None
    squares, total = float(totals["duration_square_ms2"]), float(totals["duration_ms"])
    variance = (squares - total * total / count) / (count - 1)
    return variance if variance > AGREEMENT * squares / count else 0.0


def merged(histograms: str | None) -> Sequence[int] | None:
    """The sum of histograms in a list as JSON."""
    return histogram.merged(orjson.loads(histograms)) if histograms else None
