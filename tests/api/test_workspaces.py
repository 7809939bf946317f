"""With authentication, a key opens its own workspace and no other, on every endpoint."""

import dataclasses
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.api.client import client_of
from tests.api.rows import DAY, NOON, make_agent_step, make_run, make_step, store_runs, store_steps

from stepwell_storage.database import connect
from stepwell_storage.keys import create_key, create_workspace, revoke_key
from stepwell_storage.settings import Settings

QUESTIONS = ("/api/v1/executions", "/api/v1/agents", "/api/v1/analytics")


@dataclasses.dataclass(frozen=True)
class Tenant:
    """A workspace with its keys."""

    workspace_id: UUID
    key: str
    key_id: str
    ingest_key: str


@pytest.fixture
async def tenants(database_url: str) -> tuple[Tenant, Tenant]:
    """Two workspaces."""
    connection = await connect(database_url)
    made = []
    for name in ("red", "blue"):
        workspace = await create_workspace(connection, name)
        reading = await create_key(connection, name, ["read"])
        ingesting = await create_key(connection, name, ["ingest"])
        made.append(Tenant(workspace.workspace_id, reading.key, reading.api_key.key_id, ingesting.key))
    await connection.close()
    return made[0], made[1]


@pytest.fixture
async def guarded(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API with authentication."""
    async with client_of(dataclasses.replace(settings, auth=True)) as client:
        yield client


async def test_without_a_key_nothing_is_told(guarded: httpx.AsyncClient, tenants: tuple[Tenant, Tenant]) -> None:
    red, _ = tenants
    refused: list[Mapping[bytes, bytes]] = [
        {},
        {b"X-Stepwell-Key": b""},
        {b"X-Stepwell-Key": b"sw_" + b"x" * 43},
        {b"X-Stepwell-Key": "schlüssel".encode()},
        {b"X-Stepwell-Key": red.ingest_key.encode()},
        {b"Authorization": f"Basic {red.key}".encode()},
        {b"Authorization": b"Bearer "},
    ]
    for headers in refused:
        for path in (
            *QUESTIONS,
            "/api/v1/ingest",
            "/api/v1/executions/x",
            "/api/v1/executions/x/steps",
            "/api/v1/agents/x/analytics",
        ):
            response = await guarded.get(path, headers=headers)
            assert response.status_code == 401, (path, headers)
            assert response.headers["content-type"] == "application/problem+json"
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.json()["code"] == "unauthenticated"


async def test_health_needs_no_key(guarded: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/api/v1/openapi.json"):
        assert (await guarded.get(path)).status_code == 200


async def test_key_opens_its_own_workspace_only(
    guarded: httpx.AsyncClient, database_url: str, tenants: tuple[Tenant, Tenant]
) -> None:
    red, blue = tenants
    for tenant, agent_id in ((red, "red agent"), (blue, "blue agent")):
        await store_runs(database_url, [make_run(1, workspace_id=tenant.workspace_id, agent_id=agent_id, cost_usd=1.0)])
    for tenant, agent_id, other in ((red, "red agent", "blue agent"), (blue, "blue agent", "red agent")):
        for headers in ({"X-Stepwell-Key": tenant.key}, {"Authorization": f"bearer {tenant.key}"}):
            executions, agents, analytics = [
                (await guarded.get(path, params=DAY, headers=headers)).json() for path in QUESTIONS
            ]
            assert [item["agent_id"] for item in executions["items"]] == [agent_id]
            assert executions["total"] == 1
            assert [item["agent_id"] for item in agents["items"]] == [agent_id]
            assert analytics["statistics"]["total_executions"] == 1
            found = await guarded.get(f"/api/v1/executions/{1:032x}-{1:016x}", headers=headers)
            assert (found.json()["agent_id"], found.json()["workspace_id"]) == (agent_id, str(tenant.workspace_id))
            absent = await guarded.get(f"/api/v1/agents/{other}/analytics", params=DAY, headers=headers)
            assert absent.status_code == 404


async def test_steps_of_another_workspace_stay_hidden(
    guarded: httpx.AsyncClient, database_url: str, tenants: tuple[Tenant, Tenant]
) -> None:
    red, blue = tenants
    steps = [make_agent_step(1, 0, 2), make_step(2, 1, 0, 1, name="secret", input_json='"red"', has_input=True)]
    await store_steps(database_url, steps, red.workspace_id)
    trace_id = "ab" * 16
    answers: dict[str, Any] = {}
    for name, tenant in (("red", red), ("blue", blue)):
        headers = {"X-Stepwell-Key": tenant.key}
        responses = [
            await guarded.get(f"/api/v1/executions/{trace_id}", headers=headers),
            await guarded.get(f"/api/v1/executions/{trace_id}/steps", headers=headers),
            await guarded.get("/api/v1/executions", params={**DAY, "q": "secret"}, headers=headers),
        ]
        answers[name] = [(response.status_code, "secret" in response.text) for response in responses[:2]]
        answers[name].append(responses[2].json()["total"])
    assert answers == {"red": [(200, True), (200, True), 1], "blue": [(404, False), (404, False), 0]}


async def test_cursor_opens_no_other_workspace(
    guarded: httpx.AsyncClient, database_url: str, tenants: tuple[Tenant, Tenant]
) -> None:
    red, blue = tenants
    runs = [make_run(number, workspace_id=red.workspace_id, start_time=NOON) for number in range(3)]
    await store_runs(database_url, runs)
    asked: dict[str, Any] = {**DAY, "limit": 1}
    first = (await guarded.get(QUESTIONS[0], params=asked, headers={"X-Stepwell-Key": red.key})).json()
    asked["cursor"] = first["next_cursor"]
    second = (await guarded.get(QUESTIONS[0], params=asked, headers={"X-Stepwell-Key": blue.key})).json()
    assert (second["items"], second["total"]) == ([], 0)


async def test_revoked_key_is_refused(settings: Settings, database_url: str, tenants: tuple[Tenant, Tenant]) -> None:
    red, _ = tenants
    connection = await connect(database_url)
    await revoke_key(connection, red.key_id)
    await connection.close()
    async with client_of(dataclasses.replace(settings, auth=True)) as api:
        assert (await api.get(QUESTIONS[0], headers={"X-Stepwell-Key": red.key})).status_code == 401
