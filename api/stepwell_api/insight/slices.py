"""Which runs of a window to read where there are too many to read all: slices of time, by status. Pure.

Within a status every run is as likely to be read as any other: the window is divided where runs started, and of each
part the same fraction of its time is taken, at a place that a fixed seed chooses.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from stepwell_api.times import Window
from stepwell_storage.model import Status

MAX_RUNS: Final = 6_000
"""So many runs are all read; of more, at most `TARGETS`."""
TARGETS: Final[Mapping[Status, int]] = {
    Status.SUCCESS: 2_500,
    Status.FAILED: 1_500,
    Status.TIMEOUT: 1_000,
    Status.CANCELLED: 500,
    Status.RUNNING: 300,
    Status.PENDING: 200,
}
MAX_SLICES: Final = 400
"""Of one status; each costs a search in an index."""
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Slice:
    """Runs of one status that started in a stretch of time."""

    status: Status
    window: Window


def slices_of(counts: Mapping[Status, int], hours: Sequence[datetime], window: Window) -> list[Slice]:
    """What to read: `counts` are the window's runs by status, `hours` those with runs, in order."""
    is_whole = sum(counts.values()) <= MAX_RUNS
    found: list[Slice] = []
    for status, count in counts.items():
        if not count:
            continue
        if is_whole or count <= TARGETS[status]:
            found.append(Slice(status, window))
        else:
            share = TARGETS[status] / count
            found += [Slice(status, part) for part in _parts(_stretches(hours, window), share, status)]
    return found


def _stretches(hours: Sequence[datetime], window: Window) -> list[Window]:
    """The hours with runs, several taken together where there are many, within the window."""
    size = -(-len(hours) // MAX_SLICES)
    groups = [hours[at : at + size] for at in range(0, len(hours), size)]
    return [Window(max(group[0], window.start), min(group[-1] + _HOUR, window.stop)) for group in groups]


def _parts(stretches: Sequence[Window], share: float, status: Status) -> list[Window]:
    """That share of each stretch's time, somewhere in it."""
    chance = random.Random(status.value)  # noqa: S311 - the same places each time
    found = []
    for stretch in stretches:
        length = stretch.stop - stretch.start
        start = stretch.start + length * (1 - share) * chance.random()
        found.append(Window(start, start + length * share))
    return found
