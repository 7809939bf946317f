"""Failed runs by the type of their error: how many, how long they ran, when, and some of them to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api import rollups
from stepwell_api.rollups import HOUR, Question, Totals
from stepwell_api.times import Window
from stepwell_storage.rollups.figures import Kind

EXAMPLES = 5

ErrorType = str | None


@dataclass(frozen=True, slots=True)
class _Hours:
    """When runs failed with one type of error, by whole hours."""

    first: datetime
    newest: Sequence[datetime]


async def failures_of(connection: AsyncConnection, question: Question) -> list[dict[str, Any]]:
    """The contract's ``failure_analysis``, the most frequent type first.

    The examples, and the minutes of the first and the last failure, are those of runs that are still kept.
    """
    totals: dict[ErrorType, Totals] = {}
    for item, figures in (await rollups.by_item(connection, question, Kind.FAILURE)).items():
        totals.setdefault(item.detail, Totals()).add(figures)
    failed = sum(figures["failed"] for figures in totals.values())
    types = sorted(totals, key=lambda name: (-totals[name]["failed"], name is None, name or ""))
    seen = await _seen(connection, question, types)
    return [
        {
            "error_type": name,
            "count": totals[name]["failed"],
            "avg_duration_before_failure": totals[name].mean("duration_ms", "duration_count"),
            "share": totals[name]["failed"] / failed,
            **seen[name],
        }
        for name in types
    ]


async def _seen(
    connection: AsyncConnection, question: Question, types: Sequence[ErrorType]
) -> dict[ErrorType, dict[str, Any]]:
    """First and last failure of each type, and the newest runs."""
    if not types:
        return {}
    hours = await _hours(connection, question)
    asked = [
        (place, name, window, newest)
        for place, name in enumerate(types)
        for window, newest in _windows(question, hours.get(name))
    ]
    runs = await _runs(connection, question, asked)
    return {name: _described(question, hours.get(name), runs.get(place, [])) for place, name in enumerate(types)}


async def _hours(connection: AsyncConnection, question: Question) -> Mapping[ErrorType, _Hours]:
    whole = question.hours()
    if whole is None:
        return {}
    parameters = {**question.parameters(), "start": whole.start, "stop": whole.stop}
    rows = await connection.exec_driver_sql(rollups.SQL.read_failure_hours, parameters)
    return {row.error_type: _Hours(row.first_hour, row.last_hours) for row in rows}


def _windows(question: Question, hours: _Hours | None) -> list[tuple[Window, bool]]:
    """Where to look for a type's first run (False) and its newest ones (True): an hour each, and the edges."""
    found = [(edge, newest) for edge in question.edges() for newest in (False, True)]
    if hours is not None:
        found.append((Window(hours.first, hours.first + HOUR), False))
        found += [(Window(hour, hour + HOUR), True) for hour in hours.newest]
    return found


async def _runs(
    connection: AsyncConnection, question: Question, asked: Sequence[tuple[int, ErrorType, Window, bool]]
) -> dict[int, list[tuple[datetime, str]]]:
    """(start, id) of the runs found, by the place of their type."""
    parameters = {
        **question.parameters(),
        "places": [place for place, *_ in asked],
        "error_types": [name for _, name, *_ in asked],
        "starts": [window.start for _, _, window, _ in asked],
        "stops": [window.stop for _, _, window, _ in asked],
        "newest": [newest for *_, newest in asked],
    }
    found: dict[int, list[tuple[datetime, str]]] = {}
    for row in await connection.exec_driver_sql(rollups.SQL.read_examples, parameters):
        found.setdefault(row.place, []).append((row.start_time, row.execution_id))
    return found


def _described(question: Question, hours: _Hours | None, runs: Sequence[tuple[datetime, str]]) -> dict[str, Any]:
    newest = sorted(set(runs), key=lambda run: (-run[0].timestamp(), run[1]))
    first = min((start for start, _ in runs), default=None)
    last = max((start for start, _ in runs), default=None)
    return {
        "first_seen": first or (hours.first if hours else question.window.start),
        "last_seen": last or (hours.newest[0] if hours else question.window.start),
        "example_execution_ids": [execution_id for _, execution_id in newest[:EXAMPLES]],
    }
