"""Traces of real frameworks, decoded, mapped and folded, tell what was scripted: in any order, split and twice."""

import random
from collections import defaultdict
from collections.abc import Iterable

import pytest
from tests.captures import Capture, Run, captures, wrong_answers

from stepwell_receiver.mapping import map_request
from stepwell_receiver.protobuf import decode_traces
from stepwell_storage.fold import fold_trace
from stepwell_storage.model import Execution, Step

CAPTURES = [pytest.param(capture, id=capture.name) for capture in captures()]
SHUFFLES = 5


def mapped(capture: Capture) -> list[Step]:
    return [
        step for body in capture.bodies() for step in map_request(decode_traces(body), max_attribute_bytes=1024 * 1024)
    ]


def folded(steps: Iterable[Step]) -> list[Execution]:
    traces: dict[bytes, list[Step]] = defaultdict(list)
    for step in steps:
        traces[step.trace_id].append(step)
    return [execution for trace_id in sorted(traces) for execution in fold_trace(traces[trace_id])]


def run_of(execution: Execution) -> Run:
    return Run(
        agent_id=execution.agent_id,
        status=execution.status,
        prompt_tokens=execution.prompt_tokens,
        completion_tokens=execution.completion_tokens,
        session_id=execution.session_id,
        calls=tuple((p.operation, p.step.step_name, p.status.value) for p in execution.placements),
    )


def test_there_are_captures() -> None:
    assert len(CAPTURES) >= 20


@pytest.mark.parametrize("capture", CAPTURES)
def test_a_capture_tells_what_was_scripted(capture: Capture) -> None:
    runs = [run_of(execution) for execution in folded(mapped(capture))]

    assert wrong_answers(capture.truth(), runs) == {}


@pytest.mark.parametrize("capture", CAPTURES)
def test_order_and_repetition_of_a_captures_spans_change_nothing(capture: Capture) -> None:
    steps = mapped(capture)
    expected = folded(steps)

    for seed in range(SHUFFLES):
        chance = random.Random(seed)
        shuffled = [*steps, *chance.sample(steps, len(steps) // 4)]
        chance.shuffle(shuffled)
        assert folded(shuffled) == expected
