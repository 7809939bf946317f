"""Keys, workspaces and the audit log over the API: each administrator's own, an operator's all."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from tests.api.client import client_of

from stepwell_storage import keys
from stepwell_storage.settings import Settings


@dataclass(frozen=True)
class Tenant:
    """A workspace and its administrator."""

    workspace_id: UUID
    headers: dict[str, str]
    key_id: str


@pytest.fixture
async def guarded(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API with authentication."""
    async with client_of(replace(settings, auth=True)) as client:
        yield client


async def tenant(connection: psycopg.AsyncConnection, name: str, scope: str = "admin") -> Tenant:
    workspace = await keys.create_workspace(connection, name)
    issued = await keys.create_key(connection, name, [scope])
    return Tenant(workspace.workspace_id, {"X-Stepwell-Key": issued.key}, issued.api_key.key_id)


async def test_administrator_makes_lists_and_revokes_keys_of_the_workspace(
    guarded: httpx.AsyncClient, connection: psycopg.AsyncConnection
) -> None:
    red = await tenant(connection, "red")
    body = {"scopes": ["ingest", "read"], "expires_at": "2099-01-01T00:00:00Z"}
    made = await guarded.post("/api/v1/keys", json=body, headers=red.headers)
    assert made.headers["cache-control"] == "no-store"
    new = made.json()
    assert (new["workspace"], new["scopes"], new["expires_at"]) == ("red", ["ingest", "read"], "2099-01-01T00:00:00Z")
    assert (await guarded.get("/api/v1/agents", headers={"X-Stepwell-Key": new["key"]})).status_code == 200
    listed = await guarded.get("/api/v1/keys", headers=red.headers)
    assert [item["key_id"] for item in listed.json()["items"]] == [red.key_id, new["key_id"]]
    assert new["key"] not in listed.text
    revoked = await guarded.delete(f"/api/v1/keys/{new['key_id']}", headers=red.headers)
    assert revoked.json()["revoked_at"] is not None
    audit = (await guarded.get("/api/v1/audit", params={"limit": 1}, headers=red.headers)).json()
    assert [(item["actor"], item["action"], item["target"]) for item in audit["items"]] == [
        (f"key {red.key_id}", "key.revoked", new["key_id"])
    ]
    more = {"limit": 5, "cursor": audit["next_cursor"]}
    rest = (await guarded.get("/api/v1/audit", params=more, headers=red.headers)).json()
    assert [item["action"] for item in rest["items"]] == ["key.created"]
    assert rest["next_cursor"] is None


async def test_administrator_sees_and_changes_nothing_of_others(
    guarded: httpx.AsyncClient, connection: psycopg.AsyncConnection
) -> None:
    red, blue = await tenant(connection, "red"), await tenant(connection, "blue")
    workspaces = (await guarded.get("/api/v1/workspaces", headers=red.headers)).json()["items"]
    assert [found["name"] for found in workspaces] == ["red"]
    others: list[tuple[str, str, dict[str, Any] | None, int]] = [
        ("GET", f"/api/v1/keys?workspace_id={blue.workspace_id}", None, 422),
        ("POST", "/api/v1/keys", {"workspace_id": str(blue.workspace_id)}, 422),
        ("POST", "/api/v1/keys", {"scopes": ["operate"]}, 403),
        ("DELETE", f"/api/v1/keys/{blue.key_id}", None, 404),
        ("POST", "/api/v1/workspaces", {"name": "green"}, 401),
        ("DELETE", f"/api/v1/workspaces/{blue.workspace_id}", None, 401),
    ]
    for method, path, body, status in others:
        refused = await guarded.request(method, path, json=body, headers=red.headers)
        assert refused.status_code == status, (method, path)
    assert (await guarded.get("/api/v1/keys", headers=blue.headers)).json()["items"][0]["revoked_at"] is None


async def test_operator_manages_workspaces_without_reading_them(
    guarded: httpx.AsyncClient, connection: psycopg.AsyncConnection
) -> None:
    operator = await tenant(connection, "platform", "operate")
    made = (await guarded.post("/api/v1/workspaces", json={"name": "red"}, headers=operator.headers)).json()
    assert (await guarded.post("/api/v1/workspaces", json={"name": "red"}, headers=operator.headers)).status_code == 409
    assert (
        await guarded.post("/api/v1/workspaces", json={"name": "a\nb"}, headers=operator.headers)
    ).status_code == 422
    names = [
        item["name"] for item in (await guarded.get("/api/v1/workspaces", headers=operator.headers)).json()["items"]
    ]
    assert names == ["local", "platform", "red"]
    body = {"workspace_id": made["workspace_id"], "scopes": ["admin"]}
    key = (await guarded.post("/api/v1/keys", json=body, headers=operator.headers)).json()
    assert key["workspace"] == "red"
    assert (await guarded.get("/api/v1/executions", headers=operator.headers)).status_code == 401
    local = f"/api/v1/workspaces/{keys.LOCAL_WORKSPACE_ID}"
    assert (await guarded.delete(local, headers=operator.headers)).status_code == 403
    path = f"/api/v1/workspaces/{made['workspace_id']}"
    assert (await guarded.delete(path, headers=operator.headers)).status_code == 200
    assert (await guarded.delete(path, headers=operator.headers)).status_code == 404
