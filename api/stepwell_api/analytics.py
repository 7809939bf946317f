"""The figures of an agent, or of all agents, over a window, as the specification's queries define them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api.amounts import LARGEST
from stepwell_api.parameters import AnalyticsParameters
from stepwell_api.times import Window
from stepwell_storage import queries

SQL = queries.load("analytics")

BUCKETS_A_DECADE = 10
SHORTEST_EXPONENT, LONGEST_EXPONENT = -3, 9
"""From a microsecond to 11.6 days, in powers of ten of milliseconds; the outermost buckets hold what is beyond."""

BOUNDS_MS = tuple(
    10.0 ** (step / BUCKETS_A_DECADE)
    for step in range(SHORTEST_EXPONENT * BUCKETS_A_DECADE, LONGEST_EXPONENT * BUCKETS_A_DECADE + 1)
)

PERCENTILES = ("median_duration", "p95_duration", "p99_duration")


async def has_agent(connection: AsyncConnection, workspace_id: UUID, agent_id: str) -> bool:
    """Whether the workspace has ever seen the agent."""
    parameters = {"workspace_id": workspace_id, "agent_id": agent_id}
    found = (await connection.exec_driver_sql(SQL.has_agent, parameters)).scalar_one()
    return bool(found)


async def analyze(
    connection: AsyncConnection,
    workspace_id: UUID,
    window: Window,
    parameters: AnalyticsParameters,
    *,
    agent_id: str | None,
) -> dict[str, Any]:
    """All figures of the contract; of every agent where `agent_id` is ``None``."""
    bound = {
        "workspace_id": workspace_id,
        "agent_id": agent_id,
        "environments": parameters.environment or None,
        "versions": parameters.version or None,
        "previous_start": window.previous().start,
        "start": window.start,
        "stop": window.stop,
        "bounds_ms": list(BOUNDS_MS),
    }
    row = (await connection.exec_driver_sql(SQL.analyze_window, bound)).one()
    return describe(window, row._asdict())


def describe(window: Window, row: Mapping[str, Any]) -> dict[str, Any]:
    """The answer made of the query's row."""
    statistics = _statistics(row["statistics"])
    previous = _statistics(row["previous_statistics"])
    success_rate = _percent(statistics["successful"], statistics["total_executions"])
    previous_rate = _percent(previous["successful"], previous["total_executions"])
    hours = row["hours"] or []
    return {
        "from": window.start,
        "to": window.stop,
        "statistics": statistics,
        "success_rate": success_rate,
        "execution_patterns": [_pattern(hour) for hour in hours],
        "failure_analysis": [_failure(failure, statistics["failed"]) for failure in row["failures"] or []],
        "durations": histogram(row["durations"] or []),
        "resources": [_resources(hour) for hour in hours],
        "change": {
            **{name: change(value, previous[name]) for name, value in statistics.items()},
            "success_rate": change(success_rate, previous_rate),
        },
    }


def change(now: float | None, before: float | None) -> float | None:
    """How much `now` differs from `before`, as a fraction of it; ``None`` where there was nothing."""
    if now is None or not before:
        return None
    return (now - before) / before


def histogram(counts: Sequence[Mapping[str, int]]) -> list[dict[str, Any]]:
    """Buckets without gaps from the first that holds something to the last; `bucket` is as ``width_bucket`` tells."""
    if not counts:
        return []
    by_bucket = {found["bucket"]: found["count"] for found in counts}
    return [
        {
            "from_ms": BOUNDS_MS[bucket - 1] if bucket else 0.0,
            "to_ms": BOUNDS_MS[bucket] if bucket < len(BOUNDS_MS) else None,
            "count": by_bucket.get(bucket, 0),
        }
        for bucket in range(min(by_bucket), max(by_bucket) + 1)
    ]


def _statistics(figures: Mapping[str, Any]) -> dict[str, Any]:
    percentiles = figures["percentiles"] or [None] * len(PERCENTILES)
    return {
        **{name: figures[name] for name in ("total_executions", "successful", "failed")},
        **{name: figures[name] for name in ("timeout", "cancelled", "running", "avg_duration")},
        **dict(zip(PERCENTILES, percentiles, strict=True)),
        **{name: figures[name] for name in ("total_credits", "avg_credits", "total_cost_usd")},
        **{name: _bounded(figures[name]) for name in ("prompt_tokens", "completion_tokens", "api_calls")},
    }


def _bounded(amount: int | None) -> int | None:
    """A sum cut at the largest integer that JSON's readers, and our writer, take."""
    return amount if amount is None else min(amount, LARGEST)


def _percent(part: int, whole: int) -> float | None:
    return part / whole * 100 if whole else None


def _pattern(hour: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "hour": _time(hour["hour"]),
        "execution_count": hour["execution_count"],
        "avg_duration": hour["avg_duration"],
        "p95_duration": hour["p95_duration"],
        "success_rate": _percent(hour["successful"], hour["execution_count"]),
    }


def _resources(hour: Mapping[str, Any]) -> dict[str, Any]:
    counts = ("prompt_tokens", "completion_tokens", "api_calls")
    amounts = ("credits", "cost_usd", "avg_memory_mb", "max_memory_mb")
    return {
        "hour": _time(hour["hour"]),
        **{name: _bounded(hour[name]) for name in counts},
        **{name: hour[name] for name in amounts},
    }


def _failure(failure: Mapping[str, Any], failed: int) -> dict[str, Any]:
    return {
        **failure,
        "share": failure["count"] / failed,
        "first_seen": _time(failure["first_seen"]),
        "last_seen": _time(failure["last_seen"]),
    }


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
