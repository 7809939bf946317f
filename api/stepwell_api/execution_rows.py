"""Rows of executions: lists of them, and the one an id or a trace id names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, cast, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api.encoding import raw_json, raw_json_list, read_items
from stepwell_api.filters import in_window, looked_through, matching
from stepwell_api.pagination import Kind, Order, Position, Stretch
from stepwell_api.parameters import ExecutionFilters, ExecutionSort
from stepwell_api.times import Window
from stepwell_storage import queries
from stepwell_storage.schema import agent_executions as runs
from stepwell_storage.schema import tokens

SQL = queries.load("executions")
RETENTION_SQL = queries.load("retention")

COUNTED_EXACTLY = 10_000
LOOKED_THROUGH = 1_000
"""As many runs without words are looked through for a text, the newest: each takes about half a millisecond."""
Conditions = Sequence[ColumnElement[bool]]
TRACE_ID = re.compile(r"[0-9a-fA-F]{32}")

SORTS: Mapping[str, tuple[ColumnElement[Any], Kind, bool]] = {
    "start_time": (runs.c.start_time, "time", False),
    "duration_ms": (runs.c.duration_ms, "number", True),
    "cost_usd": (runs.c.cost_usd, "number", True),
    "tokens": (tokens, "integer", True),
    "steps_total": (runs.c.steps_total, "integer", False),
}
"""Sort key → expression, kind of value, whether it may be unknown."""

LISTED = (
    runs.c.id,
    runs.c.execution_id,
    runs.c.trace_id,
    runs.c.root_span_id,
    runs.c.parent_execution_id,
    runs.c.agent_id,
    runs.c.agent_name,
    runs.c.workspace_id,
    runs.c.user_id,
    runs.c.session_id,
    runs.c.trigger_type,
    cast(runs.c.trigger_source, Text).label("trigger_source"),
    runs.c.start_time,
    runs.c.end_time,
    runs.c.duration_ms,
    runs.c.last_activity_at,
    runs.c.status,
    runs.c.error_type,
    runs.c.error_message,
    runs.c.error_step_name,
    runs.c.error_fingerprint,
    runs.c.credits_consumed,
    cast(runs.c.tokens_used, Text).label("tokens_used"),
    runs.c.prompt_tokens,
    runs.c.completion_tokens,
    runs.c.cost_usd,
    runs.c.api_calls_count,
    runs.c.memory_usage_mb,
    runs.c.steps_total,
    runs.c.steps_completed,
    runs.c.path,
    runs.c.environment,
    runs.c.runtime_mode,
    runs.c.version,
    runs.c.service_name,
    runs.c.framework,
    runs.c.models,
    runs.c.created_at,
    runs.c.updated_at,
)
# The heavy ones, for a single run only.
PAYLOADS = (
    cast(runs.c.input_data, Text).label("input_data"),
    cast(runs.c.output_data, Text).label("output_data"),
    cast(runs.c.checkpoints, ARRAY(Text)).label("checkpoints"),
)
JSON_COLUMNS = frozenset({"trigger_source", "tokens_used", "input_data", "output_data"})


@dataclass(frozen=True, slots=True)
class Located:
    """What an id names: a run, and where to find it."""

    execution_id: str
    trace_id: bytes
    start_time: Any


def order_of(sort: ExecutionSort) -> Order:
    """The order that a value of `sort` asks for."""
    value, kind, is_nullable = SORTS[sort.removeprefix("-")]
    return Order(value, kind, is_nullable, sort.startswith("-"), runs.c.execution_id)


async def read_page(
    connection: AsyncConnection,
    workspace_id: UUID,
    window: Window,
    filters: ExecutionFilters,
    *,
    order: Order,
    after: Position | None,
    limit: int,
    since: datetime | None = None,
    columns: Sequence[ColumnElement[Any]] = LISTED,
) -> tuple[list[dict[str, Any]], Position | None]:
    """Up to `limit` runs in order, and the position of the last where more follow; `since` as in `matching`."""
    alternatives, bounds = matching(filters, since), in_window(workspace_id, window)
    is_gathered = len(alternatives) > 1 and await _matches(connection, bounds, alternatives[0]) <= COUNTED_EXACTLY
    items: list[dict[str, Any]] = []
    for stretch in order.stretches(after):
        if len(items) <= limit:
            found = _stretch(columns, bounds, alternatives, stretch, order, limit + 1 - len(items), is_gathered)
            items += read_items(await connection.execute(found))
    values = [item.pop("sort_value") for item in items]
    more = None
    if len(items) > limit:
        more = order.position(values[limit - 1], items[limit - 1]["execution_id"], window)
    return [_with_json(item) for item in items[:limit]], more


def _stretch(
    columns: Sequence[ColumnElement[Any]],
    bounds: Conditions,
    alternatives: Sequence[Conditions],
    stretch: Stretch,
    order: Order,
    limit: int,
    is_gathered: bool,
) -> Select[Any]:
    """The first runs in a stretch of the order; `is_gathered` where all that match come before they are ordered."""
    # The planner does not know how rare a word is, and would walk the order past every run to find the few with it. No
    # index is in the order of an expression, though it is the same.
    value = func.coalesce(order.value, order.value) if is_gathered else order.value
    parts = [
        select(*columns, order.value.label("sort_value"))
        .where(*bounds, *conditions, *stretch.conditions)
        .order_by(*stretch.clauses(value, order.tiebreak))
        .limit(limit)
        for conditions in alternatives
    ]
    if len(parts) == 1:
        return parts[0]
    rows = union_all(*parts).subquery()
    return select(rows).order_by(*stretch.clauses(rows.c.sort_value, rows.c.execution_id)).limit(limit)


async def search_start(
    connection: AsyncConnection, workspace_id: UUID, window: Window, filters: ExecutionFilters
) -> datetime | None:
    """Runs that started until then are not looked through for `q`; ``None`` where all are that have to be."""
    if filters.q is None:
        return None
    following = (
        select(runs.c.start_time)
        .where(*in_window(workspace_id, window), *looked_through(filters))
        .order_by(runs.c.start_time.desc())
        .offset(LOOKED_THROUGH)
        .limit(1)
    )
    start: datetime | None = await connection.scalar(following)
    return start


async def count(
    connection: AsyncConnection,
    workspace_id: UUID,
    window: Window,
    filters: ExecutionFilters,
    since: datetime | None = None,
) -> int:
    """How many runs match, counted to one beyond `COUNTED_EXACTLY` at most; `since` as in `matching`."""
    bounds, total = in_window(workspace_id, window), 0
    for conditions in matching(filters, since):
        total += await _matches(connection, bounds, conditions, COUNTED_EXACTLY - total)
    return total


async def _matches(
    connection: AsyncConnection, bounds: Conditions, conditions: Conditions, exactly: int = COUNTED_EXACTLY
) -> int:
    """How many runs meet the conditions, counted to one beyond `exactly` at most."""
    matched = select(literal(1)).where(*bounds, *conditions).limit(exactly + 1).subquery()
    return await connection.scalar(select(func.count()).select_from(matched)) or 0


async def locate(connection: AsyncConnection, workspace_id: UUID, identifier: str) -> Located | None:
    """The run of this execution id, else the first run of the trace of this id."""
    parameters = {"workspace_id": workspace_id, "execution_id": identifier.lower()}
    row = (await connection.exec_driver_sql(SQL.locate_execution, parameters)).one_or_none()
    if row is None and TRACE_ID.fullmatch(identifier):
        parameters = {"workspace_id": workspace_id, "trace_id": bytes.fromhex(identifier)}
        row = (await connection.exec_driver_sql(SQL.locate_first_of_trace, parameters)).one_or_none()
    return None if row is None else Located(row.execution_id, bytes(row.trace_id), row.start_time)


async def read_one(connection: AsyncConnection, workspace_id: UUID, located: Located) -> dict[str, Any] | None:
    """The whole row; ``None`` where it has moved or gone since it was located."""
    statement = select(*LISTED, *PAYLOADS).where(
        runs.c.workspace_id == workspace_id,
        runs.c.execution_id == located.execution_id,
        runs.c.start_time == located.start_time,
    )
    items = read_items(await connection.execute(statement))
    return _with_json(items[0]) if items else None


async def read_siblings(connection: AsyncConnection, workspace_id: UUID, located: Located) -> list[dict[str, Any]]:
    """The other runs of the same trace, in order of their starts."""
    parameters = {
        "workspace_id": workspace_id,
        "trace_id": located.trace_id,
        "execution_id": located.execution_id,
    }
    return read_items(await connection.exec_driver_sql(SQL.read_siblings, parameters))


def _with_json(item: dict[str, Any]) -> dict[str, Any]:
    for name in JSON_COLUMNS & item.keys():
        item[name] = raw_json(item[name])
    if "checkpoints" in item:
        item["checkpoints"] = raw_json_list(item["checkpoints"])
    return item


async def has_lost_payload(connection: AsyncConnection, workspace_id: UUID, located: Located) -> bool:
    """Whether the time of the execution's payloads is over."""
    bound = {"workspace_id": workspace_id, "start_time": located.start_time}
    return bool((await connection.exec_driver_sql(RETENTION_SQL.payloads_gone, bound)).scalar_one())
