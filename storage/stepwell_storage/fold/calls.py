"""Model calls counted once, their tokens and cost summed without doubles (contract, chapter 4, "Counts").

The same call may be reported by two instrumentations: nested in each other, with one response id, or as neighbours
that overlap in time. Agent spans often carry the sum of the model calls below; theirs count only where none below do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stepwell_storage.fold.tree import AGENTIC, Tree
from stepwell_storage.model import Role, Status, Step

_TOOL_BARRIERS: Final = frozenset((Role.AGENT, Role.WORKFLOW, Role.MODEL))
_BARRIERS: Final = frozenset((Role.AGENT, Role.WORKFLOW, Role.TOOL))
_MODEL, _TOOL, _CHAIN, _SUCCESS = Role.MODEL, Role.TOOL, Role.CHAIN, Status.SUCCESS
"""Members of enumerations are looked up slowly by their class, and here for every step."""


@dataclass(frozen=True, slots=True)
class Calls:
    """`duplicate_of`: tree index → the index that counts in its place; `worst`: status of a call over all its reports;
    `counted`: indices whose tokens and cost are the execution's."""

    duplicate_of: Mapping[int, int]
    worst: Mapping[int, Status]
    counted: frozenset[int]


def count(tree: Tree, members: Sequence[int]) -> Calls:
    """Finds repeated reports among the model and tool steps of one run, and whose usage counts."""
    models = [i for i in members if tree.steps[i].role is _MODEL]
    duplicate_of = {**_repeats(tree, models), **_repeated_tools(tree, members)}
    worst: dict[int, Status] = {}
    for i, kept in duplicate_of.items():
        for status in (tree.steps[kept].status, tree.steps[i].status):
            if status is not _SUCCESS and worst.get(kept) in (None, Status.SUCCESS, Status.RUNNING):
                worst[kept] = status
    calls = frozenset(i for i in models if i not in duplicate_of)
    wrappers = frozenset(i for i, kept in duplicate_of.items() if i < kept < tree.ends[i])
    return Calls(duplicate_of, worst, calls | _summaries(tree, members, calls, wrappers))


def has_usage(step: Step) -> bool:
    """Whether the span states tokens or a cost."""
    return step.prompt_tokens is not None or step.completion_tokens is not None or step.cost_usd is not None


def _repeats(tree: Tree, models: list[int]) -> dict[int, int]:
    """Repeated report → the report that counts."""
    repeats = _nested(tree, models)
    left = [i for i in models if i not in repeats]
    for group in (*_same_response(tree, left), *_overlapping(tree, left), *_told_afterwards(tree, models)):
        alive = sorted({_kept(repeats, i) for i in group}, key=lambda i: _worth(tree.steps[i], i))
        repeats.update(dict.fromkeys(alive[1:], alive[0]))
    return {i: _kept(repeats, i) for i in repeats}


def _kept(repeats: Mapping[int, int], i: int) -> int:
    while i in repeats:
        i = repeats[i]
    return i


def _worth(step: Step, index: int) -> tuple[bool, bool, bool, int]:
    """Sorts the report that tells most first."""
    return not has_usage(step), not step.has_output, step.response_id is None, index


def _nested(tree: Tree, models: list[int]) -> dict[int, int]:
    """Model steps inside model steps with no agent or tool between.

    A line of them is one call; where one holds several that are apart, those are the calls and it is their wrapper.
    """
    inner: dict[int, list[int]] = {}
    for i in models:
        outer = _enclosing_model(tree, i)
        if outer is not None:
            inner.setdefault(outer, []).append(i)
    repeats: dict[int, int] = {}
    best: dict[int, int] = {}
    for i in sorted(models, reverse=True):
        below = [best[j] for j in inner.get(i, ())]
        if len(below) == 1:
            keep, drop = sorted((i, below[0]), key=lambda j: _worth(tree.steps[j], j))
            repeats[drop] = keep
            best[i] = keep
        elif below:
            repeats[i] = best[i] = min(below)
        else:
            best[i] = i
    return repeats


def _enclosing_model(tree: Tree, i: int) -> int | None:
    parent = tree.parents[i]
    while parent >= 0 and tree.steps[parent].role not in _BARRIERS:
        if tree.steps[parent].role is _MODEL:
            return parent
        parent = tree.parents[parent]
    return None


