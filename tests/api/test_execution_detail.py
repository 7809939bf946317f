"""``GET /api/v1/executions/{id}`` and its steps, on traces that were stored and folded as in production."""

from typing import Any

import httpx
import psycopg
import pytest
from tests.api.rows import NOON, make_agent_step, make_run, make_step, store_runs, store_steps

from stepwell_api.models.executions import Execution, StepPage
from stepwell_storage.model import Checkpoint, Role, Status, Step, StepType

TRACE_ID = "ab" * 16
RUN_ID = f"{TRACE_ID}-{1:016x}"
RUN = f"/api/v1/executions/{RUN_ID}"


def planner_run() -> list[Step]:
    """An agent that calls a model, two tools side by side, a failing one twice, and answers."""
    model = {"role": Role.MODEL, "step_type": StepType.API_CALL, "operation": "chat", "provider": "x"}
    flaky = {"name": "flaky", "has_input": True, "input_json": '{"n": 1}'}
    return [
        make_agent_step(
            1,
            0,
            10,
            input_json='{"task": "go"}',
            has_input=True,
            output_json='"done"',
            attributes_json='{"a": [1]}',
            checkpoints=(Checkpoint("c1", int(NOON.timestamp()) * 10**9, '{"at": 1}'),),
        ),
        make_step(2, 1, 0, 2, name="chat", prompt_tokens=10, cost_usd=0.25, model="gpt-4o", **model),
        make_step(3, 1, 2, 5, name="left"),
        make_step(4, 1, 2, 4, name="right"),
        make_step(5, 1, 5, 6, status=Status.FAILED, error_type="ValueError", error_message="no", **flaky),
        make_step(6, 1, 6, 9, output_json=f'{{"big": {10**30}}}', has_output=True, **flaky),
        make_step(7, 6, 7, 8, name="inner"),
    ]


