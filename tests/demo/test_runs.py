"""The demo's agents: what they send, mapped and folded, is what their scripts say."""

import asyncio
from collections import Counter, defaultdict

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from stepwell_api.demo.cases import KINDS, Ending, draw_cases
from stepwell_api.demo.comparison import ENDINGS, Figures
from stepwell_api.demo.player import Sent, play_all
from stepwell_api.demo.telemetry import Telemetry
from stepwell_receiver.mapping import map_request
from stepwell_receiver.protobuf import decode_traces
from stepwell_storage.fold import fold_trace
from stepwell_storage.model import Execution, Step

SEED = 7


@pytest.fixture(scope="module")
def demo() -> tuple[list[Sent], list[Execution]]:
    """One run of each kind: as sent, and as folded from the exported bytes."""
    exporter = InMemorySpanExporter()
    telemetry = Telemetry(exporter)
    sent = asyncio.run(play_all(draw_cases(len(KINDS), SEED), telemetry, concurrency=6, played=lambda: None))
    telemetry.close()
    request = decode_traces(encode_spans(exporter.get_finished_spans()).SerializeToString())
    traces: dict[bytes, list[Step]] = defaultdict(list)
    for step in map_request(request, max_attribute_bytes=1_000_000):
        traces[step.trace_id].append(step)
    return sent, [execution for steps in traces.values() for execution in fold_trace(steps)]


def test_every_run_folds_to_what_its_script_says(demo: tuple[list[Sent], list[Execution]]) -> None:
    sent, executions = demo
    wanted = {
        run.trace_id: Figures(
            agent=run.agent,
            ending=run.ending,
            prompt_tokens=run.totals.prompt_tokens,
            completion_tokens=run.totals.completion_tokens,
            model_calls=run.totals.model_calls,
            tool_calls=run.totals.tool_calls,
        )
        for run in sent
    }
    assert len(executions) == len(sent) == len(KINDS)
    assert {execution.trace_id.hex(): _figures(execution) for execution in executions} == wanted


def _figures(execution: Execution) -> Figures:
    operations = Counter(placement.operation for placement in execution.placements)
    return Figures(
        agent=execution.agent_id,
        ending=ENDINGS[execution.status],
        prompt_tokens=execution.prompt_tokens or 0,
        completion_tokens=execution.completion_tokens or 0,
        model_calls=operations["chat"],
        tool_calls=operations["execute_tool"],
    )


def test_runs_say_who_started_them_and_where(demo: tuple[list[Sent], list[Execution]]) -> None:
    _, executions = demo
    assert {execution.trigger_type for execution in executions} == {"api"}
    assert {execution.service_name for execution in executions} == {"support-desk"}
    assert {(execution.environment, execution.version) for execution in executions} == {
        ("production", "2.3.0"),
        ("staging", "2.4.0-rc.1"),
    }
    assert all(execution.user_id and execution.session_id == f"chat-{execution.user_id}" for execution in executions)


def test_runs_hand_over_retry_fail_and_are_cut_off(demo: tuple[list[Sent], list[Execution]]) -> None:
    sent, executions = demo
    assert {run.ending for run in sent} == set(Ending)
    handed_over = [execution for execution in executions if "ask_refund_agent" in execution.path]
    assert {placement.step.agent_name for placement in handed_over[0].placements} >= {"support_triage", "refund_agent"}
    assert any(placement.attempt == 2 for execution in executions for placement in execution.placements)
    errors = {execution.error_type for execution in executions if execution.status == "failed"}
    assert errors == {"OrderNotFoundError", "PaymentDeclinedError", "ModelHTTPError"}


def test_a_seed_repeats_the_same_cases() -> None:
    def draw(seed: int) -> list[object]:
        cases = draw_cases(40, seed)
        turns = [
            [(turn.prompt_tokens, turn.seconds) for script in case.turns.values() for turn in script] for case in cases
        ]
        drawn = [(case.agent, case.prompt, case.ending, case.customer, case.staging, case.patience_s) for case in cases]
        return [*turns, *drawn]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


@pytest.mark.parametrize("runs", [1, len(KINDS) - 1, len(KINDS), len(KINDS) + 30])
def test_as_many_runs_as_asked_for(runs: int) -> None:
    assert len(draw_cases(runs, SEED)) == runs
