"""Writes what a transaction changes in the executions as rows to be added to the rollups.

The rows are part of the same transaction, so that executions and rollups agree at every moment: a reader adds the rows
that wait here to what `compaction` has summed up. Appending takes no lock that two workers could wait for.
"""

from collections.abc import Iterable, Sequence
from hashlib import md5
from typing import Any, NamedTuple, TypeAlias
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
)
from stepwell_storage.times import to_datetime

SQL = queries.load("rollups")


ANYWHERE = ("", "")
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
        here = self._sums.setdefault((run.workspace_id, hour, run.environment or "", run.version or ""), {})
        anywhere = self._sums.setdefault((run.workspace_id, hour, *ANYWHERE), {})
        for agent_id, item, figures in contributions(run):
            sums = anywhere if item.kind is Kind.TOTAL else here
            total = sums.get((agent_id, item))
            if total is None:
                total = sums[agent_id, item] = Figures()
            total.add(figures, sign=sign)

    def sums(self) -> list[tuple[Key, Figures]]:
        """What is left to add."""
        return [
            (Key(workspace_id, agent_id, hour, environment, version, item), figures)
            for (workspace_id, hour, environment, version), sums in self._sums.items()
            for (agent_id, item), figures in sums.items()
            if not figures.is_nothing()
        ]


async def write(connection: psycopg.AsyncConnection[Any], changes: Changes) -> None:
    """Writes the changes in the caller's transaction, which holds what they are about."""
    sums = changes.sums()
    if not sums:
        return
    async with connection.cursor() as cursor, cursor.copy(SQL.copy_deltas) as copy:
        for key, figures in sums:
            await copy.write_row(_row(key, figures))


def _row(key: Key, figures: Figures) -> tuple[Any, ...]:
    """The columns of ``copy_deltas``, in its order."""
    return (
        key.workspace_id,
        key.agent_id,
        to_datetime(key.hour * NS_PER_HOUR),
        key.environment,
        key.version,
        key.item.kind.value,
        item_id(key.item),
        key.item.name,
        key.item.detail,
        key.item.step_name,
        *(_decimal(amount, SCALES[name]) for name, amount in zip(MEASURES, figures.values(), strict=True)),
        _array(histogram.to_array(figures.durations)),
        _array(histogram.to_array(figures.memories)),
        None if figures.last_seen_ns is None else to_datetime(figures.last_seen_ns),
    )


def item_id(item: Item) -> UUID:
    """A short key for items whose text may be too long for an index."""
    parts: Sequence[str | None] = (item.name, item.detail, item.step_name)
    text = "\0".join("-" if part is None else f"+{part}" for part in parts)
    return UUID(bytes=md5(text.encode(), usedforsecurity=False).digest())


def _array(counts: Sequence[int] | None) -> str | None:
    """As PostgreSQL reads an array, which takes a fraction of what the driver's own way takes."""
    return None if counts is None else "{" + ",".join(map(str, counts)) + "}"


def _decimal(amount: int, digits: int) -> str | int:
    """The amount as PostgreSQL reads a decimal number."""
    return f"{amount}e-{digits}" if digits and amount else amount
