"""Hard cases of runs: what is one run, what are several, what it is called, and what belongs to it."""

import orjson
import pytest
from tests.folding import chain, fold, only, operations
from tests.hard_cases.spoken import GENAI, OPENINFERENCE, Spoken, in_every_dialect
from tests.spans import TRACE_ID, Sent, request, span_id, step

from stepwell_receiver import wire
from stepwell_receiver.mapping import map_request
from stepwell_storage.fold import fold_trace
from stepwell_storage.model import Status

RUN_ID = "5f0c3f0e-8e3b-4a52-9c1a-0d7be0c6a111"


@in_every_dialect
def test_wrappers_of_one_run_under_one_name(says: Spoken) -> None:
    run = only(
        says.agent("refund", (100, 10), for_ms=100),
        says.agent("w", called="refund", parent="refund", at_ms=1, for_ms=90),
        says.model("c", parent="w", at_ms=2),
    )

    assert (run.agent_id, run.root_span_id, run.prompt_tokens) == ("refund", span_id("refund"), 100)


@in_every_dialect
def test_sub_agents_under_tools_are_steps(says: Spoken) -> None:
    run = only(
        says.agent("triage", for_ms=100),
        says.model("c1", parent="triage", at_ms=1),
        says.tool("ask_refund", parent="triage", at_ms=15, for_ms=60),
        says.agent("refund", parent="ask_refund", at_ms=16, for_ms=50),
        says.model("c2", (200, 20), parent="refund", at_ms=17),
    )

    assert (run.agent_id, run.prompt_tokens, run.completion_tokens, run.status) == ("triage", 300, 30, Status.SUCCESS)
    assert ("invoke_agent", "refund") in operations(run)


@in_every_dialect
def test_hand_over_from_agent_to_agent_below_a_workflow(says: Spoken) -> None:
    run = only(
        Sent("w", {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "support"}, for_ms=100),
        says.agent("triage", parent="w", at_ms=1, for_ms=30),
        says.model("c1", parent="triage", at_ms=2),
        says.agent("refund", parent="w", at_ms=40, for_ms=50),
        says.model("c2", parent="refund", at_ms=41),
    )

    assert (run.agent_id, run.prompt_tokens) == ("support", 200)
    assert [name for operation, name in operations(run) if operation == "invoke_agent"] == ["triage", "refund"]


@in_every_dialect
def test_agents_in_sequence_under_a_chain_are_one_flow(says: Spoken) -> None:
    run = only(
        chain("essay_flow", for_ms=100),
        says.agent("writer", parent="essay_flow", at_ms=1),
        says.agent("editor", parent="essay_flow", at_ms=20),
    )

    assert (run.agent_id, run.steps_total, run.path) == ("essay_flow", 3, "writer > editor")


@pytest.mark.parametrize("operation", ["invoke_swarm", "invoke_graph", "invoke_workflow"])
def test_swarms_graphs_and_workflows_are_one_run_of_their_agents(operation: str) -> None:
    run = only(
        Sent("top", {"gen_ai.operation.name": operation, "gen_ai.agent.name": "squad"}, for_ms=100),
        GENAI.agent("a", parent="top", at_ms=1),
        OPENINFERENCE.agent("b", parent="top", at_ms=20),
        OPENINFERENCE.model("chat", parent="b", at_ms=21),
    )

    assert (run.agent_id, run.prompt_tokens, run.path) == ("squad", 100, "a > b > chat")


def test_a_crew_is_named_by_its_kickoff() -> None:
    run = only(
        Sent("crew", {"openinference.span.kind": "CHAIN"}, name="essay_crew.kickoff", for_ms=100),
        OPENINFERENCE.agent("writer", parent="crew", at_ms=1, name="writer._execute_core"),
        OPENINFERENCE.agent("editor", parent="crew", at_ms=20, name="editor._execute_core"),
    )

    assert (run.agent_id, run.path) == ("essay_crew", "writer > editor")


