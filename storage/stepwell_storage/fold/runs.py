"""Which executions a trace holds, and which steps belong to each (contract, chapter 4, "Executions").

The topmost agent or workflow is a run; else the topmost chain, or the call that holds it; else, where a model or tool
was called, the root. What stands above an agent's run is its caller's, and no step of it.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from stepwell_storage.fold.tree import AGENTIC, Tree
from stepwell_storage.model import Role

CALLS: Final = frozenset((Role.MODEL, Role.TOOL, Role.EMBEDDING))
"""Roles that make a trace without any agent a run all the same."""
_RUNS: Final = AGENTIC | {Role.CHAIN}
_CHAIN_OR_CALL: Final = CALLS | {Role.CHAIN}
_MATTERING: Final = _RUNS | CALLS
_MODEL, _CHAIN = Role.MODEL, Role.CHAIN
"""Members of enumerations are looked up slowly by their class, and here for every step."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution's place in the tree.

    `root` is -1 for fragments whose top span is missing. `members` are tree indices in step order (by start, a parent
    before its children).
    """

    root: int
    members: tuple[int, ...]


def find(tree: Tree) -> list[Run]:
    """The runs of a trace by start; empty where nothing agentic, no model and no tool is in it."""
    agents = _agents_below(tree)
    whole = [i for i in tree.roots() if not tree.is_orphan(i)]
    orphans = [i for i in tree.roots() if tree.is_orphan(i)]
    tops = _tops(tree, whole, agents)
    if tops:
        return _with_strays(tree, tops, [*_strays(tree, whole, tops), *orphans])
    fragments = [i for i in orphans if _matters(tree, i)]
    if not fragments:
        return []
    members = [i for top in orphans for i in range(top, tree.ends[top])]
    return [Run(-1, _in_step_order(tree, members))]


def _agents_below(tree: Tree) -> list[int]:
    """For each step how many separate agents its subtree holds, itself included.

    A chain that holds several agents, or model calls beside an agent, is a workflow and counts as one.
    """
    agents = [0] * len(tree.steps)
    loose_calls = [0] * len(tree.steps)
    for i in range(len(tree.steps) - 1, -1, -1):
        role = tree.steps[i].role
        if role is _MODEL:
            loose_calls[i] += 1
        is_workflow = role is _CHAIN and (agents[i] > 1 or (agents[i] == 1 and loose_calls[i] > 0))
        if role in AGENTIC or is_workflow:
            agents[i], loose_calls[i] = 1, 0
        parent = tree.parents[i]
        if parent >= 0:
            agents[parent] += agents[i]
            loose_calls[parent] += loose_calls[i]
    return agents


def _tops(tree: Tree, roots: list[int], agents: list[int]) -> list[int]:
    """The top spans of the runs below `roots`, in preorder."""
    agentic = _topmost(tree, roots, lambda i: agents[i] == 1 and tree.steps[i].role in _RUNS)
    if agentic:
        return agentic
    holds_chain = _chains_below(tree)
    chains = _topmost(tree, roots, lambda i: holds_chain[i] and tree.steps[i].role in _CHAIN_OR_CALL)
    if chains:
        return chains
    return [i for i in roots if _matters(tree, i)]


def _chains_below(tree: Tree) -> list[bool]:
    """For each step whether it is a chain or holds one."""
    holds = [step.role is _CHAIN for step in tree.steps]
    for i in range(len(holds) - 1, -1, -1):
        if holds[i] and tree.parents[i] >= 0:
            holds[tree.parents[i]] = True
    return holds


def _topmost(tree: Tree, roots: list[int], wanted: Callable[[int], bool]) -> list[int]:
    found = []
    for root in roots:
        i = root
        while i < tree.ends[root]:
            if wanted(i):
                found.append(i)
                i = tree.ends[i]
            else:
                i += 1
    return found


def _matters(tree: Tree, top: int) -> bool:
    """Whether a subtree holds an agent, a chain, a model or a tool call."""
    return any(tree.steps[i].role in _MATTERING for i in range(top, tree.ends[top]))


def _strays(tree: Tree, roots: list[int], tops: list[int]) -> list[int]:
    """Topmost model, tool or chain steps that lie beside the runs, such as a classification before an agent."""
    taken = set(tops)
    holders = set()
    for top in tops:
        parent = tree.parents[top]
        while parent >= 0 and parent not in holders:
            holders.add(parent)
            parent = tree.parents[parent]
    found = []
    for root in roots:
        i = root
        while i < tree.ends[root]:
            if i in taken:
                i = tree.ends[i]
            elif i in holders or tree.steps[i].role not in _CHAIN_OR_CALL:
                i += 1
            else:
                found.append(i)
                i = tree.ends[i]
    return found


def _with_strays(tree: Tree, tops: list[int], strays: list[int]) -> list[Run]:
    """Runs with their subtrees; strays and orphans join the run that started last before them, else the first."""
    by_start = sorted(tops, key=lambda i: (tree.steps[i].start_ns, i))
    members = {top: list(range(top, tree.ends[top])) for top in by_start}
    starts = [tree.steps[top].start_ns for top in by_start]
    for stray in strays:
        before = bisect_right(starts, tree.steps[stray].start_ns)
        members[by_start[max(before - 1, 0)]].extend(range(stray, tree.ends[stray]))
    return [Run(top, _in_step_order(tree, members[top])) for top in by_start]


def _in_step_order(tree: Tree, members: list[int]) -> tuple[int, ...]:
    return tuple(sorted(members, key=lambda i: (tree.steps[i].start_ns, i)))
