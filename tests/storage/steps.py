"""Steps and reads for the tests of storage: fixed ids and times, small numbers in place of names."""

from typing import Any
from uuid import UUID

import psycopg

from stepwell_storage.model import Role, Status, Step, StepType

WORKSPACE = UUID(int=1)
OTHER_WORKSPACE = UUID(int=2)
START_NS = 1_790_000_000_000_000_000
"""A moment on 2026-09-21."""
START_DAY = "20260921"
DAY_NS = 86_400 * 1_000_000_000


def make_step(span: int, *, trace: int = 1, start_ns: int = START_NS, **changes: Any) -> Step:
    """A small finished step; `changes` are fields of `Step`."""
    fields: dict[str, Any] = {
        "trace_id": trace.to_bytes(16, "big"),
        "span_id": span.to_bytes(8, "big"),
        "parent_span_id": None,
        "parent_is_remote": None,
        "start_ns": start_ns,
        "end_ns": start_ns + 5_000_000,
        "duration_ms": 5.0,
        "name": f"step {span}",
        "step_name": "step",
        "step_type": StepType.ACTION,
        "role": Role.TOOL,
        "operation": "execute_tool",
        "status": Status.SUCCESS,
    }
    return Step(**{**fields, **changes})


def make_live_step(span: int, **changes: Any) -> Step:
    """The same step while it runs."""
    running: dict[str, Any] = {"end_ns": None, "duration_ms": None, "status": Status.RUNNING, "is_live": True}
    return make_step(span, **{**running, **changes})


async def read_all(connection: psycopg.AsyncConnection, query: str) -> list[tuple[Any, ...]]:
    """The query's rows."""
    return await (await connection.execute(query)).fetchall()


async def read_one(connection: psycopg.AsyncConnection, query: str) -> Any:
    """The single value of the query's single row."""
    ((value,),) = await read_all(connection, query)
    return value


async def span_numbers(connection: psycopg.AsyncConnection, table: str = "step_facts") -> list[int]:
    """The stored spans' numbers in ascending order, repeated ones repeated."""
    return [
        int.from_bytes(span_id, "big")
        for (span_id,) in await read_all(connection, f"SELECT span_id FROM analytics.{table} ORDER BY span_id")
    ]
