"""All steps of one run without what they carried: what its graph and its timeline are made of.

Order, depth and the like come from what the fold kept on the run (`stepwell_storage.places`), so that nothing is folded
to look at a run, however long it is. Runs that an earlier version wrote are folded here until the worker has done it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api.execution_rows import Located
from stepwell_api.step_rows import fold_run, tokens_of
from stepwell_storage import queries
from stepwell_storage.model import Placement, Step
from stepwell_storage.places import Place, place_of, read_places
from stepwell_storage.times import to_datetime

SQL = queries.load("executions")


class Outline(NamedTuple):
    """A step without its payload: a row of ``read_run_steps``, in its order."""

    span_id: bytes
    parent_span_id: bytes | None
    start_time: datetime
    end_time: datetime | None
    duration_ms: float | None
    step_name: str
    step_type: str
    operation: str
    status: str
    agent_name: str | None
    model: str | None
    error_type: str | None
    tokens: int | None
    cost_usd: float | None
    is_live: bool


class RunStep(NamedTuple):
    """A step with its place in the run."""

    place: Place
    outline: Outline

    @property
    def parent(self) -> bytes | None:
        """Span id of the step above it in the run; ``None`` for its top step."""
        return self.outline.parent_span_id if self.place.has_parent else None


def status_of(place: Place, outline: Outline) -> str:
    """The step's own status, or what another report of the same call tells."""
    return place.told_status or outline.status


def operation_of(place: Place, outline: Outline) -> str:
    """The step's own operation, or ``chain`` for a second report of a call."""
    return outline.operation if place.duplicate_of is None else "chain"


async def read_run(connection: AsyncConnection, workspace_id: UUID, located: Located) -> list[RunStep]:
    """The steps of the run in order; empty where they are gone, or the run has moved since it was located."""
    driver = await _driver_of(connection)
    parameters = {
        "workspace_id": workspace_id,
        "trace_id": located.trace_id,
        "execution_id": located.execution_id,
        "start_time": located.start_time,
    }
    async with driver.cursor(binary=True) as cursor:
        row = await (await cursor.execute(SQL.read_run_places, parameters)).fetchone()
        if row is None:
            return []
        earliest, latest, *columns, duplicate_span_ids, duplicates_of = row
        if any(column is None for column in columns):
            folded = await fold_run(connection, workspace_id, located)
            return [] if folded is None else [_folded(placement) for placement in folded.placements]
        await cursor.execute(SQL.read_run_steps, {**parameters, "earliest": earliest, "latest": latest})
        outlines = _chosen(map(Outline._make, await cursor.fetchall()))
    duplicates = dict(zip(duplicate_span_ids, duplicates_of, strict=True))
    return _placed(read_places(0, zip(*columns, strict=True), duplicates), outlines)


async def _driver_of(connection: AsyncConnection) -> psycopg.AsyncConnection[Any]:
    raw = await connection.get_raw_connection()
    assert isinstance(raw.driver_connection, psycopg.AsyncConnection)
    return raw.driver_connection


def _placed(places: Sequence[Place], outlines: dict[bytes, Outline]) -> list[RunStep]:
    """Without those whose rows are gone."""
    return [RunStep(place, outlines[place.span_id]) for place in places if place.span_id in outlines]


def _chosen(rows: Iterable[Outline]) -> dict[bytes, Outline]:
    """One row for each span. If you change which, also change `stepwell_storage.fold.tree.merged`."""
    chosen: dict[bytes, Outline] = {}
    for row in rows:
        known = chosen.setdefault(row.span_id, row)
        if known is not row and (row.is_live, row.start_time) < (known.is_live, known.start_time):
            chosen[row.span_id] = row
    return chosen


def _folded(placement: Placement) -> RunStep:
    return RunStep(place_of(placement), outline_of(placement.step))


def outline_of(step: Step) -> Outline:
    """The outline of a step that was read in full."""
    return Outline(
        step.span_id,
        step.parent_span_id,
        to_datetime(step.start_ns),
        None if step.end_ns is None else to_datetime(step.end_ns),
        step.duration_ms,
        step.step_name,
        step.step_type,
        step.operation,
        step.status,
        step.agent_name or step.span_agent_name,
        step.model,
        step.error_type,
        tokens_of(step),
        step.cost_usd,
        step.is_live,
    )
