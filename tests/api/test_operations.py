"""``/healthz``, ``/readyz``, ``/metrics``, and how the API bears a database that is not as it should be."""

import asyncio
import re
from pathlib import Path

import httpx
import psycopg
import pytest
from tests.api.client import client_of
from tests.api.rows import make_run, store_runs, terminate_connections

from stepwell_migrations import runner
from stepwell_storage.embedded import EmbeddedPostgres
from stepwell_storage.settings import Settings


def statement_of(url: str, statement: str) -> None:
    """Runs a statement beside the API."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


async def test_ready_with_a_migrated_database(api: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/readyz"):
        response = await api.get(path)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE analytics.schema_version SET version_num = '9999'", "newer"),
        ("DROP TABLE analytics.schema_version", "stepwell migrate"),
    ],
    ids=["newer", "missing"],
)
async def test_not_ready_with_another_schema(
    api: httpx.AsyncClient, database_url: str, statement: str, told: str
) -> None:
    statement_of(database_url, statement)
    response = await api.get("/readyz")
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "schema_mismatch"
    assert told in response.json()["detail"]
    assert (await api.get("/healthz")).status_code == 200


async def test_database_without_our_schema_is_told(empty_database_url: str) -> None:
    async with client_of(Settings(database_url=empty_database_url)) as api:
        assert (await api.get("/readyz")).json()["code"] == "schema_mismatch"
        for path in ("executions", "agents", "analytics", "executions/x"):
            response = await api.get(f"/api/v1/{path}")
            assert (response.status_code, response.json()["code"]) == (503, "schema_mismatch")


async def test_answers_again_when_the_database_is_back(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres", fsync=False)
    url = server.start()
    runner.migrate(url)
    statuses: dict[str, list[int]] = {"/readyz": [], "/api/v1/agents": [], "/healthz": []}

    async def ask() -> None:
        for path in statuses:
            statuses[path].append((await api.get(path)).status_code)

    try:
        async with client_of(Settings(database_url=url)) as api:
            await ask()
            server.stop()
            await ask()
            assert server.start() == url
            await ask()
    finally:
        server.stop()
    gone = [200, 503, 200]
    assert statuses == {"/readyz": gone, "/api/v1/agents": gone, "/healthz": [200, 200, 200]}


async def test_connections_that_died_are_replaced_unseen(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(1)])
    assert (await api.get("/api/v1/agents")).status_code == 200
    await terminate_connections(database_url, "stepwell api")
    assert (await api.get("/api/v1/agents")).status_code == 200


async def test_requests_are_counted_by_route(api: httpx.AsyncClient) -> None:
    async def count(route: str, code: int) -> float:
        text = (await api.get("/metrics")).text
        pattern = rf'^stepwell_api_requests_total{{code="{code}",route="{re.escape(route)}"}} (\S+)$'
        found = re.search(pattern, text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    cases = {
        "/api/v1/agents/some/one/analytics": ("/api/v1/agents/{agent_id}/analytics", 404),
        "/api/v1/executions/none": ("/api/v1/executions/{execution_id}", 404),
        "/api/v1/agents": ("/api/v1/agents", 200),
        "/v1/traces": ("/v1/traces", 405),
        "/api/nowhere": ("unmatched", 404),
        "/agents/planner": ("/{view}", 200),
    }
    before = [await count(*labels) for labels in cases.values()]
    for path in cases:
        await api.get(path)
    assert [await count(*labels) for labels in cases.values()] == [value + 1 for value in before]


async def test_metrics_are_prometheus_text(api: httpx.AsyncClient) -> None:
    response = await api.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert "# TYPE stepwell_api_request_seconds histogram" in response.text


async def test_failure_of_ours_tells_no_internals(api: httpx.AsyncClient, database_url: str) -> None:
    statement_of(database_url, "DROP INDEX analytics.agent_executions_models")
    statement_of(database_url, "ALTER TABLE analytics.agent_executions ALTER models TYPE text USING 'secret of ours'")
    response = await api.get("/api/v1/executions", params={"model": "x"})
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "internal_error"
    assert "models" not in response.text


async def test_answer_that_takes_too_long_is_told(api: httpx.AsyncClient, database_url: str) -> None:
    with psycopg.connect(database_url) as blocking:
        blocking.execute("LOCK TABLE analytics.agent_executions")
        asking = asyncio.create_task(api.get("/api/v1/agents"))
        # What the statement timeout does after its 30 s, done at once.
        async with asyncio.timeout(10):
            while not cancel_waiting(database_url):
                await asyncio.sleep(0)
        response = await asking
    assert (response.status_code, response.json()["code"]) == (503, "too_slow")
    assert int(response.headers["retry-after"]) >= 1


def cancel_waiting(url: str) -> bool:
    """Cancels the API's statements that wait for a lock; whether there were any."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'stepwell api' AND wait_event_type = 'Lock' AND datname = current_database()"
        )
        return cursor.fetchone() is not None
