"""What runs were given, as keys and values that can be counted. Pure."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stepwell_api.insight.sample import RunRecord
from stepwell_storage.fold.ending import masked
from stepwell_storage.model import Status

MAX_VALUES: Final = 20
"""A key with more different values than these is told by its most used ones, with numbers and ids masked."""

NUMBER: Final = re.compile(r"-?[0-9]{1,300}(\.[0-9]{1,300})?([eE][+-]?[0-9]{1,3})?")

Pair = tuple[str, str | None]
"""A key and its value; ``None`` for the key alone."""


@dataclass(slots=True)
class Usage:
    """How many runs of the window were given a key or a value, and how many of these succeeded; estimates."""

    runs: float = 0.0
    successful: float = 0.0


def usages(runs: Sequence[RunRecord]) -> dict[Pair, Usage]:
    """By key and value."""
    found: dict[Pair, Usage] = defaultdict(Usage)
    for run, pairs in zip(runs, countable_pairs(runs), strict=True):
        for pair in pairs:
            usage = found[pair]
            usage.runs += run.weight
            usage.successful += run.weight if run.status is Status.SUCCESS else 0.0
    return found


def most_used(found: Mapping[Pair, Usage]) -> list[tuple[Pair, Usage]]:
    """In order of use."""
    return sorted(found.items(), key=lambda item: (-item[1].runs, item[0][0], item[0][1] or ""))


def usage_of(runs: Sequence[RunRecord], key: str, value: str) -> Usage:
    """Of one value, or of a range of numbers as suggestions write it (``>= 12``, ``< 12``)."""
    usage = Usage()
    for run in runs:
        told = (run.inputs or {}).get(key)
        if told is not None and (told == value or is_within(told, value)):
            usage.runs += run.weight
            usage.successful += run.weight if run.status is Status.SUCCESS else 0.0
    return usage


def number_of(text: str) -> float:
    """The number that the text is; NaN where it is none, or too large a one."""
    number = float(text) if NUMBER.fullmatch(text) else math.nan
    return number if math.isfinite(number) else math.nan


def is_within(text: str, bounds: str) -> bool:
    """Whether the text is a number in a range (``>= 12``, ``< 12``)."""
    operator, _, end = bounds.partition(" ")
    number, limit = number_of(text), number_of(end)
    return (operator == ">=" and number >= limit) or (operator == "<" and number < limit)


def countable_pairs(runs: Sequence[RunRecord]) -> list[list[Pair]]:
    """For each run its keys, and those of its values that are worth counting.

    Where a key has many values, numbers and ids in them are masked (``order <n>``) and the rarer ones left out.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for run in runs:
        for key, value in _values(run):
            counts[key][value] += 1
    kept = {key: _kept(found) for key, found in counts.items() if len(found) > MAX_VALUES}
    return [list(_pairs(run, kept)) for run in runs]


def _kept(counts: Counter[str]) -> dict[str, str]:
    """Value → what it is counted as, for the most used ones."""
    words: dict[str, str] = {value: masked(value) for value in counts}
    totals: Counter[str] = Counter()
    for value, count in counts.items():
        totals[words[value]] += count
    most = {word for word, count in totals.most_common(MAX_VALUES) if count > 1}
    return {value: word for value, word in words.items() if word in most}


def _pairs(run: RunRecord, kept: Mapping[str, Mapping[str, str]]) -> Iterator[Pair]:
    for key in run.inputs or ():
        yield key, None
    for key, value in _values(run):
        word = kept[key].get(value) if key in kept else value
        if word is not None:
            yield key, word


def _values(run: RunRecord) -> Iterator[tuple[str, str]]:
    """Keys with values; what is long or a list has none."""
    return ((key, value) for key, value in (run.inputs or {}).items() if value)
