"""What runs were given, as keys and values that can be counted. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stepwell_api.insight.sample import RunRecord
from stepwell_storage.fold.ending import masked
from stepwell_storage.model import Status

MAX_VALUES: Final = 20
"""A key with more different values than these is told by its most used ones, with numbers and ids masked."""

Pair = tuple[str, str | None]
"""A key and its value; ``None`` for the key alone."""


@dataclass(slots=True)
class Usage:
    """How many runs of the window were given a key or a value, and how many of these succeeded; estimates."""

    runs: float = 0.0
    successful: float = 0.0


def usages(runs: Sequence[RunRecord]) -> dict[Pair, Usage]:
    """By key and value, the most used first."""
    found: dict[Pair, Usage] = defaultdict(Usage)
    for run, pairs in zip(runs, countable_pairs(runs), strict=True):
        for pair in pairs:
            usage = found[pair]
            usage.runs += run.weight
            usage.successful += run.weight if run.status is Status.SUCCESS else 0.0
    return dict(sorted(found.items(), key=lambda item: (-item[1].runs, item[0][0], item[0][1] or "")))


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
