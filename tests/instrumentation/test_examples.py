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
