"""The stable name of a run: its ``agent_id`` (contract, chapter 4, "Names")."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from stepwell_storage.fold.runs import CALLS
from stepwell_storage.fold.tree import AGENTIC, Tree
from stepwell_storage.model import Role, Step

_DEFAULTS: Final = frozenset(
    (
        "agent",
        "agents",
        "agent workflow",
        "agent run",
        "workflow",
        "crew",
        "crewai",
        "flow",
        "graph",
        "swarm",
        "sequential",
        "concurrent",
        "groupchat",
        "group chat",
        "magentic",
        "handoff",
        "langgraph",
        "haystack.pipeline",
        "haystack.async_pipeline",
        "haystack.agent",
        "chain",
        "invocation",
        "invoke_agent",
        "invoke_workflow",
        "invoke_graph",
        "invoke_swarm",
        "unnamed",
        "unknown",
        "default",
        "none",
    )
)
"""What frameworks write where the user gave no name, lower case."""

_CLASS_NAME: Final = re.compile(
    r"^(?:[A-Z][a-z0-9]*)*(?:Agent|Workflow|Graph|Crew|Flow|Swarm|GroupChat|Chain|Executor|Sequence|Parallel|Runnable"
    r"|Lambda|Passthrough|Pipeline|Runner|Engine|Team|Module|Predict|ReAct|ChainOfThought)(?:<.*>)?$"
)
_GENERATED: Final = re.compile(
    r"^(?:(?:[\w.-]*[_:-])?(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{16,})|\d+)$", re.I
)
_RUNS: Final = (Role.WORKFLOW, Role.CHAIN, Role.AGENT)
NAMELESS: Final = "unknown"


def agent_id(tree: Tree, root: int, members: Sequence[int]) -> str:
    """The run's name: the workflow's own, else the agent's, else the first agent's below, an id, the service."""
    steps = [tree.steps[i] for i in members]
    top = tree.steps[root] if root >= 0 else None
    # A run whose top is a call has its name from the chain inside.
    roles = _RUNS if top and top.role in CALLS else (Role.AGENT, Role.WORKFLOW)
    inner = [step for step in steps if step is not top and step.role in roles]
    for name in _candidates(top, inner, steps):
        return name
    for step in ([top] if top else []) + steps:
        if step.service_name:
            return step.service_name
    return NAMELESS


def agent_name(tree: Tree, root: int, members: Sequence[int]) -> str | None:
    """The agent's own name as its instrumentation states it, for showing; ``None`` where there is no agent."""
    ordered = ([root] if root >= 0 else []) + list(members)
    for i in ordered:
        step = tree.steps[i]
        if step.role in AGENTIC:
            for name in (step.agent_name, step.span_agent_name):
                if name and is_name(name):
                    return name
    return None


def is_name(text: str | None) -> bool:
    """Whether a text is a name that a person chose: no generated id and no framework default."""
    return bool(text) and text.strip().lower() not in _DEFAULTS and not _GENERATED.match(text.strip())  # type: ignore[union-attr]


def _candidates(top: Step | None, inner: list[Step], steps: list[Step]) -> Iterator[str]:
    for step in ([top] if top and top.role in _RUNS else []) + inner:
        stated = step.agent_name
        if stated and is_name(stated):
            yield stated
        told = step.span_agent_name
        if told and is_name(told) and not _CLASS_NAME.match(told):
            yield told
    for step in steps:
        if step.agent_name and is_name(step.agent_name):
            yield step.agent_name
    for step in ([top] if top else []) + inner:
        if step.agent_ref and is_name(step.agent_ref):
            yield step.agent_ref
