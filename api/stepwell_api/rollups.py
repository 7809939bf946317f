"""Reads the rollups: what an agent's runs, or all agents' runs, came to over a window.

Whole hours and days come from the rollups, whose cost does not grow with the number of runs; the parts of hours at the
window's edges come from the runs themselves. Sums are exact; percentiles are within `histogram.RELATIVE_ERROR`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api.times import Window
from stepwell_storage import queries
from stepwell_storage.rollups import histogram
from stepwell_storage.rollups.figures import ALL_AGENTS, MEASURES, SCALES, Figures, Item, Kind, contributions
from stepwell_storage.rollups.stored import run_of_row
from stepwell_storage.times import to_datetime

SQL = queries.load("analytics")

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
AGREEMENT = 1e-9
"""How far rounding may part two ways to the same sum, as a fraction."""


@dataclass(frozen=True, slots=True)
class Question:
    """Whose figures, of which time, from where."""

    workspace_id: UUID
    agent_id: str
    """`ALL_AGENTS` for the whole workspace."""
    window: Window
    environments: Sequence[str]
    versions: Sequence[str]
    now: datetime
    """A window up to now is read up to the end of the hour that goes on: no run starts later."""

    def hours(self) -> Window | None:
        """The whole hours of the window; ``None`` where it has none."""
        start = _up_to(self.window.start, HOUR)
        stop = _up_to(self.window.stop, HOUR) if self.window.stop >= self.now else _down_to(self.window.stop, HOUR)
        return Window(start, stop) if start < stop else None

    def edges(self) -> list[Window]:
        """What is left of the window beside its whole hours."""
        hours = self.hours()
        if hours is None:
            return [self.window] if self.window.start < self.window.stop else []
        edges = Window(self.window.start, hours.start), Window(hours.stop, self.window.stop)
        return [edge for edge in edges if edge.start < edge.stop]

    def parameters(self) -> dict[str, Any]:
        """As the queries take it."""
        return {
            "workspace_id": self.workspace_id,
            "agent_id": self.agent_id,
            # The rollups keep the empty text for runs that do not tell.
            "environments": [name for name in self.environments if name] if self.environments else None,
            "versions": [name for name in self.versions if name] if self.versions else None,
        }


@dataclass(slots=True)
class Totals:
    """Sums of `MEASURES`, in the units of their names, and the histograms of durations and memory."""

    values: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(MEASURES, 0))
    durations: dict[int, int] = field(default_factory=dict)
    memories: dict[int, int] = field(default_factory=dict)
    last_seen: datetime | None = None

    def __getitem__(self, measure: str) -> Any:
        return self.values[measure]

    def add(self, other: "Totals") -> None:
        """Adds the other's sums."""
        for measure, amount in other.values.items():
            self.values[measure] += amount
        histogram.add(self.durations, other.durations)
        histogram.add(self.memories, other.memories)
        if other.last_seen is not None:
            self.last_seen = max(other.last_seen, self.last_seen or other.last_seen)

    def known(self, measure: str, count: str) -> Any:
        """A sum, ``None`` where nothing that was added up told its value; `count` says how many did."""
        return self.values[measure] if self.values[count] else None

    def mean(self, measure: str, count: str) -> float | None:
        """The mean over those that told a value."""
        return self.values[measure] / self.values[count] if self.values[count] else None

    def duration_percentiles(self, shares: Sequence[float]) -> list[float | None]:
        """Milliseconds; exact for one value, two, and any number of the same one."""
        count, mean = self.values["duration_count"], self.mean("duration_ms", "duration_count")
        if not count or mean is None:
            return [None] * len(shares)
        variance = max(self.values["duration_square_ms2"] / count - mean * mean, 0.0)
        spread = math.sqrt(variance) if variance > AGREEMENT * mean * mean else 0.0
        if count == 1 or spread == 0.0:
            return [mean] * len(shares)
        if count == 2:
            return [mean + spread * (2 * share - 1) for share in shares]
        return histogram.percentiles(self.durations, shares)

    def memory_percentile(self, share: float) -> float | None:
        """Megabytes; exact for one value."""
        if self.values["memory_known"] == 1:
            return float(self.values["memory_mb"])
        return histogram.percentiles(self.memories, (share,))[0]


async def by_hour(connection: AsyncConnection, question: Question) -> dict[datetime, Totals]:
    """The runs by the hour in which they started, hours without runs left out."""
    found: dict[datetime, Totals] = {}
    hours = question.hours()
    if hours is not None:
        parameters = {**question.parameters(), "start": hours.start, "stop": hours.stop}
        rows = await connection.exec_driver_sql(SQL.read_hours, parameters)
        found = {row[0]: _totals(row[1:]) for row in rows}
    for agent_id, hour, item, totals in await _edge_figures(connection, question):
        if agent_id == question.agent_id and item.kind is Kind.EXECUTION:
            found.setdefault(hour, Totals()).add(totals)
    return dict(sorted(found.items()))


