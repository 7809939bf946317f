"""Which executions a trace holds, where they begin and end, and whose they are (contract, chapter 4)."""

from tests.folding import OI, OUTPUT, chain, fold, only, operations
from tests.spans import TRACE_ID, Sent, agent, chat, span_id, tool

from stepwell_receiver import wire
from stepwell_storage.model import Status

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


def test_a_model_call_around_chains_is_the_top_of_their_run() -> None:
    run = only(
        chat("outer", for_ms=90),
        chain("rag", parent="outer", at_ms=1, for_ms=30),
        chat("inner", parent="rag", at_ms=2),
        chain("check", parent="outer", at_ms=40),
    )

    assert (run.root_span_id, run.agent_id, run.prompt_tokens, run.steps_total) == (span_id("outer"), "rag", 100, 4)


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
