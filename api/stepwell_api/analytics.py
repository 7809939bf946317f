"""The figures of an agent, or of all agents, over a window, as the specification's queries define them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api import rollups
from stepwell_api.amounts import LARGEST
from stepwell_api.edges import read_edges
from stepwell_api.failure_analysis import failures_of
from stepwell_api.parameters import AnalyticsParameters
from stepwell_api.question import Question
from stepwell_api.times import Window
from stepwell_api.totals import Totals
from stepwell_storage.rollups import histogram
from stepwell_storage.rollups.figures import ALL_AGENTS

BUCKETS_A_DECADE = 10
"""Of the histogram that is shown; the one that is kept is finer by a whole factor."""

BOUNDS_MS = histogram.BOUNDS[:: histogram.BUCKETS_A_DECADE // BUCKETS_A_DECADE]


async def has_agent(connection: AsyncConnection, workspace_id: UUID, agent_id: str) -> bool:
    """Whether the workspace has ever seen the agent."""
    parameters = {"workspace_id": workspace_id, "agent_id": agent_id}
    found = (await connection.exec_driver_sql(rollups.SQL.has_agent, parameters)).scalar_one()
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
    asked = ALL_AGENTS if agent_id is None else agent_id
    question = Question(workspace_id, asked, window, parameters.environment, parameters.version, datetime.now(UTC))
    edges = await read_edges(connection, question)
    hours = await rollups.by_hour(connection, question, edges)
    previous = await rollups.of_runs(connection, replace(question, window=window.previous()))
    failures = await failures_of(connection, question, edges)
    return describe(window, hours, previous, failures)


def describe(
    window: Window, hours: Mapping[datetime, Totals], previous: Totals, failures: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The answer made of the figures."""
    total = Totals.of(hours.values())
    statistics, before = _statistics(total), _statistics(previous)
    success_rate = _percent(total["success"], total["executions"])
    return {
        "from": window.start,
        "to": window.stop,
        "statistics": statistics,
        "success_rate": success_rate,
        "execution_patterns": [_pattern(hour, figures) for hour, figures in hours.items()],
        "failure_analysis": failures,
        "durations": shown_histogram(total.durations),
        "resources": [_resources(hour, figures) for hour, figures in hours.items()],
        "change": {
            **{name: change(value, before[name]) for name, value in statistics.items()},
            "success_rate": change(success_rate, _percent(previous["success"], previous["executions"])),
        },
    }


def change(now: float | None, before: float | None) -> float | None:
    """How much `now` differs from `before`, as a fraction of it; ``None`` where there was nothing."""
    if now is None or not before:
        return None
    return (now - before) / before


def shown_histogram(durations: Sequence[int] | None) -> list[dict[str, Any]]:
    """Buckets without gaps from the first that holds something to the last."""
    finer = histogram.BUCKETS_A_DECADE // BUCKETS_A_DECADE
    counts: dict[int, int] = {}
    for bucket, count in histogram.from_array(durations).items():
        shown = -(-bucket // finer) if bucket else 0
        counts[shown] = counts.get(shown, 0) + count
    if not counts:
        return []
    return [
        {
            "from_ms": BOUNDS_MS[bucket - 1] if bucket else 0.0,
            "to_ms": BOUNDS_MS[bucket] if bucket < len(BOUNDS_MS) else None,
            "count": counts.get(bucket, 0),
        }
        for bucket in range(min(counts), max(counts) + 1)
    ]


def _statistics(figures: Totals) -> dict[str, Any]:
    median, p95, p99 = figures.duration_percentiles((0.5, 0.95, 0.99))
    return {
        "total_executions": figures["executions"],
        "successful": figures["success"],
        **{name: figures[name] for name in ("failed", "timeout", "cancelled", "running")},
        "avg_duration": figures.mean("duration_ms", "duration_count"),
        "median_duration": median,
        "p95_duration": p95,
        "p99_duration": p99,
        "total_credits": figures.known("credits", "credits_known"),
        "avg_credits": figures.mean("credits", "credits_known"),
        "total_cost_usd": figures.known("cost_usd", "cost_known"),
        **_tokens(figures),
        "api_calls": _bounded(figures["api_calls"]),
    }


def _tokens(figures: Totals) -> dict[str, int | None]:
    return {
        "prompt_tokens": _bounded(figures.known("prompt_tokens", "prompt_known")),
        "completion_tokens": _bounded(figures.known("completion_tokens", "completion_known")),
    }


def _bounded(amount: int | None) -> int | None:
    """A sum cut at the largest integer that JSON's readers, and our writer, take."""
    return amount if amount is None else min(amount, LARGEST)


def _percent(part: int, whole: int) -> float | None:
    return part / whole * 100 if whole else None


def _pattern(hour: datetime, figures: Totals) -> dict[str, Any]:
    return {
        "hour": hour,
        "execution_count": figures["executions"],
        "avg_duration": figures.mean("duration_ms", "duration_count"),
        "p95_duration": figures.duration_percentiles((0.95,))[0],
        "success_rate": _percent(figures["success"], figures["executions"]),
    }


def _resources(hour: datetime, figures: Totals) -> dict[str, Any]:
    return {
        "hour": hour,
        **_tokens(figures),
        "credits": figures.known("credits", "credits_known"),
        "cost_usd": figures.known("cost_usd", "cost_known"),
        "avg_memory_mb": figures.mean("memory_mb", "memory_known"),
        "max_memory_mb": figures.memory_percentile(1.0),
        "api_calls": _bounded(figures["api_calls"]),
    }
