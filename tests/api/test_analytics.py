"""``/agents/{agent_id}/analytics`` and ``/analytics``, against figures computed from the rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.api import figures
from tests.api.figures import about
from tests.api.rows import DAY, MINUTE, NOON, Row, make_run, store_runs

from stepwell_api.analytics import BOUNDS_MS, change
from stepwell_api.models.analytics import Analytics, Statistics
from stepwell_storage.rollups import histogram

ALL = "/api/v1/analytics"
MIDNIGHT = NOON - timedelta(hours=12)
ONE_DAY = timedelta(days=1)
PERCENTILES = ("median_duration", "p95_duration", "p99_duration")
TOLD = ("agent_id", "environment", "version")


def url_of(agent_id: str) -> str:
    """Path of an agent's analytics."""
    return f"/api/v1/agents/{quote(agent_id, safe='')}/analytics"


async def ask(api: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    """The answer over `DAY`, which is as documented."""
    response = await api.get(path, params={**DAY, **parameters})
    assert response.status_code == 200, response.text
    Analytics.model_validate_json(response.content)
    return response.json()


def expected_statistics(rows: Sequence[Row]) -> dict[str, Any]:
    """The specification's statistics."""
    durations, credits_ = figures.known(rows, "duration_ms"), figures.known(rows, "credits_consumed")
    return {
        "total_executions": len(rows),
        "successful": figures.share_of(rows, "success"),
        "failed": figures.share_of(rows, "failed"),
        "timeout": figures.share_of(rows, "timeout"),
        "cancelled": figures.share_of(rows, "cancelled"),
        "running": figures.share_of(rows, "running"),
        "avg_duration": figures.mean(durations),
        "median_duration": figures.percentile(durations, 0.5),
        "p95_duration": figures.percentile(durations, 0.95),
        "p99_duration": figures.percentile(durations, 0.99),
        "total_credits": figures.total(credits_),
        "avg_credits": figures.mean(credits_),
        "total_cost_usd": figures.total(figures.known(rows, "cost_usd")),
        "prompt_tokens": figures.total(figures.known(rows, "prompt_tokens")),
        "completion_tokens": figures.total(figures.known(rows, "completion_tokens")),
        "api_calls": sum(row["api_calls_count"] for row in rows),
    }


def percent(rows: Sequence[Row]) -> float | None:
    """The specification's success rate."""
    return figures.share_of(rows, "success") / len(rows) * 100 if rows else None


def by(rows: Sequence[Row], key: Any) -> Mapping[Any, list[Row]]:
    """Rows in groups."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def hour_of(row: Row) -> str:
    """The start of the hour in which a run started."""
    start: datetime = row["start_time"]
    return start.strftime("%Y-%m-%dT%H:00:00Z")


def expected_patterns(rows: Sequence[Row]) -> list[Any]:
    """The specification's hourly patterns."""
    return [
        {
            "hour": hour,
            "execution_count": len(group),
            "avg_duration": pytest.approx(figures.mean(figures.known(group, "duration_ms"))),
            "p95_duration": about(figures.percentile(figures.known(group, "duration_ms"), 0.95)),
            "success_rate": pytest.approx(percent(group)),
        }
        for hour, group in sorted(by(rows, hour_of).items())
    ]


def expected_resources(rows: Sequence[Row]) -> list[Any]:
    """What runs used, by the hour."""
    return [
        {
            "hour": hour,
            "prompt_tokens": figures.total(figures.known(group, "prompt_tokens")),
            "completion_tokens": figures.total(figures.known(group, "completion_tokens")),
            "credits": figures.total(figures.known(group, "credits_consumed")),
            "cost_usd": pytest.approx(figures.total(figures.known(group, "cost_usd"))),
            "avg_memory_mb": pytest.approx(figures.mean(figures.known(group, "memory_usage_mb"))),
            "max_memory_mb": about(max(figures.known(group, "memory_usage_mb"), default=None)),
            "api_calls": sum(row["api_calls_count"] for row in group),
        }
        for hour, group in sorted(by(rows, hour_of).items())
    ]


def expected_failures(rows: Sequence[Row]) -> list[Any]:
    """The specification's failure analysis."""
    failed = [row for row in rows if row["status"] == "failed"]
    groups = by(failed, lambda row: row["error_type"])
    ordered = sorted(groups, key=lambda name: (-len(groups[name]), name is None, name or ""))
    return [
        {
            "error_type": name,
            "count": len(groups[name]),
            "avg_duration_before_failure": pytest.approx(figures.mean(figures.known(groups[name], "duration_ms"))),
            "share": pytest.approx(len(groups[name]) / len(failed)),
            "first_seen": stamp(min(row["start_time"] for row in groups[name])),
            "last_seen": stamp(max(row["start_time"] for row in groups[name])),
            "example_execution_ids": [
                row["execution_id"] for row in sorted(groups[name], key=lambda row: row["start_time"], reverse=True)
            ][:5],
        }
        for name in ordered
    ]


def stamp(time: datetime) -> str:
    """A time as the API writes it."""
    return time.isoformat().replace("+00:00", "Z")


def check(answer: Any, rows: Sequence[Row], previous: Sequence[Row]) -> None:
    """The whole answer is that of these rows, compared with those before."""
    statistics, before = expected_statistics(rows), expected_statistics(previous)
    assert (answer["from"], answer["to"]) == (DAY["from"], DAY["to"])
    exact = {name: value for name, value in statistics.items() if name not in PERCENTILES}
    assert {name: answer["statistics"][name] for name in exact} == pytest.approx(exact)
    for name in PERCENTILES:
        assert answer["statistics"][name] == about(statistics[name])
        expected = change(answer["statistics"][name], before[name])
        factor = 1 if expected is None else 1 + abs(expected)
        assert answer["change"][name] == pytest.approx(expected, abs=factor * 1.1 * histogram.RELATIVE_ERROR)
    assert answer["success_rate"] == pytest.approx(percent(rows))
    assert answer["execution_patterns"] == expected_patterns(rows)
    assert answer["failure_analysis"] == expected_failures(rows)
    assert answer["resources"] == expected_resources(rows)
    changed = {
        **{name: change(value, before[name]) for name, value in exact.items()},
        "success_rate": change(percent(rows), percent(previous)),
    }
    assert {name: answer["change"][name] for name in changed} == pytest.approx(changed)
    durations = figures.known(rows, "duration_ms")
    for bucket in answer["durations"]:
        upper = bucket["to_ms"] or float("inf")
        assert bucket["count"] == sum(bucket["from_ms"] <= duration < upper for duration in durations)
    assert sum(bucket["count"] for bucket in answer["durations"]) == len(durations)


async def store_two_days(database_url: str) -> tuple[list[Row], list[Row]]:
    """Runs of the day and of the day before, with others around that must not count."""
    rows = figures.random_runs(90, MIDNIGHT, ONE_DAY, seed=3)
    previous = figures.random_runs(60, MIDNIGHT - ONE_DAY, ONE_DAY, seed=4, first=1000)
    around = [
        make_run(5000, start_time=MIDNIGHT + ONE_DAY, duration_ms=1e6),
        make_run(5001, start_time=MIDNIGHT - ONE_DAY - timedelta(microseconds=1), duration_ms=1e6),
    ]
    rows.append(make_run(5002, start_time=MIDNIGHT, agent_name=None, error_type=None, **dict.fromkeys(TOLD[1:])))
    await store_runs(database_url, [*rows, *previous, *around])
    return rows, previous


async def test_figures_of_one_agent(api: httpx.AsyncClient, database_url: str) -> None:
    rows, previous = await store_two_days(database_url)
    for agent_id in ("planner", "a/b", "Größe 100%"):
        mine, mine_before = ([row for row in part if row["agent_id"] == agent_id] for part in (rows, previous))
        check(await ask(api, url_of(agent_id)), mine, mine_before)


async def test_figures_of_all_agents(api: httpx.AsyncClient, database_url: str) -> None:
    rows, previous = await store_two_days(database_url)
    check(await ask(api, ALL), rows, previous)


async def test_filters_choose_the_runs(api: httpx.AsyncClient, database_url: str) -> None:
    rows, previous = await store_two_days(database_url)

    def chosen(part: Sequence[Row]) -> list[Row]:
        return [row for row in part if row["environment"] == "production" and row["version"] in ("1", "2")]

    check(await ask(api, ALL, environment="production", version=["1", "2"]), chosen(rows), chosen(previous))
    assert (await ask(api, ALL, environment=""))["statistics"]["total_executions"] == 0


async def test_numbers_by_hand(api: httpx.AsyncClient, database_url: str) -> None:
    today = [
        make_run(1, duration_ms=100.0, credits_consumed=2.0, status="success"),
        make_run(2, duration_ms=200.0, credits_consumed=None, status="success"),
        make_run(3, duration_ms=400.0, credits_consumed=4.0, status="failed", error_type="E"),
        make_run(4, duration_ms=None, status="running"),
    ]
    yesterday = [make_run(10 + n, start_time=NOON - ONE_DAY, duration_ms=50.0, status="success") for n in range(2)]
    await store_runs(database_url, [*today, *yesterday])
    answer = await ask(api, url_of("planner"))
    told = answer["statistics"]
    assert (told["total_executions"], told["successful"], told["failed"], told["running"]) == (4, 2, 1, 1)
    assert told["avg_duration"] == pytest.approx(700 / 3)
    assert told["median_duration"] == about(200.0)
    assert told["p95_duration"] == about(380.0)
    assert told["p99_duration"] == about(396.0)
    assert (told["total_credits"], told["avg_credits"], told["total_cost_usd"]) == (6.0, 3.0, None)
    assert answer["success_rate"] == 50.0
    assert answer["change"]["total_executions"] == 1.0
    assert answer["change"]["median_duration"] == pytest.approx(3.0, abs=4 * histogram.RELATIVE_ERROR)
    assert answer["change"]["success_rate"] == -0.5
    assert answer["change"]["failed"] is None
    assert answer["change"]["total_credits"] is None
    assert [bucket["count"] for bucket in answer["durations"]] == [1, 0, 0, 1, 0, 0, 1]
    assert answer["durations"][0]["from_ms"] == 100.0


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param([{"status": "success", "duration_ms": 5.0, "cost_usd": 0.25}], id="single run"),
        pytest.param([{"status": "failed", "duration_ms": 5.0, "error_type": name} for name in "EEF"], id="all failed"),
        pytest.param([{"status": "running", "prompt_tokens": 7}] * 3, id="running only"),
    ],
)
async def test_few_runs_equal_the_rows(api: httpx.AsyncClient, database_url: str, columns: list[Row]) -> None:
    rows = [make_run(number, **told) for number, told in enumerate(columns)]
    await store_runs(database_url, rows)
    check(await ask(api, url_of("planner")), rows, [])


