"""Deleting over HTTP: what goes, how much is told, and who may."""

import dataclasses

import httpx
import pytest
from tests.api.client import client_of
from tests.spans import agent, chat, steps
from tests.storing import Connection, fold_all, store

from stepwell_storage import facts, keys
from stepwell_storage.settings import Settings

PATHS = ("/api/v1/executions/x", "/api/v1/agents/planner")


async def one_run(connection: Connection) -> str:
    await store(connection, steps(agent("a", "planner", for_ms=50), chat("c", (3, 4), parent="a", at_ms=2)))
    await fold_all(connection)
    row = await (await connection.execute("SELECT execution_id FROM analytics.agent_executions")).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize("what", ["executions", "agents"])
async def test_a_deletion_tells_how_much_and_leaves_nothing(
    api: httpx.AsyncClient, connection: Connection, what: str
) -> None:
    execution_id = await one_run(connection)
    path = f"/api/v1/executions/{execution_id}" if what == "executions" else "/api/v1/agents/planner"
    answer = await api.delete(path)
    assert answer.status_code == 200
    counts = answer.json()
    assert counts.pop("size_bytes") > 200
    assert counts == {"executions": 1, "steps": 2, "log_records": 0}
    assert (await api.get(f"/api/v1/executions/{execution_id}")).status_code == 404
    window = {"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}
    figures = (await api.get("/api/v1/analytics", params=window)).json()["statistics"]
    assert figures["total_executions"] == 0


@pytest.mark.parametrize("path", [*PATHS, "/api/v1/agents/no/one"])
async def test_what_is_not_there_cannot_be_deleted(api: httpx.AsyncClient, path: str) -> None:
    missing = await api.delete(path)
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", PATHS)
async def test_only_an_admins_key_deletes(settings: Settings, connection: Connection, path: str) -> None:
    await keys.create_workspace(connection, "red")
    issued = {scope: (await keys.create_key(connection, "red", [scope])).key for scope in keys.Scope}
    async with client_of(dataclasses.replace(settings, auth=True)) as api:
        answers = {
            scope: (await api.delete(path, headers={"X-Stepwell-Key": key})).status_code
            for scope, key in issued.items()
        }
        without = await api.delete(path)
    assert without.status_code == 401
    assert answers == {scope: 404 if scope is keys.Scope.ADMIN else 401 for scope in keys.Scope}


async def test_a_key_deletes_in_its_own_workspace_alone(settings: Settings, connection: Connection) -> None:
    red = await keys.create_workspace(connection, "red")
    await keys.create_workspace(connection, "blue")
    key = (await keys.create_key(connection, "blue", ["admin"])).key
    sent = steps(agent("a", "planner", for_ms=50))
    async with connection.transaction():
        await facts.insert_facts(connection, {red.workspace_id: sent})
    await fold_all(connection)
    async with client_of(dataclasses.replace(settings, auth=True)) as api:
        answer = await api.delete("/api/v1/agents/planner", headers={"X-Stepwell-Key": key})
    assert answer.status_code == 404
    row = await (await connection.execute("SELECT count(*) FROM analytics.agent_executions")).fetchone()
    assert row == (1,)
