"""Stored runs and traces for the API's tests: rows with every column set on purpose, and traces that are folded."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import psycopg
from sqlalchemy import insert

from stepwell_storage import facts, folding
from stepwell_storage.database import connect, make_engine
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.model import Fact, Role, Status, Step, StepType
from stepwell_storage.rollups import deltas
from stepwell_storage.rollups.deltas import Changes
from stepwell_storage.rollups.figures import Run
from stepwell_storage.schema import agent_executions, execution_keys
from stepwell_storage.times import to_ns

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
"""The middle of `DAY`."""
DAY = {"from": "2026-03-10T00:00:00Z", "to": "2026-03-11T00:00:00Z"}
MINUTE = timedelta(minutes=1)
SECOND_NS = 1_000_000_000

RUN_COLUMNS = (
    "workspace_id",
    "agent_id",
    "agent_name",
    "environment",
    "version",
    "duration_ms",
    "path",
    "error_type",
    "error_step_name",
    "error_fingerprint",
    "prompt_tokens",
    "completion_tokens",
    "cost_usd",
    "steps_total",
)
"""Columns that are fields of `Run` of the same name."""

Row = dict[str, Any]


def make_run(number: int, **columns: Any) -> Row:
    """A row of ``agent_executions``; unknown wherever the schema allows it, unless told."""
    trace_id = columns.get("trace_id", f"{number:032x}")
    root_span_id = f"{number:016x}"
    start = columns.get("start_time", NOON + number * MINUTE)
    row = {
        "workspace_id": LOCAL_WORKSPACE_ID,
        "execution_id": f"{trace_id}-{root_span_id}",
        "trace_id": trace_id,
        "root_span_id": root_span_id,
        "agent_id": "planner",
        "start_time": start,
        "last_activity_at": start,
        "status": "success",
        "api_calls_count": 0,
        "steps_total": 1,
        "steps_completed": 1,
        "execution_graph": {},
        "path": "plan",
        "checkpoints": [],
        "models": [],
        "step_span_ids": [],
        "step_attempts": [],
        "duplicate_span_ids": [],
        "figures": {"status": columns.get("status", "success"), "parts": []},
        **columns,
    }
    return {"id": uuid5(row["workspace_id"], row["execution_id"]), **row}


async def store_runs(url: str, runs: Iterable[Row]) -> None:
    """Inserts runs with their keys."""
    engine = make_engine(url)
    rows = list(runs)
    async with engine.begin() as connection:
        for names, alike in _by_columns(rows).items():
            assert names
            await connection.execute(insert(agent_executions), alike)
        await connection.execute(insert(execution_keys), [_key(row) for row in rows])
    await engine.dispose()
    async with await connect(url) as storing, storing.transaction():
        changes = Changes()
        changes.add(_run(row) for row in rows)
        await deltas.write(storing, changes)


def _run(row: Row) -> Run:
    """What the rollups count of a row."""
    told: dict[str, Any] = {name: row.get(name) for name in RUN_COLUMNS}
    return Run(
        start_ns=to_ns(row["start_time"]),
        last_activity_ns=to_ns(row["last_activity_at"]),
        status=Status(row["status"]),
        credits=row.get("credits_consumed"),
        api_calls=row["api_calls_count"],
        memory_mb=row.get("memory_usage_mb"),
        parts=(),
        **told,
    )


def _by_columns(rows: Sequence[Row]) -> Mapping[tuple[str, ...], list[Row]]:
    """Rows grouped by the columns that they tell: one statement takes rows of one kind."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(sorted(row)), []).append(row)
    return groups


def _key(row: Row) -> Row:
    names = ("workspace_id", "execution_id", "start_time")
    return {**{name: row[name] for name in names}, "trace_id": bytes.fromhex(row["trace_id"])}


def make_step(span: int, parent: int | None, start_s: float, end_s: float | None, **fields: Any) -> Step:
    """A step of the trace 0xab…, its times in seconds after `NOON`."""
    role = fields.pop("role", Role.TOOL)
    name = fields.pop("name", f"step {span}")
    noon_ns = int(NOON.timestamp()) * SECOND_NS
    return Step(
        trace_id=fields.pop("trace_id", b"\xab" * 16),
        span_id=span.to_bytes(8),
        parent_span_id=None if parent is None else parent.to_bytes(8),
        parent_is_remote=None,
        start_ns=noon_ns + round(start_s * SECOND_NS),
        end_ns=None if end_s is None else noon_ns + round(end_s * SECOND_NS),
        duration_ms=None if end_s is None else (end_s - start_s) * 1000,
        name=name,
        step_name=fields.pop("step_name", name),
        step_type=fields.pop("step_type", StepType.ACTION),
        role=role,
        operation=fields.pop("operation", "invoke_agent" if role is Role.AGENT else "execute_tool"),
        status=fields.pop("status", Status.RUNNING if end_s is None else Status.SUCCESS),
        is_live=end_s is None,
        **fields,
    )


def make_agent_step(span: int, start_s: float, end_s: float | None, **fields: Any) -> Step:
    """A top span that says it is an agent."""
    told = {"agent_name": "planner", "name": "invoke_agent planner", "step_name": "planner", "has_output": True}
    return make_step(span, None, start_s, end_s, role=Role.AGENT, **{**told, **fields})


async def store_steps(url: str, steps: Sequence[Fact], workspace_id: UUID = LOCAL_WORKSPACE_ID) -> None:
    """Stores the facts and folds their traces, as receiver and worker do."""
    async with await connect(url) as connection, connection.transaction():
        await facts.insert_facts(connection, {workspace_id: steps})
    await fold_waiting(url)


async def fold_waiting(url: str) -> None:
    """Folds all traces with new steps, as the worker does."""
    async with await connect(url) as connection:
        for batch in folding.batches(await folding.waiting(connection)):
            await folding.fold(connection, batch)


async def terminate_connections(url: str, application_name: str) -> None:
    """Cuts the connections of an application, as a restart of the database does."""
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    async with connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", (application_name,)
        )
        async with asyncio.timeout(10):
            while await _count(connection, application_name):
                await asyncio.sleep(0)


async def _count(connection: psycopg.AsyncConnection, application_name: str) -> int:
    cursor = await connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", (application_name,)
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])
