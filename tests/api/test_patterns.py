"""``/agents/{agent_id}/patterns``, against figures computed from the rows."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import stdev, variance
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from tests.api import figures
from tests.api.figures import about
from tests.api.rows import DAY, NOON, Row, make_agent_step, make_run, make_step, store_runs, store_steps

from stepwell_api.models.patterns import Patterns
from stepwell_storage.database import connect
from stepwell_storage.model import Role, Status

PATTERNS = "/api/v1/agents/planner/patterns"
START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = {"from": "2026-03-01T00:20:00Z", "to": "2026-04-10T17:40:00Z"}
PATHS = ("plan", "plan > search", "(plan > search)×3 > write", "plan > ü")
FILTERS: list[tuple[dict[str, Any], Callable[[Row], bool]]] = [
    ({}, lambda row: True),
    ({"environment": "staging"}, lambda row: row["environment"] == "staging"),
    ({"version": ["1", "2"], "environment": "production"},
     lambda row: row["version"] in ("1", "2") and row["environment"] == "production"),
]  # fmt: skip


async def ask(api: httpx.AsyncClient, **parameters: Any) -> Any:
    """The answer, which is as documented."""
    response = await api.get(PATTERNS, params={**DAY, "limit": 1000, **parameters})
    assert response.status_code == 200, response.text
    Patterns.model_validate_json(response.content)
    return response.json()


def some_runs(count: int = 500) -> list[Row]:
    """Runs of forty days with paths and inputs."""
    chance = random.Random(11)
    rows = figures.random_runs(count, START, timedelta(days=41), seed=3)
    for row in rows:
        row["path"] = chance.choice(PATHS)
        row["input_data"] = chance.choice(
            [
                None,
                "a text",
                ["a", "list"],
                {
                    "country": chance.choice(["DE", "FR"]),
                    "amount": chance.randrange(3),
                    "is_new": chance.random() < 0.5,
                },
                {"order": {"country": chance.choice(["DE", None]), "lines": [1, 2]}, "note": "x" * 300},
            ]
        )
    return rows


def within(rows: Sequence[Row], window: Mapping[str, str]) -> list[Row]:
    start, stop = datetime.fromisoformat(window["from"]), datetime.fromisoformat(window["to"])
    return [row for row in rows if row["agent_id"] == "planner" and start <= row["start_time"] < stop]


def by(rows: Sequence[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def expected_hours(rows: Sequence[Row], zone: str) -> list[Any]:
    """The specification's query, by the clocks of the zone."""
    groups = by(rows, lambda row: row["start_time"].astimezone(ZoneInfo(zone)).hour)
    return [
        {
            "hour": hour,
            "execution_count": len(group),
            "avg_duration": pytest.approx(figures.mean(figures.known(group, "duration_ms")), abs=1e-6),
            "success_rate": pytest.approx(figures.share_of(group, "success") / len(group)),
        }
        for hour, group in sorted(groups.items())
    ]


