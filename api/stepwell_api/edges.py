"""What runs add that started in the parts of hours at a window's edges, where the rollups cannot tell them apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api.question import HOUR, Question, down_to
from stepwell_api.totals import Totals
from stepwell_storage import queries
from stepwell_storage.model import Status
from stepwell_storage.rollups import histogram
from stepwell_storage.rollups.figures import (
    ALL_AGENTS,
    MEASURES,
    SCALES,
    Figures,
    Item,
    Kind,
    Run,
    contributions,
    wider,
)
from stepwell_storage.rollups.stored import run_of_row
from stepwell_storage.times import to_datetime

SQL = queries.load("analytics")

SUMS = (
    "executions", "prompt_tokens", "prompt_known", "completion_tokens", "completion_known", "cost_usd", "cost_known",
    "credits", "credits_known", "api_calls", "steps",
)  # fmt: skip
"""What the database adds up; durations and memory are counted here, for their histograms."""


@dataclass(frozen=True, slots=True)
class Edges:
    """What the runs at the edges add: (hour, item, figures) by agent, `ALL_AGENTS` among them.

    Of the items there are runs as a whole and failures by their error type.
    """

    by_agent: Mapping[str, Sequence[tuple[datetime, Item, Totals]]]

    def of(self, agent_id: str) -> Sequence[tuple[datetime, Item, Totals]]:
        """What the agent's runs add."""
        return self.by_agent.get(agent_id, ())


async def read_edges(connection: AsyncConnection, question: Question) -> Edges:
    """Adds up the runs at the window's edges."""
    found: dict[str, list[tuple[datetime, Item, Totals]]] = {}
    for edge in question.edges():
        hour = down_to(edge.start, HOUR)
        # One after the other: with its bounds known, only the day's partition is planned for.
        parameters = {**question.parameters(), "start": edge.start, "stop": edge.stop}
        for row in await connection.exec_driver_sql(SQL.read_edge, parameters):
            totals = _totals(row)
            for agent_id, item in _items(row):
                found.setdefault(agent_id, []).append((hour, item, totals))
    return Edges(found)


async def read_item_edges(connection: AsyncConnection, question: Question) -> Edges:
    """What one agent's runs at the window's edges add with all their items: paths, failures, steps and models too."""
    found: list[tuple[datetime, Item, Totals]] = []
    for edge in question.edges():
        hour = down_to(edge.start, HOUR)
        parameters = {**question.parameters(), "start": edge.start, "stop": edge.stop}
        for row in await connection.exec_driver_sql(SQL.read_edge_runs, parameters):
            run = run_of_row(row)
            if run is not None:
                found += [(hour, item, told(figures)) for item, figures in _with_totals(run)]
    return Edges({question.agent_id: found})


def _with_totals(run: Run) -> Iterator[tuple[Item, Figures]]:
    """What a run adds to its agent, over all environments and versions together too."""
    for item, figures in contributions(run):
        yield item, figures
        for agent_id, wider_item in wider(run.agent_id, item):
            if agent_id != ALL_AGENTS:
                yield wider_item, figures


def _items(row: Any) -> Iterator[tuple[str, Item]]:
    for kind in (Kind.TOTAL, Kind.EXECUTION):
        yield row.agent_id, Item(kind, detail=row.agent_name)
        yield ALL_AGENTS, Item(kind)
    if row.status == Status.FAILED:
        yield row.agent_id, Item(Kind.FAILURE, detail=row.error_type)
        yield ALL_AGENTS, Item(Kind.FAILURE, detail=row.error_type)


def _totals(row: Any) -> Totals:
    """The sums of a row in the units of their names."""
    figures = Figures()
    for duration_ms in row.durations_ms or ():
        figures.take_duration(duration_ms)
    for memory_mb in row.memories_mb or ():
        figures.take_memory(memory_mb)
    figures.count(row.status, row.executions)
    for measure in SUMS:
        figures.count(measure, int(getattr(row, measure) or 0))
    return replace(told(figures), last_seen=row.last_seen)


def told(figures: Figures) -> Totals:
    """The figures in the units of their names."""
    last_seen = None if figures.last_seen_ns is None else to_datetime(figures.last_seen_ns)
    durations, memories = histogram.to_array(figures.durations), histogram.to_array(figures.memories)
    return Totals(_in_units(figures.values()), durations, memories, last_seen)


def _in_units(amounts: Sequence[int]) -> list[Any]:
    digits = map(SCALES.__getitem__, MEASURES)
    return [amount / 10**scale if scale else amount for amount, scale in zip(amounts, digits, strict=True)]
