"""A run as a graph: its steps as nodes, the tree and the order among them as edges. Pure.

The tree is told by `parent` and `depth` on nodes in depth-first order instead of by nesting: a recursion of a thousand
steps, which agents do produce, would be more than most JSON parsers take.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from stepwell_api.run_steps import RunStep, operation_of, status_of


def execution_graph(steps: Sequence[RunStep], path: str) -> dict[str, Any]:
    """The graph of a run's steps, in their order: ``{nodes, edges, path}``."""
    return {
        "nodes": [_node(step) for step in steps],
        "edges": [*_child_edges(steps), *_sequence_edges(steps)],
        "path": path,
    }


def _node(step: RunStep) -> dict[str, Any]:
    place, outline = step
    parent = step.parent
    return {
        "span_id": place.span_id.hex(),
        "step_index": place.index,
        "step_name": outline.step_name,
        "step_type": outline.step_type,
        "operation": operation_of(place, outline),
        "status": status_of(place, outline),
        "start_time": outline.start_time,
        "end_time": outline.end_time,
        "duration_ms": outline.duration_ms,
        "self_duration_ms": place.self_duration_ms,
        "critical_path": place.on_critical_path,
        "attempt": place.attempt,
        "parent": None if parent is None else parent.hex(),
        "depth": place.depth,
        "agent_name": outline.agent_name,
        "model": outline.model,
        "error_type": outline.error_type,
    }


def _child_edges(steps: Sequence[RunStep]) -> Iterator[dict[str, str]]:
    for step in steps:
        if step.parent is not None:
            yield _edge(step.parent, step.place.span_id, "child")


def _sequence_edges(steps: Sequence[RunStep]) -> Iterator[dict[str, str]]:
    """From each step to those siblings that it was the last to end before: parallel steps share a predecessor."""
    siblings: dict[bytes | None, list[RunStep]] = defaultdict(list)
    for step in steps:
        siblings[step.parent].append(step)
    for group in siblings.values():
        by_index = {step.place.index: step.place.span_id for step in group}
        ended = sorted((s.outline.end_time, s.place.index) for s in group if s.outline.end_time is not None)
        for step in group:
            before = _last_ended_before(step, ended)
            if before is not None:
                yield _edge(by_index[before], step.place.span_id, "sequence")


def _last_ended_before(step: RunStep, ended: Sequence[tuple[datetime, int]]) -> int | None:
    """Index of the sibling that ended last before the step started; of equals, the one before it in the run."""
    # Steps of no length that start together would else precede each other in a circle.
    position = bisect_right(ended, (step.outline.start_time, step.place.index - 1))
    return ended[position - 1][1] if position else None


def _edge(start: bytes, end: bytes, kind: str) -> dict[str, str]:
    return {"from": start.hex(), "to": end.hex(), "kind": kind}