def expected_paths(rows: Sequence[Row]) -> list[Any]:
    """The specification's query, the most frequent first."""
    groups = by(rows, lambda row: row["path"])
    return [
        {
            "execution_path": path,
            "frequency": len(group),
            "share": pytest.approx(len(group) / len(rows)),
            "avg_duration": pytest.approx(figures.mean(figures.known(group, "duration_ms"))),
            "p95_duration": about(figures.percentile(figures.known(group, "duration_ms"), 0.95)),
            "avg_credits": pytest.approx(figures.mean(figures.known(group, "credits_consumed"))),
            "avg_cost_usd": pytest.approx(figures.mean(figures.known(group, "cost_usd"))),
            "success_rate": pytest.approx(figures.share_of(group, "success") / len(group)),
        }
        for path, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def flat(data: Any) -> dict[str, str | None]:
    """Keys by their dotted path; values as text, `None` where it is a list or long."""
    if not isinstance(data, dict):
        return {}
    found: dict[str, str | None] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            found |= {f"{key}.{inner}": told for inner, told in flat(value).items()}
        elif isinstance(value, list) or (isinstance(value, str) and len(value) > 120):
            found[key] = None
        else:
            found[key] = (
                {True: "true", False: "false"}.get(value, str(value))
                if isinstance(value, bool)
                else ("null" if value is None else str(value))
            )
    return found


def expected_inputs(rows: Sequence[Row]) -> dict[tuple[str, str | None], tuple[int, Any]]:
    """Usage and success rate by key, and by key and value."""
    groups: dict[tuple[str, str | None], list[Row]] = {}
    for row in rows:
        for key, value in flat(row["input_data"]).items():
            groups.setdefault((key, None), []).append(row)
            if value is not None:
                groups.setdefault((key, value), []).append(row)
    return {
        pair: (len(group), pytest.approx(figures.share_of(group, "success") / len(group)))
        for pair, group in groups.items()
    }


@pytest.mark.parametrize(("filters", "is_chosen"), FILTERS, ids=["all", "environment", "versions"])
async def test_figures_equal_those_of_the_rows(
    api: httpx.AsyncClient, database_url: str, filters: Mapping[str, Any], is_chosen: Callable[[Row], bool]
) -> None:
    rows = some_runs()
    await store_runs(database_url, rows)
    chosen = [row for row in within(rows, WINDOW) if is_chosen(row)]
    for zone in ("Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"):
        answer = await ask(api, **WINDOW, tz=zone, **filters)
        assert answer["tz"] == zone
        assert answer["hourly_patterns"] == expected_hours(chosen, zone)
    assert answer["execution_paths"] == expected_paths(chosen)
    found = {
        (p["input_key"], p["input_value"]): (p["usage_count"], p["success_rate"]) for p in answer["input_patterns"]
    }
    assert found == expected_inputs(chosen)
    assert answer["sample"] == {"executions": len(chosen), "sampled": len(chosen), "is_exact": True}


async def test_hours_follow_summer_time(api: httpx.AsyncClient, database_url: str) -> None:
    before, after = datetime(2026, 3, 28, 6, 30, tzinfo=UTC), datetime(2026, 3, 30, 6, 30, tzinfo=UTC)
    await store_runs(database_url, [make_run(1, start_time=before), make_run(2, start_time=after)])
    answer = await ask(api, **WINDOW, tz="Europe/Berlin")
    assert [(hour["hour"], hour["execution_count"]) for hour in answer["hourly_patterns"]] == [(7, 1), (8, 1)]


async def test_runs_whose_rows_are_gone_stay_in_hours_and_paths(api: httpx.AsyncClient, database_url: str) -> None:
    rows = [make_run(number, duration_ms=10.0, start_time=NOON + timedelta(minutes=20 * number)) for number in range(6)]
    await store_runs(database_url, rows)
    async with await connect(database_url) as connection:
        await connection.execute("DELETE FROM analytics.agent_executions")
        await connection.commit()
    for zone in ("UTC", "Asia/Kolkata"):
        answer = await ask(api, tz=zone)
        assert sum(hour["execution_count"] for hour in answer["hourly_patterns"]) == 6
    assert [path["frequency"] for path in answer["execution_paths"]] == [6]
    assert answer["input_patterns"] == []
    assert answer["sample"] == {"executions": 6, "sampled": 0, "is_exact": False}


STEPS: list[tuple[float, float, list[tuple[str, float, float]], Status]] = [
    # A parent waits for its child; two calls side by side; a retry; the agent's own time at the end.
    (0, 10.0, [("search", 1, 5), ("fetch", 2, 3), ("write", 5, 9)], Status.SUCCESS),
    (20, 28.0, [("search", 21, 27), ("write", 21, 22)], Status.SUCCESS),
    (40, 41.0, [("search", 40.5, 41)], Status.FAILED),
]


async def store_three_runs(url: str) -> None:
    steps = []
    for number, (start, end, calls, status) in enumerate(STEPS, 1):
        trace_id, top = number.to_bytes(16), number * 100
        steps.append(make_agent_step(top, start, end, trace_id=trace_id, status=status))
        for at, (name, begin, stop) in enumerate(calls, 1):
            parent = top + 1 if name == "fetch" else top
            told = {"status": status, "error_type": "E"} if status is Status.FAILED else {}
            steps.append(make_step(top + at, parent, begin, stop, name=name, trace_id=trace_id, role=Role.TOOL, **told))
    await store_steps(url, steps)


async def test_bottlenecks_are_told_by_the_critical_path(api: httpx.AsyncClient, database_url: str) -> None:
    await store_three_runs(database_url)
    found = {step["step_name"]: step for step in (await ask(api))["bottlenecks"]}
    # Of 18 s of successful runs: search alone 3 s and 6 s, fetch below it 1 s, write 4 s; the rest is the agent's.
    shares = {"search": 9 / 18, "fetch": 1 / 18, "write": 4 / 18}
    assert {name: step["critical_path_share"] for name, step in found.items()} == pytest.approx(shares)
    assert list(found) == ["search", "write", "fetch"]
    durations = {"search": [4000.0, 6000.0, 500.0], "fetch": [1000.0], "write": [4000.0, 1000.0]}
    for name, values in durations.items():
        step = found[name]
        assert step["execution_count"] == len(values)
        assert step["avg_duration"] == pytest.approx(sum(values) / len(values))
        assert step["p95_duration"] == about(figures.percentile(values, 0.95))
        spread = (pytest.approx(variance(values)), pytest.approx(stdev(values))) if len(values) > 1 else (None, None)
        assert (step["duration_variance"], step["duration_stddev"]) == spread
    assert (found["search"]["failed"], found["search"]["retries"]) == (1, 0)
    best, mean = about(figures.percentile(durations["write"], 0.1)), 2500.0
    assert found["write"]["headroom_ms_per_execution"] == pytest.approx(4000 / 2 * (1 - best.expected / mean), rel=0.05)


async def test_bottlenecks_of_a_part_of_an_hour(api: httpx.AsyncClient, database_url: str) -> None:
    await store_three_runs(database_url)
    window = {"from": "2026-03-10T12:00:15Z", "to": "2026-03-10T12:00:45Z"}
    found = (await ask(api, **window))["bottlenecks"]
    assert [(step["step_name"], step["execution_count"]) for step in found] == [("search", 2), ("write", 1)]


@pytest.mark.parametrize(
    ("rows", "rate"),
    [
        pytest.param([make_run(1, status="running", input_data={"a": 1})], 0.0, id="running only"),
        pytest.param([make_run(1, status="failed", duration_ms=5.0, input_data={"a": 1})], 0.0, id="all failed"),
        pytest.param([make_run(1, duration_ms=5.0, input_data={"a": 1})], 1.0, id="single run"),
    ],
)
async def test_few_runs(api: httpx.AsyncClient, database_url: str, rows: list[Row], rate: float) -> None:
    await store_runs(database_url, rows)
    answer = await ask(api)
    assert answer["hourly_patterns"][0]["success_rate"] == rate
    assert answer["execution_paths"][0]["success_rate"] == rate
    assert answer["input_patterns"] == [
        {"input_key": "a", "input_value": value, "usage_count": 1, "success_rate": rate} for value in (None, "1")
    ]
    assert answer["optimization_suggestions"] == []


async def test_agent_without_runs_in_the_window(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(1, start_time=NOON - timedelta(days=40))])
    answer = await ask(api)
    lists = ("hourly_patterns", "input_patterns", "execution_paths", "bottlenecks", "optimization_suggestions")
    assert [answer[name] for name in lists] == [[]] * 5


async def test_unknown_agent_and_unknown_zone(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(1)])
    response = await api.get("/api/v1/agents/nobody/patterns", params=DAY)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    for zone in ("Mars/Olympus", "", "../etc/passwd", "europe/berlin\n"):
        response = await api.get(PATTERNS, params={**DAY, "tz": zone})
        assert (response.status_code, response.json()["errors"][0]["parameter"]) == (422, "tz")


async def test_new_runs_are_seen_at_once(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(1, input_data={"a": 1})])
    assert [p["usage_count"] for p in (await ask(api))["input_patterns"]] == [1, 1]
    await store_runs(database_url, [make_run(2, input_data={"a": 1})])
    assert [p["usage_count"] for p in (await ask(api))["input_patterns"]] == [2, 2]
