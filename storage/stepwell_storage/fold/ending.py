"""How an execution ended and why: status, the deepest cause, its fingerprint (contract, chapter 4, "Status").

A run's own status decides. Instrumentations leave cancelled runs unset, so a run that looks like a success but was cut
off in the middle (a model call that returned nothing, a tool call that nothing followed, and no output) is cancelled.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from stepwell_storage.fold.calls import Calls
from stepwell_storage.fold.names import is_name
from stepwell_storage.fold.tree import AGENTIC, Tree
from stepwell_storage.model import Role, Status, Step

_BAD: Final = frozenset((Status.FAILED, Status.TIMEOUT, Status.CANCELLED))
_FINISHED: Final = frozenset(("stop", "end_turn", "stop_sequence", "completed", "complete", "end", "eos"))
_ASKED_FOR_TOOLS: Final = frozenset(("tool_calls", "tool_use", "tool_call", "tool-calls", "function_call"))
_BROKEN_OFF: Final = frozenset(("other", "error", "unknown", "abort", "aborted", "cancelled", "interrupt"))
_PROMPT_END_SHARE: Final = 0.02
_CALLS: Final = frozenset((Role.MODEL, Role.TOOL, Role.HANDOFF))
_FOLLOWING: Final = frozenset((Role.MODEL, Role.TOOL, Role.AGENT, Role.WORKFLOW, Role.HANDOFF))
_GOING_ON: Final = _FOLLOWING | {Role.CHAIN}
_RUNS: Final = AGENTIC | {Role.CHAIN}
_MODEL, _TOOL = Role.MODEL, Role.TOOL
"""Members of enumerations are looked up slowly by their class, and here for every step."""

_MASKS: Final = (
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.I), "<uuid>"),
    (re.compile(r"https?://\S+"), "<url>"),
    (re.compile(r"\b(?:0x)?[0-9a-f]{8,}\b", re.I), "<hex>"),
    (re.compile(r"'[^']*'|\"[^\"]*\""), "<text>"),
    (re.compile(r"\d+(?:[.,]\d+)*"), "<n>"),
)


@dataclass(frozen=True, slots=True)
class Ending:
    """A run's status and, where it is not a success, what went wrong and in which step.

    `cut_off` is the tree index of the tool call that was cut off with the run although its span says nothing of it.
    """

    status: Status
    error_type: str | None = None
    error_message: str | None = None
    error_step_name: str | None = None
    error_fingerprint: str | None = None
    cut_off: int | None = None


def of_run(tree: Tree, root: int, members: Sequence[int], calls: Calls) -> Ending:
    """The ending of one run; fragments (root -1) run on until they are stale, and are never a success."""
    if root < 0:
        return Ending(Status.RUNNING)
    status, innermost = _own_status(tree, root)
    status = calls.worst.get(root, status) if status is Status.SUCCESS else status
    if status is Status.SUCCESS and (_asked_for_tools(tree.steps[root]) or not _has_output(tree, root, members)):
        status = _last_turn(tree, innermost)
        broken = _broken_last_call(tree, members, calls) if status is Status.SUCCESS else None
        if broken is not None:
            return _with_cause(tree, broken, tree.steps[broken].status)
    if status is Status.SUCCESS and _says_it_finished(tree.steps[root]):
        return Ending(status)
    if status is Status.SUCCESS and tree.steps[root].role is not Role.TOOL and _was_cut_off(tree, root, members, calls):
        tool = _tool_cut_off(tree, root, members)
        return replace(_with_cause(tree, innermost if tool is None else tool, Status.CANCELLED), cut_off=tool)
    if status in _BAD:
        end = _with_cause(tree, innermost, status)
        return end if status is Status.FAILED else replace(end, cut_off=_tool_cut_off(tree, root, members))
    stopped_at = _stopped_at(tree, members, calls) if status is Status.SUCCESS else None
    return Ending(status) if stopped_at is None else _with_cause(tree, stopped_at, Status.CANCELLED)


def fingerprint(error_type: str | None, step_name: str | None, message: str | None) -> str:
    """16 hex digits that are equal for failures of one kind: type, failing step and message without its variables."""
    text = "\x1f".join((error_type or "", step_name or "", masked((message or "").strip()[:2_000])))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def masked(text: str) -> str:
    """The text with a word in place of each id, address, quoted text and number."""
    for pattern, word in _MASKS:
        text = pattern.sub(word, text)
    return text


def _own_status(tree: Tree, root: int) -> tuple[Status, int]:
    """The top span's status; where it is a success, that of the wrapped run below it. And the innermost of these."""
    status = tree.steps[root].status
    at = root
    while status is Status.SUCCESS:
        inner = [c for c in tree.children(at) if tree.steps[c].role in _RUNS]
        if len(inner) != 1 or not _is_same_run(tree.steps[at], tree.steps[inner[0]]):
            break
        at = inner[0]
        status = tree.steps[at].status
    return status, at


