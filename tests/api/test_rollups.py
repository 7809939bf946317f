"""Analytics read rollups: what they answer depends neither on the rows of runs nor on when these were summed up."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.api import figures
from tests.api.rows import Row, make_run, store_runs

from stepwell_storage.database import connect
from stepwell_storage.rollups import compaction

START = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 20
WINDOWS = [
    pytest.param(START, START + timedelta(days=DAYS), id="whole days"),
    pytest.param(START + timedelta(hours=5), START + timedelta(days=9, hours=3), id="whole hours"),
    pytest.param(START + timedelta(days=1, minutes=20), START + timedelta(days=12, hours=4, minutes=1), id="any times"),
    pytest.param(START + timedelta(days=2, minutes=20), START + timedelta(days=2, minutes=40), id="within an hour"),
    pytest.param(START + timedelta(days=2, minutes=50), START + timedelta(days=2, hours=1, minutes=10), id="two edges"),
]


def runs() -> list[Row]:
    """Runs of three agents over all the days, and a step that names no figure of theirs."""
    return figures.random_runs(400, START, timedelta(days=DAYS), seed=7)


async def answers(api: httpx.AsyncClient, start: datetime, stop: datetime) -> list[Any]:
    window = {"from": start.isoformat(), "to": stop.isoformat()}
    paths = ("/api/v1/analytics", "/api/v1/agents/planner/analytics", "/api/v1/agents")
    found = []
    for path in paths:
        response = await api.get(path, params=window)
        assert response.status_code == 200, response.text
        found.append(response.json())
    return found


async def sum_up(url: str, *, days: bool) -> None:
    async with await connect(url) as connection:
        await compaction.compact(connection)
        while days and await compaction.sum_days(connection, START + timedelta(days=365)):
            pass


@pytest.mark.parametrize(("start", "stop"), WINDOWS)
async def test_answers_do_not_depend_on_what_is_summed_up(
    api: httpx.AsyncClient, database_url: str, start: datetime, stop: datetime
) -> None:
    rows = runs()
    random.Random(1).shuffle(rows)
    await store_runs(database_url, rows[:300])
    await sum_up(database_url, days=True)
    await store_runs(database_url, rows[300:])
    waiting = await answers(api, start, stop)
    await sum_up(database_url, days=False)
    by_hour = await answers(api, start, stop)
    await sum_up(database_url, days=True)
    by_day = await answers(api, start, stop)
    assert [_rounded(answer) for answer in waiting] == [_rounded(answer) for answer in by_hour]
    assert [_rounded(answer) for answer in by_hour] == [_rounded(answer) for answer in by_day]


def _rounded(answer: Any) -> Any:
    """Without what the order of additions changes in the last digits."""
    if isinstance(answer, float):
        return float(f"{answer:.9g}")
    if isinstance(answer, dict):
        return {name: _rounded(value) for name, value in answer.items()}
    return [_rounded(value) for value in answer] if isinstance(answer, list) else answer


async def test_analytics_touch_no_rows_of_runs_beyond_two_hours(api: httpx.AsyncClient, database_url: str) -> None:
    """The rows between the first and the last hour of the window may be gone, as they are once their time is over."""
    start, stop = START + timedelta(minutes=30), START + timedelta(days=DAYS - 1, minutes=30)
    await store_runs(database_url, [*runs(), *_at_edges(start, stop)])
    before = await answers(api, start, stop)
    async with await connect(database_url) as connection:
        deleted = await connection.execute(
            "DELETE FROM analytics.agent_executions WHERE start_time BETWEEN %s AND %s",
            (start + timedelta(minutes=30), stop - timedelta(minutes=30)),
        )
        assert deleted.rowcount > 300
    after = await answers(api, start, stop)
    for answer in (*before, *after):
        for failure in answer.get("failure_analysis", ()):
            # What only the rows of single runs tell: which they were, and the minute of the first and the last.
            del failure["example_execution_ids"], failure["first_seen"], failure["last_seen"]
        for item in answer.get("items", ()):
            del item["running"]
    assert after == before


def _at_edges(start: datetime, stop: datetime) -> list[Row]:
    return [
        make_run(9000 + n, start_time=time, duration_ms=100.0 * n, status="failed", error_type="E")
        for n, time in enumerate((start, start + timedelta(minutes=29), stop - timedelta(minutes=1)))
    ]


async def test_hours_are_apart_in_a_window_without_a_whole_one(api: httpx.AsyncClient, database_url: str) -> None:
    border = START + timedelta(hours=1)
    runs = [make_run(number + 1, start_time=border + timedelta(minutes=10 * number)) for number in (-1, 1, 2)]
    await store_runs(database_url, runs)
    window = {"from": (border - timedelta(minutes=15)).isoformat(), "to": (border + timedelta(minutes=30)).isoformat()}
    told = (await api.get("/api/v1/analytics", params=window)).json()["execution_patterns"]
    assert [(hour["hour"], hour["execution_count"]) for hour in told] == [
        ("2026-03-01T00:00:00Z", 1),
        ("2026-03-01T01:00:00Z", 2),
    ]
