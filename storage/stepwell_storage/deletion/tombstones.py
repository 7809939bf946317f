"""What the fold does with spans of deleted traces and workspaces: they are dropped and counted, and make no run."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import psycopg

from stepwell_storage import ledger, queries
from stepwell_storage.deletion import rows
from stepwell_storage.model import Step
from stepwell_storage.traces import TraceWindow, ids_of

SQL = queries.load("deletion")

KEPT_FOR: Final = timedelta(days=30)
"""Longer than any exporter goes on trying."""

Connection = psycopg.AsyncConnection[Any]


@dataclass(slots=True)
class SortedOut:
    """The traces of a fold without those that were deleted."""

    windows: list[TraceWindow]
    """To be folded."""
    spans: Mapping[TraceWindow, frozenset[bytes]]
    """The deleted spans of those that were deleted in part."""
    deleted: rows.Deleted = field(default_factory=rows.Deleted)
    """What went of the others."""


async def sort_out(connection: Connection, windows: Sequence[TraceWindow]) -> SortedOut:
    """Deletes what came of traces that were deleted whole, in the fold's transaction, which holds their locks."""
    if not windows:
        return SortedOut([], {})
    cursor = await connection.execute(SQL.tombstones, ids_of(windows))
    found = {windows[place - 1]: span_ids for place, span_ids in await cursor.fetchall()}
    whole = [window for window, span_ids in found.items() if span_ids is None]
    deleted = await rows.delete_traces(connection, whole)
    partly = {window: frozenset(span_ids) for window, span_ids in found.items() if span_ids is not None}
    gone = set(whole)
    return SortedOut([window for window in windows if window not in gone], partly, deleted)


async def delete_late_spans(
    connection: Connection, sorted_out: SortedOut, steps: dict[TraceWindow, list[Step]]
) -> None:
    """Deletes what came below the deleted spans of a trace, from `steps` too, in the fold's transaction."""
    for window, deleted in sorted_out.spans.items():
        doomed = below(steps[window], deleted)
        if doomed:
            sorted_out.deleted += await rows.delete_spans(connection, window, doomed)
            steps[window] = [step for step in steps[window] if step.span_id not in doomed]


def below(steps: Sequence[Step], deleted: Collection[bytes]) -> set[bytes]:
    """The spans among the steps that are deleted ones, or have one above them."""
    gone = set(deleted)
    doomed: set[bytes] = set()
    while True:
        found = {step.span_id for step in steps if step.span_id in gone or step.parent_span_id in gone} - doomed
        if not found:
            return doomed
        doomed |= found
        gone |= found


async def remember(connection: Connection, window: TraceWindow, span_ids: Sequence[bytes] | None) -> None:
    """Notes that a trace was deleted, or these spans of it, in the caller's transaction."""
    parameters = {
        "workspace_id": window.workspace_id,
        "trace_id": window.trace_id,
        "span_ids": None if span_ids is None else list(span_ids),
    }
    await connection.execute(SQL.remember_deleted, parameters)


async def forget_old(connection: Connection) -> None:
    """Forgets what was deleted longer ago than `KEPT_FOR`."""
    await connection.execute(SQL.forget_deleted, {"kept_for": KEPT_FOR})


def observe(deleted: rows.Deleted) -> None:
    """Counts what a fold dropped, once that has committed."""
    rows.observe(deleted)
    ledger.observe(deleted.findings)