def _last_turn(tree: Tree, agent: int) -> Status:
    """How the agent's last turn ended: some agents let a turn fail (a guardrail trips) without failing themselves."""
    children = tree.children(agent)
    last = max(children, key=lambda c: (tree.steps[c].start_ns, c), default=agent)
    is_turn = tree.steps[last].role is Role.CHAIN and tree.steps[last].status in _BAD
    return tree.steps[last].status if is_turn else Status.SUCCESS


def _broken_last_call(tree: Tree, members: Sequence[int], calls: Calls) -> int | None:
    """The model call at the run's end that failed: a run that returned nothing after it did not recover."""
    ends = [i for i in members if tree.steps[i].role in _CALLS and i not in calls.duplicate_of]
    last = max(ends, key=lambda i: (tree.steps[i].end_ns or 2**63, i), default=None)
    if last is None or tree.steps[last].role is not Role.MODEL or tree.steps[last].status not in _BAD:
        return None
    return last


def _stopped_at(tree: Tree, members: Sequence[int], calls: Calls) -> int | None:
    """The step that was stopped and that nothing followed: the run waits for an answer, or was broken off.

    An agent that pauses for a person ends without an error and returns what it has so far.
    """
    stopped = [i for i in members if i not in calls.duplicate_of and _was_stopped(tree.steps[i])]
    last = max(stopped, key=lambda i: (tree.steps[i].end_ns or 2**63, -i), default=None)
    if last is None or any(_follows(tree.steps[i], tree.steps[last]) for i in members):
        return None
    return last


def _was_stopped(step: Step) -> bool:
    """Whether a tool call was cancelled, or a node of a graph interrupted."""
    if step.status is not Status.CANCELLED:
        return False
    return step.role is Role.TOOL or (step.role is Role.CHAIN and (step.error_type or "").endswith("Interrupt"))


def _follows(step: Step, earlier: Step) -> bool:
    return earlier.end_ns is not None and step.start_ns >= earlier.end_ns and step.role in _GOING_ON


def _is_same_run(outer: Step, inner: Step) -> bool:
    if outer.role not in _RUNS:
        return False
    if inner.role is Role.CHAIN:
        return outer.name == inner.name or not is_name(outer.agent_name or outer.span_agent_name)
    same_name = (outer.agent_name or outer.span_agent_name) == (inner.agent_name or inner.span_agent_name)
    return same_name or not is_name(outer.agent_name or outer.span_agent_name)


def _was_cut_off(tree: Tree, root: int, members: Sequence[int], calls: Calls) -> bool:
    if _has_output(tree, root, members):
        return False
    models = [i for i in members if tree.steps[i].role is _MODEL and i not in calls.duplicate_of]
    if not models:
        return False
    last = max(models, key=lambda i: (tree.steps[i].start_ns, i))
    if not tree.steps[last].has_output and tree.steps[last].status is Status.SUCCESS:
        reports = [last, *(i for i, kept in calls.duplicate_of.items() if kept == last)]
        if any(tree.steps[i].has_output for i in models):
            return True
        return len(models) == 1 and any(_tells_request(tree.steps[i]) for i in reports)
    return _ends_in_tool(tree, root, members, tree.steps[last]) or _lacks_its_tool(tree, root, members, last)


def _tells_request(model: Step) -> bool:
    """Whether a model call says what was asked; an instrumentation that does not would not tell the answer either."""
    return model.has_input or model.model is not None


def _lacks_its_tool(tree: Tree, root: int, members: Sequence[int], model: int) -> bool:
    """Whether the last model call asked for a tool, and the run ended some time later without any step after it.

    A cancelled tool is often never exported. A tool that only shapes the answer needs no step, but ends at once.
    """
    asked, end_ns = tree.steps[model], tree.steps[root].end_ns
    if not _asked_for_tools(asked) or asked.end_ns is None or end_ns is None:
        return False
    others = (tree.steps[i] for i in members if i != model)
    if any(step.role in _FOLLOWING and step.start_ns >= asked.start_ns for step in others):
        return False
    return end_ns - asked.end_ns > _PROMPT_END_SHARE * max(end_ns - tree.steps[root].start_ns, 1)


