"""The specification's figures, computed in plain Python from rows, to hold the API's against."""

import math
import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.api.rows import Row, make_run

from stepwell_storage.rollups import histogram

STATUSES = ("success", "failed", "timeout", "cancelled", "running")


def percentile(values: Sequence[float], fraction: float) -> float | None:
    """PostgreSQL's ``percentile_cont``: linear between the two nearest ranks."""
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * fraction
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def known(rows: Iterable[Row], name: str) -> list[Any]:
    """The values of a column that are known."""
    return [row[name] for row in rows if row.get(name) is not None]


def mean(values: Sequence[float]) -> float | None:
    """The mean, ``None`` of nothing."""
    return math.fsum(values) / len(values) if values else None


def total(values: Sequence[float]) -> float | None:
    """The sum, ``None`` of nothing."""
    return sum(values) if values else None


def share_of(rows: Sequence[Row], *statuses: str) -> int:
    """How many rows have one of the statuses."""
    return sum(row["status"] in statuses for row in rows)


def random_runs(count: int, start: datetime, span: timedelta, *, seed: int, first: int = 1) -> list[Row]:
    """Runs of three agents, of all statuses, with values unknown here and there."""
    chance = random.Random(seed)
    return [
        make_run(
            number,
            agent_id=chance.choice(["a/b", "planner", "Größe 100%"]),
            agent_name=chance.choice([None, "Planner"]),
            start_time=start + chance.random() * span,
            status=(status := chance.choice(STATUSES)),
            error_type=chance.choice([None, "TimeoutError", "ValueError"]) if status == "failed" else None,
            duration_ms=None if status == "running" else chance.choice([None, 0.0, chance.lognormvariate(6, 2)]),
            credits_consumed=chance.choice([None, 1.5, 2.0]),
            cost_usd=chance.choice([None, chance.random()]),
            prompt_tokens=chance.choice([None, chance.randrange(1000)]),
            completion_tokens=chance.choice([None, chance.randrange(1000)]),
            memory_usage_mb=chance.choice([None, 100 * chance.random()]),
            api_calls_count=chance.randrange(4),
            environment=chance.choice([None, "production", "staging"]),
            version=chance.choice([None, "1", "2"]),
        )
        for number in range(first, first + count)
    ]


def about(value: float | None) -> Any:
    """A figure read from a histogram: within its documented error, or the shortest that is told apart."""
    return None if value is None else pytest.approx(value, rel=histogram.RELATIVE_ERROR, abs=histogram.BOUNDS[0])