def _repeated_tools(tree: Tree, members: Sequence[int]) -> dict[int, int]:
    """Tool steps inside a tool step of the same name that another instrumentation or process reports, which counts."""
    repeats: dict[int, int] = {}
    for i in sorted(members):
        step = tree.steps[i]
        outer = _enclosing_tool(tree, i) if step.role is _TOOL else None
        if outer is None:
            continue
        around = tree.steps[outer]
        if around.step_name == step.step_name and _is_told_elsewhere(around, step):
            repeats[i] = repeats.get(outer, outer)
    return repeats


def _is_told_elsewhere(outer: Step, inner: Step) -> bool:
    """Whether `inner` has another reporter than `outer`: another scope, or the server that it was sent to."""
    return outer.scope_name != inner.scope_name or inner.parent_is_remote is True


def _enclosing_tool(tree: Tree, i: int) -> int | None:
    parent = tree.parents[i]
    while parent >= 0 and tree.steps[parent].role not in _TOOL_BARRIERS:
        if tree.steps[parent].role is _TOOL:
            return parent
        parent = tree.parents[parent]
    return None


def _same_response(tree: Tree, models: list[int]) -> list[list[int]]:
    groups: dict[str, list[int]] = {}
    for i in models:
        response_id = tree.steps[i].response_id
        if response_id is not None:
            groups.setdefault(response_id, []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def _overlapping(tree: Tree, models: list[int]) -> list[list[int]]:
    """Pairs under one parent that overlap in time and come from different scopes."""
    siblings: dict[int, list[int]] = {}
    for i in models:
        if tree.parents[i] >= 0:
            siblings.setdefault(tree.parents[i], []).append(i)
    pairs = []
    for group in siblings.values():
        if len({tree.steps[i].scope_name for i in group}) > 1:
            pairs.extend(_twins(tree, sorted(group, key=lambda i: (tree.steps[i].start_ns, i))))
    return pairs


def _told_afterwards(tree: Tree, models: list[int]) -> list[list[int]]:
    """Pairs of a call without usage and the record at one instant beside it that tells it once its stream has ended."""
    waiting: dict[tuple[int, str | None], list[int]] = {}
    pairs = []
    for i in sorted(models, key=lambda i: (tree.steps[i].start_ns, i)):
        step = tree.steps[i]
        calls = waiting.setdefault((tree.parents[i], step.scope_name), [])
        if has_usage(step) and step.end_ns == step.start_ns and calls:
            pairs.append([calls.pop(0), i])
        elif not has_usage(step) and step.status is _SUCCESS and step.end_ns is not None:
            calls.append(i)
    return pairs


def _twins(tree: Tree, group: list[int]) -> list[list[int]]:
    pairs = []
    taken: set[int] = set()
    for at, i in enumerate(group):
        end_ns = tree.steps[i].end_ns
        for j in group[at + 1 :]:
            if i in taken or end_ns is None or tree.steps[j].start_ns >= end_ns:
                break
            if j not in taken and _are_twins(tree.steps[i], tree.steps[j]):
                taken.update((i, j))
                pairs.append([i, j])
    return pairs


def _are_twins(a: Step, b: Step) -> bool:
    if a.scope_name == b.scope_name or a.end_ns is None or b.end_ns is None:
        return False
    if a.response_id is not None and b.response_id is not None and a.response_id != b.response_id:
        return False
    return a.start_ns < b.end_ns and b.start_ns < a.end_ns


def _summaries(tree: Tree, members: Sequence[int], calls: frozenset[int], wrappers: frozenset[int]) -> frozenset[int]:
    """Agents, workflows, chains and wrapped model calls whose usage counts since no step below them has any.

    What an agent or a tool inside a wrapped model call used is not part of that call's usage.
    """
    told_below: set[int] = set()
    told_inside: set[int] = set()
    counted = set()
    for i in sorted(members, reverse=True):
        step, parent = tree.steps[i], tree.parents[i]
        sums_up = step.role in AGENTIC or step.role is _CHAIN
        is_sum = (sums_up and i not in told_below) or (i in wrappers and i not in told_inside)
        tells = has_usage(step) and (i in calls or is_sum)
        if tells and i not in calls:
            counted.add(i)
        if parent >= 0 and (tells or i in told_below):
            told_below.add(parent)
        if parent >= 0 and (tells or i in told_inside) and step.role not in _BARRIERS:
            told_inside.add(parent)
    return frozenset(counted)
