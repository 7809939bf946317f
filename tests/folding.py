"""Folds sent spans for tests, and says what the executions hold."""

from typing import Any

from tests.spans import Sent, steps

from stepwell_storage.fold import fold_trace
from stepwell_storage.model import Execution

OI = "openinference.span.kind"
OUTPUT = {"stepwell.output": '"done"'}


def fold(*spans: Sent) -> tuple[Execution, ...]:
    return fold_trace(steps(*spans))


def only(*spans: Sent) -> Execution:
    (execution,) = fold(*spans)
    return execution


def chain(key: str, **more: Any) -> Sent:
    return Sent(key, {OI: "CHAIN"}, **more)


def operations(execution: Execution) -> list[tuple[str, str]]:
    return [(p.operation, p.step.step_name) for p in execution.placements]
