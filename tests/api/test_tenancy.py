"""Every operation of the OpenAPI document, asked by one tenant with everything that is another's: nothing comes back.

The requests are made from the document, so that a route that is added is tried without anyone thinking of it.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from psycopg import sql
from tests.api.client import client_of
from tests.api.rows import DAY, make_agent_step, make_run, make_step, store_runs, store_steps
from tests.api.test_serving import served
from tests.api.test_suggestions import runs_by_country
from tests.live.test_stream import now_s

from stepwell_storage import audit, keys
from stepwell_storage.audit import Action
from stepwell_storage.database import connect
from stepwell_storage.rollups import compaction
from stepwell_storage.schema import metadata
from stepwell_storage.settings import Settings

SECRET = "redsecret"
"""Is in everything of the one tenant that is text."""
AGENT = f"{SECRET} planner"
RED_TRACE, LIVE_TRACE = b"\xab" * 16, b"\xcd" * 16
METHODS = ("get", "post", "patch", "put", "delete")
UNTOLD = {"/healthz", "/readyz", "/metrics", "/api/v1/session", "/api/v1/retention"}
"""Tell nothing of any tenant's runs, or are about the one who asks."""
NOT_SET_UP = {"/api/v1/webhooks", "/api/v1/alert-rules", "/api/v1/alerts"}
"""Lists of what a workspace sets up for itself, of which the one with data has nothing."""


@dataclass(frozen=True)
class Tenant:
    """A workspace, and a key that may do everything in it."""

    workspace_id: UUID
    key_id: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    params: dict[str, Any]
    body: dict[str, Any] | None = None


async def make_tenant(url: str, name: str) -> Tenant:
    async with await connect(url) as connection:
        workspace = await keys.create_workspace(connection, name)
        issued = await keys.create_key(connection, name, ["admin"])
        await audit.note(connection, workspace.workspace_id, name, Action.WORKSPACE_CREATED, name)
    return Tenant(workspace.workspace_id, issued.api_key.key_id, {"X-Stepwell-Key": issued.key})


async def fill(url: str, tenant: Tenant) -> None:
    """Runs that have everything that a question may be about, and one that goes on."""
    told = {"agent_id": AGENT, "agent_name": AGENT, "workspace_id": tenant.workspace_id, "path": SECRET}
    named = dict.fromkeys(("environment", "version", "user_id", "session_id", "framework"), SECRET)
    runs = [{**run, **told, **named} for run in runs_by_country(100, failing_every=2)]
    failed = {"error_type": SECRET, "error_message": SECRET, "error_step_name": SECRET, "error_fingerprint": SECRET}
    runs = [{**run, **failed, "models": [SECRET]} if run["status"] == "failed" else run for run in runs]
    await store_runs(url, [make_run(number, **_columns(run)) for number, run in enumerate(runs, 1)])
    fields = {"agent_name": AGENT, "name": AGENT, "step_name": AGENT}
    tool = {"name": SECRET, "input_json": f'"{SECRET}"', "output_json": f'"{SECRET}"', "has_input": True}
    steps = [make_agent_step(1, 0, 2, **fields), make_step(2, 1, 0, 1, has_output=True, **tool)]
    steps.append(make_agent_step(1, 0, None, trace_id=LIVE_TRACE, **fields))
    await store_steps(url, steps, tenant.workspace_id)
    async with await connect(url) as connection:
        await compaction.compact(connection)


def _columns(run: dict[str, Any]) -> dict[str, Any]:
    """What `make_run` does not make itself; ids hold the workspace."""
    made = ("id", "execution_id", "root_span_id", "trace_id")
    return {name: value for name, value in run.items() if name not in made}


@pytest.fixture
async def tenants(database_url: str) -> tuple[Tenant, Tenant]:
    """Red, who has data, and blue, who wants it."""
    red, blue = await make_tenant(database_url, f"{SECRET} team"), await make_tenant(database_url, "blue")
    await fill(database_url, red)
    return red, blue


