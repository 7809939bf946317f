"""Names out of message templates, and runs whose last call or whose instrumentation says how they ended."""

import pytest
from tests.folding import only, operations
from tests.spans import Sent, agent, chat, exception, step, tool

from stepwell_receiver import wire
from stepwell_storage.model import Role, Status

TEMPLATE = "logfire.msg_template"


@pytest.mark.parametrize(
    ("name", "step_name"),
    [
        ("Chat completion with {gen_ai.request.model!r}", "Chat completion"),
        ("Guardrail {name!r} {triggered=}", "Guardrail"),
        ("{count} orders read", "orders read"),
        ("plain", "plain"),
    ],
)
def test_a_message_templates_step_name_has_no_placeholder(name: str, step_name: str) -> None:
    assert step(Sent("s", {TEMPLATE: name}, name=name)).step_name == step_name


def test_neither_a_template_nor_an_affix_of_a_default_names_a_run() -> None:
    run = only(
        Sent("trace", {TEMPLATE: "OpenAI Agents trace: {name}", "name": "Agent workflow"}, name="Trace: {name}"),
        Sent("task", {TEMPLATE: "Task: Agent workflow", "name": "Agent workflow"}, "trace", "Task: Agent workflow"),
        Sent("run", {TEMPLATE: "Agent run: {name!r}", "name": "refund"}, "task", "Agent run: {name!r}"),
        chat("c", parent="run", scope="other"),
    )

    assert (run.agent_id, run.agent_name) == ("refund", "refund")


def test_a_session_that_was_not_set_is_none() -> None:
    assert step(Sent("s", {TEMPLATE: "Agent run: {name!r}", "name": "x", "group_id": "null"})).session_id is None


def test_the_error_that_logfire_writes_as_json_is_the_message() -> None:
    error = '{"message": "Guardrail tripwire triggered", "data": {"guardrail": "no_swear"}}'
    turn = Sent("s", {TEMPLATE: "Turn {turn} for agent x", "error": error}, status=wire.STATUS_ERROR)

    assert step(turn).error_message == "Guardrail tripwire triggered: no_swear"


def test_an_operation_that_only_the_spans_name_tells_counts() -> None:
    run = only(
        Sent("w", name="invoke_workflow refund", status=wire.STATUS_ERROR, for_ms=90),
        agent("a", "refund", parent="w", for_ms=5),
        agent("node", "model", parent="w", at_ms=10, status=wire.STATUS_ERROR),
    )

    assert (run.agent_id, run.status) == ("refund", Status.FAILED)
    assert operations(run)[0] == ("invoke_workflow", "refund")


@pytest.mark.parametrize("named", ["invoke_agents", "chat with customer", "execute"])
def test_a_name_that_only_resembles_an_operation_is_a_function(named: str) -> None:
    assert step(Sent("s", name=named)).role is Role.OTHER


def test_langsmith_marks_what_raised_as_well_ended_and_it_failed_all_the_same() -> None:
    raised = Sent(
        "s", {"langsmith.span.kind": "llm"}, status=wire.STATUS_OK, events=[exception("BadRequestError", "no")]
    )

    assert (step(raised).status, step(raised).error_type) == (Status.FAILED, "BadRequestError")


@pytest.mark.parametrize(("error_type", "status"), [("CancelledError", "cancelled"), ("RateLimitError", "failed")])
def test_a_run_that_returned_nothing_ends_as_its_last_model_call(error_type: str, status: str) -> None:
    run = only(
        agent("a", for_ms=100),
        chat("c1", parent="a", at_ms=1, reason="tool_calls"),
        tool("t", parent="a", at_ms=20),
        chat("c2", None, reason=None, parent="a", at_ms=40, events=[exception(error_type, "")]),
    )

    assert (run.status, run.error_type, run.error_step_name) == (status, error_type, "chat")


def test_a_model_call_that_failed_and_was_asked_again_leaves_the_run_a_success() -> None:
    run = only(
        agent("a", for_ms=100),
        chat("c1", None, reason=None, parent="a", at_ms=1, events=[exception("RateLimitError", "")]),
        chat("c2", parent="a", at_ms=40),
    )

    assert run.status is Status.SUCCESS


def test_the_cause_of_a_failure_is_found_below_wrappers_that_ended_well() -> None:
    run = only(
        Sent("trace", {TEMPLATE: "OpenAI Agents trace: {name}", "name": "Agent workflow"}, for_ms=90),
        Sent("run", {TEMPLATE: "Agent run: {name!r}", "name": "refund"}, "trace", status=wire.STATUS_ERROR, for_ms=80),
        tool("t", "lookup", parent="run", status=wire.STATUS_ERROR, events=[exception("ValueError", "no order")]),
    )

    assert (run.status, run.error_type, run.error_step_name) == (Status.FAILED, "ValueError", "lookup")


def test_a_runs_framework_is_not_the_client_library_below_it() -> None:
    run = only(
        agent("a", scope="tests"),
        chat("c", parent="a", scope="openlit.instrumentation.langgraph"),
        Sent("POST", {"http.request.method": "POST"}, "c", scope="opentelemetry.instrumentation.httpx"),
    )

    assert run.framework == "langgraph"
