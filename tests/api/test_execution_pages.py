"""``GET /api/v1/executions`` by pages: every order, unknown values last, nothing twice, nothing missing."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.api.rows import DAY, MINUTE, NOON, Row, make_run, store_runs

URL = "/api/v1/executions"
SORT_KEYS = ("start_time", "duration_ms", "cost_usd", "tokens", "steps_total")


def many_runs(count: int) -> list[Row]:
    """Runs with few different values, so that every sort has ties, and many unknown ones."""
    chance = random.Random(7)
    return [
        make_run(
            number,
            start_time=NOON + chance.randrange(9) * MINUTE,
            duration_ms=chance.choice([None, None, 0.0, 0.1 + 0.2, 1e9, 17.25]),
            cost_usd=chance.choice([None, 0.0, 1 / 3]),
            prompt_tokens=chance.choice([None, 0, 5, 2**63 - 1]),
            completion_tokens=chance.choice([None, 0, 7, 2**63 - 1]),
            steps_total=chance.randrange(3),
        )
        for number in range(1, count + 1)
    ]


def value_of(run: Row, key: str) -> Any:
    """What a run is sorted by."""
    if key != "tokens":
        return run[key]
    told = [run[name] for name in ("prompt_tokens", "completion_tokens") if run[name] is not None]
    return min(sum(told), 2**63 - 1) if told else None


def in_order(runs: Sequence[Row], sort: str) -> list[int]:
    """The numbers of the runs in the order of `sort`: unknown last, ties by id the other way round."""
    key, is_descending = sort.removeprefix("-"), sort.startswith("-")
    by_id = sorted(runs, key=lambda run: str(run["execution_id"]), reverse=not is_descending)
    known = [run for run in by_id if value_of(run, key) is not None]
    known.sort(key=lambda run: value_of(run, key), reverse=is_descending)
    ordered = [*known, *(run for run in by_id if value_of(run, key) is None)]
    return [int(run["root_span_id"], 16) for run in ordered]


@pytest.mark.parametrize("sort", [*SORT_KEYS, *(f"-{key}" for key in SORT_KEYS)])
async def test_pages_of_every_sort_together_are_the_whole_list(
    api: httpx.AsyncClient, database_url: str, sort: str
) -> None:
    runs = many_runs(60)
    await store_runs(database_url, runs)
    for limit in (1, 7, 60):
        found: list[int] = []
        parameters: dict[str, Any] = {**DAY, "sort": sort, "limit": limit}
        while True:
            page = (await api.get(URL, params=parameters)).json()
            assert page["total"] == 60
            assert len(page["items"]) <= limit
            found += [int(item["root_span_id"], 16) for item in page["items"]]
            if page["next_cursor"] is None:
                break
            parameters["cursor"] = page["next_cursor"]
        assert found == in_order(runs, sort)


async def test_newest_come_first_by_default(api: httpx.AsyncClient, database_url: str) -> None:
    runs = many_runs(20)
    await store_runs(database_url, runs)
    page = (await api.get(URL, params=DAY)).json()
    assert [int(item["root_span_id"], 16) for item in page["items"]] == in_order(runs, "-start_time")


async def test_page_holds_fifty_by_default(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, many_runs(51))
    page = (await api.get(URL, params=DAY)).json()
    assert len(page["items"]) == 50
    assert page["next_cursor"]


async def test_runs_that_arrive_meanwhile_neither_repeat_nor_skip(api: httpx.AsyncClient, database_url: str) -> None:
    now = datetime.now(UTC) - timedelta(hours=1)
    await store_runs(database_url, [make_run(number, start_time=now - number * MINUTE) for number in range(4)])
    first = (await api.get(URL, params={"limit": 2})).json()
    await store_runs(database_url, [make_run(100, start_time=datetime.now(UTC)), make_run(101, start_time=now)])
    second = (await api.get(URL, params={"limit": 9, "cursor": first["next_cursor"]})).json()
    found = [int(item["root_span_id"], 16) for item in (*first["items"], *second["items"])]
    # The second new run started before the first page was asked for, at the start of its first run.
    assert found == [0, 1, 2, 3]
    assert second["next_cursor"] is None


async def test_total_is_exact_to_ten_thousand_and_a_bound_beyond(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(number, start_time=NOON) for number in range(10_000)])
    page = (await api.get(URL, params={**DAY, "limit": 1})).json()
    assert (page["total"], page["total_at_least"]) == (10_000, None)
    await store_runs(database_url, [make_run(10_000, start_time=NOON)])
    page = (await api.get(URL, params={**DAY, "limit": 1})).json()
    assert (page["total"], page["total_at_least"]) == (None, 10_000)


Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize(
    "change",
    [
        lambda asked: {**asked, "sort": "duration_ms"},
        lambda asked: {**asked, "sort": "-start_time", "status": "failed"},
        lambda asked: {**asked, "to": "2026-03-12T00:00:00Z"},
        lambda asked: {**asked, "agent_id": ["planner", "other"]},
        lambda asked: {**asked, "cursor": asked["cursor"][:-4]},
        lambda asked: {**asked, "cursor": "x" + asked["cursor"]},
        lambda asked: {**asked, "cursor": ""},
        lambda asked: {**asked, "cursor": "münchen"},
        lambda asked: {**asked, "cursor": "bnVsbA"},
        lambda asked: {**asked, "cursor": "WzEsMiwzXQ"},
        lambda asked: {**asked, "cursor": "\0"},
    ],
    ids=["sort", "filter", "window", "values", "cut", "prefix", "empty", "unicode", "null", "short", "nul"],
)
async def test_cursor_of_another_list_is_refused(api: httpx.AsyncClient, database_url: str, change: Change) -> None:
    await store_runs(database_url, [make_run(number) for number in range(3)])
    asked: dict[str, Any] = {**DAY, "limit": 1, "agent_id": ["planner"]}
    asked["cursor"] = (await api.get(URL, params=asked)).json()["next_cursor"]
    assert (await api.get(URL, params=asked)).status_code == 200
    response = await api.get(URL, params=change(asked))
    assert response.status_code == 400
    assert response.json()["code"] == "bad_cursor"


async def test_page_may_change_its_size(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(number) for number in range(5)])
    first = (await api.get(URL, params={**DAY, "limit": 2})).json()
    second = (await api.get(URL, params={**DAY, "limit": 3, "cursor": first["next_cursor"]})).json()
    assert [item["root_span_id"] for item in second["items"]] == [f"{number:016x}" for number in (2, 1, 0)]