@pytest.fixture
async def guarded(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API with authentication."""
    async with client_of(replace(settings, auth=True)) as client:
        yield client


def of_red(red: Tenant) -> dict[str, list[str]]:
    """Red's values for parameters by their names; what is not here gets the secret itself."""
    executions = [f"{RED_TRACE.hex()}-{1:016x}", f"{1:032x}-{1:016x}", RED_TRACE.hex()]
    return {
        "execution_id": executions,
        "agent_id": [AGENT],
        "trace_id": [RED_TRACE.hex()],
        "key_id": [red.key_id],
        "workspace_id": [str(red.workspace_id)],
        "a": [f"version:{SECRET}", f"model:{SECRET}"],
        "b": [f"environment:{SECRET}"],
    }


def paths_of(path: str, values: dict[str, list[str]]) -> Iterator[str]:
    """The path with each of red's ids in place of its parameters."""
    names = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
    for chosen in itertools.product(*(values.get(name, [SECRET]) for name in names)):
        yield path.format(**dict(zip(names, chosen, strict=True)))


def queries_of(operation: Any, values: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    """The question as it is, then narrowed by each parameter to red's values."""
    offered = [told["name"] for told in operation.get("parameters", []) if told["in"] == "query"]
    base = {**{name: DAY[name] for name in DAY if name in offered}, **{n: values[n][0] for n in "ab" if n in offered}}
    yield base
    if "a" in offered:
        yield {**base, **dict.fromkeys("ab", f"execution:{values['execution_id'][0]}")}
    for name in offered:
        if name not in ("from", "to", "limit", "cursor"):
            for value in values.get(name, [SECRET]):
                yield {**base, name: value}


def requests_of(document: Any, values: dict[str, list[str]]) -> Iterator[Asked]:
    """All requests that the document allows, deletions last."""
    for method in METHODS:
        for path, operations in document["paths"].items():
            if method in operations and path != "/api/v1/live/events":
                body = {"workspace_id": values["workspace_id"][0]} if "requestBody" in operations[method] else None
                if body and path.endswith("{suggestion_id}"):
                    body = {"state": "accepted"}
                for concrete in paths_of(path, values):
                    for params in queries_of(operations[method], values):
                        yield Asked(method, concrete, params, body)


async def send(client: httpx.AsyncClient, asked: Asked, tenant: Tenant) -> httpx.Response:
    return await client.request(asked.method, asked.path, params=asked.params, json=asked.body, headers=tenant.headers)


def told(response: httpx.Response, asked: Asked) -> str:
    """The answer, without what it repeats of the question: errors name what they did not find."""
    if response.status_code >= 400:
        return ""
    text = response.text
    return text if SECRET not in json.dumps(asked.params) else text.replace(json.dumps(asked.params), "")


async def stored(url: str, tenant: Tenant) -> dict[str, list[Any]]:
    """All rows of a tenant, but for when its key was last used."""
    rows: dict[str, list[Any]] = {}
    async with await connect(url) as connection:
        for table in metadata.tables.values():
            if "workspace_id" in table.c and table.name != "api_keys":
                query = sql.SQL("SELECT t::text FROM analytics.{} t WHERE workspace_id = %s ORDER BY 1")
                cursor = await connection.execute(query.format(sql.Identifier(table.name)), (tenant.workspace_id,))
                rows[table.name] = await cursor.fetchall()
        listed = await keys.list_keys(connection)
        rows["api_keys"] = [(k.key_id, k.revoked_at) for k in listed if k.workspace_id == tenant.workspace_id]
    return rows


async def test_nothing_of_another_tenant_is_told_or_changed(
    guarded: httpx.AsyncClient, database_url: str, tenants: tuple[Tenant, Tenant]
) -> None:
    red, blue = tenants
    document = (await guarded.get("/api/v1/openapi.json")).json()
    asked = list(requests_of(document, of_red(red)))
    before = await stored(database_url, red)
    assert before["step_facts"]
    for request in asked:
        response = await send(guarded, request, blue)
        assert response.status_code < 500, (request, response.text)
        assert SECRET not in told(response, request), request
        assert str(red.workspace_id) not in told(response, request), request
    assert await stored(database_url, red) == before


async def test_the_same_questions_of_their_owner_are_answered(
    guarded: httpx.AsyncClient, tenants: tuple[Tenant, Tenant]
) -> None:
    """Else the test above would find nothing because there is nothing."""
    red, _ = tenants
    document = (await guarded.get("/api/v1/openapi.json")).json()
    answered: dict[str, bool] = {}
    for path, operations in document["paths"].items():
        if "get" in operations and path not in UNTOLD and path != "/api/v1/live/events":
            only = {path: {"get": operations["get"]}}
            texts = [(await send(guarded, one, red)).text for one in requests_of({"paths": only}, of_red(red))]
            answered[path] = any(SECRET in text or str(red.workspace_id) in text for text in texts)
    assert {path for path, is_answered in answered.items() if not is_answered} <= NOT_SET_UP


async def test_cursors_of_another_tenant_open_nothing(
    guarded: httpx.AsyncClient, tenants: tuple[Tenant, Tenant]
) -> None:
    red, blue = tenants
    document = (await guarded.get("/api/v1/openapi.json")).json()
    tried = 0
    for request in requests_of(document, of_red(red)):
        if request.method != "get":
            continue
        page = replace(request, params={**request.params, "limit": 1})
        first = await send(guarded, page, red)
        cursor = first.json().get("next_cursor") if "json" in first.headers["content-type"] else None
        if first.status_code == 200 and cursor:
            tried += 1
            stolen = replace(page, params={**page.params, "cursor": cursor})
            response = await send(guarded, stolen, blue)
            assert SECRET not in told(response, stolen), stolen
    assert tried > 5


async def test_stream_tells_nothing_of_another_tenant(
    settings: Settings, database_url: str, tenants: tuple[Tenant, Tenant]
) -> None:
    red, blue = tenants
    new = make_agent_step(1, now_s(), None, trace_id=b"\xef" * 16, agent_name=AGENT, step_name=SECRET)
    async with (
        served(replace(settings, auth=True)) as url,
        httpx.AsyncClient(base_url=url, timeout=20) as client,
        client.stream("GET", "/api/v1/live/events", headers=red.headers) as red_stream,
    ):
        red_lines = red_stream.aiter_lines()
        seen = await _until(red_lines, "id: ")
        position = {"Last-Event-ID": seen.removeprefix("id: ")}
        async with client.stream("GET", "/api/v1/live/events", headers={**blue.headers, **position}) as blue_stream:
            blue_lines = blue_stream.aiter_lines()
            await store_steps(database_url, [new], red.workspace_id)
            await _until(red_lines, "event: execution.started")
            own = make_agent_step(1, now_s(), None, trace_id=b"\xee" * 16, agent_name="blue agent")
            await store_steps(database_url, [own], blue.workspace_id)
            told_to_blue = [line async for line in _through(blue_lines, "blue agent")]
    assert not any(SECRET in line for line in told_to_blue)


async def _until(lines: AsyncIterator[str], start: str) -> str:
    async with asyncio.timeout(20):
        async for line in lines:
            if line.startswith(start):
                return line
    raise AssertionError(f"the stream ended before {start!r}")


async def _through(lines: AsyncIterator[str], text: str) -> AsyncIterator[str]:
    async with asyncio.timeout(20):
        async for line in lines:
            yield line
            if text in line:
                return
