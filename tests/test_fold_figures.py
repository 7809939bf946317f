"""What executions count, how they ended and where their time went (contract, chapter 4)."""

from typing import Any

import pytest
from tests.folding import OUTPUT, only, operations
from tests.spans import MS, START_NS, Sent, agent, chat, exception, tool

from stepwell_receiver import wire
from stepwell_storage.model import Status

# Counts


def test_usage_on_an_agent_counts_only_where_no_model_call_below_carries_any() -> None:
    usage = {"gen_ai.usage.input_tokens": 500, "gen_ai.usage.output_tokens": 50}

    assert only(agent("a", attributes=usage | OUTPUT), chat("c", parent="a")).prompt_tokens == 100
    assert only(agent("a", attributes=usage | OUTPUT), chat("c", None, parent="a")).prompt_tokens == 500
    assert only(agent("a", attributes=usage | OUTPUT), agent("b", parent="a", attributes=usage)).prompt_tokens == 500


def test_model_calls_nested_in_each_other_are_one() -> None:
    run = only(
        agent("a", for_ms=100, attributes=OUTPUT),
        chat("outer", None, parent="a", at_ms=1, for_ms=20),
        chat("inner", parent="outer", at_ms=2, for_ms=10),
    )

    assert (run.prompt_tokens, run.api_calls) == (100, 1)
    assert [op for op, _ in operations(run)].count("chat") == 1


def test_a_model_span_around_several_calls_is_their_wrapper() -> None:
    run = only(
        agent("a", for_ms=100, attributes=OUTPUT),
        chat("outer", (300, 30), parent="a", at_ms=1, for_ms=60),
        chat("one", parent="outer", at_ms=2),
        chat("two", (200, 20), parent="outer", at_ms=30),
    )

    assert (run.prompt_tokens, run.completion_tokens) == (300, 30)
    assert [op for op, _ in operations(run)].count("chat") == 2


def test_a_model_call_below_a_tool_of_a_model_call_is_another() -> None:
    run = only(chat("outer", for_ms=100), tool("t", parent="outer", at_ms=1), chat("inner", parent="t", at_ms=2))

    assert run.prompt_tokens == 200


def test_twin_spans_of_one_response_are_one_call_that_failed_if_either_says_so() -> None:
    same = {"gen_ai.response.id": "r1"}
    run = only(
        agent("a", for_ms=100, attributes=OUTPUT),
        chat("sdk", parent="a", at_ms=1, scope="sdk", attributes=same),
        chat("otel", None, parent="a", at_ms=1, scope="otel", attributes=same, status=wire.STATUS_ERROR),
    )

    assert run.prompt_tokens == 100
    reports = {p.step.scope_name: (p.operation, p.status) for p in run.placements if p.step.operation == "chat"}
    assert reports == {"sdk": ("chat", Status.FAILED), "otel": ("chain", Status.FAILED)}


def test_overlapping_twins_of_different_scopes_are_one_call_but_parallel_calls_of_one_scope_are_not() -> None:
    twins = chat("x", parent="a", at_ms=1, scope="one"), chat("y", parent="a", at_ms=2, scope="two")
    parallel = chat("x", parent="a", at_ms=1), chat("y", parent="a", at_ms=2)

    assert only(agent("a", attributes=OUTPUT), *twins).prompt_tokens == 100
    assert only(agent("a", attributes=OUTPUT), *parallel).prompt_tokens == 200


def test_embedding_tokens_stay_outside_the_executions() -> None:
    embedding = Sent("e", {"gen_ai.operation.name": "embeddings", "gen_ai.usage.input_tokens": 9}, parent="a", at_ms=1)

    run = only(agent("a", attributes=OUTPUT), embedding, chat("c", parent="a", at_ms=2))

    assert (run.prompt_tokens, run.api_calls) == (100, 2)


def test_what_nobody_told_is_unknown_and_not_zero() -> None:
    run = only(agent("a", attributes=OUTPUT))

    assert (run.prompt_tokens, run.completion_tokens, run.cost_usd, run.credits, run.memory_mb) == (None,) * 5
    assert run.api_calls == 0


def test_the_http_request_inside_a_model_call_is_no_further_api_call() -> None:
    http = Sent("POST", {"http.request.method": "POST"}, kind=wire.KIND_CLIENT, parent="c", at_ms=2)

    assert only(agent("a", attributes=OUTPUT), chat("c", parent="a", at_ms=1, for_ms=9), http).api_calls == 1


