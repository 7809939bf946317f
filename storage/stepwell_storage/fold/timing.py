"""Self time and the critical path of one execution's steps.

Self time is a step's duration without the time in which a child of it ran. The critical path is the chain of steps
that decided when the run ended: from a step's end back to its start, always through the child that ended last before
the point reached (the definition used by trace viewers; children that run on after their parent are cut at its end).
"""

from collections.abc import Mapping, Sequence

from stepwell_storage.fold.tree import Tree


def self_durations_ms(tree: Tree, members: Sequence[int]) -> Mapping[int, float | None]:
    """Tree index → milliseconds; ``None`` where the step has no known duration."""
    inside = set(members)
    result: dict[int, float | None] = {}
    for i in members:
        duration_ms = tree.steps[i].duration_ms
        if duration_ms is None:
            result[i] = None
            continue
        if not tree.below[i]:
            result[i] = max(duration_ms, 0.0)
            continue
        children = [c for c in tree.below[i] if c in inside]
        result[i] = max(duration_ms - _covered_ns(tree, i, children) / 1e6, 0.0)
    return result


def last_signs_ns(tree: Tree) -> list[int]:
    """Each step's end; for one that still runs, the last sign of life in its subtree."""
    ends_ns = [step.start_ns if step.end_ns is None else step.end_ns for step in tree.steps]
    for i in range(len(ends_ns) - 1, 0, -1):
        parent = tree.parents[i]
        if parent >= 0 and tree.steps[parent].end_ns is None:
            ends_ns[parent] = max(ends_ns[parent], ends_ns[i])
    return ends_ns


def critical_path(tree: Tree, members: Sequence[int], root: int, ends_ns: Sequence[int]) -> Mapping[int, int]:
    """Tree index of each step on the critical path → nanoseconds of it that were the step's own.

    The times add up to the run's duration. Without a root it is the path of the fragment that ended last. `ends_ns` is
    the tree's `last_signs_ns`, which all its runs share.
    """
    if not members:
        return {}
    inside = set(members)
    start = root if root >= 0 else max(members, key=lambda i: (ends_ns[i], i))
    found: dict[int, int] = {}
    stack = [(start, ends_ns[start])]
    while stack:
        i, until_ns = stack.pop()
        if not tree.below[i]:
            found[i] = max(until_ns - tree.steps[i].start_ns, 0)
            continue
        own_ns = 0
        children = [(ends_ns[c], c) for c in tree.below[i] if c in inside]
        for child_end_ns, child in sorted(children, reverse=True):
            if tree.steps[child].start_ns <= until_ns and min(child_end_ns, ends_ns[i]) <= until_ns:
                child_until_ns = min(child_end_ns, until_ns)
                own_ns += until_ns - child_until_ns
                stack.append((child, child_until_ns))
                until_ns = tree.steps[child].start_ns
        found[i] = own_ns + max(until_ns - tree.steps[i].start_ns, 0)
    return found


def _covered_ns(tree: Tree, parent: int, children: list[int]) -> int:
    """How much of the parent's time at least one child ran."""
    lower_ns, upper_ns = tree.steps[parent].start_ns, tree.steps[parent].end_ns or 0
    covered_ns, reached_ns = 0, lower_ns
    for child in sorted(children, key=lambda c: tree.steps[c].start_ns):
        step = tree.steps[child]
        begin_ns = max(step.start_ns, reached_ns)
        end_ns = min(upper_ns if step.end_ns is None else step.end_ns, upper_ns)
        if end_ns > begin_ns:
            covered_ns += end_ns - begin_ns
            reached_ns = end_ns
    return covered_ns
