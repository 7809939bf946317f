"""Brings a page of a run's transcript from the database."""

import asyncio
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api.execution_rows import Located
from stepwell_api.run_steps import Outline, read_run
from stepwell_api.transcript.telling import Spoken, turns_of
from stepwell_storage import queries
from stepwell_storage.places import Place, read_places

SQL = queries.load("executions")

LOOK_BACK: Final = 60
"""As many steps before a page are read as well: a call is sent what was said in them."""
LARGEST_CHARACTERS: Final = 2_000_000
"""Larger payloads are told by their size alone."""


async def read_page(
    connection: AsyncConnection, workspace_id: UUID, located: Located, *, first: int, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """The turns of the steps from the index `first` on, and how many steps the run has."""
    start = max(first - LOOK_BACK, 0)
    keys = {"workspace_id": workspace_id, "trace_id": located.trace_id}
    run = {**keys, "execution_id": located.execution_id, "start_time": located.start_time}
    bounds = {"first": start + 1, "last": first + limit}
    row = (await connection.exec_driver_sql(SQL.read_places, {**run, **bounds})).one_or_none()
    if row is None:
        return [], 0
    if row.depths is None:
        # An earlier version wrote it, and the worker has not folded it anew yet.
        places = [step.place for step in await read_run(connection, workspace_id, located)][start : first + limit]
    else:
        duplicates = dict(zip(row.duplicate_span_ids, row.duplicates_of, strict=True))
        found = zip(row.span_ids, row.attempts, row.depths, row.marks, row.self_ms, strict=True)
        places = read_places(start, found, duplicates)
    wanted = {
        **keys,
        "earliest": row.earliest,
        "latest": row.latest,
        "span_ids": [place.span_id for place in places],
        "largest": LARGEST_CHARACTERS,
    }
    rows = (await connection.exec_driver_sql(SQL.read_spoken, wanted)).all()
    turns = await asyncio.to_thread(_turns, places, rows, is_end=first + limit >= row.total)
    return [turn for turn in turns if turn["step_index"] >= first], row.total


def _turns(places: list[Place], rows: Any, *, is_end: bool) -> list[dict[str, Any]]:
    spoken: dict[bytes, tuple[Outline, str | None, Any, Any]] = {}
    for *outline, error_message, given, output in rows:
        step = Outline(*outline)
        # Of several rows of a span the first is the one that the fold takes.
        spoken.setdefault(bytes(step.span_id), (step, error_message, _decoded(given), _decoded(output)))
    steps = [Spoken(place, *spoken[place.span_id]) for place in places if place.span_id in spoken]
    return turns_of(steps, is_end=is_end)


def _decoded(text: str | None) -> Any:
    """The payload; numbers beyond 64 bits, which JSON may have, come rounded."""
    return None if text is None else orjson.loads(text)
