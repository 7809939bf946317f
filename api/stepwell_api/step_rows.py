"""The steps of one run, placed by the fold, with what they carried.

The fold runs on every question instead of being stored: it is exact at once, also for a run that still goes on, and
takes some 10 µs a step. Payloads are read for the page alone.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api.encoding import raw_json, read_items
from stepwell_api.execution_rows import Located
from stepwell_api.graph import parent_of
from stepwell_storage import queries
from stepwell_storage.fold import fold_trace
from stepwell_storage.model import Execution, Placement, Step, StepType
from stepwell_storage.times import EPOCH, to_datetime
from stepwell_storage.traces import read_steps

SQL = queries.load("executions")

FOLDED_INLINE = 1_000
"""More steps than this are folded in a thread, so that other requests go on meanwhile."""

MAX_LOGS = 100
"""Log lines that are shown of a step."""

PAYLOADS = ("input", "output", "error", "attributes", "resource", "events", "links")
SEVERITIES = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
PayloadKey = tuple[bytes, bool]


async def fold_run(connection: AsyncConnection, workspace_id: UUID, located: Located) -> Execution | None:
    """The run as the facts tell it now; ``None`` where its steps are gone, or have just become another run's."""
    raw = await connection.get_raw_connection()
    driver_connection = raw.driver_connection
    assert isinstance(driver_connection, psycopg.AsyncConnection)
    steps = await read_steps(driver_connection, workspace_id, located.trace_id)
    if len(steps) > FOLDED_INLINE:
        executions = await asyncio.to_thread(fold_trace, steps)
    else:
        executions = fold_trace(steps)
    return next((run for run in executions if run.execution_id == located.execution_id), None)


async def describe_steps(
    connection: AsyncConnection, workspace_id: UUID, execution: Execution, placements: Sequence[Placement]
) -> list[dict[str, Any]]:
    """The items of a page of steps, with their payloads."""
    steps = [placement.step for placement in placements]
    payloads = await _read_payloads(connection, workspace_id, steps)
    logs = await _read_logs(connection, workspace_id, steps)
    return [
        {
            **_item(workspace_id, execution, placement, payloads.get(_key(placement.step), {})),
            **_logs(logs.get(placement.step.span_id, ())),
        }
        for placement in placements
    ]


async def _read_payloads(
    connection: AsyncConnection, workspace_id: UUID, steps: Sequence[Step]
) -> Mapping[PayloadKey, Mapping[str, Any]]:
    if not steps:
        return {}
    parameters = {
        "workspace_id": workspace_id,
        "trace_id": steps[0].trace_id,
        "span_ids": [step.span_id for step in steps],
        "earliest": to_datetime(min(step.start_ns for step in steps)),
        "latest": to_datetime(max(step.start_ns for step in steps)),
    }
    starts = {_key(step): to_datetime(step.start_ns) for step in steps}
    rows = read_items(await connection.exec_driver_sql(SQL.read_payloads, parameters))
    keyed = (((bytes(row["span_id"]), row["is_live"]), row) for row in rows)
    return {key: row for key, row in keyed if starts.get(key) == row["start_time"]}


async def _read_logs(
    connection: AsyncConnection, workspace_id: UUID, steps: Sequence[Step]
) -> Mapping[bytes, Sequence[Mapping[str, Any]]]:
    """The first log lines of each span in order, one more than are shown."""
    found: dict[bytes, list[Mapping[str, Any]]] = {}
    if steps:
        parameters = {
            "workspace_id": workspace_id,
            "trace_id": steps[0].trace_id,
            "span_ids": list({step.span_id for step in steps}),
            "limit": MAX_LOGS + 1,
        }
        for line in read_items(await connection.exec_driver_sql(SQL.read_logs, parameters)):
            found.setdefault(bytes(line["span_id"]), []).append(line)
    return found


def _logs(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"logs": [_log_line(line) for line in lines[:MAX_LOGS]], "more_logs": len(lines) > MAX_LOGS}


def _log_line(line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "time": None if line["time"] == EPOCH else line["time"],
        "severity": line["severity_text"] or _severity(line["severity_number"]),
        "event_name": line["event_name"],
        "body": raw_json(line["body"]),
        "attributes": raw_json(line["attributes"]),
        "flags": line["flags"],
    }


def _severity(number: int | None) -> str | None:
    """The short name of a severity number (OpenTelemetry's logs data model, "Displaying Severity")."""
    if number is None:
        return None
    step = (number - 1) % 4 + 1
    return SEVERITIES[(number - 1) // 4] + ("" if step == 1 else str(step))


def _key(step: Step) -> PayloadKey:
    return step.span_id, step.is_live


def _item(workspace_id: UUID, execution: Execution, placement: Placement, payload: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_identity(workspace_id, execution, placement),
        **_timing(placement),
        **_facts(placement),
        **{name: raw_json(payload.get(name)) for name in PAYLOADS},
        "created_at": payload.get("created_at"),
    }


def _identity(workspace_id: UUID, execution: Execution, placement: Placement) -> dict[str, Any]:
    step = placement.step
    return {
        "id": _step_id(workspace_id, step),
        "execution_id": execution.execution_id,
        "step_index": placement.index,
        "trace_id": step.trace_id.hex(),
        "span_id": step.span_id.hex(),
        "parent_span_id": None if step.parent_span_id is None else step.parent_span_id.hex(),
        "parent": parent_of(placement, execution.placements),
        "depth": placement.depth,
        "attempt": placement.attempt,
        "duplicate_of": placement.duplicate_of,
    }


def _timing(placement: Placement) -> dict[str, Any]:
    step = placement.step
    return {
        "start_time": to_datetime(step.start_ns),
        "end_time": None if step.end_ns is None else to_datetime(step.end_ns),
        "duration_ms": step.duration_ms,
        "self_duration_ms": placement.self_duration_ms,
        "critical_path": placement.on_critical_path,
    }


def _facts(placement: Placement) -> dict[str, Any]:
    step = placement.step
    return {
        "step_name": step.step_name,
        "step_type": step.step_type,
        "operation": placement.operation,
        "status": placement.status,
        "name": step.name,
        "error_type": step.error_type,
        "error_message": step.error_message,
        "agent_name": step.agent_name or step.span_agent_name,
        "model": step.model,
        "provider": step.provider,
        "api_calls": _api_calls(placement),
        "tokens_used": _tokens_used(step),
        "prompt_tokens": step.prompt_tokens,
        "completion_tokens": step.completion_tokens,
        "cache_read_tokens": step.cache_read_tokens,
        "cache_write_tokens": step.cache_write_tokens,
        "reasoning_tokens": step.reasoning_tokens,
        "cost_usd": step.cost_usd,
        "credits": step.credits,
        "memory_mb": step.memory_mb,
        "counts_tokens": placement.counts_tokens,
        "flags": list(step.flags),
    }


def _step_id(workspace_id: UUID, step: Step) -> UUID:
    """The same id as ``analytics.execution_steps`` gives the step. If you change this, also change the view."""
    name = f"{workspace_id}{step.trace_id.hex()}{step.span_id.hex()}"
    return UUID(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest())


def _tokens_used(step: Step) -> int | None:
    if step.prompt_tokens is None and step.completion_tokens is None:
        return None
    return (step.prompt_tokens or 0) + (step.completion_tokens or 0)


def _api_calls(placement: Placement) -> list[dict[str, str | None]]:
    """The remote call that the step is, if it is one: one entry, as the specification's column holds."""
    step = placement.step
    if step.step_type != StepType.API_CALL:
        return []
    return [{"operation": step.operation, "model": step.model, "provider": step.provider}]
