"""Of many runs a bounded part is read, which stands for all of them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import pytest
from tests.api.rows import make_run, store_runs

from stepwell_api import rollups
from stepwell_api.edges import read_edges
from stepwell_api.insight.cache import MAX_AGE_S, MAX_READINGS, ReadingCache
from stepwell_api.insight.slices import MAX_RUNS, MAX_SLICES, TARGETS, slices_of
from stepwell_api.question import Question
from stepwell_api.times import Window
from stepwell_storage.database import make_engine
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.model import Status
from stepwell_storage.settings import Settings

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(START + timedelta(minutes=10), START + timedelta(days=30))
HOURS = [START + timedelta(hours=hour) for hour in range(720)]


def test_few_runs_are_all_read() -> None:
    counts = {Status.SUCCESS: MAX_RUNS - 10, Status.FAILED: 10, Status.TIMEOUT: 0}
    found = slices_of(counts, HOURS, WINDOW)
    assert [(part.status, part.window) for part in found] == [(Status.SUCCESS, WINDOW), (Status.FAILED, WINDOW)]


def test_of_many_runs_the_same_share_of_all_times_is_read() -> None:
    counts = {Status.SUCCESS: 1_000_000, Status.FAILED: 50_000, Status.TIMEOUT: 3}
    found = slices_of(counts, HOURS, WINDOW)
    assert found == slices_of(counts, HOURS, WINDOW)
    for status in (Status.SUCCESS, Status.FAILED):
        windows = [part.window for part in found if part.status is status]
        assert len(windows) <= MAX_SLICES
        assert all(earlier.stop <= later.start for earlier, later in pairwise(windows))
        assert WINDOW.start <= windows[0].start
        assert windows[-1].stop <= WINDOW.stop
        read = sum((window.stop - window.start for window in windows), timedelta())
        assert read / (WINDOW.stop - WINDOW.start) == pytest.approx(TARGETS[status] / counts[status], rel=1e-3)
    assert [part.window for part in found if part.status is Status.TIMEOUT] == [WINDOW]


async def test_estimates_of_many_runs_are_close(api: httpx.AsyncClient, database_url: str) -> None:
    count, statuses = 8_000, ["success"] * 7 + ["failed", "failed", "running"]
    rows = [
        make_run(
            number,
            start_time=START + timedelta(seconds=90 * number),
            status=statuses[number % 10],
            input_data={"country": "DE" if number % 4 else "FR", "order": f"order {number}"},
        )
        for number in range(count)
    ]
    await store_runs(database_url, rows)
    window = {"from": START.isoformat(), "to": (START + timedelta(days=30)).isoformat()}
    answer = (await api.get("/api/v1/agents/planner/patterns", params=window)).json()
    assert not answer["sample"]["is_exact"]
    assert answer["sample"]["executions"] == count
    assert answer["sample"]["sampled"] < MAX_RUNS
    found = {(p["input_key"], p["input_value"]): p for p in answer["input_patterns"]}
    assert found["country", None]["usage_count"] == count
    assert found["country", None]["success_rate"] == pytest.approx(0.7)
    assert found["order", "order <n>"]["usage_count"] == count
    expected = Counter(row["input_data"]["country"] for row in rows)
    for country, usage in expected.items():
        assert found["country", country]["usage_count"] == pytest.approx(usage, rel=0.1)
    # One more run is in the figures at once; the sample, which is an estimate anyway, stays as it was for a while.
    await store_runs(database_url, [make_run(count, start_time=START + timedelta(days=9), status="success")])
    following = (await api.get("/api/v1/agents/planner/patterns", params=window)).json()
    assert sum(hour["execution_count"] for hour in following["hourly_patterns"]) == count + 1
    assert following["execution_paths"][0]["frequency"] == count + 1
    assert following["sample"] == answer["sample"]


async def test_a_sample_is_read_anew_after_its_time(database_url: str, settings: Settings) -> None:
    now_s = 0.0
    await store_runs(database_url, [make_run(1, start_time=START + timedelta(hours=1))])
    question = Question(LOCAL_WORKSPACE_ID, "planner", WINDOW, (), (), WINDOW.stop)
    readings = ReadingCache(clock=lambda: now_s)
    engine = make_engine(settings.database_url).execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        hours = await rollups.by_hour(connection, question, await read_edges(connection, question))
        first = await readings.get(connection, "asked", question, hours)
        assert await readings.get(connection, "asked", question, hours) is first
        assert await readings.get(connection, "asked otherwise", question, hours) is not first
        now_s = MAX_AGE_S + 1
        assert await readings.get(connection, "asked", question, hours) is not first
        for number in range(MAX_READINGS + 1):
            await readings.get(connection, number, question, hours)
        assert len(readings._kept) == MAX_READINGS
    await engine.dispose()