async def test_agent_without_runs_in_the_window(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(1, start_time=NOON - 40 * ONE_DAY, duration_ms=1.0)])
    answer = await ask(api, url_of("planner"))
    zero = ("total_executions", "successful", "failed", "timeout", "cancelled", "running", "api_calls")
    assert answer["statistics"] == {name: 0 if name in zero else None for name in Statistics.model_fields}
    assert answer["success_rate"] is None
    lists = ("execution_patterns", "failure_analysis", "durations", "resources")
    assert [answer[name] for name in lists] == [[], [], [], []]
    assert set(answer["change"].values()) == {None}


async def test_change_from_something_to_nothing(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(1, start_time=NOON - ONE_DAY, duration_ms=1.0, cost_usd=0.0)])
    changed = (await ask(api, url_of("planner")))["change"]
    assert changed["total_executions"] == -1.0
    # A mean of nothing is no mean that fell; a cost that was 0 can be no base.
    assert (changed["avg_duration"], changed["total_cost_usd"], changed["success_rate"]) == (None, None, None)


@pytest.mark.parametrize("agent_id", ["nobody", "planner/x", "%", "' OR 1=1 --", "x" * 5_000, "∅"])
async def test_agent_never_seen_is_not_found(api: httpx.AsyncClient, database_url: str, agent_id: str) -> None:
    await store_runs(database_url, [make_run(1)])
    response = await api.get(url_of(agent_id), params=DAY)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "agent_id",
    ["team/writer", "analytics", "a/analytics", "/", "..", "a b?c#d%2F&e=é", "line\nend", "{agent_id}", "'\"\\", "🦊"],
)
async def test_agents_of_any_name_are_found(api: httpx.AsyncClient, database_url: str, agent_id: str) -> None:
    await store_runs(database_url, [make_run(1, agent_id=agent_id)])
    path = url_of(agent_id).replace("/../", "/%2E%2E/")
    assert (await ask(api, path))["statistics"]["total_executions"] == 1


