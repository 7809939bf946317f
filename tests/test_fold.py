"""Traces to executions: which runs there are, whose, how they ended, and what is counted (contract, chapter 4)."""

from tests.spans import MS, START_NS, TRACE_ID, Sent, agent, chat, exception, span_id, steps, tool

from stepwell_receiver import wire
from stepwell_storage.fold import fold_trace
from stepwell_storage.model import Execution, Status

OI = "openinference.span.kind"
OUTPUT = {"stepwell.output": '"done"'}


def fold(*spans: Sent) -> tuple[Execution, ...]:
    return fold_trace(steps(*spans))


def only(*spans: Sent) -> Execution:
    (execution,) = fold(*spans)
    return execution


def chain(key: str, **more: object) -> Sent:
    return Sent(key, {OI: "CHAIN"}, **more)  # type: ignore[arg-type]


def operations(execution: Execution) -> list[tuple[str, str]]:
    return [(p.operation, p.step.step_name) for p in execution.placements]


# Which executions there are


def test_an_agent_with_model_and_tool_calls_is_one_execution_of_all_its_spans() -> None:
    run = only(
        agent("refund", for_ms=100, attributes=OUTPUT),
        chat("c1", parent="refund", at_ms=1, reason="tool_calls"),
        tool("t1", "lookup", parent="refund", at_ms=20),
        chat("c2", (200, 20), parent="refund", at_ms=40),
    )

    assert run.execution_id == f"{TRACE_ID.hex()}-{span_id('refund').hex()}"
    assert (run.agent_id, run.status, run.duration_ms) == ("refund", Status.SUCCESS, 100)
    assert (run.prompt_tokens, run.completion_tokens, run.api_calls) == (300, 30, 2)
    assert (run.steps_total, run.steps_completed, run.path) == (4, 4, "chat > lookup > chat")
    assert operations(run) == [
        ("invoke_agent", "refund"),
        ("chat", "chat"),
        ("execute_tool", "lookup"),
        ("chat", "chat"),
    ]


def test_a_trace_without_agents_models_and_tools_holds_no_execution() -> None:
    assert fold(Sent("GET /", {"http.request.method": "GET"}), Sent("SELECT", {"db.system": "x"}, parent="GET /")) == ()


def test_creating_an_agent_is_no_run() -> None:
    assert fold(Sent("c", {"gen_ai.operation.name": "create_agent", "gen_ai.agent.name": "x"})) == ()


def test_a_model_call_alone_is_an_execution_of_its_service() -> None:
    run = only(chat("c"))

    assert (run.agent_id, run.status, run.steps_total, run.path) == ("shop", Status.SUCCESS, 1, "chat")


def test_model_calls_below_a_request_are_one_execution_with_the_request_as_root() -> None:
    run = only(Sent("POST /", kind=wire.KIND_SERVER, for_ms=50), chat("a", parent="POST /"), chat("b", parent="POST /"))

    assert (run.root_span_id, run.agent_id, run.prompt_tokens) == (span_id("POST /"), "shop", 200)


def test_agents_side_by_side_under_nothing_agentic_are_executions_of_their_own() -> None:
    runs = fold(
        Sent("POST /chat", kind=wire.KIND_SERVER, for_ms=90),
        agent("second", parent="POST /chat", at_ms=50, attributes=OUTPUT),
        agent("first", parent="POST /chat", at_ms=10, attributes=OUTPUT),
        chat("c", parent="first", at_ms=11),
    )

    assert [(run.agent_id, run.prompt_tokens, run.steps_total) for run in runs] == [
        ("first", 100, 2),
        ("second", None, 1),
    ]


def test_agents_below_an_agent_are_its_steps_and_keep_their_names() -> None:
    run = only(
        agent("triage", for_ms=100, attributes=OUTPUT),
        tool("delegate", "delegate", parent="triage", at_ms=5, for_ms=50),
        agent("refund", parent="delegate", at_ms=10, for_ms=30),
        chat("c", parent="refund", at_ms=11),
    )

    assert run.agent_id == "triage"
    assert ("invoke_agent", "refund") in operations(run)
    assert run.path == "delegate > refund > chat"


def test_a_chain_that_holds_several_agents_is_a_workflow() -> None:
    run = only(
        chain("pipeline", for_ms=100),
        agent("writer", parent="pipeline", at_ms=1),
        agent("editor", parent="pipeline", at_ms=20),
    )

    assert (run.agent_id, run.root_span_id, run.steps_total) == ("pipeline", span_id("pipeline"), 3)


def test_a_chain_with_model_calls_beside_an_agent_is_a_workflow() -> None:
    run = only(
        chain("supervisor_graph", for_ms=100),
        chat("route", parent="supervisor_graph", at_ms=1),
        agent("worker", parent="supervisor_graph", at_ms=20),
        chat("c", parent="worker", at_ms=21),
    )

    assert (run.agent_id, run.prompt_tokens) == ("supervisor_graph", 200)


def test_wrappers_of_one_run_count_once() -> None:
    run = only(
        Sent("w", {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "refund"}, for_ms=100),
        agent("a", "refund", parent="w", at_ms=1, for_ms=90, attributes=OUTPUT),
        chat("c", parent="a", at_ms=2),
    )

    assert (run.root_span_id, run.agent_id, run.prompt_tokens) == (span_id("w"), "refund", 100)


