"""``GET /api/v1/agents``: one row for each agent, against figures computed from the rows."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.api import figures
from tests.api.figures import about
from tests.api.rows import DAY, NOON, Row, make_run, store_runs

from stepwell_api.models.analytics import AgentPage
from stepwell_api.parameters import AgentSort

URL = "/api/v1/agents"
HOURS_3 = timedelta(hours=3)
AGENTS = ("Größe 100%", "a/b", "planner")


async def ask(api: httpx.AsyncClient, **parameters: Any) -> Any:
    """The answer, which is as documented."""
    response = await api.get(URL, params={**DAY, **parameters})
    assert response.status_code == 200, response.text
    AgentPage.model_validate_json(response.content)
    return response.json()


def expected_agent(agent_id: str, rows: Sequence[Row]) -> dict[str, Any]:
    """What the API should tell of the agent."""
    durations = figures.known(rows, "duration_ms")
    named = sorted((row for row in rows if row["agent_name"]), key=lambda row: row["start_time"])
    finished = figures.share_of(rows, "success", "failed", "timeout", "cancelled")
    prompt, completion = figures.known(rows, "prompt_tokens"), figures.known(rows, "completion_tokens")
    return {
        "agent_id": agent_id,
        "agent_name": named[-1]["agent_name"] if named else None,
        "executions": len(rows),
        "successful": figures.share_of(rows, "success"),
        "failed": figures.share_of(rows, "failed"),
        "timeout": figures.share_of(rows, "timeout"),
        "cancelled": figures.share_of(rows, "cancelled"),
        "running": figures.share_of(rows, "running"),
        "success_rate": figures.share_of(rows, "success") / finished if finished else None,
        "avg_duration_ms": pytest.approx(figures.mean(durations)),
        "p50_duration_ms": about(figures.percentile(durations, 0.5)),
        "p95_duration_ms": about(figures.percentile(durations, 0.95)),
        "cost_usd": pytest.approx(figures.total(figures.known(rows, "cost_usd"))),
        "prompt_tokens": figures.total(prompt),
        "completion_tokens": figures.total(completion),
        "tokens": figures.total([*prompt, *completion]),
        "last_seen": max(row["last_activity_at"] for row in rows).isoformat().replace("+00:00", "Z"),
    }


async def test_figures_are_those_of_the_rows(api: httpx.AsyncClient, database_url: str) -> None:
    rows = figures.random_runs(80, NOON, HOURS_3, seed=1)
    await store_runs(database_url, rows)
    page = await ask(api, sort="agent_id")
    assert page["items"] == [
        expected_agent(agent_id, [row for row in rows if row["agent_id"] == agent_id]) for agent_id in AGENTS
    ]
    assert page["total"] == 3


async def test_filters_choose_the_runs_that_count(api: httpx.AsyncClient, database_url: str) -> None:
    rows = figures.random_runs(60, NOON, HOURS_3, seed=2)
    await store_runs(database_url, rows)
    page = await ask(api, environment=["production", "staging"], version="2", sort="agent_id")
    chosen = [row for row in rows if row["environment"] and row["version"] == "2"]
    assert page["items"] == [
        expected_agent(agent_id, [row for row in chosen if row["agent_id"] == agent_id]) for agent_id in AGENTS
    ]


async def test_search_looks_at_ids_and_names(api: httpx.AsyncClient, database_url: str) -> None:
    runs = [
        make_run(1, agent_id="web_search"),
        make_run(2, agent_id="webXsearch"),
        make_run(3, agent_id="x", agent_name="Größter Helfer"),
        make_run(4, agent_id="x"),
    ]
    await store_runs(database_url, runs)
    for text, expected in [("B_S", ["web_search"]), ("GRÖSS", []), ("größter", ["x"]), ("GRÖßTER", ["x"]), ("zzz", [])]:
        page = await ask(api, q=text)
        assert ([item["agent_id"] for item in page["items"]], page["total"]) == (expected, len(expected)), text
        assert all(item["executions"] == 2 for item in page["items"] if item["agent_id"] == "x")


async def test_running_counts_runs_that_began_before_the_window(api: httpx.AsyncClient, database_url: str) -> None:
    now = datetime.now(UTC)
    old = [make_run(number, start_time=now - timedelta(days=9), status="running") for number in (1, 2)]
    await store_runs(database_url, [*old, make_run(3, start_time=now - timedelta(hours=1))])
    [item] = (await api.get(URL)).json()["items"]
    assert (item["executions"], item["running"], item["success_rate"]) == (1, 2, 1.0)


async def test_agent_that_has_not_finished_anything_has_no_rate(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(1, status="running"), make_run(2, status="pending")])
    [item] = (await ask(api))["items"]
    unknown = ("success_rate", "avg_duration_ms", "p50_duration_ms", "p95_duration_ms", "cost_usd", "tokens")
    assert [item[name] for name in unknown] == [None] * len(unknown)
    assert (item["executions"], item["running"]) == (2, 1)


def value_of(item: Any, key: str) -> Any:
    """What an agent is sorted by; ids in the order of their bytes."""
    return item[key].encode() if key == "agent_id" else item[key]


@pytest.mark.parametrize("sort", [str(sort) for sort in AgentSort])
async def test_pages_of_every_sort_together_are_the_whole_list(
    api: httpx.AsyncClient, database_url: str, sort: str
) -> None:
    runs = [
        make_run(
            number,
            agent_id=f"agent {number % 9}",
            status="running" if number % 9 in (0, 4) else ("success", "failed")[number % 2],
            duration_ms=None if number % 3 == 0 else 100.0 * (number % 2),
            cost_usd=None if number % 9 == 5 else 0.1,
            prompt_tokens=None if number % 9 == 6 else 2**62,
        )
        for number in range(25)
    ]
    await store_runs(database_url, runs)
    key, is_descending = sort.removeprefix("-"), sort.startswith("-")
    whole = (await ask(api, sort=sort, limit=1000))["items"]
    by_id = sorted(whole, key=lambda item: item["agent_id"], reverse=not is_descending)
    told = [item for item in by_id if item[key] is not None]
    told.sort(key=lambda item: value_of(item, key), reverse=is_descending)
    assert whole == [*told, *(item for item in by_id if item[key] is None)]
    found: list[Any] = []
    parameters: dict[str, Any] = {"sort": sort, "limit": 2}
    while True:
        page = await ask(api, **parameters)
        assert page["total"] == 9
        found += page["items"]
        if page["next_cursor"] is None:
            break
        parameters["cursor"] = page["next_cursor"]
    assert found == whole


async def test_busiest_come_first_by_default(api: httpx.AsyncClient, database_url: str) -> None:
    agents = ["b", "a", "c", "a", "c", "c"]
    await store_runs(database_url, [make_run(number, agent_id=agent_id) for number, agent_id in enumerate(agents)])
    assert [item["agent_id"] for item in (await ask(api))["items"]] == ["c", "a", "b"]


async def test_workspace_without_runs_has_no_agents(api: httpx.AsyncClient) -> None:
    assert await ask(api) == {"items": [], "next_cursor": None, "total": 0}
