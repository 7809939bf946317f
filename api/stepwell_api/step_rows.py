"""A page of the steps of one run, with what they carried.

What the fold found about the steps is kept on the run (`stepwell_storage.places`), so that a page costs what is on it,
however long the run is. The fold itself runs where a question is about all steps (`fold_run`).
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api.encoding import raw_json, read_items
from stepwell_api.execution_rows import Located
from stepwell_storage import queries
from stepwell_storage.fold import fold_trace
from stepwell_storage.fold.tree import merged
from stepwell_storage.model import Execution, Step, StepType
from stepwell_storage.places import Place, place_of, read_places
from stepwell_storage.times import EPOCH, to_datetime
from stepwell_storage.traces import read_steps, step_of_row

SQL = queries.load("executions")

FOLDED_INLINE = 1_000
"""More steps than this are folded in a thread, so that other requests go on meanwhile."""

MAX_LOGS = 100
"""Log lines that are shown of a step."""

PAYLOADS = ("created_at", "input", "output", "error", "attributes", "resource", "events", "links")
"""The last columns of ``read_steps``, in its order."""
SEVERITIES = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Some steps of a run in order, and how many it has in all."""

    items: list[dict[str, Any]]
    total: int


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


async def read_page(
    connection: AsyncConnection, workspace_id: UUID, located: Located, *, first: int, limit: int
) -> Page:
    """The steps from the index `first` on; empty where the run has gone or moved since it was located."""
    parameters = {
        "workspace_id": workspace_id,
        "trace_id": located.trace_id,
        "execution_id": located.execution_id,
        "start_time": located.start_time,
        "first": first + 1,
        "last": first + limit,
    }
    row = (await connection.exec_driver_sql(SQL.read_places, parameters)).one_or_none()
    if row is None:
        return Page([], 0)
    if row.depths is None:
        return await _folded_page(connection, workspace_id, located, first, limit)
    duplicates = dict(zip(row.duplicate_span_ids, row.duplicates_of, strict=True))
    found = zip(row.span_ids, row.attempts, row.depths, row.marks, row.self_ms, strict=True)
    window = {"earliest": row.earliest, "latest": row.latest}
    places = read_places(first, found, duplicates)
    return Page(await _describe(connection, workspace_id, located, places, window), row.total)


async def _folded_page(
    connection: AsyncConnection, workspace_id: UUID, located: Located, first: int, limit: int
) -> Page:
    """The page of a run that an earlier version wrote, until the worker has folded it anew."""
    folded = await fold_run(connection, workspace_id, located)
    if folded is None:
        return Page([], 0)
    placements = folded.placements
    starts = [placement.step.start_ns for placement in placements]
    window = {"earliest": to_datetime(min(starts)), "latest": to_datetime(max(starts))}
    places = [place_of(placement) for placement in placements[first : first + limit]]
    return Page(await _describe(connection, workspace_id, located, places, window), len(placements))


