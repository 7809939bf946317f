"""Fills a `Sample` from the database: exact counts from rollups, and a bounded number of runs with their steps.

What is read is bounded by `slices` (runs), `MAX_STEPS` and `WORD_STEPS` (steps, and steps with payloads), whatever the
window holds. Every search is by an index and bounded in time.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api.insight.payloads import flat_inputs
from stepwell_api.insight.sample import HourFigures, RunRecord, Sample, StepRecord
from stepwell_api.insight.slices import MAX_RUNS, TARGETS, slices_of
from stepwell_api.insight.step_records import read_steps
from stepwell_api.question import Question
from stepwell_api.totals import Totals
from stepwell_storage import queries
from stepwell_storage.model import Status

SQL = queries.load("sampling")

MAX_INPUT_BYTES: Final = 16_384
"""Of a run's input, as stored: the keys of larger ones are not looked at."""
MAX_READ: Final = MAX_RUNS + sum(TARGETS.values())
"""No more rows than these are taken, however unevenly runs fall into slices."""
_ENDED: Final = (Status.SUCCESS, Status.FAILED, Status.TIMEOUT, Status.CANCELLED)

Steps = Mapping[str, Sequence[StepRecord]]


@dataclass(frozen=True, slots=True)
class Reading:
    """A sample and what `RunRecord` does not tell of its runs."""

    sample: Sample
    is_exact: bool
    """Whether all runs of the window were read."""
    marks: Mapping[str, "Marks"]
    """By execution id."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Whose run it was, and how long it was in steps."""

    user_id: str | None
    session_id: str | None
    service_name: str | None
    steps_total: int


async def read_sample(
    connection: AsyncConnection, question: Question, hours: Mapping[datetime, Totals], *, with_steps: bool = True
) -> Reading:
    """The runs that the question is about: all of them, or evenly drawn ones that stand for them.

    `hours` has the question's figures by the hour (`rollups.by_hour`).
    """
    counts = _counts(hours)
    rows = await _read_runs(connection, question, counts, list(hours))
    steps: Steps = await read_steps(connection, question, rows) if with_steps else {}
    return await asyncio.to_thread(_assembled, question, hours, rows, steps)


def _counts(hours: Mapping[datetime, Totals]) -> dict[Status, int]:
    """The runs by status; pending ones are what the others leave."""
    found = {status: sum(totals[status] for totals in hours.values()) for status in (*_ENDED, Status.RUNNING)}
    found[Status.PENDING] = max(sum(totals["executions"] for totals in hours.values()) - sum(found.values()), 0)
    return found


async def _read_runs(
    connection: AsyncConnection, question: Question, counts: Mapping[Status, int], hours: Sequence[datetime]
) -> list[Row[Any]]:
    wanted = slices_of(counts, hours, question.window)
    found: list[Row[Any]] = []
    for query, is_success in ((SQL.read_successes, True), (SQL.read_others, False)):
        chosen = [part for part in wanted if (part.status is Status.SUCCESS) is is_success]
        if not chosen:
            continue
        parameters = {
            **question.parameters(),
            "statuses": [part.status.value for part in chosen],
            "starts": [part.window.start for part in chosen],
            "stops": [part.window.stop for part in chosen],
            "lowest": question.window.start,
            "highest": question.window.stop,
            "max_input_bytes": MAX_INPUT_BYTES,
            "limit": MAX_READ,
        }
        found += (await connection.exec_driver_sql(query, parameters)).all()
    return found


def _assembled(question: Question, hours: Mapping[datetime, Totals], rows: Sequence[Row[Any]], steps: Steps) -> Reading:
    counts, read = _counts(hours), Counter(row.status for row in rows)
    weights = {status: counts[status] / read[status] if read[status] else 0.0 for status in counts}
    executions = sum(counts.values())
    sample = Sample(
        agent_id=question.agent_id,
        start=question.window.start,
        stop=question.window.stop,
        executions=executions,
        # A run that was read moments after its hour was counted stands for itself.
        runs=[_run(row, max(weights[Status(row.status)], 1.0), steps.get(row.execution_id, ())) for row in rows],
        hours=[_hour(hour, totals) for hour, totals in hours.items()],
        environment=tuple(question.environments),
        version=tuple(question.versions),
    )
    marks = {row.execution_id: Marks(row.user_id, row.session_id, row.service_name, row.steps_total) for row in rows}
    return Reading(sample, len(rows) >= executions, marks)


def _hour(hour: datetime, totals: Totals) -> HourFigures:
    return HourFigures(hour, totals["executions"], totals["success"], totals["failed"], totals["timeout"])


def _run(row: Row[Any], weight: float, steps: Sequence[StepRecord]) -> RunRecord:
    return RunRecord(
        execution_id=row.execution_id,
        start=row.start_time,
        status=Status(row.status),
        duration_ms=row.duration_ms,
        steps=steps,
        weight=weight,
        path=row.path,
        version=row.version,
        environment=row.environment,
        models=tuple(row.models),
        trigger_type=row.trigger_type,
        runtime_mode=row.runtime_mode,
        framework=row.framework,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        cost_usd=row.cost_usd,
        error_type=row.error_type,
        error_fingerprint=row.error_fingerprint,
        error_step_name=row.error_step_name,
        inputs=None if row.input_data is None else flat_inputs(orjson.loads(row.input_data)),
    )
