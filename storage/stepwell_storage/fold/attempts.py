"""Attempt numbers: which call of a step is a repetition after a failure."""

from collections.abc import Mapping, Sequence

from stepwell_storage.fold.tree import Tree
from stepwell_storage.model import Role, Status

_FAILED = (Status.FAILED, Status.TIMEOUT)


def attempts_of(tree: Tree, members: Sequence[int]) -> Mapping[int, int]:
    """Tree index → attempt; 1 for a first call, one more for each failed call of the same name that it repeats.

    A failed call is repeated by the first one that starts after its end, whatever ran beside it; of several, each
    repeats another, the one that failed first before the others. Calls side by side and calls after a success start
    anew. `members` are in the order of their starts.
    """
    failures: dict[tuple[Role, str], list[tuple[int, int]]] = {}
    attempts: dict[int, int] = {}
    for i in members:
        step = tree.steps[i]
        key = (step.role, step.step_name)
        open_ones = failures.get(key)
        attempts[i] = 1
        if open_ones:
            earliest = min(open_ones)
            if earliest[0] <= step.start_ns:
                open_ones.remove(earliest)
                attempts[i] = earliest[1] + 1
        if step.status in _FAILED and step.end_ns is not None:
            failures.setdefault(key, []).append((step.end_ns, attempts[i]))
    return attempts
