"""What runs may be filtered by."""

import httpx
from tests.api.rows import DAY, make_run, store_runs


async def test_values_are_told_with_their_runs(api: httpx.AsyncClient, database_url: str) -> None:
    failed = {"status": "failed", "error_type": "DiskError"}
    await store_runs(
        database_url,
        [
            make_run(1, environment="production", version="1.2"),
            make_run(2, environment="production", version="1.3", **failed),
            make_run(3, environment="staging"),
            make_run(4, agent_id="other", environment="development"),
        ],
    )
    answer = (await api.get("/api/v1/facets", params={"agent_id": "planner", **DAY})).json()
    told = {name: [(each["value"], each["executions"]) for each in answer[name]] for name in answer if name[-1] == "s"}
    assert told == {
        "environments": [("production", 2), ("staging", 1)],
        "versions": [("1.2", 1), ("1.3", 1)],
        "models": [],
        "error_types": [("DiskError", 1)],
    }


async def test_all_agents_are_asked_together_and_lists_are_bounded(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(n, agent_id=f"agent {n}", environment=f"e{n}") for n in range(1, 4)])
    answer = (await api.get("/api/v1/facets", params={**DAY, "limit": 2})).json()
    assert [each["value"] for each in answer["environments"]] == ["e1", "e2"]
