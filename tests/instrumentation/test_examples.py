"""The examples of the documentation, run as processes of their own against a running Stepwell."""

from typing import Any

from tests.instrumentation.told import EXAMPLES, execution, executions, run, steps
from tests.lifecycle.process_table import until


def shape(stepwell: dict[str, str], execution_id: str) -> list[tuple[Any, ...]]:
    """Of each step its parent's name, its own, type, status and attempt."""
    rows = steps(stepwell, execution_id)
    names = {row["span_id"]: row["step_name"] for row in rows}
    return [
        (names.get(row["parent"]), row["step_name"], row["step_type"], row["status"], row["attempt"]) for row in rows
    ]


def one_run(stepwell: dict[str, str], agent_id: str) -> dict[str, Any]:
    """The only run of an agent, once it has ended."""
    until(lambda: [row["end_time"] is not None for row in executions(stepwell, agent_id)] == [True], agent_id)
    return execution(stepwell, executions(stepwell, agent_id)[0]["execution_id"])


def test_plain_agent(stepwell: dict[str, str]) -> None:
    assert run(stepwell, EXAMPLES / "plain_agent.py") == "Go to Rome.\n"

    found = one_run(stepwell, "travel_agent")
    told = ("status", "trigger_type", "trigger_source", "environment", "version", "service_name", "credits_consumed")
    assert [found[name] for name in told] == [
        *("success", "scheduled", {"job": "weekly"}, "staging", "7", "travel", 3.0)
    ]
    assert (found["input_data"], found["output_data"]) == ({"cities": ["oslo", "rome"]}, "Go to Rome.")
    assert (found["prompt_tokens"], found["completion_tokens"], found["models"]) == (120, 30, ["gpt-4o-mini"])
    assert [(saved["id"], saved["state"], saved["step_name"]) for saved in found["checkpoints"]] == [
        ("prices", {"prices": {"oslo": 240.0, "rome": 180.0}}, "travel_agent")
    ]
    assert found["memory_usage_mb"] > 1
    assert shape(stepwell, found["execution_id"]) == [
        (None, "travel_agent", "action", "success", 1),
        ("travel_agent", "city", "loop", "success", 1),
        ("city", "search", "action", "failed", 1),
        ("city", "search", "action", "success", 2),
        ("travel_agent", "city", "loop", "success", 1),
        ("city", "search", "action", "success", 1),
        ("travel_agent", "choose", "decision", "success", 1),
        ("travel_agent", "write", "api_call", "success", 1),
    ]


def test_asyncio_agent(stepwell: dict[str, str]) -> None:
    assert run(stepwell, EXAMPLES / "asyncio_agent.py") == "All is well.\n"

    found = one_run(stepwell, "editor")
    assert (found["status"], found["output_data"], found["prompt_tokens"]) == ("success", "All is well.", 30)
    assert [(saved["id"], saved["state"]) for saved in found["checkpoints"]] == [("fetched", {"without": "archive"})]
    rows = steps(stepwell, found["execution_id"])
    told = [(row["step_name"], (row["input"] or {}).get("source"), row["status"], row["attempt"]) for row in rows]
    assert told[:4] == [
        ("editor", None, "success", 1),
        ("fetch", "radio", "success", 1),
        ("fetch", "wire", "failed", 1),
        ("fetch", "paper", "success", 1),
    ]
    assert told[4:] == [
        ("fetch", "wire", "success", 2),
        ("archive", None, "cancelled", 1),
        ("summarise", None, "success", 1),
    ]
    assert {row["parent"] for row in rows[1:]} == {rows[0]["span_id"]}


def test_threaded_agent(stepwell: dict[str, str]) -> None:
    assert run(stepwell, EXAMPLES / "threaded_agent.py") == "16 items\n"

    found = one_run(stepwell, "stocktaker")
    assert (found["status"], found["credits_consumed"], found["output_data"]) == ("success", 1.5, 16)
    assert sorted(shape(stepwell, found["execution_id"])[1:]) == [
        ("note", "write", "action", "success", 1),
        *[("stocktaker", "count", "action", "success", 1)] * 3,
        ("stocktaker", "note", "action", "success", 1),
    ]
    night = one_run(stepwell, "night_shift")
    assert shape(stepwell, night["execution_id"])[1:] == [("night_shift", "count", "action", "success", 1)]


def test_forked_agent(stepwell: dict[str, str]) -> None:
    assert run(stepwell, EXAMPLES / "forked_agent.py") == "[8, 10]\n"

    found = one_run(stepwell, "carter")
    assert shape(stepwell, found["execution_id"])[1:] == [("carter", "grind", "action", "success", 1)] * 2
    until(lambda: len(executions(stepwell, "miller")) == 3, "runs in the parent and in two children")
    for row in executions(stepwell, "miller"):
        assert shape(stepwell, row["execution_id"]) == [
            (None, "miller", "action", "success", 1),
            ("miller", "grind", "action", "success", 1),
        ]


def test_worker(stepwell: dict[str, str]) -> None:
    assert run(stepwell, EXAMPLES / "worker.py") == ""

    alone = one_run(stepwell, "sorter")
    assert (alone["trigger_type"], alone["output_data"]) == ("webhook", ["a", "b"])
    sent = one_run(stepwell, "postmaster")
    until(lambda: len(steps(stepwell, sent["execution_id"])) == 4, "the worker's part")
    assert [row[:2] for row in shape(stepwell, sent["execution_id"])] == [
        (None, "postmaster"),
        ("postmaster", "hand_over"),
        ("hand_over", "sorter"),
        ("sorter", "by_name"),
    ]
