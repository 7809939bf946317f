"""Reads executions, and their steps, in batches of bounded size: however much is asked for, little is in memory."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import namedtuple_row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stepwell_api import execution_rows
from stepwell_api.encoding import raw_json
from stepwell_api.export.formats import Row
from stepwell_api.parameters import ExecutionFilters, ExecutionSort
from stepwell_api.times import Window
from stepwell_storage import queries
from stepwell_storage.places import Place, read_places

SQL = queries.load("export")

RUNS: Final = 200
"""In a batch of executions, whose inputs and outputs are read with them."""
STEPS: Final = 1_000
"""In a batch of steps."""
_PAYLOADS: Final = ("input", "output", "error", "attributes")


async def read_executions(
    engine: AsyncEngine, workspace_id: UUID, window: Window, filters: ExecutionFilters
) -> AsyncGenerator[Sequence[Row]]:
    """The runs that match, the newest first, with inputs and outputs."""
    columns = (*execution_rows.LISTED, *execution_rows.PAYLOADS)
    async with engine.connect() as connection:
        async for items in _pages(connection, workspace_id, window, filters, columns):
            yield items


async def read_steps(
    engine: AsyncEngine, workspace_id: UUID, window: Window, filters: ExecutionFilters
) -> AsyncGenerator[Sequence[Row]]:
    """The steps of the runs that match, run after run, in order."""
    async with engine.connect() as connection:
        async for items in _pages(connection, workspace_id, window, filters, execution_rows.LISTED):
            entries = await _read_entries(connection, workspace_id, items)
            for at in range(0, len(entries), STEPS):
                yield await _read_batch(connection, workspace_id, entries[at : at + STEPS])


async def _pages(
    connection: AsyncConnection, workspace_id: UUID, window: Window, filters: ExecutionFilters, columns: Sequence[Any]
) -> AsyncGenerator[list[dict[str, Any]]]:
    order = execution_rows.order_of(ExecutionSort.START_TIME_DESCENDING)
    since = await execution_rows.search_start(connection, workspace_id, window, filters)
    after = None
    while True:
        items, after = await execution_rows.read_page(
            connection,
            workspace_id,
            window,
            filters,
            order=order,
            after=after,
            limit=RUNS,
            since=since,
            columns=columns,
        )
        yield items
        if after is None:
            return


Entry = tuple[Mapping[str, Any], Place, datetime, datetime]
"""A run, the place of a step in it, and the time range of its trace."""


async def _read_entries(
    connection: AsyncConnection, workspace_id: UUID, items: Sequence[Mapping[str, Any]]
) -> list[Entry]:
    """The places of all steps of the runs."""
    if not items:
        return []
    parameters = {
        "workspace_id": workspace_id,
        "execution_ids": [item["execution_id"] for item in items],
        "starts": [item["start_time"] for item in items],
        "lowest": min(item["start_time"] for item in items),
        "highest": max(item["start_time"] for item in items),
    }
    found: list[Entry] = []
    for row in await _rows(connection, SQL.read_export_places, parameters):
        item = items[row.place - 1]
        found += [(item, place, row.earliest, row.latest) for place in _places(row)]
    return found


def _places(row: Any) -> list[Place]:
    duplicates = dict(zip(row.duplicate_span_ids, row.duplicates_of or (), strict=False))
    found = zip(row.step_span_ids, row.step_attempts, row.step_depths, row.step_marks, row.step_self_ms, strict=True)
    return read_places(0, found, duplicates)


async def _read_batch(connection: AsyncConnection, workspace_id: UUID, entries: Sequence[Entry]) -> list[Row]:
    parameters = {
        "workspace_id": workspace_id,
        "trace_ids": [bytes.fromhex(item["trace_id"]) for item, *_ in entries],
        "span_ids": [place.span_id for _, place, *_ in entries],
        "earliest": [earliest for *_, earliest, _ in entries],
        "latest": [latest for *_, latest in entries],
        "lowest": min(earliest for *_, earliest, _ in entries),
        "highest": max(latest for *_, latest in entries),
    }
    rows = await _rows(connection, SQL.read_export_steps, parameters)
    found = []
    for row in rows:
        run, place, *_ = entries[row.place - 1]
        found.append(_item(run, place, row))
    return found


async def _rows(connection: AsyncConnection, query: str, parameters: Mapping[str, Any]) -> list[Any]:
    driver: Any = (await connection.get_raw_connection()).driver_connection
    async with driver.cursor(binary=True, row_factory=namedtuple_row) as cursor:
        await cursor.execute(query, parameters)
        rows: list[Any] = await cursor.fetchall()
    return rows


def _item(run: Mapping[str, Any], place: Place, row: Any) -> Row:
    told = row._asdict()
    return {
        **{name: value for name, value in told.items() if name not in _PAYLOADS},
        **{name: raw_json(told[name]) for name in _PAYLOADS},
        "execution_id": run["execution_id"],
        "agent_id": run["agent_id"],
        "trace_id": run["trace_id"],
        "span_id": place.span_id.hex(),
        "parent_span_id": None if row.parent_span_id is None else row.parent_span_id.hex(),
        "step_index": place.index,
        "depth": place.depth,
        "attempt": place.attempt,
        "status": place.told_status or row.status,
        "operation": row.operation if place.duplicate_of is None else "chain",
        "self_duration_ms": place.self_duration_ms,
        "critical_path": place.on_critical_path,
        "duplicate_of": place.duplicate_of,
        "counts_tokens": place.counts_tokens,
    }