async def test_slashes_need_no_encoding(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(1, agent_id="a/b//c")])
    assert (await ask(api, "/api/v1/agents/a/b//c/analytics"))["statistics"]["total_executions"] == 1


async def test_durations_at_and_beyond_the_bounds_have_buckets(api: httpx.AsyncClient, database_url: str) -> None:
    durations = [0.0, 0.0005, 0.001, 0.99999, 1.0, 1e9, 3e12, BOUNDS_MS[7]]
    await store_runs(database_url, [make_run(n, duration_ms=duration) for n, duration in enumerate(durations)])
    buckets = (await ask(api, ALL))["durations"]
    filled = [(bucket["from_ms"], bucket["to_ms"], bucket["count"]) for bucket in buckets if bucket["count"]]
    assert filled == [
        (0.0, 0.001, 2),
        (0.001, BOUNDS_MS[1], 1),
        (BOUNDS_MS[7], BOUNDS_MS[8], 1),
        (BOUNDS_MS[29], 1.0, 1),
        (1.0, BOUNDS_MS[31], 1),
        (1e9, None, 2),
    ]
    assert len(buckets) == len(BOUNDS_MS) + 1
    for bucket, following in pairwise(buckets):
        assert bucket["to_ms"] == following["from_ms"]


async def test_absurd_amounts_stay_numbers(api: httpx.AsyncClient, database_url: str) -> None:
    largest = 2**63 - 1
    runs = [make_run(n, prompt_tokens=largest, completion_tokens=largest, cost_usd=1e100) for n in range(2)]
    await store_runs(database_url, runs)
    for path in (ALL, url_of("planner")):
        assert (await ask(api, path, **{"from": stamp(NOON), "to": stamp(NOON + MINUTE)}))["statistics"][
            "prompt_tokens"
        ] == largest
    response = await api.get("/api/v1/agents", params=DAY)
    assert response.json()["items"][0]["tokens"] == largest


async def test_window_of_all_times_is_answered(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(1)])
    window = {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59.999999Z"}
    answer = (await api.get(ALL, params=window)).json()
    assert answer["statistics"]["total_executions"] == 1
    assert answer["change"]["total_executions"] is None
