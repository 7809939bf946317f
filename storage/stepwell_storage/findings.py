"""Keeps in the ledger what folds find about single spans: orphans, and tokens that are doubles.

Both may change with every further span of the trace. So what was found is kept for each trace, the next fold replaces
it, and the ledger gets the difference: its sums are those of the newest folds, whatever order the spans came in.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from stepwell_storage import ledger, queries
from stepwell_storage.fold.findings import excluded_tokens, orphans
from stepwell_storage.ledger import Outcome, Source, Tally
from stepwell_storage.model import Execution, Step
from stepwell_storage.traces import TraceWindow, columns_of, ids_of

SQL = queries.load("ledger")

Connection = psycopg.AsyncConnection[Any]
_Found = tuple[TraceWindow, bytes, Outcome, int]


async def replace(
    connection: Connection,
    steps: Mapping[TraceWindow, Sequence[Step]],
    folded: Mapping[TraceWindow, Sequence[Execution]],
) -> Tally:
    """Makes what is kept of these traces equal to what this fold finds; gives the difference, to `ledger.observe`.

    Runs in the caller's transaction; the caller holds the traces' locks.
    """
    difference = await _forgotten(connection, list(folded))
    found = [one for window in folded for one in _found(window, steps[window], folded[window])]
    if found:
        windows = columns_of([window for window, *_ in found])
        spans = {
            "span_ids": [span_id for _, span_id, _, _ in found],
            "outcomes": [outcome.value for _, _, outcome, _ in found],
            "amounts": [amount for *_, amount in found],
        }
        cursor = await connection.execute(SQL.record_findings, {**windows, **spans})
        difference.update(_tally(await cursor.fetchall()))
    await ledger.append(connection, difference)
    return difference


async def forget(connection: Connection, windows: Sequence[TraceWindow]) -> Tally:
    """Takes what is kept of deleted traces off the ledger, in the caller's transaction; gives the difference."""
    difference = await _forgotten(connection, windows)
    await ledger.append(connection, difference)
    return difference


def _found(window: TraceWindow, steps: Sequence[Step], executions: Sequence[Execution]) -> list[_Found]:
    found = [(window, span_id, Outcome.ORPHANED, 1) for span_id in orphans(steps)]
    for span_id, (prompt, completion) in excluded_tokens(executions).items():
        found.append((window, span_id, Outcome.EXCLUDED_PROMPT_TOKENS, prompt))
        found.append((window, span_id, Outcome.EXCLUDED_COMPLETION_TOKENS, completion))
    return found


async def _forgotten(connection: Connection, windows: Sequence[TraceWindow]) -> Tally:
    """What earlier folds had found, with its sign turned."""
    cursor = await connection.execute(SQL.forget_findings, ids_of(windows))
    kept = _tally(await cursor.fetchall())
    return Tally({line: -amount for line, amount in kept.items()})


def _tally(rows: Sequence[tuple[Any, ...]]) -> Tally:
    tally = Tally()
    for workspace_id, key_id, hour, outcome, amount in rows:
        tally[Source(workspace_id, key_id).line(Outcome(outcome), hour=hour)] += int(amount)
    return tally
