"""Writes what a transaction changes in the executions as rows to be added to the rollups.

The rows are part of the same transaction, so that executions and rollups agree at every moment: a reader adds the rows
that wait here to what `compaction` has summed up. Appending takes no lock that two workers could wait for.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import md5
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

import psycopg

from stepwell_storage import queries
from stepwell_storage.rollups import histogram
from stepwell_storage.rollups.figures import (
    MEASURES,
    NS_PER_HOUR,
    SCALES,
    Figures,
    Item,
    Kind,
    Run,
    contributions,
    wider,
)
from stepwell_storage.rows import CACHED_TEXTS, NULL, escape, timestamp

SQL = queries.load("rollups")


CACHED_NAME_CHARACTERS: Final = 256
ANYWHERE: Final = ("", "")
"""Environment and version of what is added up over all of them."""


class Key(NamedTuple):
    """What figures are added up by."""

    workspace_id: UUID
    agent_id: str
    hour: int
    """Hours since 1970 UTC."""
    environment: str
    """Empty where the run does not tell, and in totals."""
    version: str
    item: Item


_Place: TypeAlias = tuple[UUID, int, str, str]
"""Workspace, hour, environment and version, as in `Key`."""


class Changes:
    """Sums up what a transaction adds and takes away; what stays the same cancels out."""

    def __init__(self) -> None:
        self._sums: dict[_Place, dict[tuple[str, Item], Figures]] = {}
        """Agent and item → sum, apart for each place, so that the place is looked up once for each run."""

    def add(self, runs: Iterable[Run]) -> None:
        """Counts runs that are stored now."""
        for run in runs:
            self._count(run, sign=1)

    def take_away(self, runs: Iterable[Run]) -> None:
        """Uncounts runs that are stored no longer."""
        for run in runs:
            self._count(run, sign=-1)

    def _count(self, run: Run, *, sign: int) -> None:
        hour = run.start_ns // NS_PER_HOUR
        agent_id = run.agent_id
        sums = self._sums.setdefault((run.workspace_id, hour, run.environment or "", run.version or ""), {})
        for item, figures in contributions(run):
            total = sums.get((agent_id, item))
            if total is not None:
                total.add(figures, sign=sign)
            elif sign > 0:
                sums[agent_id, item] = figures.copy()
            else:
                total = sums[agent_id, item] = Figures()
                total.add(figures, sign=sign)

    def sums(self) -> list[tuple[Key, Figures]]:
        """What is left to add."""
        return [
            (Key(workspace_id, agent_id, hour, environment, version, item), figures)
            for (workspace_id, hour, environment, version), sums in self._widened().items()
            for (agent_id, item), figures in sums.items()
            if not figures.is_nothing()
        ]

    def _widened(self) -> dict[_Place, dict[tuple[str, Item], Figures]]:
        """The sums together with the wider ones, which are summed up only now: there are fewer sums than runs."""
        widened: dict[_Place, dict[tuple[str, Item], Figures]] = {}
        for place, sums in self._sums.items():
            here = widened.setdefault(place, {})
            here.update(sums)
            for (agent_id, item), figures in sums.items():
                for wider_id in wider(agent_id, item):
                    there = widened.setdefault((*place[:2], *ANYWHERE), {}) if wider_id[1].kind is Kind.TOTAL else here
                    total = there.get(wider_id)
                    if total is None:
                        there[wider_id] = figures.copy()
                    else:
                        total.take_in(figures)
        return widened


async def write(connection: psycopg.AsyncConnection[Any], changes: Changes) -> None:
    """Writes the changes in the caller's transaction, which holds what they are about."""
    sums = changes.sums()
    if not sums:
        return
    lines = "".join([_line(key, figures) for key, figures in sums]).encode()
    async with connection.cursor() as cursor, cursor.copy(SQL.copy_deltas) as copy:
        await copy.write(lines)


_ZEROS: Final = ["0"] * len(MEASURES)
_EXPONENTS: Final = [f"e-{SCALES[name]}" if SCALES[name] else "" for name in MEASURES]
"""What makes a decimal number of an amount."""


def _line(key: Key, figures: Figures) -> str:
    """The columns of ``copy_deltas``, in its order."""
    amounts, item = _ZEROS.copy(), key.item
    for at, amount in figures.amounts.items():
        if amount:
            amounts[at] = f"{amount}{_EXPONENTS[at]}"
    fields = [
        str(key.workspace_id),
        escape(key.agent_id),
        timestamp(key.hour * NS_PER_HOUR),
        escape(key.environment),
        escape(key.version),
        *(_cached_fields(item) if len(item.name) <= CACHED_NAME_CHARACTERS else _item_fields(item)),
        *amounts,
        _array(figures.durations),
        _array(figures.memories),
        NULL if figures.last_seen_ns is None else timestamp(figures.last_seen_ns),
    ]
    return "\t".join(fields) + "\n"


def _item_fields(item: Item) -> Sequence[str]:
    """Kind, key, name, detail and step name."""
    texts = [NULL if text is None else escape(text) for text in item[1:]]
    return item.kind.value, _item_key(item), *texts


_cached_fields = lru_cache(maxsize=CACHED_TEXTS)(_item_fields)


def _item_key(item: Item) -> str:
    """A short key, 32 hex digits, for items whose text may be too long for an index."""
    text = "\0".join("-" if part is None else f"+{part}" for part in item[1:])
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def _array(counts: histogram.Histogram) -> str:
    """As `histogram.to_array` gives it; most of its buckets are empty."""
    held = {bucket: count for bucket, count in counts.items() if count}
    if not held:
        return NULL
    first = min(held)
    texts = ["0"] * (max(held) - first + 1)
    for bucket, count in held.items():
        texts[bucket - first] = str(count)
    return f"{{{first},{','.join(texts)}}}"
