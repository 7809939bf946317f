"""Failed runs by the type of their error: how many, how long they ran, when, and some of them to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api import rollups
from stepwell_api.edges import Edges
from stepwell_api.question import Question
from stepwell_api.times import Window
from stepwell_api.totals import Totals
from stepwell_storage.rollups.figures import Kind

EXAMPLES = 5

ErrorType = str | None


@dataclass(slots=True)
class _Failures:
    """Failed runs of one type of error."""

    count: int = 0
    duration_ms: float = 0.0
    duration_count: int = 0
    first: Window | None = None
    """The first day or hour with any; ``None`` where all of them started at the window's edges."""
    last: Sequence[Window] = ()
    """Up to five days or hours with any, the last one first."""


async def failures_of(connection: AsyncConnection, question: Question, edges: Edges) -> list[dict[str, Any]]:
    """The contract's ``failure_analysis``, the most frequent type first.

    The examples, and the minutes of the first and the last failure, are those of runs that are still kept.
    """
    found = await _whole_hours(connection, question)
    for _, item, figures in edges.of(question.agent_id):
        if item.kind is Kind.FAILURE:
            _add(found.setdefault(item.detail, _Failures()), figures)
    types = sorted(found, key=lambda name: (-found[name].count, name is None, name or ""))
    failed = sum(failures.count for failures in found.values())
    runs = await _runs(connection, question, [(name, found[name]) for name in types]) if types else {}
    return [_described(name, found[name], failed, question, runs.get(place, [])) for place, name in enumerate(types)]


async def _whole_hours(connection: AsyncConnection, question: Question) -> dict[ErrorType, _Failures]:
    spans = question.spans()
    if spans is None:
        return {}
    rows = await connection.exec_driver_sql(rollups.SQL.read_failures, {**question.parameters(), **spans})
    return {
        row.error_type: _Failures(
            row.failed,
            row.duration_ms,
            row.duration_count,
            Window(*row.first),
            [Window(*times) for times in zip(row.last_starts, row.last_stops, strict=True)],
        )
        for row in rows
    }


def _add(failures: _Failures, figures: Totals) -> None:
    failures.count += figures["failed"]
    failures.duration_ms += figures["duration_ms"]
    failures.duration_count += figures["duration_count"]


def _windows(question: Question, failures: _Failures) -> list[tuple[Window, bool]]:
    """Where to look for a type's first run (False) and its newest ones (True): a day or hour each, and the edges."""
    found = [(edge, newest) for edge in question.edges() for newest in (False, True)]
    if failures.first is not None:
        found.append((failures.first, False))
    return found + [(window, True) for window in failures.last]


async def _runs(
    connection: AsyncConnection, question: Question, types: Sequence[tuple[ErrorType, _Failures]]
) -> dict[int, list[tuple[datetime, str]]]:
    """(start, id) of the first run and of the newest ones, by the place of their type."""
    found: dict[int, list[tuple[datetime, str]]] = {}
    # The first runs and the newest lie far apart: asked for on their own, each search has few partitions to plan for.
    for newest in (False, True):
        asked = [
            (place, name, window)
            for place, (name, failures) in enumerate(types)
            for window, is_newest in _windows(question, failures)
            if is_newest is newest
        ]
        if asked:
            parameters = {**question.parameters(), **_asked(asked), "newest": [newest] * len(asked)}
            for row in await connection.exec_driver_sql(rollups.SQL.read_examples, parameters):
                found.setdefault(row.place, []).append((row.start_time, row.execution_id))
    return found


def _asked(asked: Sequence[tuple[int, ErrorType, Window]]) -> dict[str, Any]:
    starts, stops = [window.start for *_, window in asked], [window.stop for *_, window in asked]
    return {
        "places": [place for place, *_ in asked],
        "error_types": [name for _, name, _ in asked],
        "starts": starts,
        "stops": stops,
        "lowest": min(starts),
        "highest": max(stops),
    }


def _described(
    name: ErrorType, failures: _Failures, failed: int, question: Question, runs: Sequence[tuple[datetime, str]]
) -> dict[str, Any]:
    newest = sorted(set(runs), key=lambda run: (-run[0].timestamp(), run[1]))
    starts = [start for start, _ in runs]
    return {
        "error_type": name,
        "count": failures.count,
        "avg_duration_before_failure": (
            failures.duration_ms / failures.duration_count if failures.duration_count else None
        ),
        "share": failures.count / failed,
        "first_seen": min(starts, default=(failures.first or question.window).start),
        "last_seen": max(starts, default=(failures.last[0] if failures.last else question.window).start),
        "example_execution_ids": [execution_id for _, execution_id in newest[:EXAMPLES]],
    }
