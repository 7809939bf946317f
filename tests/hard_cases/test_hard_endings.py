"""Hard cases of endings: who was cancelled, what failed although no status says so, and what failed but was mended."""

import json
from typing import Any

import pytest
from tests.folding import chain, only
from tests.hard_cases.spoken import GENAI, Spoken, in_every_dialect
from tests.spans import Sent, exception, step

from stepwell_receiver import wire
from stepwell_storage.model import Execution, Status

BOTH_STATUSES = pytest.mark.parametrize("status", [wire.STATUS_UNSET, wire.STATUS_OK])


def tool_ends(run: Execution) -> list[tuple[Status, int]]:
    return [(p.status, p.attempt) for p in run.placements if p.operation == "execute_tool"]


@in_every_dialect
@BOTH_STATUSES
def test_cancelled_in_a_model_call_with_the_status_unset(says: Spoken, status: int) -> None:
    run = only(
        says.agent("refund", output=None, for_ms=100, status=status),
        says.model("c1", parent="refund", at_ms=1, status=status),
        says.model("hung", None, parent="refund", at_ms=20, for_ms=80, status=status),
    )

    assert (run.status, run.prompt_tokens) == (Status.CANCELLED, 100)


@in_every_dialect
@BOTH_STATUSES
def test_cancelled_in_a_tool_call_with_the_status_unset(says: Spoken, status: int) -> None:
    run = only(
        says.agent("refund", output=None, for_ms=100, status=status),
        says.model("c1", parent="refund", at_ms=1, status=status),
        says.tool("lookup", None, parent="refund", at_ms=20, for_ms=80, status=status),
    )

    assert run.status is Status.CANCELLED


@in_every_dialect
def test_a_failure_that_only_an_event_tells(says: Spoken) -> None:
    run = only(
        says.agent("refund", output=None, for_ms=100, events=[exception("openai.APIConnectionError", "no route")]),
        says.model("c", parent="refund", at_ms=1),
    )

    assert (run.status, run.error_type, run.error_message) == (Status.FAILED, "APIConnectionError", "no route")


@in_every_dialect
def test_a_failure_that_only_the_last_model_call_tells(says: Spoken) -> None:
    broken = [exception("RateLimitError", "429")]
    run = only(
        says.agent("refund", output=None, for_ms=100),
        says.model("c", None, parent="refund", at_ms=1, status=wire.STATUS_ERROR, events=broken),
    )

    assert (run.status, run.error_type) == (Status.FAILED, "RateLimitError")


@in_every_dialect
def test_a_failure_that_only_a_guardrails_turn_tells(says: Spoken) -> None:
    run = only(
        says.agent("refund", output=None, for_ms=100),
        chain("turn", parent="refund", at_ms=1, for_ms=90, status=wire.STATUS_ERROR, message="InputGuardrailTripwire"),
        Sent("guard", {"openinference.span.kind": "GUARDRAIL"}, parent="turn", at_ms=2),
    )

    assert run.status is Status.FAILED


RETURNED = [
    pytest.param({"error": "order service is down"}, "tool_error", "order service is down", id="error-alone"),
    pytest.param({"error": {"type": "NotFound", "message": "no order"}}, "NotFound", "no order", id="error-object"),
    pytest.param({"success": False, "error": "no stock", "error_type": "StockError"}, "StockError", "no stock",
                 id="error-with-its-type"),
    pytest.param({"content": [{"type": "text", "text": "no order A-17"}], "isError": True}, "tool_error",
                 "no order A-17", id="mcp"),
    pytest.param({"blocks": [], "raw_output": "x", "is_error": True}, "tool_error", None, id="llamaindex"),
    pytest.param({"content": "boom", "tool_call_id": "c1", "status": "error"}, "tool_error", "boom", id="langchain"),
    pytest.param({"output": {"kwargs": {"content": "boom", "status": "error"}}}, "tool_error", "boom", id="wrapped"),
    pytest.param([{"result": '{"error": "inner"}'}], "tool_error", "inner", id="json-in-json"),
]  # fmt: skip


@in_every_dialect
@pytest.mark.parametrize(("output", "error_type", "message"), RETURNED)
def test_tool_failures_that_are_returned_and_not_raised(
    says: Spoken, output: object, error_type: str, message: str | None
) -> None:
    run = only(
        says.agent("refund", for_ms=100),
        says.tool("lookup", json.dumps(output), parent="refund", at_ms=1),
        says.tool("again", json.dumps({"id": "A-17"}), called="lookup", parent="refund", at_ms=20),
        says.model("c", parent="refund", at_ms=40),
    )

    assert (run.status, tool_ends(run)) == (Status.SUCCESS, [(Status.FAILED, 1), (Status.SUCCESS, 2)])
    (failed,) = (p.step for p in run.placements if p.status is Status.FAILED)
    assert (failed.error_type, failed.error_message) == (error_type, message)


@in_every_dialect
@pytest.mark.parametrize(
    "output",
    [
        {"error": None, "total": 42.5},
        {"error": "", "code": 0},
        {"errors": ["none"], "id": "A-17"},
        {"isError": False, "content": [{"type": "text", "text": "an error was mended"}]},
        {"error": "E42 means that the tank is empty", "page": 3, "source": "manual"},
        {"status": "error", "job": "nightly"},
        "Error codes: E1, E2",
    ],
)
def test_results_that_only_mention_an_error_are_none(says: Spoken, output: object) -> None:
    text = output if isinstance(output, str) else json.dumps(output)

    assert step(says.tool("lookup", text)).status is Status.SUCCESS


def test_an_answer_of_a_model_that_looks_like_an_error_is_none() -> None:
    assert step(GENAI.model("c", attributes={"gen_ai.output.messages": '{"error": "x"}'})).status is Status.SUCCESS


@in_every_dialect
def test_retries_after_raised_failures_are_counted_as_attempts(says: Spoken) -> None:
    broken: dict[str, Any] = {
        "status": wire.STATUS_ERROR,
        "events": [exception("ConnectionError", "down")],
        "called": "lookup",
    }
    run = only(
        says.agent("refund", for_ms=100),
        says.tool("first", None, parent="refund", at_ms=1, **broken),
        says.tool("second", None, parent="refund", at_ms=20, **broken),
        says.tool("third", called="lookup", parent="refund", at_ms=40),
        says.model("c", parent="refund", at_ms=60),
    )

    assert tool_ends(run) == [(Status.FAILED, 1), (Status.FAILED, 2), (Status.SUCCESS, 3)]
    assert (run.status, run.error_type) == (Status.SUCCESS, None)
