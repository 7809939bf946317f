"""Windows of any length and place are answered by everything that looks into an agent's runs."""

from datetime import datetime, timedelta

import httpx
import pytest
from tests.api.rows import NOON, make_run, store_runs

ALL = {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59.999999Z"}
EMPTY = {"from": NOON.isoformat(), "to": NOON.isoformat()}
PATHS = [
    "patterns",
    "patterns?tz=Asia/Kolkata",
    "failures",
    "compare?a=1&b=2",
    "compare?a=model:m&b=1",
    f"compare?a=window:{ALL['from']}/{ALL['to']}&b=1",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("window", [ALL, EMPTY], ids=["all times", "no time"])
async def test_odd_windows_are_answered(
    api: httpx.AsyncClient, database_url: str, path: str, window: dict[str, str]
) -> None:
    failed = {"status": "failed", "error_type": "E", "error_message": "e", "error_fingerprint": "f"}
    await store_runs(database_url, [make_run(1, version="1", models=["m"]), make_run(2, **failed)])
    asked = httpx.URL(f"/api/v1/agents/planner/{path}")
    response = await api.get(asked.path, params={**dict(asked.params), **window})
    assert response.status_code == 200, response.text


async def test_trends_of_all_times_have_few_stretches(api: httpx.AsyncClient, database_url: str) -> None:
    run = make_run(1, status="failed", error_fingerprint="f", start_time=NOON + timedelta(minutes=5))
    await store_runs(database_url, [run])
    [item] = (await api.get("/api/v1/agents/planner/failures", params=ALL)).json()["items"]
    buckets = item["trend"]["buckets"]
    assert len(buckets) <= 60
    [bucket] = [bucket for bucket in buckets if bucket["count"]]
    starts = [datetime.fromisoformat(bucket["start"]) for bucket in buckets]
    assert datetime.fromisoformat(bucket["start"]) == max(start for start in starts if start <= run["start_time"])
    assert item["example_execution_ids"] == [run["execution_id"]]