async def _describe(
    connection: AsyncConnection,
    workspace_id: UUID,
    located: Located,
    places: Sequence[Place],
    window: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """The items of the steps at these places; without those whose rows are gone."""
    span_ids = [place.span_id for place in places]
    steps = await _read_steps(connection, workspace_id, located.trace_id, span_ids, window)
    logs = await _read_logs(connection, workspace_id, located.trace_id, span_ids)
    return [
        {
            **_item(workspace_id, located.execution_id, place, *steps[place.span_id]),
            **_logs(logs.get(place.span_id, ())),
        }
        for place in places
        if place.span_id in steps
    ]


async def _read_steps(
    connection: AsyncConnection,
    workspace_id: UUID,
    trace_id: bytes,
    span_ids: Sequence[bytes],
    window: Mapping[str, Any],
) -> Mapping[bytes, tuple[Step, Payload]]:
    """Each span's step with its payload; of several rows of a span the one that the fold takes."""
    parameters = {"workspace_id": workspace_id, "trace_id": trace_id, "span_ids": list(span_ids), **window}
    rows = (await connection.exec_driver_sql(SQL.read_steps, parameters)).all() if span_ids else []
    kept = len(PAYLOADS)
    read = [(step_of_row(trace_id, row[:-kept], (False, False)), row[-kept:]) for row in rows]
    chosen = {id(step) for step in merged(step for step, _ in read).values()}
    return {
        step.span_id: (step, dict(zip(PAYLOADS, payload, strict=True))) for step, payload in read if id(step) in chosen
    }


async def _read_logs(
    connection: AsyncConnection, workspace_id: UUID, trace_id: bytes, span_ids: Sequence[bytes]
) -> Mapping[bytes, Sequence[Mapping[str, Any]]]:
    """The first log lines of each span in order, one more than are shown."""
    found: dict[bytes, list[Mapping[str, Any]]] = {}
    if span_ids:
        parameters = {
            "workspace_id": workspace_id,
            "trace_id": trace_id,
            "span_ids": list(span_ids),
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


def _item(workspace_id: UUID, execution_id: str, place: Place, step: Step, payload: Payload) -> dict[str, Any]:
    return {
        **_identity(workspace_id, execution_id, place, step),
        **_timing(place, step),
        **_facts(place, step),
        **{name: raw_json(payload[name]) for name in PAYLOADS if name != "created_at"},
        "created_at": payload["created_at"],
    }


def _identity(workspace_id: UUID, execution_id: str, place: Place, step: Step) -> dict[str, Any]:
    parent = None if step.parent_span_id is None else step.parent_span_id.hex()
    return {
        "id": _step_id(workspace_id, step),
        "execution_id": execution_id,
        "step_index": place.index,
        "trace_id": step.trace_id.hex(),
        "span_id": step.span_id.hex(),
        "parent_span_id": parent,
        "parent": parent if place.has_parent else None,
        "depth": place.depth,
        "attempt": place.attempt,
        "duplicate_of": place.duplicate_of,
    }


def _timing(place: Place, step: Step) -> dict[str, Any]:
    return {
        "start_time": to_datetime(step.start_ns),
        "end_time": None if step.end_ns is None else to_datetime(step.end_ns),
        "duration_ms": step.duration_ms,
        "self_duration_ms": place.self_duration_ms,
        "critical_path": place.on_critical_path,
    }


def _facts(place: Place, step: Step) -> dict[str, Any]:
    return {
        "step_name": step.step_name,
        "step_type": step.step_type,
        "operation": place.operation_of(step),
        "status": place.status_of(step),
        "name": step.name,
        "error_type": step.error_type,
        "error_message": step.error_message,
        "agent_name": step.agent_name or step.span_agent_name,
        "model": step.model,
        "provider": step.provider,
        "api_calls": _api_calls(step),
        "tokens_used": tokens_of(step),
        "prompt_tokens": step.prompt_tokens,
        "completion_tokens": step.completion_tokens,
        "cache_read_tokens": step.cache_read_tokens,
        "cache_write_tokens": step.cache_write_tokens,
        "reasoning_tokens": step.reasoning_tokens,
        "cost_usd": step.cost_usd,
        "credits": step.credits,
        "memory_mb": step.memory_mb,
        "counts_tokens": place.counts_tokens,
        "flags": list(step.flags),
    }


def _step_id(workspace_id: UUID, step: Step) -> UUID:
    """The same id as ``analytics.execution_steps`` gives the step. If you change this, also change the view."""
    name = f"{workspace_id}{step.trace_id.hex()}{step.span_id.hex()}"
    return UUID(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest())


def tokens_of(step: Step) -> int | None:
    """Input and output tokens together; ``None`` where neither is known."""
    if step.prompt_tokens is None and step.completion_tokens is None:
        return None
    return (step.prompt_tokens or 0) + (step.completion_tokens or 0)


def _api_calls(step: Step) -> list[dict[str, str | None]]:
    """The remote call that the step is, if it is one: one entry, as the specification's column holds."""
    if step.step_type != StepType.API_CALL:
        return []
    return [{"operation": step.operation, "model": step.model, "provider": step.provider}]