async def get(api: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    """The answer, which is as documented."""
    response = await api.get(path, params=parameters)
    assert response.status_code == 200, response.text
    model = StepPage if path.endswith("/steps") else Execution
    model.model_validate_json(response.content)
    return response.json()


async def test_run_has_its_payload_and_checkpoints(api: httpx.AsyncClient, database_url: str) -> None:
    await store_steps(database_url, planner_run())
    run = await get(api, RUN)
    assert (run["execution_id"], run["agent_id"], run["status"]) == (RUN_ID, "planner", "success")
    assert (run["input_data"], run["output_data"]) == ({"task": "go"}, "done")
    assert [(found["id"], found["state"]) for found in run["checkpoints"]] == [("c1", {"at": 1})]
    assert (run["prompt_tokens"], run["completion_tokens"], run["cost_usd"]) == (10, None, 0.25)
    assert run["tokens_used"] == {"prompt": 10}
    assert (run["start_time"], run["end_time"], run["duration_ms"]) == (
        "2026-03-10T12:00:00Z",
        "2026-03-10T12:00:10Z",
        10_000.0,
    )
    assert run["siblings"] == []


async def test_graph_tells_the_tree_and_the_order(api: httpx.AsyncClient, database_url: str) -> None:
    await store_steps(database_url, planner_run())
    run = await get(api, RUN)
    graph = run["execution_graph"]
    assert graph["path"] == run["path"]
    nodes = {int(node["span_id"], 16): node for node in graph["nodes"]}
    assert [node["step_index"] for node in graph["nodes"]] == list(range(7))
    parents = {number: node["parent"] and int(node["parent"], 16) for number, node in nodes.items()}
    assert parents == {1: None, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 6}
    assert {number: node["depth"] for number, node in nodes.items()} == {1: 0, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 2}
    assert {number for number, node in nodes.items() if node["critical_path"]} == {1, 2, 3, 5, 6, 7}
    assert {number: node["attempt"] for number, node in nodes.items() if node["step_name"] == "flaky"} == {5: 1, 6: 2}
    assert (nodes[5]["status"], nodes[5]["error_type"]) == ("failed", "ValueError")
    assert (nodes[1]["self_duration_ms"], nodes[6]["self_duration_ms"]) == (1000.0, 2000.0)
    edges = {(int(edge["from"], 16), int(edge["to"], 16), edge["kind"]) for edge in graph["edges"]}
    assert edges == {
        *((parent, child, "child") for child, parent in parents.items() if parent),
        *((2, 3, "sequence"), (2, 4, "sequence"), (3, 5, "sequence"), (5, 6, "sequence")),
    }


@pytest.mark.parametrize("written", [TRACE_ID, TRACE_ID.upper(), RUN_ID.upper()])
async def test_trace_id_stands_for_its_first_run(api: httpx.AsyncClient, database_url: str, written: str) -> None:
    await store_steps(database_url, planner_run())
    assert (await get(api, f"/api/v1/executions/{written}"))["execution_id"] == RUN_ID
    assert (await get(api, f"/api/v1/executions/{written}/steps"))["total"] == 7


async def test_runs_of_one_trace_know_each_other(api: httpx.AsyncClient, database_url: str) -> None:
    later = make_agent_step(2, 20, 30, agent_name="writer", status=Status.FAILED, error_type="E")
    await store_steps(database_url, [later, make_agent_step(1, 0, 10)])
    first = await get(api, f"/api/v1/executions/{TRACE_ID}")
    assert first["execution_id"] == RUN_ID
    [sibling] = first["siblings"]
    assert sibling == {
        "execution_id": f"{TRACE_ID}-{2:016x}",
        "parent_execution_id": None,
        "agent_id": "writer",
        "agent_name": "writer",
        "status": "failed",
        "start_time": "2026-03-10T12:00:20Z",
        "duration_ms": 10_000.0,
        "href": f"/api/v1/executions/{TRACE_ID}-{2:016x}",
    }
    second = await get(api, sibling["href"])
    assert [found["execution_id"] for found in second["siblings"]] == [RUN_ID]
    assert [node["span_id"] for node in second["execution_graph"]["nodes"]] == [f"{2:016x}"]


async def test_running_run_has_no_end_and_its_steps_so_far(api: httpx.AsyncClient, database_url: str) -> None:
    await store_steps(database_url, [make_agent_step(1, 0, None), make_step(2, 1, 1, 2), make_step(3, 1, 2, None)])
    run = await get(api, RUN)
    assert (run["status"], run["end_time"], run["duration_ms"]) == ("running", None, None)
    assert (run["steps_total"], run["steps_completed"]) == (3, 1)
    steps = (await get(api, f"{RUN}/steps"))["items"]
    assert [(step["status"], step["duration_ms"]) for step in steps] == [
        ("running", None),
        ("success", 1000.0),
        ("running", None),
    ]


async def test_fragments_without_their_top_are_a_run_of_their_trace(api: httpx.AsyncClient, database_url: str) -> None:
    orphan = make_step(2, 1, 0, 1, role=Role.MODEL, operation="chat", name="chat", step_type=StepType.API_CALL)
    await store_steps(database_url, [orphan])
    run = await get(api, f"/api/v1/executions/{TRACE_ID}")
    assert (run["execution_id"], run["root_span_id"]) == (TRACE_ID, None)
    assert run["status"] != "success"


async def test_run_whose_steps_are_gone_is_still_told(api: httpx.AsyncClient, database_url: str) -> None:
    await store_runs(database_url, [make_run(1, path="plan → act")])
    path = f"/api/v1/executions/{1:032x}"
    assert (await get(api, path))["execution_graph"] == {"nodes": [], "edges": [], "path": "plan → act"}
    assert await get(api, f"{path}/steps") == {"items": [], "next_cursor": None, "total": 0}


@pytest.mark.parametrize("identifier", ["nothing", "0" * 32, f"{TRACE_ID}-{9:016x}", "%20", "a'b", "𝕏"])
async def test_unknown_run_is_not_found(api: httpx.AsyncClient, database_url: str, identifier: str) -> None:
    await store_steps(database_url, planner_run())
    for path in (f"/api/v1/executions/{identifier}", f"/api/v1/executions/{identifier}/steps"):
        response = await api.get(path)
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
        assert response.headers["content-type"] == "application/problem+json"


async def test_step_has_every_column(api: httpx.AsyncClient, database_url: str) -> None:
    await store_steps(database_url, planner_run())
    response = await api.get(f"{RUN}/steps")
    assert str(10**30) in response.text
    page = await get(api, f"{RUN}/steps")
    assert (page["total"], page["next_cursor"]) == (7, None)
    root, chat, *_, last, _ = page["items"]
    assert (root["input"], root["output"], root["attributes"]) == ({"task": "go"}, "done", {"a": [1]})
    assert (last["input"], last["output"]) == ({"n": 1}, {"big": 10**30})
    assert chat["created_at"].endswith("Z")
    assert {**chat, "created_at": None} == {
        **dict.fromkeys(["error_type", "error_message", "completion_tokens", "cache_read_tokens"]),
        **dict.fromkeys(["cache_write_tokens", "reasoning_tokens", "credits", "memory_mb", "duplicate_of"]),
        **dict.fromkeys(["created_at", "agent_name", "input", "output", "error", "attributes", "resource"]),
        **dict.fromkeys(["events", "links"]),
        "logs": [],
        "more_logs": False,
        "id": chat["id"],
        "execution_id": RUN_ID,
        "step_index": 1,
        "trace_id": TRACE_ID,
        "span_id": f"{2:016x}",
        "parent_span_id": f"{1:016x}",
        "parent": f"{1:016x}",
        "depth": 1,
        "attempt": 1,
        "start_time": "2026-03-10T12:00:00Z",
        "end_time": "2026-03-10T12:00:02Z",
        "duration_ms": 2000.0,
        "self_duration_ms": 2000.0,
        "critical_path": True,
        "step_name": "chat",
        "step_type": "api_call",
        "operation": "chat",
        "status": "success",
        "name": "chat",
        "model": "gpt-4o",
        "provider": "x",
        "api_calls": [{"operation": "chat", "model": "gpt-4o", "provider": "x"}],
        "tokens_used": 10,
        "prompt_tokens": 10,
        "cost_usd": 0.25,
        "counts_tokens": True,
        "flags": [],
    }


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_pages_of_steps_together_are_all_in_order(api: httpx.AsyncClient, database_url: str, limit: int) -> None:
    await store_steps(database_url, planner_run())
    found: list[int] = []
    parameters: dict[str, Any] = {"limit": limit}
    while True:
        page = await get(api, f"{RUN}/steps", **parameters)
        found += [step["step_index"] for step in page["items"]]
        if page["next_cursor"] is None:
            break
        parameters["cursor"] = page["next_cursor"]
    assert found == list(range(7))


async def test_cursor_of_another_runs_steps_is_refused(api: httpx.AsyncClient, database_url: str) -> None:
    await store_steps(database_url, planner_run())
    cursor = (await get(api, f"{RUN}/steps", limit=1))["next_cursor"]
    for path in (f"/api/v1/executions/{TRACE_ID}-{2:016x}/steps", "/api/v1/executions", "/api/v1/agents"):
        response = await api.get(path, params={"cursor": cursor})
        assert (response.status_code, response.json()["code"]) == (400, "bad_cursor")


async def test_deep_and_long_run_is_answered(api: httpx.AsyncClient, database_url: str) -> None:
    chain = [make_step(number, number - 1, 0, 10, name="recurse") for number in range(2, 1_502)]
    await store_steps(database_url, [make_agent_step(1, 0, 10), *chain])
    run = await get(api, RUN)
    assert run["execution_graph"]["nodes"][-1]["depth"] == 1_500
    page = await get(api, f"{RUN}/steps", limit=1000)
    assert (len(page["items"]), page["total"]) == (1000, 1501)


async def test_long_run_is_paged_by_what_the_fold_kept(api: httpx.AsyncClient, database_url: str) -> None:
    chain = [make_step(number, number - 1, 0, 10, name="recurse") for number in range(2, 3_002)]
    await store_steps(database_url, [make_agent_step(1, 0, 10), *chain])
    whole = [await get(api, f"{RUN}/steps", limit=1000)]
    while whole[-1]["next_cursor"]:
        whole.append(await get(api, f"{RUN}/steps", limit=1000, cursor=whole[-1]["next_cursor"]))
    steps = [step for page in whole for step in page["items"]]
    assert [step["depth"] for step in steps] == [step["step_index"] for step in steps] == list(range(3_001))
    assert [step["parent"] for step in steps] == [None, *(step["span_id"] for step in steps[:-1])]


async def test_page_is_the_same_before_and_after_the_run_is_folded_anew(
    api: httpx.AsyncClient, database_url: str, connection: psycopg.AsyncConnection
) -> None:
    call = {"role": Role.MODEL, "step_type": StepType.API_CALL, "operation": "chat", "name": "chat"}
    twice = [
        make_step(8, 1, 9, 10, response_id="r", prompt_tokens=3, **call),
        make_step(9, 8, 9, 10, response_id="r", prompt_tokens=3, status=Status.FAILED, **call),
    ]
    await store_steps(database_url, [*planner_run(), *twice])
    kept = await get(api, f"{RUN}/steps")
    assert [step["duplicate_of"] for step in kept["items"]].count(None) == 8
    await connection.execute(
        "UPDATE analytics.agent_executions"
        " SET step_depths = NULL, step_marks = NULL, step_self_ms = NULL, duplicates_of = NULL"
    )
    assert await get(api, f"{RUN}/steps") == kept


async def test_step_that_was_sent_twice_with_another_start_is_shown_once(
    api: httpx.AsyncClient, database_url: str
) -> None:
    await store_steps(database_url, [*planner_run(), make_step(3, 1, 1, 5, name="earlier left")])
    steps = (await get(api, f"{RUN}/steps"))["items"]
    assert [step["step_name"] for step in steps if step["span_id"] == f"{3:016x}"] == ["earlier left"]


async def test_steps_may_begin_anywhere(api: httpx.AsyncClient, database_url: str) -> None:
    steps = [make_agent_step(1, 0, 9), *(make_step(number, 1, number - 1, number) for number in range(2, 8))]
    await store_steps(database_url, steps)
    path = f"/api/v1/executions/{'ab' * 16}/steps"
    page = (await api.get(path, params={"first": 3, "limit": 2})).json()
    following = (await api.get(path, params={"first": 3, "limit": 2, "cursor": page["next_cursor"]})).json()
    assert [step["step_index"] for step in page["items"] + following["items"]] == [3, 4, 5, 6]
    assert (await api.get(path, params={"first": 99})).json()["items"] == []
    assert (await api.get(path, params={"first": -1})).status_code == 422