@in_every_dialect
def test_several_runs_in_one_trace(says: Spoken) -> None:
    runs = fold(
        Sent("POST /both", {"http.request.method": "POST"}, kind=wire.KIND_SERVER, for_ms=200),
        says.agent("one", parent="POST /both", at_ms=1, for_ms=50),
        says.model("c1", parent="one", at_ms=2),
        says.agent("two", parent="POST /both", at_ms=30, for_ms=50),
        says.model("c2", (200, 20), parent="two", at_ms=31),
    )

    assert [(run.agent_id, run.prompt_tokens, run.status) for run in runs] == [
        ("one", 100, Status.SUCCESS),
        ("two", 200, Status.SUCCESS),
    ]


@in_every_dialect
def test_no_agent_at_all(says: Spoken) -> None:
    run = only(Sent("job", for_ms=100), says.model("c", parent="job", at_ms=1), says.tool("t", parent="job", at_ms=20))

    assert (run.agent_id, run.root_span_id, run.prompt_tokens) == ("shop", span_id("job"), 100)


@in_every_dialect
def test_a_root_that_never_arrives(says: Spoken) -> None:
    run = only(says.model("c", parent="gone"), says.tool("t", parent="gone", at_ms=20))

    assert (run.execution_id, run.status, run.end_ns) == (TRACE_ID.hex(), Status.RUNNING, None)


@in_every_dialect
def test_pending_spans_of_a_run_that_goes_on(says: Spoken) -> None:
    live = {"stepwell.span.state": "started"}
    run = only(
        says.agent("refund", for_ms=0, output=None, attributes=live),
        says.model("c", parent="refund", at_ms=1),
        says.tool("t", None, parent="refund", at_ms=20, for_ms=0, attributes=live),
    )

    assert (run.status, run.steps_total, run.steps_completed, run.prompt_tokens) == (Status.RUNNING, 3, 1, 100)


@in_every_dialect
def test_span_links_are_kept_and_join_nothing(says: Spoken) -> None:
    sent = request(says.agent("a"))
    sent.groups[0].spans[0].links.append(wire.Link(bytes([7] * 16), bytes([8] * 8), {"reason": "batch"}))

    mapped = map_request(sent, max_attribute_bytes=1_000)

    link = {"trace_id": "07" * 16, "span_id": "08" * 8, "attributes": {"reason": "batch"}}
    assert orjson.loads(mapped[0].links_json or "") == [link]
    assert [run.steps_total for run in fold_trace(mapped)] == [1]


@pytest.mark.parametrize(
    ("attributes", "name", "agent_id"),
    [
        pytest.param({"logfire.msg_template": "Agent run: {name!r}", "name": "triage"}, "Agent run: {name!r}", "triage",
                     id="logfire"),
        pytest.param({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "triage"}, "{agent_name} run",
                     "triage", id="genai"),
        pytest.param({"openinference.span.kind": "AGENT"}, "{name}.run", "shop", id="openinference-tells-no-name"),
    ],
)  # fmt: skip
def test_names_that_are_templates(attributes: wire.Attributes, name: str, agent_id: str) -> None:
    assert only(Sent("a", attributes, name=name)).agent_id == agent_id


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": RUN_ID}, id="genai"),
        pytest.param({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": RUN_ID}, id="genai-as-name"),
        pytest.param({"openinference.span.kind": "AGENT", "agent.name": f"agent_{RUN_ID}"}, id="openinference"),
        pytest.param(
            {"traceloop.span.kind": "agent", "traceloop.entity.name": RUN_ID.replace("-", "")}, id="traceloop"
        ),
    ],
)
def test_run_ids_as_agent_ids_are_no_names(attributes: wire.Attributes) -> None:
    run = only(Sent("a", attributes, name="invoke_agent", for_ms=50), GENAI.agent("planner", parent="a"))

    assert run.agent_id == "planner"


@in_every_dialect
def test_json_in_strings_is_read_as_json(says: Spoken) -> None:
    mapped = step(says.tool("lookup", '{"order": {"id": "A-17", "items": ["{\\"sku\\": 1}"]}}'))

    assert orjson.loads(mapped.output_json or "") == {"order": {"id": "A-17", "items": ['{"sku": 1}']}}
