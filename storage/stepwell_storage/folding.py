"""Folds dirty traces: claims their marks, reads their steps, writes their executions, all in one transaction.

A crash in between leaves the marks where they were. Two workers never fold one trace at the same time: each holds the
trace's advisory lock from before it reads the steps until its commit, so the last fold has seen every step.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import psycopg

from stepwell_storage import findings, idle, ledger, metrics, queries
from stepwell_storage.arrays import array_of, array_of_ids, array_of_times, array_of_uuids
from stepwell_storage.database import defer_durability
from stepwell_storage.deletion import tombstones
from stepwell_storage.executions import replace_executions
from stepwell_storage.fold import fold_trace
from stepwell_storage.keys import credit_rates
from stepwell_storage.model import Execution, Step
from stepwell_storage.retention import horizon, payloads
from stepwell_storage.traces import TraceWindow, read_narrow

SQL = queries.load("fold")

MAX_TRACES: Final = 200
"""Traces in one transaction: each takes an advisory lock, of which PostgreSQL has several thousand."""
MAX_SPANS: Final = 20_000
"""New spans in one transaction; a single trace may be larger."""
MAX_MARKS: Final = 10_000
LONG_STEPS: Final = 2_000
"""Of a trace from which on its fold takes longer than others should wait."""

Key = tuple[UUID, bytes]
Marked = dict[Key, tuple[datetime, datetime]]
"""Earliest and latest time that the marks of each trace tell."""


@dataclass(slots=True)
class DirtyTrace:
    """A trace with new steps or log records: the marks that say so, and how many spans they stand for."""

    key: Key
    sequences: list[int]
    span_count: int
    marked_at: datetime
    """The oldest of them."""
    may_end_run: bool = False
    """Whether there is a span among them with which a run may be over."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What the fold of a trace took, and how many steps it read."""

    took_s: float
    steps: int


async def configure(connection: psycopg.AsyncConnection[Any]) -> None:
    """Makes a session one that folds."""
    await defer_durability(connection)
    await connection.execute(SQL.configure_folds)


async def waiting(connection: psycopg.AsyncConnection[Any]) -> list[DirtyTrace]:
    """The traces that wait for a fold, the oldest mark first."""
    cursor = await connection.execute(SQL.waiting_marks, {"limit": MAX_MARKS})
    found: dict[Key, DirtyTrace] = {}
    for sequence, workspace_id, trace_id, span_count, marked_at, may_end_run in await cursor.fetchall():
        trace = found.setdefault((workspace_id, trace_id), DirtyTrace((workspace_id, trace_id), [], 0, marked_at))
        trace.sequences.append(sequence)
        trace.span_count += span_count
        trace.may_end_run |= may_end_run
    return list(found.values())


def batches(traces: Iterable[DirtyTrace]) -> Iterable[list[DirtyTrace]]:
    """Groups that fit into one transaction each."""
    batch: list[DirtyTrace] = []
    spans = 0
    for trace in traces:
        if batch and (len(batch) >= MAX_TRACES or spans + trace.span_count > MAX_SPANS):
            yield batch
            batch, spans = [], 0
        batch.append(trace)
        spans += trace.span_count
    if batch:
        yield batch


async def fold(connection: psycopg.AsyncConnection[Any], traces: Sequence[DirtyTrace]) -> dict[Key, Folded]:
    """Folds these traces in one transaction of its own; gives what each took.

    Marks that another worker holds are left to it.
    """
    started = time.perf_counter()
    found = ledger.Tally()
    sizes: list[tuple[Key, int]] = []
    async with _uncollected(), connection.transaction():
        windows = await _claim(connection, [sequence for trace in traces for sequence in trace.sequences])
        # Of closed traces some rows are gone: what was folded of them stays as it is until its own time is over.
        aged = await horizon.sort_out(connection, windows)
        await payloads.empty_late(connection, aged.without_payloads)
        sorted_out = await tombstones.sort_out(connection, aged.windows)
        windows = sorted_out.windows
        if windows:
            steps = await read_narrow(connection, windows)
            sizes = [((window.workspace_id, window.trace_id), len(steps[window])) for window in windows]
            await tombstones.delete_late_spans(connection, sorted_out, steps)
            folded = await _fold_steps(connection, {window: steps[window] for window in windows})
            metrics.FOLDED_EXECUTIONS.inc(await replace_executions(connection, folded))
            found = await findings.replace(connection, steps, folded)
            await idle.mark(connection, [window for window in windows if not folded[window]])
    ledger.observe(found)
    tombstones.observe(sorted_out.deleted)
    metrics.FOLDED_TRACES.inc(len(windows))
    seconds = time.perf_counter() - started
    metrics.FOLD_SECONDS.observe(seconds)
    return _shares(seconds, sizes)


async def _fold_steps(
    connection: psycopg.AsyncConnection[Any], steps: Mapping[TraceWindow, Sequence[Step]]
) -> dict[TraceWindow, tuple[Execution, ...]]:
    """The executions of each trace; of a long one beside the event loop, in which other folds go on."""
    rates = await credit_rates(connection, [window.workspace_id for window in steps])
    folded = {}
    for window, found in steps.items():
        fold_them = partial(fold_trace, found, credits_per_usd=rates.get(window.workspace_id))
        folded[window] = await asyncio.to_thread(fold_them) if len(found) > LONG_STEPS else fold_them()
    return folded


def _shares(seconds: float, sizes: Sequence[tuple[Key, int]]) -> dict[Key, Folded]:
    """What a fold of several traces took for each of them, by their steps."""
    whole = sum(count + 1 for _, count in sizes)
    return {key: Folded(seconds * (count + 1) / whole, count) for key, count in sizes}


@asynccontextmanager
async def _uncollected() -> AsyncIterator[None]:
    """Keeps Python from searching for cycles meanwhile: a fold makes very many objects, and next to no cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


async def _claim(connection: psycopg.AsyncConnection[Any], sequences: Sequence[int]) -> list[TraceWindow]:
    """Takes the marks, locks their traces and gives each trace's whole window.

    Log records, whose marks count no spans, widen no window, since it is for steps; but a trace that has nothing else
    gets one, by which it is found idle.
    """
    cursor = await connection.execute(SQL.claim_marks, {"sequences": array_of(sequences)})
    stepped: Marked = {}
    logged: Marked = {}
    for workspace_id, trace_id, earliest, latest, span_count in await cursor.fetchall():
        marked = stepped if span_count else logged
        known = marked.get((workspace_id, trace_id), (earliest, latest))
        marked[workspace_id, trace_id] = min(known[0], earliest), max(known[1], latest)
    if not (stepped or logged):
        return []
    await connection.execute(
        SQL.lock_traces, {"trace_ids": array_of_ids([trace_id for _, trace_id in {**stepped, **logged}])}
    )
    windows = await _windows(connection, SQL.widen_windows, stepped)
    return windows + await _windows(
        connection, SQL.ensure_windows, {key: times for key, times in logged.items() if key not in stepped}
    )


async def _windows(connection: psycopg.AsyncConnection[Any], statement: str, marked: Marked) -> list[TraceWindow]:
    if not marked:
        return []
    parameters = {
        "workspace_ids": array_of_uuids([workspace_id for workspace_id, _ in marked]),
        "trace_ids": array_of_ids([trace_id for _, trace_id in marked]),
        "earliest": array_of_times([times[0] for times in marked.values()]),
        "latest": array_of_times([times[1] for times in marked.values()]),
    }
    cursor = await connection.execute(statement, parameters)
    return [TraceWindow(*row) for row in await cursor.fetchall()]
