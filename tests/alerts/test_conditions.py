"""When rules hold equals what is worked out from the runs themselves, one moment after the other."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from tests.api.rows import Row, make_run, store_runs

from stepwell_api.alerts import sighting
from stepwell_api.alerts.clusters import onsets
from stepwell_api.alerts.conditions import floor
from stepwell_api.alerts.rules import Comparator, Condition, Figure, Rule, RuleKind, Severity
from stepwell_storage.database import connect
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.rollups.compaction import compact

NOW = datetime(2026, 3, 10, 12, 7, 31, tzinfo=UTC)
MINUTES, HOURS = timedelta(minutes=1), timedelta(hours=1)


def make_rule(kind: RuleKind = RuleKind.FIGURE, workspace_id: UUID = LOCAL_WORKSPACE_ID, **changes: Any) -> Rule:
    told = {
        "workspace_id": workspace_id, "rule_id": "rule_1", "name": "mine", "kind": kind, "agent_id": "planner",
        "environment": "", "severity": Severity.WARNING, "cooldown_s": 0, "webhook_ids": [], "is_enabled": True,
        "muted_until": None, "created_at": NOW, "changed_at": NOW, "checked_at": None, "checked_until": None,
        "failure": None,
    }  # fmt: skip
    return Rule(**{**told, **changes})


def told_of(**changes: Any) -> dict[str, Any]:
    """A condition as it is stored."""
    usual = {"figure": "executions", "comparison": "above", "threshold": 0.0, "window_s": 3600, "for_s": 0,
             "min_samples": 0, "step_name": None}  # fmt: skip
    return {**usual, **changes}


def random_runs(seed: int, count: int, span: timedelta) -> list[Row]:
    """Runs of two agents and environments that get worse in the middle."""
    chance = random.Random(seed)
    rows = []
    for number in range(1, count + 1):
        share = chance.random()
        is_bad = chance.random() < (0.6 if 0.4 < share < 0.6 else 0.1)
        status = chance.choice(["failed", "timeout"]) if is_bad else chance.choice(["success"] * 9 + ["cancelled"])
        rows.append(
            make_run(
                number,
                start_time=(NOW - span * share).replace(microsecond=0),
                status=status,
                agent_id=chance.choice(["planner", "planner", "other"]),
                environment=chance.choice(["production", "staging"]),
                duration_ms=chance.lognormvariate(6, 1) * (3 if is_bad else 1),
                cost_usd=chance.choice([None, chance.random()]),
                prompt_tokens=chance.randrange(1000),
            )
        )
    return rows


def figure_of(figure: str, rows: Sequence[Row]) -> tuple[float, int]:
    """(value, of how many) straight from rows."""
    ended = [row for row in rows if row["status"] in ("success", "failed", "timeout")]
    good = sum(row["status"] == "success" for row in rows)
    if figure == "success_rate":
        return (good / len(ended) if ended else np.nan), len(ended)
    if figure == "p95_duration_ms":
        return (float(np.percentile([row["duration_ms"] for row in rows], 95)) if rows else np.nan), len(rows)
    if figure == "cost_usd":
        return sum(row["cost_usd"] or 0.0 for row in rows), len(rows)
    return float(len(rows)), len(rows)


def fires_at(condition: Condition, rows: Sequence[Row], moment: datetime) -> bool:
    """Word by word what the documentation says."""

    def holds(at: datetime) -> bool:
        def within(start: datetime, stop: datetime) -> tuple[float, int]:
            return figure_of(condition.figure.value, [row for row in rows if start <= row["start_time"] < stop])

        value, samples = within(at - condition.window, at)
        before, samples_before = within(at - 2 * condition.window, at - condition.window)
        if condition.comparison is Comparator.RISES_BY:
            enough = min(samples, samples_before) >= condition.min_samples
            return enough and value >= before * (1 + condition.threshold) and value != before
        is_beyond = (
            value > condition.threshold if condition.comparison is Comparator.ABOVE else value < condition.threshold
        )
        return samples >= condition.min_samples and is_beyond

    moments = int(condition.lasting / condition.step)
    return all(holds(moment - condition.step * back) for back in range(moments + 1))


@pytest.mark.parametrize(
    ("told", "environment"),
    [
        (told_of(figure="success_rate", comparison="below", threshold=0.7, window_s=1800, min_samples=5), ""),
        (told_of(figure="success_rate", comparison="below", threshold=0.7, window_s=7200, for_s=600), "staging"),
        (told_of(figure="executions", threshold=6, window_s=900, for_s=300), ""),
        (told_of(figure="cost_usd", comparison="rises_by", threshold=0.3, window_s=6 * 3600, min_samples=3), ""),
        (told_of(figure="success_rate", comparison="below", threshold=0.75, window_s=4 * 3600, for_s=7200), ""),
        (told_of(figure="executions", comparison="below", threshold=30, window_s=3 * 3600), "production"),
    ],
)
async def test_preview_equals_what_the_runs_say(database_url: str, told: dict[str, Any], environment: str) -> None:
    span = timedelta(days=2)
    rows = random_runs(7, 1200, span + timedelta(hours=12))
    await store_runs(database_url, rows)
    async with await connect(database_url) as connection:
        await compact(connection)
        late = make_run(5000, start_time=NOW - 3 * HOURS, status="failed", duration_ms=9.0, cost_usd=None)
        await store_runs(database_url, [late])
        rows.append(late)
        rule = make_rule(condition=told, environment=environment)
        start, stop, _, points = await sighting.preview(connection, database_url, rule, span, NOW)
    condition = Condition.of(told)
    own = [
        row
        for row in rows
        if row["agent_id"] == "planner" and (not environment or row.get("environment") == environment)
    ]
    assert points is not None
    assert (points.times[0], points.times[-1], stop) == (start, floor(NOW, condition.step), points.times[-1])
    chosen = range(0, len(points.times), max(len(points.times) // 60, 1))
    expected = [fires_at(condition, own, points.times[place]) for place in chosen]
    assert [bool(points.fires[place]) for place in chosen] == expected
    assert 0 < sum(points.fires) < len(points.fires)


async def test_percentiles_are_within_the_bound(database_url: str) -> None:
    rows = [row for row in random_runs(3, 600, timedelta(days=1)) if row["agent_id"] == "planner"]
    await store_runs(database_url, rows)
    told = told_of(figure="p95_duration_ms", threshold=1.0, window_s=4 * 3600)
    async with await connect(database_url) as connection:
        rule = make_rule(condition=told)
        _, _, _, points = await sighting.preview(connection, database_url, rule, timedelta(hours=12), NOW)
    assert points is not None
    for time, value in zip(points.times, points.values, strict=True):
        held = [row for row in rows if time - 4 * HOURS <= row["start_time"] < time]
        assert value == pytest.approx(figure_of("p95_duration_ms", held)[0], rel=0.04)


async def test_what_is_seen_now_is_the_end_of_the_preview(database_url: str) -> None:
    rows = random_runs(7, 900, timedelta(hours=20))
    await store_runs(database_url, rows)
    told = told_of(figure="success_rate", comparison="below", threshold=0.8, window_s=1800, min_samples=5)
    async with await connect(database_url) as connection:
        for minutes in range(0, 240, 25):
            now = NOW - minutes * MINUTES
            rule = make_rule(condition=told, changed_at=now - timedelta(days=1), created_at=now)
            seen = await sighting.see(connection, database_url, rule, now)
            _, _, found, _ = await sighting.preview(connection, database_url, rule, timedelta(hours=2), now)
            assert [(one.fired_at, one.ended_at) for one in seen] == [(one.fired_at, one.ended_at) for one in found]


def test_every_figure_can_be_watched() -> None:
    for figure in Figure:
        condition = Condition.of(told_of(figure=figure.value))
        assert condition.step == (timedelta(hours=1) if figure.is_of_step else timedelta(minutes=5))


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ([(0, 1), (1, 1), (2, 1)], [(0, 2, 3)]),
        ([(0, 1), (30, 1), (31, 1)], []),
        ([(0, 3), (24 * 20, 3)], [(0, 0, 3), (480, 480, 3)]),
        ([(0, 3), (24 * 5, 9)], [(0, 0, 3)]),
        ([], []),
    ],
    ids=["enough", "too slow", "after silence", "not silent", "none"],
)
def test_failures_are_new_after_silence(hours: list[tuple[int, int]], expected: list[tuple[int, int, int]]) -> None:
    told = [(NOW + number * HOURS, count) for number, count in hours]
    quiet = timedelta(days=14)
    found = list(onsets(told, quiet=quiet, min_count=3, agent_since=NOW - timedelta(days=30)))
    assert [((one.began - NOW) // HOURS, (one.enough - NOW) // HOURS, one.count) for one in found] == expected
    assert (
        list(onsets(told, quiet=quiet, min_count=3, agent_since=NOW - HOURS))[:1]
        == [one for one in found[1:] if hours[-1][0] > 24][:1]
    )


def test_what_fails_in_an_agents_first_day_is_not_new() -> None:
    hours = [(NOW, 5)]
    for since, expected in ((NOW - HOURS, 0), (NOW - 24 * HOURS, 1), (None, 0)):
        assert len(list(onsets(hours, quiet=timedelta(days=14), min_count=3, agent_since=since))) == expected
