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

    @property
    def kind(self) -> Kind:
        """Which rows tell of runs as a whole: the totals, or those apart by environment and version."""
        return Kind.EXECUTION if self.environments or self.versions else Kind.TOTAL

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
    durations: Sequence[int] | None = None
    memories: Sequence[int] | None = None
    last_seen: datetime | None = None

    def __getitem__(self, measure: str) -> Any:
        return self.values[measure]

    @classmethod
    def of(cls, parts: Iterable["Totals"]) -> "Totals":
        """The sum of all parts."""
        parts = list(parts)
        if not parts:
            return cls()
        columns = zip(*(part.values.values() for part in parts), strict=True)
        return cls(
            dict(zip(parts[0].values, map(sum, columns), strict=True)),
            histogram.merged(part.durations for part in parts),
            histogram.merged(part.memories for part in parts),
            max((part.last_seen for part in parts if part.last_seen is not None), default=None),
        )

    def add(self, other: "Totals") -> None:
        """Adds the other's sums."""
        total = Totals.of((self, other))
        self.values, self.durations, self.memories = total.values, total.durations, total.memories
        self.last_seen = total.last_seen

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


async def by_hour(connection: AsyncConnection, question: Question, edges: "Edges") -> dict[datetime, Totals]:
    """The runs by the hour in which they started, hours without runs left out."""
    found: dict[datetime, Totals] = {}
    hours = question.hours()
    if hours is not None:
        parameters = {**question.parameters(), "kind": question.kind, "start": hours.start, "stop": hours.stop}
        rows = await connection.exec_driver_sql(SQL.read_hours, parameters)
        found = {row[0]: _totals(row[1:]) for row in rows}
    for hour, item, totals in edges.of(question.agent_id):
        if item.kind is question.kind:
            found.setdefault(hour, Totals()).add(totals)
    return dict(sorted(found.items()))


async def by_item(connection: AsyncConnection, question: Question, edges: "Edges", kind: Kind) -> dict[Item, Totals]:
    """The figures of each path, failure, step or model, the most frequent first; of runs by the agent's name."""
    found: dict[Item, Totals] = {}
    span = _spans(question)
    if span is not None:
        parameters = {**question.parameters(), **span, "kind": kind.value}
        rows = await connection.exec_driver_sql(SQL.read_items, parameters)
        found = {Item(kind, row.item, row.detail, row.step_name): _totals(row[3:]) for row in rows}
    for _, item, totals in edges.of(question.agent_id):
        if item.kind is kind:
            found.setdefault(item, Totals()).add(totals)
    return found


async def of_runs(connection: AsyncConnection, question: Question) -> Totals:
    """The figures of all runs of the window together."""
    edges = await read_edges(connection, question)
    return Totals.of((await by_item(connection, question, edges, question.kind)).values())


async def by_agent(connection: AsyncConnection, question: Question) -> dict[str, dict[str | None, Totals]]:
    """The figures of the runs of each agent, by the name that they tell."""
    found: dict[str, dict[str | None, Totals]] = {}
    span = _spans(question)
    if span is not None:
        parameters = {**question.parameters(), **span, "kind": question.kind}
        rows = await connection.exec_driver_sql(SQL.read_agents, parameters)
        for row in rows:
            found.setdefault(row.agent_id, {})[row.agent_name] = _totals(row[2:])
    for agent_id, figures in (await read_edges(connection, question)).by_agent.items():
        for _, item, totals in figures:
            if agent_id != ALL_AGENTS and item.kind is question.kind:
                found.setdefault(agent_id, {}).setdefault(item.detail, Totals()).add(totals)
    return found


@dataclass(frozen=True, slots=True)
class Edges:
    """What the runs add that started in the parts of hours at a window's edges: (hour, item, figures) by agent."""

    by_agent: Mapping[str, Sequence[tuple[datetime, Item, Totals]]]

    def of(self, agent_id: str) -> Sequence[tuple[datetime, Item, Totals]]:
        """What the agent's runs add."""
        return self.by_agent.get(agent_id, ())


async def read_edges(connection: AsyncConnection, question: Question, *, with_parts: bool = False) -> Edges:
    """Reads the runs at the window's edges; their steps and models are told where `with_parts` asks for them."""
    found: dict[str, list[tuple[datetime, Item, Totals]]] = {}
    for edge in question.edges():
        # One after the other: with its bounds known, only the day's partition is planned for.
        bounds = {"start": edge.start, "stop": edge.stop, "with_parts": with_parts}
        for row in await connection.exec_driver_sql(SQL.read_edge, {**question.parameters(), **bounds}):
            run = run_of_row(row)
            if run is not None:
                hour = _down_to(to_datetime(run.start_ns), HOUR)
                for agent_id, item, figures in contributions(run):
                    found.setdefault(agent_id, []).append((hour, item, _told(figures)))
    return Edges(found)


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
        histogram.merged(orjson.loads(durations)) if durations else None,
        histogram.merged(orjson.loads(memories)) if memories else None,
        last_seen,
    )


def _told(figures: Figures) -> Totals:
    """The figures of one run in the units of their names."""
    last_seen = None if figures.last_seen_ns is None else to_datetime(figures.last_seen_ns)
    durations, memories = histogram.to_array(figures.durations), histogram.to_array(figures.memories)
    return Totals(_in_units(figures.values()), durations, memories, last_seen)


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
