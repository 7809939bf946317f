"""Reads what a rule about a figure needs: hours from rollups, five minutes from the runs of a bounded time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.rows import dict_row

from stepwell_api.alerts.conditions import BUCKETS, MEASURES, Series, is_percentile, needed_from
from stepwell_api.alerts.rules import HOUR, Condition, Rule
from stepwell_storage import queries
from stepwell_storage.rollups import histogram
from stepwell_storage.rollups.figures import Kind

SQL = queries.load("alerts")

_BOUNDS: Final = np.array(histogram.BOUNDS)


async def read_series(
    connection: psycopg.AsyncConnection[Any], rule: Rule, condition: Condition, first: datetime, last: datetime
) -> Series:
    """The sums that tell what the rule sees from one moment to another."""
    start, step = needed_from(condition, first), condition.step
    parameters = {
        "workspace_id": rule.workspace_id,
        "agent_id": rule.agent_id,
        "environment": rule.environment,
        "start": start,
        "stop": last,
        "with_durations": is_percentile(condition.figure),
        "step_name": condition.step_name,
        "kind": _kind(rule, condition),
    }
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL.read_hours if step == HOUR else SQL.read_fine, parameters)
        rows = await cursor.fetchall()
    length = (last - start) // step
    values = np.zeros((length, len(MEASURES)), dtype=np.float64)
    durations = np.zeros((length, BUCKETS), dtype=np.int64) if is_percentile(condition.figure) else None
    for row in rows:
        place = (row["bucket"] - start) // step
        values[place] = [row[name] for name in MEASURES]
        if durations is not None and row["raw"]:
            durations[place] += _merged(row["raw"]) if step == HOUR else _counted(row["raw"])
    return Series(start, step, values, durations)


def _kind(rule: Rule, condition: Condition) -> str:
    if condition.figure.is_of_step:
        return Kind.STEP.value
    return Kind.EXECUTION.value if rule.environment else Kind.TOTAL.value


def _merged(arrays: Sequence[Sequence[int]]) -> npt.NDArray[np.int64]:
    """The sum of histograms as the database keeps them."""
    total = np.zeros(BUCKETS, dtype=np.int64)
    for first, *counts in arrays:
        total[first : first + len(counts)] += np.array(counts, dtype=np.int64)
    return total


def _counted(durations_ms: Sequence[float]) -> npt.NDArray[np.int64]:
    """The same of single durations; each in the bucket of `histogram.bucket_of`."""
    buckets = np.searchsorted(_BOUNDS, np.array(durations_ms, dtype=np.float64), side="right")
    return np.bincount(buckets, minlength=BUCKETS).astype(np.int64)
