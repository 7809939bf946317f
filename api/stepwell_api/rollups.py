"""Reads the rollups: what an agent's runs, or all agents' runs, came to over a window.

Whole hours and days come from the rollups, whose cost does not grow with the number of runs; the parts of hours at the
window's edges come from the runs themselves (`edges`). Sums are exact, percentiles within `histogram.RELATIVE_ERROR`.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api.edges import Edges, read_edges
from stepwell_api.question import Question
from stepwell_api.totals import Totals, merged
from stepwell_storage import queries
from stepwell_storage.rollups.figures import ALL_AGENTS, Item, Kind

SQL = queries.load("analytics")


async def by_hour(connection: AsyncConnection, question: Question, edges: Edges) -> dict[datetime, Totals]:
    """The runs by the hour in which they started, hours without runs left out."""
    found: dict[datetime, Totals] = {}
    hours = question.hours()
    if hours is not None:
        parameters = {**question.parameters(), "kind": question.kind, "start": hours.start, "stop": hours.stop}
        driver: Any = (await connection.get_raw_connection()).driver_connection
        # As binary values: an array of counts for each of hundreds of hours costs half of what it does as text.
        rows = await driver.cursor(binary=True).execute(SQL.read_hours, parameters)
        parts = groupby(await rows.fetchall(), itemgetter(0))
        found = {hour: Totals.of(map(_hour, rows_of_hour)) for hour, rows_of_hour in parts}
    for hour, item, totals in edges.of(question.agent_id):
        if item.kind is question.kind:
            found.setdefault(hour, Totals()).add(totals)
    return dict(sorted(found.items()))


async def by_item(connection: AsyncConnection, question: Question, edges: "Edges", kind: Kind) -> dict[Item, Totals]:
    """The figures of each path, failure, step or model, the most frequent first; of runs by the agent's name."""
    found: dict[Item, Totals] = {}
    span = question.spans()
    if span is not None:
        parameters = {**question.parameters(), **span, "kind": kind.value}
        rows = await connection.exec_driver_sql(SQL.read_items, parameters)
        found = {Item(kind, row.item, row.detail, row.step_name): Totals.of_row(row[3:]) for row in rows}
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
    span = question.spans()
    if span is not None:
        parameters = {**question.parameters(), **span, "kind": question.kind}
        rows = await connection.exec_driver_sql(SQL.read_agents, parameters)
        for row in rows:
            found.setdefault(row.agent_id, {})[row.agent_name] = Totals.of_row(row[2:])
    for agent_id, figures in (await read_edges(connection, question)).by_agent.items():
        for _, item, totals in figures:
            if agent_id != ALL_AGENTS and item.kind is question.kind:
                found.setdefault(agent_id, {}).setdefault(item.detail, Totals()).add(totals)
    return found


def _hour(row: Sequence[Any]) -> Totals:
    """From a row of `read_hours`, whose histograms are added up already or still to be."""
    *key_and_values, last_seen, durations, memories, added_durations, added_memories = row
    return Totals(
        key_and_values[4:], durations or merged(added_durations), memories or merged(added_memories), last_seen
    )
