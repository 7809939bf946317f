"""A failed run, and how to recover: where it failed, what its last checkpoint saves, what followed such failures.

All searches are bounded: the newest `MAX_FAILED` failed runs of the agent within `LOOKBACK`, of these `MAX_ALIKE` with
the same fingerprint, and the newest `MAX_LOOKED_AT` runs for repeated attempts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api import rollups
from stepwell_api.edges import read_item_edges
from stepwell_api.execution_rows import Located
from stepwell_api.insight.retryability import Tally
from stepwell_api.question import Question
from stepwell_api.times import Window
from stepwell_api.totals import Totals
from stepwell_storage import queries
from stepwell_storage.fold.ending import fingerprint
from stepwell_storage.model import Execution, Placement, Status
from stepwell_storage.rollups.figures import Kind
from stepwell_storage.times import to_datetime

SQL = queries.load("recovery")

LOOKBACK: Final = timedelta(days=30)
RETRY_WITHIN: Final = timedelta(days=1)
"""A later run is a retry if it starts within this time."""
MAX_FAILED: Final = 5_000
MAX_ALIKE: Final = 200
MAX_LOOKED_AT: Final = 2_000
MAX_RETRIED: Final = 100
NEXT_RUNS: Final = 50
"""So many following runs of the agent are looked through for one with the same input."""
RECOVERABLE: Final = (Status.FAILED, Status.TIMEOUT, Status.CANCELLED)
_BAD: Final = frozenset(RECOVERABLE)


@dataclass(frozen=True, slots=True)
class History:
    """What followed the same failure."""

    later_runs: Tally
    attempts: Tally
    """Later attempts of the failing step in the same run."""
    recovered_by: str | None
    """The successful run that repeated this very one."""


def failing_step(execution: Execution) -> Placement | None:
    """The step at which the run failed: the deepest cause, as the fold names it; ``None`` where no step is to blame."""
    named = [
        place
        for place in execution.placements
        if place.status in _BAD and place.step.step_name == execution.error_step_name
    ]
    return max(named, key=lambda place: (place.step.end_ns or 0, place.depth, place.index), default=None)


def describe_step(place: Placement) -> dict[str, Any]:
    """The failing step as the API tells it."""
    step = place.step
    return {
        "span_id": step.span_id.hex(),
        "step_index": place.index,
        "step_name": step.step_name,
        "operation": place.operation,
        "status": place.status,
        "attempt": place.attempt,
        "start_time": to_datetime(step.start_ns),
        "duration_ms": step.duration_ms,
        "error_type": step.error_type,
        "error_message": step.error_message,
    }


def saved_by_checkpoint(execution: Execution) -> dict[str, Any] | None:
    """What the last checkpoint saves: the time until it, and what the steps took that ended by then."""
    if not execution.checkpoints:
        return None
    time_ns = execution.checkpoints[-1].checkpoint.time_ns
    done = [place for place in execution.placements if place.step.end_ns is not None and place.step.end_ns <= time_ns]
    counted = [place.step for place in done if place.counts_tokens]
    tokens = [
        (step.prompt_tokens or 0) + (step.completion_tokens or 0)
        for step in counted
        if step.prompt_tokens is not None or step.completion_tokens is not None
    ]
    costs = [step.cost_usd for step in counted if step.cost_usd is not None]
    return {
        "duration_ms": max(time_ns - execution.start_ns, 0) / 1e6,
        "tokens": sum(tokens) if tokens else None,
        "cost_usd": sum(costs) if costs else None,
        "steps": len(done),
    }


async def read_history(
    connection: AsyncConnection, workspace_id: UUID, run: Mapping[str, Any], located: Located, now: datetime
) -> History:
    """What followed runs of the same agent that failed in the same way, in the time before now."""
    bounds = {
        "workspace_id": workspace_id,
        "agent_id": run["agent_id"],
        "status": run["status"],
        "fingerprint": run["error_fingerprint"],
        "start": min(now, run["start_time"]) - LOOKBACK,
        "stop": max(now, run["start_time"] + RETRY_WITHIN),
        "within": RETRY_WITHIN,
        "max_failed": MAX_FAILED,
        "max_alike": MAX_ALIKE,
        "next_runs": NEXT_RUNS,
    }
    rows = (await connection.exec_driver_sql(SQL.read_retries, bounds)).all()
    others = [row for row in rows if row.failed_id != located.execution_id]
    own = [row for row in rows if row.failed_id == located.execution_id and row.status == Status.SUCCESS]
    return History(
        Tally(len(others), sum(row.status == Status.SUCCESS for row in others)),
        await _attempts(connection, bounds, run["error_step_name"]),
        own[0].execution_id if own else None,
    )


async def _attempts(connection: AsyncConnection, bounds: Mapping[str, Any], step_name: str | None) -> Tally:
    if step_name is None:
        return Tally()
    parameters = {
        **bounds,
        "step_name": step_name,
        "max_looked_at": MAX_LOOKED_AT,
        "max_retried": MAX_RETRIED,
    }
    rows = (await connection.exec_driver_sql(SQL.read_attempts, parameters)).all()
    found = Tally()
    for _, calls in groupby(rows, lambda row: row.execution_id):
        found += _repeated(list(calls), bounds["fingerprint"])
    return found


def _repeated(calls: Sequence[Any], wanted: str) -> Tally:
    """How often a call with this failure was repeated, and went well at last; one count for each row of attempts."""
    n = succeeded = 0
    failed = False
    for at, call in enumerate(calls):
        if call.attempt == 1:
            failed = False
        failed = failed or fingerprint(call.error_type, call.step_name, call.error_message) == wanted
        is_last = at + 1 == len(calls) or calls[at + 1].attempt == 1
        if failed and is_last and call.attempt > 1:
            n += 1
            succeeded += call.status == Status.SUCCESS
    return Tally(n, succeeded)


async def usual_p95_ms(connection: AsyncConnection, question: Question, step_name: str) -> float | None:
    """The 95th percentile of the step's successful calls in the question's window; ``None`` if fewer than half are.

    Figures do not tell the durations of failed calls apart: they are taken for the slowest, as calls that time out are.
    """
    edges = await read_item_edges(connection, question)
    steps = await rollups.by_item(connection, question, edges, Kind.STEP)
    totals = Totals.of(totals for item, totals in steps.items() if item.name == step_name)
    calls = sum(totals[status] for status in Status)
    if not calls or totals["success"] * 2 < calls:
        return None
    return totals.duration_percentiles((0.95 * totals["success"] / calls,))[0]


def window_around(start: datetime) -> Window:
    """A week before the day of the run and the day itself, so that runs of one day share what is read."""
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    return Window(day - timedelta(days=7), day + timedelta(days=1))
