"""A run as a graph: its steps as nodes, the tree and the order among them as edges. Pure.

The tree is told by `parent` and `depth` on nodes in depth-first order instead of by nesting: a recursion of a thousand
steps, which agents do produce, would be more than most JSON parsers take.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from stepwell_storage.model import Execution, Placement
from stepwell_storage.times import to_datetime


def execution_graph(execution: Execution) -> dict[str, Any]:
    """The graph of a folded run: ``{nodes, edges, path}``."""
    placements = execution.placements
    return {
        "nodes": [_node(placement, placements) for placement in placements],
        "edges": [*_child_edges(placements), *_sequence_edges(placements)],
        "path": execution.path,
    }


def parent_of(placement: Placement, placements: Sequence[Placement]) -> str | None:
    """Span id of the step's parent within the run; ``None`` for its top step."""
    if placement.parent_index is None:
        return None
    return placements[placement.parent_index].step.span_id.hex()


def _node(placement: Placement, placements: Sequence[Placement]) -> dict[str, Any]:
    step = placement.step
    return {
        "span_id": step.span_id.hex(),
        "step_index": placement.index,
        "step_name": step.step_name,
        "step_type": step.step_type,
        "operation": placement.operation,
        "status": placement.status,
        "start_time": to_datetime(step.start_ns),
        "end_time": None if step.end_ns is None else to_datetime(step.end_ns),
        "duration_ms": step.duration_ms,
        "self_duration_ms": placement.self_duration_ms,
        "critical_path": placement.on_critical_path,
        "attempt": placement.attempt,
        "parent": parent_of(placement, placements),
        "depth": placement.depth,
        "agent_name": step.agent_name or step.span_agent_name,
        "model": step.model,
        "error_type": step.error_type,
    }


def _child_edges(placements: Sequence[Placement]) -> Iterator[dict[str, str]]:
    for placement in placements:
        parent = parent_of(placement, placements)
        if parent is not None:
            yield _edge(parent, placement.step.span_id.hex(), "child")


def _sequence_edges(placements: Sequence[Placement]) -> Iterator[dict[str, str]]:
    """From each step to those siblings that it was the last to end before: parallel steps share a predecessor."""
    siblings: dict[int | None, list[Placement]] = defaultdict(list)
    for placement in placements:
        siblings[placement.parent_index].append(placement)
    for group in siblings.values():
        ended = sorted((p.step.end_ns, p.index) for p in group if p.step.end_ns is not None)
        for placement in group:
            before = _last_ended_before(placement, ended)
            if before is not None:
                yield _edge(placements[before].step.span_id.hex(), placement.step.span_id.hex(), "sequence")


def _last_ended_before(placement: Placement, ended: Sequence[tuple[int, int]]) -> int | None:
    """Index of the sibling that ended last before the step started; of equals, the one before it in the run."""
    # Steps of no length that start together would else precede each other in a circle.
    position = bisect_right(ended, (placement.step.start_ns, placement.index - 1))
    return ended[position - 1][1] if position else None


def _edge(start: str, end: str, kind: str) -> dict[str, str]:
    return {"from": start, "to": end, "kind": kind}
