"""A trace's steps as trees, in preorder, so that every subtree is a slice.

Built from any set of spans: duplicates and live twins are merged, self-parents and cycles broken, orphans become
roots. Nothing here recurses, so depth has no bound.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from stepwell_storage.model import Role, Step

AGENTIC: Final = frozenset((Role.AGENT, Role.WORKFLOW))


@dataclass(frozen=True, slots=True)
class Tree:
    """Steps in preorder. `parents[i]` is -1 for a root; the subtree of `i` is ``range(i, ends[i])``."""

    steps: tuple[Step, ...]
    parents: tuple[int, ...]
    ends: tuple[int, ...]
    below: tuple[Sequence[int], ...]
    """The direct children of each step, in order."""

    def roots(self) -> list[int]:
        """Indices of the roots, in order."""
        return [i for i, parent in enumerate(self.parents) if parent < 0]

    def children(self, i: int) -> Sequence[int]:
        """Indices of the direct children of `i`, in order."""
        return self.below[i]

    def is_orphan(self, i: int) -> bool:
        """Whether `i` has a parent in its own process that is not here (a remote parent need not be)."""
        step = self.steps[i]
        return self.parents[i] < 0 and step.parent_span_id is not None and step.parent_is_remote is not True


def build(steps: Iterable[Step]) -> Tree:
    """The tree of a trace's steps; the same for every order of `steps`."""
    unique = merged(steps)
    parent_of = _parents(unique)
    children: dict[bytes | None, list[Step]] = {}
    for step in sorted(unique.values(), key=_order):
        children.setdefault(parent_of[step.span_id], []).append(step)
    return _preorder(children)


def merged(steps: Iterable[Step]) -> dict[bytes, Step]:
    """One step for each span id: a finished one before a live one, then the earliest."""
    unique: dict[bytes, Step] = {}
    for step in steps:
        known = unique.get(step.span_id)
        if known is None or _precedence(step) < _precedence(known):
            unique[step.span_id] = step
    return unique


def _precedence(step: Step) -> tuple[bool, int, int, str]:
    return step.is_live, step.start_ns, step.end_ns or 0, repr(step)


def _order(step: Step) -> tuple[int, int, bytes]:
    return step.start_ns, -(step.end_ns or 2**63), step.span_id


def _parents(unique: dict[bytes, Step]) -> dict[bytes, bytes | None]:
    """Each span's parent within the trace; where parents run in a circle, its earliest span becomes a root."""
    parent_of = {
        span_id: step.parent_span_id if step.parent_span_id in unique and step.parent_span_id != span_id else None
        for span_id, step in unique.items()
    }
    # Whoever is no parent lies on no circle.
    settled: set[bytes] = unique.keys() - {parent for parent in parent_of.values() if parent is not None}
    for span_id in parent_of:
        if span_id in settled:
            continue
        walk: dict[bytes, None] = {}
        at: bytes | None = span_id
        while at is not None and at not in settled and at not in walk:
            walk[at] = None
            at = parent_of[at]
        if at is not None and at in walk:
            ring = list(walk)[list(walk).index(at) :]
            parent_of[min(ring, key=lambda member: _order(unique[member]))] = None
        settled.update(walk)
    return parent_of


def _preorder(children: dict[bytes | None, list[Step]]) -> Tree:
    steps: list[Step] = []
    parents: list[int] = []
    ends: list[int] = []
    below: list[list[int]] = []
    stack = [(step, -1) for step in reversed(children.get(None, []))]
    while stack:
        step, parent = stack.pop()
        index = len(steps)
        steps.append(step)
        parents.append(parent)
        ends.append(index + 1)
        below.append([])
        if parent >= 0:
            below[parent].append(index)
        inner = children.get(step.span_id)
        if inner is not None:
            stack += [(child, index) for child in reversed(inner)]
    for index in range(len(steps) - 1, 0, -1):
        parent = parents[index]
        if parent >= 0 and ends[parent] < ends[index]:
            ends[parent] = ends[index]
    return Tree(tuple(steps), tuple(parents), tuple(ends), tuple(below))
