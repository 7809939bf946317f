"""Reads the steps of traces back from the database, as the fold and the API need them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg

from stepwell_storage import queries
from stepwell_storage.arrays import array_of_ids, array_of_times, array_of_uuids
from stepwell_storage.model import Checkpoint, Role, Status, Step, StepType
from stepwell_storage.times import to_ns

SQL = queries.load("traces")


@dataclass(frozen=True, slots=True)
class TraceWindow:
    """A trace and the time range in which its steps start, both ends included."""

    workspace_id: UUID
    trace_id: bytes
    earliest: datetime
    latest: datetime


def columns_of(windows: Sequence[TraceWindow]) -> dict[str, Any]:
    """The windows as query parameters: one array for each column, and the bounds over all."""
    return {
        **ids_of(windows),
        "earliest": array_of_times([window.earliest for window in windows]),
        "latest": array_of_times([window.latest for window in windows]),
        "lowest": min(window.earliest for window in windows),
        "highest": max(window.latest for window in windows),
    }


def ids_of(windows: Sequence[TraceWindow]) -> dict[str, str]:
    """Workspaces and traces as query parameters."""
    return {
        "workspace_ids": array_of_uuids([window.workspace_id for window in windows]),
        "trace_ids": array_of_ids([window.trace_id for window in windows]),
    }


async def read_narrow(
    connection: psycopg.AsyncConnection[Any], windows: Sequence[TraceWindow]
) -> dict[TraceWindow, list[Step]]:
    """The steps of each trace without their payload; a live step and its finished twin may both be there.

    A step has input or output, too, where messages in its logs give it one.
    """
    found: list[list[Step]] = [[] for _ in windows]
    if windows:
        columns = columns_of(windows)
        async with connection.cursor(binary=True) as cursor:
            await cursor.execute(SQL.read_narrow, columns)
            rows = await cursor.fetchall()
            await cursor.execute(SQL.read_message_spans, ids_of(windows))
            messages = {(place, span_id): told for place, span_id, *told in await cursor.fetchall()}
        for row in rows:
            at = row[0] - 1
            told = messages.get(row[:2], _NO_MESSAGES) if messages else _NO_MESSAGES
            found[at].append(step_of_row(windows[at].trace_id, row, told))
    return dict(zip(windows, found, strict=True))


async def read_steps(connection: psycopg.AsyncConnection[Any], workspace_id: UUID, trace_id: bytes) -> list[Step]:
    """All steps of one trace without their payload, in no order; empty where it is unknown or not folded yet."""
    parameters = {"workspace_id": workspace_id, "trace_id": trace_id}
    row = await (await connection.execute(SQL.window, parameters)).fetchone()
    if row is None:
        return []
    window = TraceWindow(workspace_id, trace_id, *row)
    return (await read_narrow(connection, [window]))[window]


def step_of_row(trace_id: bytes, row: Sequence[Any], has_messages: Sequence[bool]) -> Step:
    """A step from a row of `read_narrow` and whether its logs hold input and output; the query's order is `Step`'s."""
    (_, span_id, parent_span_id, parent_is_remote, start, end, duration_ms, name, step_name, step_type, role, operation,
     status, *told, has_input, has_output, flags, checkpoints, is_live, seen_ns) = row  # fmt: skip
    return Step._make((
        trace_id, span_id, parent_span_id, parent_is_remote, to_ns(start), None if end is None else to_ns(end),
        duration_ms, name, step_name, _STEP_TYPES[step_type], _ROLES[role], operation, _STATUSES[status], *told,
        has_input or has_messages[0], has_output or has_messages[1], tuple(flags), _checkpoints(checkpoints), is_live,
        *_NO_PAYLOAD, seen_ns,
    ))  # fmt: skip


_NO_MESSAGES = (False, False)
_NO_PAYLOAD = (None,) * (Step._fields.index("seen_ns") - 1 - Step._fields.index("is_live"))
_ROLES = {role.value: role for role in Role}
_STATUSES = {status.value: status for status in Status}
_STEP_TYPES = {step_type.value: step_type for step_type in StepType}


def _checkpoints(text: str | None) -> tuple[Checkpoint, ...]:
    """From the column's ``[{"id", "time", "state", …}]``; see `rows`, which writes it."""
    if text is None:
        return ()
    return tuple(
        Checkpoint(
            id=row["id"],
            time_ns=to_ns(datetime.fromisoformat(row["time"])),
            state_json=_json(row.get("state")),
            resume_json=_json(row.get("resume")),
            task=row.get("task"),
            is_saved=row.get("saved", True),
        )
        for row in orjson.loads(text)
    )


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
