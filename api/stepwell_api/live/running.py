"""The runs that go on now, each with what it does and how long such runs usually take."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api import rollups
from stepwell_api.encoding import read_items
from stepwell_api.pagination import Position
from stepwell_api.question import Question
from stepwell_api.times import Window, from_microseconds, to_microseconds
from stepwell_api.totals import Totals
from stepwell_storage import queries
from stepwell_storage.rollups.figures import ALL_AGENTS

SQL = queries.load("live")

HISTORY: Final = timedelta(days=7)
ENOUGH_RUNS: Final = 30
"""Fewer say nothing of how long such runs take."""
STUCK_FACTOR: Final = 2.0
"""A run that has lasted this many times the 95th percentile of its agent is likely stuck."""
NAMED: Final = ("current_span_id", "current_step_name", "current_step_type", "current_operation", "current_start_time")


async def read_running(
    connection: AsyncConnection,
    workspace_id: UUID,
    *,
    now: datetime,
    limit: int,
    agent_ids: list[str] | None = None,
    after: Position | None = None,
) -> tuple[list[dict[str, Any]], Position | None]:
    """A page of the open runs, the newest first, and where the next one begins."""
    parameters = {
        "workspace_id": workspace_id,
        "agent_ids": agent_ids or None,
        "limit": limit + 1,
        "start_time": None if after is None or after.value is None else from_microseconds(int(after.value)),
        "execution_id": None if after is None else after.tiebreak,
    }
    rows = read_items(await connection.exec_driver_sql(SQL.read_running, parameters))
    page = rows[:limit]
    history = await _history(connection, workspace_id, now) if page else {}
    following = None
    if len(rows) > limit:
        following = Position(to_microseconds(page[-1]["start_time"]), page[-1]["execution_id"], None)
    return [describe(row, history.get(row["agent_id"]), now) for row in page], following


def describe(row: Mapping[str, Any], history: Totals | None, now: datetime) -> dict[str, Any]:
    """A run with its progress; `history` is what its agent's runs of the last days came to."""
    elapsed_ms = max((now - row["start_time"]).total_seconds() * 1000, 0.0)
    expected_ms = longest_ms = steps = None
    if history is not None and history["duration_count"] >= ENOUGH_RUNS:
        expected_ms, longest_ms = history.duration_percentiles((0.5, 0.95))
        steps = history["steps"] / history["executions"]
    return {
        **{name: value for name, value in row.items() if name not in NAMED},
        "elapsed_ms": elapsed_ms,
        "expected_duration_ms": expected_ms,
        "expected_p95_duration_ms": longest_ms,
        "expected_steps": steps,
        "progress": None if not expected_ms else min(elapsed_ms / expected_ms, 1.0),
        "is_likely_stuck": longest_ms is not None and elapsed_ms > STUCK_FACTOR * longest_ms,
        "current_step": _current_step(row, now),
    }


def _current_step(row: Mapping[str, Any], now: datetime) -> dict[str, Any] | None:
    span_id, step_name, step_type, operation, start_time = (row[name] for name in NAMED)
    if span_id is None:
        return None
    return {
        "span_id": span_id.hex(),
        "step_name": step_name,
        "step_type": step_type,
        "operation": operation,
        "start_time": start_time,
        "elapsed_ms": max((now - start_time).total_seconds() * 1000, 0.0),
    }


async def _history(connection: AsyncConnection, workspace_id: UUID, now: datetime) -> dict[str, Totals]:
    """What the runs of each agent came to in the last days, whole hours of them."""
    stop = now.replace(minute=0, second=0, microsecond=0)
    question = Question(workspace_id, ALL_AGENTS, Window(stop - HISTORY, stop), (), (), stop)
    found = await rollups.by_agent(connection, question)
    return {agent_id: Totals.of(by_name.values()) for agent_id, by_name in found.items()}
