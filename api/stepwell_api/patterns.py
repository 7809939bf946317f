"""How an agent's runs go: by hour of the day, by path, and step by step; all of it from rollups.

The specification's pattern analyser, with each threshold of its queries left to the reader: what stands out is for the
suggestions to say.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api import rollups
from stepwell_api.insight.finding import Kind as Suggested
from stepwell_api.insight.inputs import most_used, usage_of, usages
from stepwell_api.insight.reading import Reading
from stepwell_api.question import HOUR, Question
from stepwell_api.totals import Totals, sample_variance
from stepwell_storage.model import Status
from stepwell_storage.rollups.figures import MEASURES, Item, Kind

BEST_SHARE = 0.1
"""The decile of a step's durations that its headroom is told by."""

ByItem = Mapping[Item, Totals]


async def hourly_patterns(
    connection: AsyncConnection, question: Question, hours: Mapping[datetime, Totals], zone: ZoneInfo
) -> list[dict[str, Any]]:
    """The runs by the hour of the day in which they started, by the clocks of the zone; hours without runs left out.

    Rollups know hours of UTC. Where such an hour holds the turn of an hour in the zone (India, Nepal), what started
    after the turn is counted from the runs themselves; of runs whose rows are gone the hour's first part takes all.
    """
    turned = await _after_turns(connection, question, {hour: _turn_minute(hour, zone) for hour in hours})
    found: dict[int, list[Totals]] = {}
    for hour, totals in hours.items():
        first = found.setdefault(hour.astimezone(zone).hour, [])
        if hour in turned:
            totals = _before(totals, turned[hour])
            found.setdefault((hour + HOUR).astimezone(zone).hour, []).append(turned[hour])
        # Without their histograms, which nobody asks for here and which take most of the time to add up.
        first.append(Totals(totals.values))
    summed = [(hour, Totals.of(parts)) for hour, parts in sorted(found.items())]
    return [_hour(hour, totals) for hour, totals in summed if totals["executions"] > 0]


def of_items(items: Mapping[Kind, ByItem], hours: Mapping[datetime, Totals]) -> dict[str, Any]:
    """Paths and bottlenecks; `hours` has the figures of whole runs."""
    executions = sum(totals["executions"] for totals in hours.values())
    successful = sum(totals["success"] for totals in hours.values())
    return {
        "execution_paths": execution_paths(items[Kind.PATH], executions),
        "bottlenecks": bottlenecks(items[Kind.STEP], items[Kind.ROOT], successful),
    }