async def by_item(connection: AsyncConnection, question: Question, kind: Kind) -> dict[Item, Totals]:
    """The figures of each path, failure, step or model, the most frequent first; of runs by the agent's name."""
    found: dict[Item, Totals] = {}
    span = _spans(question)
    if span is not None:
        parameters = {**question.parameters(), **span, "kind": kind.value}
        rows = await connection.exec_driver_sql(SQL.read_items, parameters)
        found = {Item(kind, row.item, row.detail, row.step_name): _totals(row[3:]) for row in rows}
    edges = await _edge_figures(connection, question, with_parts=kind in (Kind.STEP, Kind.ROOT, Kind.MODEL))
    for agent_id, _, item, totals in edges:
        if agent_id == question.agent_id and item.kind is kind:
            found.setdefault(item, Totals()).add(totals)
    return found


async def of_runs(connection: AsyncConnection, question: Question) -> Totals:
    """The figures of all runs of the window together."""
    total = Totals()
    for totals in (await by_item(connection, question, Kind.EXECUTION)).values():
        total.add(totals)
    return total


async def by_agent(connection: AsyncConnection, question: Question) -> dict[str, dict[str | None, Totals]]:
    """The figures of the runs of each agent, by the name that they tell."""
    found: dict[str, dict[str | None, Totals]] = {}
    span = _spans(question)
    if span is not None:
        rows = await connection.exec_driver_sql(SQL.read_agents, {**question.parameters(), **span})
        for row in rows:
            found.setdefault(row.agent_id, {})[row.agent_name] = _totals(row[2:])
    for agent_id, _, item, totals in await _edge_figures(connection, question):
        if agent_id != ALL_AGENTS and item.kind is Kind.EXECUTION:
            found.setdefault(agent_id, {}).setdefault(item.detail, Totals()).add(totals)
    return found


async def _edge_figures(
    connection: AsyncConnection, question: Question, *, with_parts: bool = False
) -> list[tuple[str, datetime, Item, Totals]]:
    """What the runs at the window's edges add: (agent, hour, item, figures)."""
    edges = question.edges()
    if not edges:
        return []
    parameters = {
        **question.parameters(),
        "starts": [edge.start for edge in edges],
        "stops": [edge.stop for edge in edges],
        "with_parts": with_parts,
    }
    rows = await connection.exec_driver_sql(SQL.read_edges, parameters)
    found = []
    for row in rows:
        run = run_of_row(row[1:])
        if run is not None:
            hour = _down_to(to_datetime(run.start_ns), HOUR)
            found += [(agent_id, hour, item, _told(figures)) for agent_id, item, figures in contributions(run)]
    return found


def _spans(question: Question) -> dict[str, Any] | None:
    """The whole hours as days and what is left beside these; ``None`` where there are none."""
    hours = question.hours()
    if hours is None:
        return None
    first_day, last_day = _up_to(hours.start, DAY), _down_to(hours.stop, DAY)
    if first_day >= last_day:
        first_day = last_day = hours.stop
    edges = [edge for edge in ((hours.start, first_day), (last_day, hours.stop)) if edge[0] < edge[1]]
    return {
        "start": hours.start,
        "stop": hours.stop,
        "first_day": first_day,
        "last_day": last_day,
        "edge_starts": [start for start, _ in edges],
        "edge_stops": [stop for _, stop in edges],
    }


def _totals(row: Sequence[Any]) -> Totals:
    """From the columns that every query gives after its own: measures, histograms, last sign of life."""
    *values, durations, memories, last_seen = row
    return Totals(
        dict(zip(MEASURES, values, strict=True)),
        histogram.merged(orjson.loads(durations)) if durations else {},
        histogram.merged(orjson.loads(memories)) if memories else {},
        last_seen,
    )


def _told(figures: Figures) -> Totals:
    """The figures of one run in the units of their names."""
    last_seen = None if figures.last_seen_ns is None else to_datetime(figures.last_seen_ns)
    return Totals(_in_units(figures.values), dict(figures.durations), dict(figures.memories), last_seen)


def _in_units(values: Iterable[int]) -> dict[str, Any]:
    scales: Mapping[str, int] = SCALES
    return {
        measure: amount / 10 ** scales[measure] if scales[measure] else amount
        for measure, amount in zip(MEASURES, values, strict=True)
    }


def _down_to(time: datetime, step: timedelta) -> datetime:
    """The last whole hour or day before the time, or the time itself."""
    day = time.replace(hour=0, minute=0, second=0, microsecond=0)
    return day if step == DAY else time.replace(minute=0, second=0, microsecond=0)


def _up_to(time: datetime, step: timedelta) -> datetime:
    """The first whole hour or day after the time, or the time itself."""
    below = _down_to(time, step)
    if below == time:
        return time
    try:
        return below + step
    except OverflowError:
        return time
