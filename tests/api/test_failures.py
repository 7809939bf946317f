"""``/agents/{agent_id}/failures``, against figures computed from the rows."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from tests.api import figures
from tests.api.rows import DAY, NOON, Row, make_agent_step, make_run, make_step, store_runs, store_steps

from stepwell_api.models.failures import FailurePage
from stepwell_storage.database import connect
from stepwell_storage.fold.ending import fingerprint
from stepwell_storage.model import Role, Status

FAILURES = "/api/v1/agents/planner/failures"
START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = {"from": "2026-03-01T00:20:00Z", "to": "2026-03-29T17:40:00Z"}
KINDS = [
    ("KeyError", "lookup", "order {} has no address"),
    ("TimeoutError", "search", "no answer in {} s"),
    (None, None, None),
]


async def ask(api: httpx.AsyncClient, **parameters: Any) -> Any:
    """The answer, which is as documented."""
    response = await api.get(FAILURES, params={**DAY, **parameters})
    assert response.status_code == 200, response.text
    FailurePage.model_validate_json(response.content)
    return response.json()


def failing(row: Row, kind: int, number: int) -> None:
    """Makes a run fail in one of three ways."""
    error_type, step, message = KINDS[kind]
    text = message and message.format(number)
    row |= {
        "status": row["status"] if row["status"] == "timeout" else "failed",
        "error_type": error_type,
        "error_step_name": step,
        "error_message": text,
        "error_fingerprint": fingerprint(error_type, step, text),
    }
    row["figures"] = {"status": row["status"], "parts": []}


def some_runs() -> list[Row]:
    """Runs of 29 days of which some fail in three ways."""
    chance = random.Random(5)
    rows = figures.random_runs(600, START, timedelta(days=29), seed=9)
    for number, row in enumerate(rows):
        if row["status"] in ("failed", "timeout"):
            failing(row, chance.choice([0, 0, 1, 2]), number)
    return rows


def chosen(rows: Sequence[Row], *statuses: str) -> list[Row]:
    start, stop = (datetime.fromisoformat(WINDOW[name]) for name in ("from", "to"))
    mine = [row for row in rows if row["agent_id"] == "planner" and start <= row["start_time"] < stop]
    return [row for row in mine if row["status"] in statuses] if statuses else mine


def stamp(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("statuses", [["failed"], ["timeout"], ["failed", "timeout"]])
async def test_clusters_equal_those_of_the_rows(api: httpx.AsyncClient, database_url: str, statuses: list[str]) -> None:
    rows = some_runs()
    await store_runs(database_url, rows)
    answer = await ask(api, **WINDOW, status=statuses)
    groups: dict[Any, list[Row]] = {}
    for row in chosen(rows, *statuses):
        groups.setdefault((row["error_fingerprint"], row["status"]), []).append(row)
    failures = sum(map(len, groups.values()))
    assert {(item["cluster_id"], item["status"]) for item in answer["items"]} == set(groups)
    assert [item["count"] for item in answer["items"]] == sorted(map(len, groups.values()), reverse=True)
    for item in answer["items"]:
        group = sorted(groups[item["cluster_id"], item["status"]], key=lambda row: row["start_time"])
        assert item["count"] == len(group)
        assert item["share"] == pytest.approx(len(group) / failures)
        assert (item["error_type"], item["step_name"]) == (group[0]["error_type"], group[0]["error_step_name"])
        assert item["avg_duration_before_failure"] == pytest.approx(figures.mean(figures.known(group, "duration_ms")))
        assert (item["first_seen"], item["last_seen"]) == (
            stamp(group[0]["start_time"]),
            stamp(group[-1]["start_time"]),
        )
        newest = [row["execution_id"] for row in reversed(group)]
        assert item["example_execution_ids"] == newest[:5]
        buckets = item["trend"]["buckets"]
        assert sum(bucket["count"] for bucket in buckets) == len(group)
        assert sum(bucket["executions"] for bucket in buckets) == len(chosen(rows))
    templates = {item["error_type"]: item["template"] for item in answer["items"]}
    assert templates == {"KeyError": "order <n> has no address", "TimeoutError": "no answer in <n> s", None: None}
    assert answer["total"] == len(groups)
    assert (answer["total_executions"], answer["total_failures"]) == (len(chosen(rows)), failures)


async def test_filters_choose_the_runs_and_pages_follow_each_other(api: httpx.AsyncClient, database_url: str) -> None:
    rows = some_runs()
    await store_runs(database_url, rows)
    expected = [row for row in chosen(rows, "failed") if row["environment"] == "staging"]
    whole = await ask(api, **WINDOW, environment="staging")
    assert whole["total_failures"] == len(expected)
    items, cursor = [], None
    while True:
        page = await ask(api, **WINDOW, environment="staging", limit=1, **({"cursor": cursor} if cursor else {}))
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert items == whole["items"]


def run_at(number: int, time: datetime, kind: int | None = None, **columns: Any) -> Row:
    row = make_run(number, start_time=time, duration_ms=5.0, **columns)
    if kind is not None:
        failing(row, kind, number)
    return row


async def test_what_sets_failures_apart(api: httpx.AsyncClient, database_url: str) -> None:
    """Runs for France fail to look the order up; who asked, and when, has nothing to do with it."""
    chance = random.Random(2)
    rows = []
    for number in range(600):
        country = "FR" if number % 5 == 0 else "DE"
        fails = 0 if country == "FR" and chance.random() < 0.6 else 1 if chance.random() < 0.1 else None
        data = {"country": country, "order": f"order {number}", **({} if fails == 1 else {"zip": chance.randrange(5)})}
        user = f"user-{chance.randrange(4)}"
        rows.append(run_at(number, NOON - timedelta(minutes=number), fails, input_data=data, user_id=user))
    await store_runs(database_url, rows)
    items = {item["error_type"]: item for item in (await ask(api))["items"]}
    failed = [row for row in rows if row.get("error_type") == "KeyError"]
    succeeded = [row for row in rows if row["status"] == "success"]
    [found] = items["KeyError"]["sets_apart"]
    base = sum(row["input_data"]["country"] == "FR" for row in succeeded) / len(succeeded)
    assert (found["attribute"], found["value"], found["share"]) == ("input.country", "FR", 1.0)
    assert found["count"] == len(failed)
    assert found["share_in_successes"] == pytest.approx(base)
    assert found["lift"] == pytest.approx(1 / base)
    assert found["lift_low"] < found["lift"] < found["lift_high"]
    assert found["p_value"] < 1e-6
    [missing] = items["TimeoutError"]["sets_apart"]
    assert (missing["attribute"], missing["value"], missing["share"]) == ("missing_input", "zip", 1.0)
    assert (missing["lift"], missing["lift_high"]) == (None, None)


async def test_failures_spread_evenly_are_set_apart_by_nothing(api: httpx.AsyncClient, database_url: str) -> None:
    chance = random.Random(4)
    rows = [
        run_at(
            number,
            NOON - timedelta(minutes=number),
            chance.choice([None, None, 0]),
            input_data={"country": chance.choice(["DE", "FR", "IT"]), "amount": chance.randrange(1000)},
            version=chance.choice(["1", "2"]),
            models=[chance.choice(["m", "n"])],
        )
        for number in range(500)
    ]
    await store_runs(database_url, rows)
    [item] = (await ask(api))["items"]
    assert item["sets_apart"] == []
    assert (item["trend"]["direction"], item["is_new"], item["reopened_at"]) == ("steady", False, None)


async def test_trends_news_and_returns(api: httpx.AsyncClient, database_url: str) -> None:
    """One kind of failure is new and rises, one comes back after five days of silence."""
    rows = []
    for number in range(2400):
        time = START - timedelta(days=20) + timedelta(minutes=30 * number)
        day = (time - START).total_seconds() / 86_400
        kind = None
        if day >= 0 and number % 40 < day:
            kind = 0
        elif number % 10 == 0 and not 3 <= day < 8:
            kind = 1
        rows.append(run_at(number, time, kind))
    await store_runs(database_url, rows)
    items = {item["error_type"]: item for item in (await ask(api, **WINDOW))["items"]}
    assert items["KeyError"]["trend"]["direction"] == "rising"
    assert (items["KeyError"]["is_new"], items["TimeoutError"]["is_new"]) == (True, False)
    returned = datetime.fromisoformat(items["TimeoutError"]["reopened_at"])
    assert abs(returned - START - timedelta(days=8)) <= timedelta(days=1)
    assert items["KeyError"]["reopened_at"] is None
    starts = [datetime.fromisoformat(bucket["start"]) for bucket in items["KeyError"]["trend"]["buckets"]]
    assert len(starts) <= 60
    assert len({later - earlier for earlier, later in pairwise(starts)}) == 1


async def test_template_is_that_of_the_deepest_cause(api: httpx.AsyncClient, database_url: str) -> None:
    """The agent passes a failure on in its own words; the tool's message is what happened."""
    told = {"status": Status.FAILED, "error_type": "ToolError"}
    steps = [
        make_agent_step(1, 0, 9, **told, error_message="run failed after tool call"),
        make_step(2, 1, 1, 2, role=Role.TOOL, name="lookup", **told, error_message="order 4711 has no address"),
    ]
    await store_steps(database_url, steps)
    [item] = (await ask(api))["items"]
    assert (item["template"], item["step_name"]) == ("order <n> has no address", "lookup")


async def test_rows_that_are_gone_stay_counted(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [run_at(number, NOON + timedelta(minutes=number), 0) for number in range(3)])
    async with await connect(database_url) as connection:
        await connection.execute("DELETE FROM analytics.agent_executions")
        await connection.commit()
    [item] = (await ask(api))["items"]
    assert (item["count"], item["template"], item["example_execution_ids"]) == (3, None, [])
    assert item["first_seen"] <= item["last_seen"]


@pytest.mark.parametrize("status", ["success", "running", "cancelled"])
async def test_agents_without_failures(api: httpx.AsyncClient, database_url: str, status: str) -> None:
    await store_runs(database_url, [make_run(1, status=status)])
    answer = await ask(api)
    assert (answer["items"], answer["total"], answer["total_failures"]) == ([], 0, 0)


async def test_agent_never_seen_is_not_found(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(1)])
    response = await api.get("/api/v1/agents/nobody/failures", params=DAY)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