def input_patterns(reading: Reading, suggestions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Keys of inputs and their values, the most used first; counts are estimates where not all runs were read.

    What suggestions are about is among them, ranges of numbers too.
    """
    runs = reading.sample.runs
    found = usages(runs)
    targets = [suggestion["target"] for suggestion in suggestions if suggestion["kind"] == Suggested.FAILING_INPUT]
    for key, value in ((target["input_key"], target["input_value"]) for target in targets):
        if (key, value) not in found and value is not None:
            found[key, value] = usage_of(runs, key, value)
    return [
        {
            "input_key": key,
            "input_value": value,
            "usage_count": round(usage.runs),
            "success_rate": usage.successful / usage.runs,
        }
        for (key, value), usage in most_used(found)
    ]


def sample_of(reading: Reading) -> dict[str, Any]:
    """How much was read."""
    return {
        "executions": reading.sample.executions,
        "sampled": len(reading.sample.runs),
        "is_exact": reading.is_exact,
    }


def execution_paths(paths: ByItem, executions: int) -> list[dict[str, Any]]:
    """Every path taken, the most frequent first; `executions` is how many runs there are in all."""
    found = [_path(item.name, totals, executions) for item, totals in paths.items()]
    return sorted(found, key=lambda path: (-path["frequency"], path["execution_path"]))


def bottlenecks(steps: ByItem, roots: ByItem, successful: int) -> list[dict[str, Any]]:
    """The steps below the top one by their share of the critical path, the largest first.

    `successful` is how many runs completed: their critical paths alone count, as a run that broke off spent its time
    otherwise. Shares are of the time of whole runs, so that with the time of the top step itself they add up to 1.
    """
    by_name: dict[str, list[Totals]] = {}
    for item, totals in steps.items():
        by_name.setdefault(item.name, []).append(totals)
    whole_ms = math.fsum(float(totals["critical_success_ms"]) for part in (steps, roots) for totals in part.values())
    found = [_step(name, Totals.of(parts), whole_ms, successful) for name, parts in by_name.items()]
    return sorted(found, key=lambda step: (-(step["critical_path_share"] or 0.0), step["step_name"]))


def _turn_minute(hour: datetime, zone: ZoneInfo) -> int:
    """The minute of an hour of UTC at which an hour of the zone begins; 0 where both do at once."""
    return -hour.astimezone(zone).minute % 60


async def _after_turns(
    connection: AsyncConnection, question: Question, turns: Mapping[datetime, int]
) -> dict[datetime, Totals]:
    """What started at or after the turn within its hour, for the hours that hold one."""
    found: dict[datetime, Totals] = {}
    for minute in {minute for minute in turns.values() if minute}:
        bounds = {"start": question.window.start, "stop": question.window.stop, "minute": minute}
        rows = await connection.exec_driver_sql(rollups.SQL.read_hour_ends, {**question.parameters(), **bounds})
        found |= {row.hour: _counted(row) for row in rows if turns.get(row.hour) == minute}
    return found


def _counted(row: Any) -> Totals:
    """From a row with some of the measures as its columns."""
    return Totals([getattr(row, measure, 0) for measure in MEASURES])


def _before(totals: Totals, turned: Totals) -> Totals:
    """What is left of an hour; to the nanosecond, in which durations are added up."""
    return Totals([round(whole - part, 6) for whole, part in zip(totals.values, turned.values, strict=True)])


def _hour(hour: int, totals: Totals) -> dict[str, Any]:
    return {
        "hour": hour,
        "execution_count": totals["executions"],
        "avg_duration": totals.mean("duration_ms", "duration_count"),
        "success_rate": totals["success"] / totals["executions"],
    }


def _path(path: str, totals: Totals, executions: int) -> dict[str, Any]:
    return {
        "execution_path": path,
        "frequency": totals["executions"],
        "share": totals["executions"] / executions,
        "avg_duration": totals.mean("duration_ms", "duration_count"),
        "p95_duration": totals.duration_percentiles((0.95,))[0],
        "avg_credits": totals.mean("credits", "credits_known"),
        "avg_cost_usd": totals.mean("cost_usd", "cost_known"),
        "success_rate": totals["success"] / totals["executions"],
    }


def _step(name: str, totals: Totals, whole_ms: float, successful: int) -> dict[str, Any]:
    variance = sample_variance(totals)
    best_ms, p95_ms = totals.duration_percentiles((BEST_SHARE, 0.95))
    mean_ms = totals.mean("duration_ms", "duration_count")
    critical_ms = float(totals["critical_success_ms"])
    return {
        "step_name": name,
        "avg_duration": mean_ms,
        "p95_duration": p95_ms,
        "execution_count": sum(totals[status] for status in Status),
        "executions": totals["executions"],
        "failed": totals["failed"],
        "retries": totals["retries"],
        "duration_variance": variance,
        "duration_stddev": None if variance is None else math.sqrt(variance),
        "critical_path_share": critical_ms / whole_ms if whole_ms else None,
        "headroom_ms_per_execution": _headroom_ms(critical_ms, mean_ms, best_ms, successful),
    }


def _headroom_ms(critical_ms: float, mean_ms: float | None, best_ms: float | None, successful: int) -> float | None:
    """What a run would save if the step always took its own best decile: that share of its critical time."""
    if not successful or not mean_ms or best_ms is None:
        return None
    return critical_ms / successful * max(1 - best_ms / mean_ms, 0.0)
