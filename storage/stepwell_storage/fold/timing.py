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
        children = [c for c in tree.children(i) if c in inside]
        result[i] = max(duration_ms - _covered_ns(tree, i, children) / 1e6, 0.0)
    return result


def critical_path(tree: Tree, members: Sequence[int], root: int) -> frozenset[int]:
    """Tree indices of the steps on the critical path; without a root, that of the fragment that ended last."""
    if not members:
        return frozenset()
    inside = set(members)
    start = root if root >= 0 else max(members, key=lambda i: (tree.steps[i].end_ns or 0, i))
    found: set[int] = set()
    stack = [(start, _end_ns(tree, start))]
    while stack:
        i, until_ns = stack.pop()
        found.add(i)
        children = [c for c in tree.children(i) if c in inside]
        for child in sorted(children, key=lambda c: (_end_ns(tree, c), c), reverse=True):
            step = tree.steps[child]
            if _end_ns(tree, child) > until_ns and step.start_ns >= until_ns:
                continue
            if min(_end_ns(tree, child), _end_ns(tree, i)) <= until_ns:
                stack.append((child, min(_end_ns(tree, child), until_ns)))
                until_ns = step.start_ns
    return frozenset(found)


def _end_ns(tree: Tree, i: int) -> int:
    """The step's end; for one that still runs, its last known sign of life below."""
    end_ns = tree.steps[i].end_ns
    if end_ns is not None:
        return end_ns
    return max(tree.steps[j].end_ns or tree.steps[j].start_ns for j in range(i, tree.ends[i]))


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
