"""``GET /api/v1/executions/{id}/timeline`` tells by columns what the graph's nodes tell by rows."""

from typing import Any

import httpx
import psycopg
from tests.api.rows import store_steps
from tests.api.test_execution_detail import RUN, TRACE_ID, get, planner_run

from stepwell_api.models.timeline import Timeline

TEXTS = ("step_name", "step_type", "operation", "status", "agent_name", "model", "error_type")
FIGURES = ("step_index", "depth", "attempt", "duration_ms", "self_duration_ms")


def rows_of(timeline: dict[str, Any]) -> list[dict[str, Any]]:
    columns, texts = timeline["columns"], timeline["texts"]
    named = {name: [None if at is None else texts[at] for at in columns[name]] for name in TEXTS}
    told = {**named, **{name: columns[name] for name in FIGURES}}
    return [dict(zip(told, row, strict=True)) for row in zip(*told.values(), strict=True)]


async def test_columns_tell_what_the_nodes_tell(
    api: httpx.AsyncClient, database_url: str, connection: psycopg.AsyncConnection
) -> None:
    await store_steps(database_url, planner_run())
    response = await api.get(f"/api/v1/executions/{TRACE_ID}/timeline")
    timeline = Timeline.model_validate_json(response.content).model_dump(mode="json")
    nodes = (await get(api, RUN))["execution_graph"]["nodes"]
    assert rows_of(timeline) == [{name: node[name] for name in (*TEXTS, *FIGURES)} for node in nodes]
    columns = timeline["columns"]
    assert columns["start_ms"] == [0, 0, 2000, 2000, 5000, 6000, 7000]
    assert columns["critical_path"] == [int(node["critical_path"]) for node in nodes]
    assert (columns["tokens"][:2], columns["cost_usd"][:2]) == ([None, 10], [None, 0.25])
    await connection.execute("UPDATE analytics.agent_executions SET step_depths = NULL, step_marks = NULL")
    assert (await api.get(f"{RUN}/timeline")).json() == response.json()


async def test_row_alone_is_told_without_the_graph(api: httpx.AsyncClient, database_url: str) -> None:
    await store_steps(database_url, planner_run())
    whole, alone = await get(api, RUN), await get(api, RUN, graph=False)
    assert alone == {**whole, "execution_graph": None}


async def test_timeline_of_an_unknown_run_is_not_found(api: httpx.AsyncClient) -> None:
    assert (await api.get(f"/api/v1/executions/{'cd' * 16}/timeline")).status_code == 404