def test_credits_and_costs_are_summed_and_memory_is_the_peak() -> None:
    run = only(
        agent("a", for_ms=90, attributes={"stepwell.memory_mb": 200, **OUTPUT}),
        chat("c", parent="a", attributes={"gen_ai.usage.cost": 0.25, "stepwell.memory_mb": 300}),
        tool("t", parent="a", at_ms=30, attributes={"stepwell.credits": 2}),
        chat("d", parent="a", at_ms=50, attributes={"gen_ai.usage.cost": 0.5, "stepwell.credits": 1.5}),
    )

    assert (run.cost_usd, run.credits, run.memory_mb) == (0.75, 3.5, 300)


# How runs end


def test_a_run_whose_tool_failed_but_went_on_is_a_success() -> None:
    run = only(
        agent("a", for_ms=100, attributes=OUTPUT),
        chat("c1", parent="a", at_ms=1),
        tool("t1", parent="a", at_ms=20, status=wire.STATUS_ERROR, events=[exception("ModelRetry", "again")]),
        tool("t2", parent="a", at_ms=40),
        chat("c2", parent="a", at_ms=60),
    )

    assert (run.status, run.error_type) == (Status.SUCCESS, None)
    assert [(p.status, p.attempt) for p in run.placements if p.step.operation == "execute_tool"] == [
        (Status.FAILED, 1),
        (Status.SUCCESS, 2),
    ]


def test_a_failed_run_names_its_deepest_cause() -> None:
    broken = [exception("ConnectionError", "orders-db 10.0.0.7 unreachable")]
    run = only(
        agent("a", for_ms=100, status=wire.STATUS_ERROR, events=broken),
        chat("c1", parent="a", at_ms=1),
        tool("t", "lookup", parent="a", at_ms=20, status=wire.STATUS_ERROR, events=broken),
    )

    assert (run.status, run.error_type, run.error_step_name) == (Status.FAILED, "ConnectionError", "lookup")
    assert run.error_message == "orders-db 10.0.0.7 unreachable"


def test_a_root_that_only_says_error_takes_the_type_of_its_cause() -> None:
    run = only(
        agent("a", for_ms=100, status=wire.STATUS_ERROR),
        tool("t", "lookup", parent="a", at_ms=20, status=wire.STATUS_ERROR, events=[exception("KeyError", "'x'")]),
    )

    assert (run.status, run.error_type, run.error_message) == (Status.FAILED, "KeyError", "'x'")


def test_failures_that_differ_only_in_their_variables_share_a_fingerprint() -> None:
    def failed(message: str) -> str | None:
        return only(agent("a", status=wire.STATUS_ERROR, events=[exception("E", message)])).error_fingerprint

    assert failed("order 17 of 'anna' not found") == failed("order 4 of 'bert' not found")
    assert failed("order 17 not found") != failed("order 17 refused")


def test_a_run_whose_last_model_call_returned_nothing_is_cancelled() -> None:
    run = only(
        agent("a", for_ms=100),
        chat("c1", parent="a", at_ms=1),
        chat("hung", None, reason=None, parent="a", at_ms=20, for_ms=80),
    )

    assert run.status is Status.CANCELLED


def test_a_run_that_nothing_followed_after_its_last_tool_call_is_cancelled() -> None:
    asked, called = chat("c1", parent="a", at_ms=1, reason="tool_calls"), tool("t", parent="a", at_ms=20)

    assert only(agent("a", for_ms=100), asked, called).status is Status.CANCELLED
    assert only(agent("a", for_ms=30.2), asked, called).status is Status.CANCELLED
    assert only(agent("a", for_ms=100, attributes=OUTPUT), asked, called).status is Status.SUCCESS
    assert only(agent("a", for_ms=100), asked, called, chat("c2", parent="a", at_ms=40)).status is Status.SUCCESS


def test_a_run_whose_model_was_done_and_that_ends_at_once_after_a_tool_is_a_success() -> None:
    done, called = chat("c1", parent="a", at_ms=1, reason="stop"), tool("t", parent="a", at_ms=20, for_ms=79)

    assert only(agent("a", for_ms=100), done, called).status is Status.SUCCESS


def test_tools_alone_are_no_sign_of_a_cut_off_run() -> None:
    assert only(agent("a", for_ms=100), tool("t", parent="a", at_ms=20)).status is Status.SUCCESS


