"""The critical path of a run, by step name: which step's own time decided when the run ended.

The definition is that of `stepwell_storage.fold.timing`, on the narrow columns of a sample: from the end back to the
start, always through the child that ended last before the point reached.
"""

from collections import defaultdict
from collections.abc import Sequence

from stepwell_api.insight.sample import StepRecord

ROOT = ""
"""Stands for the root's own time: what the agent's code did between its steps."""


def critical_times_ms(steps: Sequence[StepRecord]) -> dict[str, float]:
    """Step name → its own milliseconds on the critical path, `ROOT` for the run's root; empty without a single root."""
    tops = [i for i, step in enumerate(steps) if step.parent < 0]
    if len(tops) != 1:
        return {}
    children: dict[int, list[int]] = defaultdict(list)
    for i, step in enumerate(steps):
        if step.parent >= 0:
            children[step.parent].append(i)
    ends = [step.start_ms if step.end_ms is None else step.end_ms for step in steps]
    found: dict[str, float] = defaultdict(float)
    stack = [(tops[0], ends[tops[0]])]
    while stack:
        i, until = stack.pop()
        own = 0.0
        for child in sorted(children.get(i, ()), key=lambda c: (ends[c], c), reverse=True):
            if steps[child].start_ms <= until and min(ends[child], ends[i]) <= until:
                child_until = min(ends[child], until)
                own += until - child_until
                stack.append((child, child_until))
                until = steps[child].start_ms
        found[ROOT if i == tops[0] else steps[i].name] += own + max(until - steps[i].start_ms, 0.0)
    return dict(found)
