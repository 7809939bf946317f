"""Where two runs part: the first step that one took and the other did not, or that ended otherwise. Pure."""

from typing import Any

from stepwell_api.insight.differences import Difference
from stepwell_storage.model import Execution, Placement
from stepwell_storage.times import to_datetime


def first_divergence(a: Execution, b: Execution) -> dict[str, Any] | None:
    """The first pair of steps, in order, that differ in name or status; ``None`` where all of them are alike.

    Second reports of a call are left out, and the top step, which ends as its run does. Where one run goes on and the
    other ends, the other's step is ``None``.
    """
    steps = [[place for place in run.placements if _counts(place)] for run in (a, b)]
    for at in range(max(map(len, steps))):
        here = [taken[at] if at < len(taken) else None for taken in steps]
        if _told(here[0]) != _told(here[1]):
            return {"common_steps": at, "a": _described(here[0]), "b": _described(here[1])}
    return None


def figures_of_runs(a: Execution, b: Execution) -> list[Difference]:
    """Figures of two single runs, of which nothing can be tested."""
    names = ("duration_ms", "prompt_tokens", "completion_tokens", "cost_usd", "steps_total")
    return [Difference(name, getattr(a, name), getattr(b, name), n_a=1, n_b=1) for name in names]


def _counts(place: Placement) -> bool:
    return place.duplicate_of is None and place.parent_index is not None


def _told(place: Placement | None) -> tuple[str, str] | None:
    return None if place is None else (place.step.step_name, place.status)


def _described(place: Placement | None) -> dict[str, Any] | None:
    if place is None:
        return None
    step = place.step
    return {
        "span_id": step.span_id.hex(),
        "step_index": place.index,
        "step_name": step.step_name,
        "status": place.status,
        "start_time": to_datetime(step.start_ns),
        "duration_ms": step.duration_ms,
        "error_type": step.error_type,
    }