def test_an_explicit_cancellation_and_a_timeout_are_told_apart_from_failures() -> None:
    def ended(error_type: str) -> Status:
        return only(agent("a", status=wire.STATUS_ERROR, events=[exception(error_type, "")])).status

    assert [ended(name) for name in ("CancelledError", "TimeoutError", "ValueError")] == [
        Status.CANCELLED,
        Status.TIMEOUT,
        Status.FAILED,
    ]


# Time


def test_self_time_and_critical_path_see_parallel_and_nested_steps() -> None:
    run = only(
        agent("a", for_ms=100, attributes=OUTPUT),
        chat("c", parent="a", at_ms=0, for_ms=30),
        tool("fast", "fast", parent="a", at_ms=30, for_ms=20),
        tool("slow", "slow", parent="a", at_ms=30, for_ms=60),
        Sent("inner", parent="slow", at_ms=40, for_ms=45),
    )

    by_name = {p.step.step_name: (p.self_duration_ms, p.on_critical_path) for p in run.placements}
    assert by_name == {
        "a": (10, True),
        "chat": (30, True),
        "fast": (20, False),
        "slow": (15, True),
        "inner": (45, True),
    }


def test_the_last_sign_of_life_is_the_latest_time_of_any_step() -> None:
    run = only(chat("c", parent="gone"), tool("t", parent="gone", at_ms=50, for_ms=25))

    assert run.last_activity_ns == START_NS + 75 * MS


def test_paths_collapse_and_count_loops() -> None:
    rounds = [
        sent
        for i in range(3)
        for sent in (chat(f"c{i}", parent="a", at_ms=i * 20 + 1), tool(f"t{i}", parent="a", at_ms=i * 20 + 11))
    ]

    run = only(agent("a", for_ms=200, attributes=OUTPUT), *rounds, chat("end", parent="a", at_ms=90))

    assert run.path == "(chat > search)×3 > chat"


# Reports and runs that tell less


def test_a_tool_call_reported_by_two_instrumentations_is_one_that_failed_if_either_says_so() -> None:
    run = only(
        agent("a", for_ms=100, attributes=OUTPUT),
        tool("outer", parent="a", at_ms=1, for_ms=20, scope="one"),
        tool("inner", parent="outer", at_ms=2, for_ms=10, scope="two", status=wire.STATUS_ERROR),
    )

    assert [(p.operation, p.status) for p in run.placements[1:]] == [
        ("execute_tool", Status.FAILED),
        ("chain", Status.FAILED),
    ]


def test_a_tool_that_calls_itself_is_called_twice() -> None:
    run = only(
        agent("a", for_ms=100, attributes=OUTPUT),
        tool("outer", parent="a", at_ms=1, for_ms=20),
        tool("inner", parent="outer", at_ms=2, for_ms=10),
    )

    assert [op for op, _ in operations(run)].count("execute_tool") == 2


def test_a_run_whose_model_asked_for_a_tool_that_never_came_is_cancelled_unless_it_ended_at_once() -> None:
    asked = chat("c", parent="a", at_ms=1, for_ms=9, reason="tool_calls")

    assert only(agent("a", for_ms=100), asked).status is Status.CANCELLED
    assert only(agent("a", for_ms=10.1), asked).status is Status.SUCCESS
    assert only(agent("a", for_ms=100, attributes=OUTPUT), asked).status is Status.SUCCESS


def test_a_model_call_that_tells_nothing_of_its_request_says_nothing_of_its_answer() -> None:
    silent = Sent("c", {"gen_ai.operation.name": "chat"}, parent="a", at_ms=1)

    assert only(agent("a", for_ms=100), silent).status is Status.SUCCESS
    assert only(agent("a", for_ms=100), chat("c", None, reason=None, parent="a", at_ms=1)).status is Status.CANCELLED


@pytest.mark.parametrize(
    ("ends_at_ms", "returned", "status"),
    [(89, {}, Status.CANCELLED), (50, {}, Status.SUCCESS), (89, OUTPUT, Status.SUCCESS)],
    ids=["ends-with-the-run", "ended-before", "returned-something"],
)
def test_a_tool_that_ends_with_a_cut_off_run_and_returned_nothing_was_cut_off(
    ends_at_ms: int, returned: dict[str, Any], status: Status
) -> None:
    run = only(
        agent("a", "refund", for_ms=90),
        chat("c", parent="a", reason="tool_calls"),
        tool("t", "lookup", parent="a", at_ms=20, for_ms=ends_at_ms - 20, attributes=returned),
    )

    assert run.status is Status.CANCELLED
    assert [p.status for p in run.placements if p.operation == "execute_tool"] == [status]