def test_a_chain_around_a_single_agent_is_its_wrapper() -> None:
    run = only(chain("RunnableSequence", for_ms=50), agent("helper", parent="RunnableSequence", attributes=OUTPUT))

    assert (run.agent_id, run.steps_total) == ("helper", 2)


def test_the_topmost_chain_is_the_run_where_no_agent_is() -> None:
    run = only(
        Sent("POST /", kind=wire.KIND_SERVER, for_ms=90),
        chain("rag", parent="POST /", at_ms=1, for_ms=80),
        chain("inner", parent="rag", at_ms=2),
        chat("c", parent="inner", at_ms=3),
    )

    assert (run.root_span_id, run.agent_id, run.steps_total) == (span_id("rag"), "rag", 3)


def test_a_model_call_beside_the_only_agent_belongs_to_its_run() -> None:
    run = only(
        Sent("POST /", kind=wire.KIND_SERVER, for_ms=90),
        agent("a", parent="POST /", at_ms=10, attributes=OUTPUT),
        chat("classify", parent="POST /", at_ms=1),
    )

    assert (run.agent_id, run.prompt_tokens, run.steps_total) == ("a", 100, 2)


# Roots that are missing, remote or late


def test_fragments_without_their_top_span_are_one_running_execution() -> None:
    run = only(chat("c1", parent="gone"), tool("t", parent="gone", at_ms=20), agent("sub", parent="t", at_ms=21))

    assert (run.execution_id, run.root_span_id, run.status) == (TRACE_ID.hex(), None, Status.RUNNING)
    assert (run.end_ns, run.duration_ms, run.steps_total, run.agent_id) == (None, None, 3, "sub")


def test_an_agent_whose_parent_is_in_another_process_is_whole() -> None:
    run = only(agent("a", parent="caller", flags=0x300, attributes=OUTPUT))

    assert (run.status, run.root_span_id) == (Status.SUCCESS, span_id("a"))


def test_orphans_in_a_trace_with_a_whole_run_join_it() -> None:
    run = only(agent("a", for_ms=100, attributes=OUTPUT), chat("lost", parent="never sent", at_ms=30))

    assert (run.agent_id, run.prompt_tokens, run.status) == ("a", 100, Status.SUCCESS)


def test_late_root_span_closes_execution() -> None:
    child = chat("c", parent="a", at_ms=5)

    assert only(child).status is Status.RUNNING
    assert only(child, agent("a", attributes=OUTPUT)).status is Status.SUCCESS


def test_a_live_agent_is_running_until_its_finished_span_comes() -> None:
    live = agent("a", attributes={"stepwell.span.state": "started"}, for_ms=0)
    finished = agent("a", attributes=OUTPUT, for_ms=70)

    running, ended = only(live, chat("c", parent="a", at_ms=1)), only(live, chat("c", parent="a", at_ms=1), finished)

    assert running.execution_id == ended.execution_id
    assert (running.status, running.end_ns, running.steps_completed) == (Status.RUNNING, None, 1)
    assert (ended.status, ended.duration_ms, ended.steps_completed) == (Status.SUCCESS, 70, 2)


def test_spans_that_are_their_own_parent_or_run_in_a_circle_are_placed() -> None:
    assert only(agent("a", parent="a", attributes=OUTPUT)).steps_total == 1
    assert sum(run.steps_total for run in fold(agent("a", parent="b"), chat("b", parent="a"))) == 2


def test_a_tree_deeper_than_any_stack_is_folded() -> None:
    deep = [agent("s0", for_ms=10_000)] + [Sent(f"s{i}", parent=f"s{i - 1}", at_ms=i / 10) for i in range(1, 5_000)]

    assert only(*deep).steps_total == 5_000


# Names


def test_the_name_is_the_workflows_else_the_agents_else_the_services() -> None:
    workflow = Sent("w", {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "nightly"}, for_ms=50)
    unnamed = Sent("w", {"gen_ai.operation.name": "invoke_workflow"}, name="invoke_workflow", for_ms=50)

    assert only(workflow, agent("a", parent="w")).agent_id == "nightly"
    assert only(unnamed, agent("a", parent="w")).agent_id == "a"
    assert only(Sent("a", {OI: "AGENT"}, name="Agent workflow")).agent_id == "shop"
    assert only(Sent("a", {OI: "AGENT"}, name="research_crew.kickoff")).agent_id == "research_crew"


def test_generated_ids_and_class_names_are_no_names() -> None:
    generated = agent("x", "01a2038d-f394-7000-987b-78538e2b2764")

    assert only(generated).agent_id == "shop"
    assert only(Sent("x", {OI: "CHAIN"}, name="RunnableSequence"), chat("c", parent="x")).agent_id == "shop"
    assert only(agent("x", "RefundAgent")).agent_id == "RefundAgent"


def test_the_agents_id_names_it_where_nothing_else_does() -> None:
    nameless = Sent("x", {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": "asst_7"}, name="invoke_agent")

    assert only(nameless).agent_id == "asst_7"


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
