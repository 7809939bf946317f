"""Attempt numbers: which call of a step is a repetition after a failure."""

from collections.abc import Mapping, Sequence

from stepwell_storage.fold.tree import Tree
from stepwell_storage.model import Role, Status


def attempts_of(tree: Tree, members: Sequence[int]) -> Mapping[int, int]:
    """Tree index → attempt; 1 for a first call, one more for each failed call of the same name right before it.

    A call repeats the one before only if that had failed and ended when this one started; calls side by side and
    calls after a success start anew.
    """
    latest: dict[tuple[Role, str], int] = {}
    attempts: dict[int, int] = {}
    for i in members:
        step = tree.steps[i]
        key = (step.role, step.step_name)
        before = latest.get(key)
        attempts[i] = 1
        if before is not None:
            previous = tree.steps[before]
            failed = previous.status in (Status.FAILED, Status.TIMEOUT)
            if failed and previous.end_ns is not None and previous.end_ns <= step.start_ns:
                attempts[i] = attempts[before] + 1
        latest[key] = i
    return attempts