def _has_output(tree: Tree, root: int, members: Sequence[int]) -> bool:
    """Whether the run returned something: its top span, or the agent at its end that no tool called."""
    if tree.steps[root].role is not Role.MODEL and _returned(tree.steps[root]):
        return True
    agents = [i for i in members if tree.steps[i].role in AGENTIC and not _is_below_tool(tree, i, root)]
    if not agents:
        return False
    last = max(agents, key=lambda i: (tree.steps[i].end_ns or 0, -i))
    return _returned(tree.steps[last])


def _returned(step: Step) -> bool:
    """Whether a step returned something; what an agent holds that ended for no known reason is no answer."""
    return step.has_output and not (step.role in AGENTIC and (step.finish_reason or "").lower() in _BROKEN_OFF)


def _asked_for_tools(step: Step) -> bool:
    return (step.finish_reason or "").lower() in _ASKED_FOR_TOOLS


def _says_it_finished(step: Step) -> bool:
    """Whether an agent itself tells that it came to its end, whatever became of the last thing that it tried."""
    return step.role in AGENTIC and (step.finish_reason or "").lower() in _FINISHED


def _is_below_tool(tree: Tree, i: int, root: int) -> bool:
    while i != root and i >= 0:
        i = tree.parents[i]
        if i >= 0 and tree.steps[i].role is _TOOL:
            return True
    return False


def _ends_in_tool(tree: Tree, root: int, members: Sequence[int], last_model: Step) -> bool:
    """Whether nothing followed the last tool call, although a model was to read its result.

    A run that ends at once after the tool, and whose model had said that it was done, is complete; not so where the
    tool was given something and returned nothing, as one that waits for a person's approval.
    """
    tools = [i for i in members if tree.steps[i].role is _TOOL]
    if not tools:
        return False
    tool = tree.steps[max(tools, key=lambda i: (tree.steps[i].end_ns or 2**63, i))]
    tool_end_ns, end_ns = tool.end_ns, tree.steps[root].end_ns
    if tool_end_ns is None or end_ns is None:
        return True
    if any(tree.steps[i].role in _FOLLOWING and tree.steps[i].start_ns >= tool_end_ns for i in members):
        return False
    was_done = (last_model.finish_reason or "").lower() in _FINISHED
    if last_model.start_ns > tool.start_ns or (was_done and (last_model.end_ns or 0) > tool_end_ns):
        return False
    ended_promptly = end_ns - tool_end_ns <= _PROMPT_END_SHARE * max(end_ns - tree.steps[root].start_ns, 1)
    returned_nothing = tool.has_input and not tool.has_output
    return not (was_done and ended_promptly) or returned_nothing


def _tool_cut_off(tree: Tree, root: int, members: Sequence[int]) -> int | None:
    """The tool call that ended, without any output, when the cut-off run did."""
    tools = [i for i in members if tree.steps[i].role is _TOOL]
    last = max(tools, key=lambda i: (tree.steps[i].end_ns or 2**63, i), default=None)
    if last is None:
        return None
    tool, end_ns = tree.steps[last], tree.steps[root].end_ns
    if tool.has_output or tool.status is not Status.SUCCESS or tool.end_ns is None or end_ns is None:
        return None
    if any(tree.steps[i].role in _FOLLOWING and tree.steps[i].start_ns >= tool.end_ns for i in members):
        return None
    ended_together = end_ns - tool.end_ns <= _PROMPT_END_SHARE * max(end_ns - tree.steps[root].start_ns, 1)
    return last if ended_together else None


def _with_cause(tree: Tree, root: int, status: Status) -> Ending:
    top = tree.steps[root]
    cause = tree.steps[_deepest_cause(tree, root)]
    error_type = top.error_type or cause.error_type
    message = top.error_message or cause.error_message
    return Ending(
        status=status,
        error_type=error_type,
        error_message=message,
        error_step_name=cause.step_name,
        error_fingerprint=fingerprint(cause.error_type or error_type, cause.step_name, cause.error_message or message),
    )


def _deepest_cause(tree: Tree, root: int) -> int:
    """From the top down through the last child that failed as its parent did, or that ended last among the failed."""
    at = root
    while True:
        failed = [c for c in tree.children(at) if tree.steps[c].status in _BAD]
        if not failed:
            return at
        wanted = tree.steps[at].error_type
        alike = [c for c in failed if tree.steps[c].error_type == wanted] if wanted else failed
        if not alike:
            return at
        at = max(alike, key=lambda c: (tree.steps[c].end_ns or 0, c))
