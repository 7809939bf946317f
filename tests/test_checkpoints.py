"""States to resume from: our own events, and the rounds of LangGraph's graphs, each once, if it was saved."""

import json
from collections import defaultdict
from typing import Any

import pytest
from tests.captures import Capture, captures
from tests.folding import OUTPUT, only
from tests.spans import START_NS, Sent, agent
from tests.storing import Connection, fold_all, store
from tests.test_captures import mapped
from tests.test_worker import executions

from stepwell_receiver import wire
from stepwell_storage.fold import fold_trace
from stepwell_storage.model import Execution, Step

OI = "openinference.span.kind"
THREAD = {"thread_id": "t-7"}
WITH_CHECKPOINTS = [pytest.param(c, id=c.name) for c in captures() if "checkpoints" in c.truth()]


def task(key: str, step: int, ns: str | None = None, *, thread: dict[str, Any] | None = None, **more: Any) -> Sent:
    """A node's task as OpenInference passes it on."""
    told = {"langgraph_step": step, "langgraph_node": key, "langgraph_checkpoint_ns": ns or f"{key}:1"}
    metadata = json.dumps({**(THREAD if thread is None else thread), **told})
    return Sent(key, {OI: "CHAIN", "metadata": metadata}, **{"parent": "a", **more})


def resumes(run: Execution) -> list[dict[str, Any]]:
    return [json.loads(saved.checkpoint.resume_json or "null") for saved in run.checkpoints]


def rounds(run: Execution) -> list[tuple[str, int]]:
    """(step name, number of the round) of each checkpoint."""
    told = zip(run.checkpoints, resumes(run), strict=True)
    return [(saved.step.step_name, resume["step"]) for saved, resume in told]


AGENT = agent("a", for_ms=100, attributes=OUTPUT)


def test_a_graphs_rounds_are_checkpoints_that_tell_how_to_resume() -> None:
    run = only(AGENT, task("plan", 1, at_ms=1), task("act", 2, at_ms=20))
    assert resumes(run) == [
        {"framework": "langgraph", "thread_id": "t-7", "checkpoint_ns": "", "step": step, "resumed_from": None}
        for step in (1, 2)
    ]


def test_spans_in_a_task_and_tasks_of_one_round_tell_of_one_checkpoint() -> None:
    inner = task("inner", 1, "left:1", parent="left", at_ms=2, for_ms=2)
    run = only(AGENT, task("left", 1, at_ms=1, for_ms=10), inner, task("right", 1, at_ms=1, for_ms=30))
    assert rounds(run) == [("right", 1)]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"status": wire.STATUS_ERROR}, id="failed"),
        pytest.param({"status": wire.STATUS_OK, "events": [wire.Event("exception", START_NS, {})]}, id="interrupted"),
    ],
)
def test_a_round_with_a_task_that_did_not_end_is_not_saved(broken: dict[str, Any]) -> None:
    done = task("left", 2, at_ms=20)
    run = only(AGENT, task("plan", 1, at_ms=1), done, task("right", 2, at_ms=20, **broken))
    assert rounds(run) == [("plan", 1)]


def test_a_failure_that_its_task_survived_does_not_matter() -> None:
    failed = task("try", 1, "plan:1", parent="plan", at_ms=2, for_ms=2, status=wire.STATUS_ERROR)
    assert rounds(only(AGENT, task("plan", 1, at_ms=1, for_ms=10), failed)) == [("plan", 1)]


def test_without_a_thread_nothing_is_saved() -> None:
    assert only(AGENT, task("plan", 1, at_ms=1, thread={})).checkpoints == ()


@pytest.mark.parametrize("prefix", ["traceloop.association.properties.", "langsmith.metadata.", "metadata."])
def test_metadata_may_be_attributes_of_their_own(prefix: str) -> None:
    told = {"thread_id": "t", "langgraph_step": 3, "langgraph_checkpoint_ns": "team|plan:1", "checkpoint_id": "c-1"}
    sent = Sent("plan", {OI: "CHAIN"} | {prefix + key: value for key, value in told.items()}, parent="a")
    (resume,) = resumes(only(AGENT, sent))
    wanted = {"thread_id": "t", "checkpoint_ns": "team", "step": 3, "resumed_from": "c-1"}
    assert resume == {"framework": "langgraph", **wanted}


def test_metadata_may_be_json_value_by_value() -> None:
    told = {"thread_id": '"t"', "langgraph_step": "3", "langgraph_checkpoint_ns": '"plan:1"'}
    prefix = "langfuse.observation.metadata."
    sent = Sent("plan", {OI: "CHAIN"} | {prefix + key: value for key, value in told.items()}, parent="a")
    assert [(r["thread_id"], r["step"]) for r in resumes(only(AGENT, sent))] == [("t", 3)]


@pytest.mark.parametrize(
    "metadata", ["langgraph_checkpoint_ns", '["langgraph_checkpoint_ns"]', '{"langgraph_checkpoint_ns": 1}']
)
def test_odd_metadata_is_no_checkpoint(metadata: str) -> None:
    assert only(AGENT, Sent("x", {OI: "CHAIN", "metadata": metadata}, parent="a")).checkpoints == ()


def _told(run: Execution) -> list[dict[str, Any]]:
    return [
        {
            "node": saved.step.step_name.removeprefix("execute_task "),
            **{key: resume[key] for key in ("checkpoint_ns", "step", "resumed_from")},
        }
        for saved, resume in zip(run.checkpoints, resumes(run), strict=True)
    ]


@pytest.mark.parametrize("capture", WITH_CHECKPOINTS)
def test_captures_of_graphs_tell_where_their_state_was_saved(capture: Capture) -> None:
    traces: dict[bytes, list[Step]] = defaultdict(list)
    for step in mapped(capture):
        traces[step.trace_id].append(step)
    runs = [run for steps in traces.values() for run in fold_trace(steps)]
    assert [_told(run) for run in sorted(runs, key=lambda run: run.start_ns)] == capture.truth()["checkpoints"]


async def test_checkpoints_are_stored_as_they_are_folded(connection: Connection) -> None:
    (capture,) = [c for c in captures("langchain-oi") if c.name.endswith("__checkpoints")]
    await store(connection, mapped(capture))
    await fold_all(connection)

    first = min(await executions(connection), key=lambda row: row["start_time"])
    assert [found["step_name"] for found in first["checkpoints"]] == ["plan", "write", "writer"]
    assert first["checkpoints"][0]["resume"] == {
        "framework": "langgraph",
        "thread_id": "thread-7",
        "checkpoint_ns": "",
        "step": 1,
        "resumed_from": None,
    }
