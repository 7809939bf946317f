"""Turns of a conversation from the steps of a run. Pure.

A model call is sent all that was said before; told is what is new in it. What is new is counted, not only known: a user
who says "yes" twice has said it twice.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from stepwell_api.run_steps import Outline, operation_of, status_of
from stepwell_api.transcript import parts
from stepwell_api.transcript.blocks import AROUND, Block, blocks_of, decoded_json, looks_like_messages, plain
from stepwell_storage.model import Status
from stepwell_storage.places import Place

MODEL_OPERATIONS: Final = frozenset(("chat", "generate_content", "text_completion"))
AGENT_OPERATIONS: Final = frozenset(("invoke_agent", "invoke_workflow"))
SILENT_OPERATIONS: Final = frozenset(("chain", "embeddings", "http", "database"))
"""Told only where they failed: they say nothing that the steps in or around them do not."""
WRONG: Final = frozenset((Status.FAILED, Status.TIMEOUT, Status.CANCELLED))
CUT: Final = 20_000
"""Characters of a block that are told; the step itself has all."""


class Spoken(NamedTuple):
    """A step with what went in and out, decoded."""

    place: Place
    outline: Outline
    error_message: str | None
    input: Any
    output: Any


def turns_of(steps: Sequence[Spoken], *, is_end: bool) -> list[dict[str, Any]]:
    """The turns of the steps in their order; what the steps before a page said has to be among them.

    `is_end` tells whether they reach to the end of the run.
    """
    said: Counter[bytes] = Counter()
    told: list[tuple[Spoken, str, list[Block]]] = []
    for step in steps:
        kind = _kind_of(step)
        blocks = [] if kind is None else _blocks(step, kind, said)
        if kind is not None and (blocks or not _is_silent(step, kind)):
            told.append((step, kind, blocks))
    ended = _ended(steps, is_end=is_end)
    for step, kind, blocks in told:
        if kind == "agent" and step.place.index in ended:
            # Its answer mostly is what a model below it said; where nobody tells that, the agent does.
            answer = [block for block in blocks_of(step.output, "assistant") if block.role == "assistant"]
            blocks += [block for block in answer[-1:] if not said[_mark(block)]]
    return [_turn(step, kind, blocks) for step, kind, blocks in told]


def _ended(steps: Sequence[Spoken], *, is_end: bool) -> set[int]:
    """Indices of the steps whose own steps are all there: one that is no deeper follows, or nothing does."""
    ended: set[int] = set()
    open_steps: list[Place] = []
    for step in steps:
        while open_steps and open_steps[-1].depth >= step.place.depth:
            ended.add(open_steps.pop().index)
        open_steps.append(step.place)
    return ended.union(place.index for place in open_steps) if is_end else ended


def _kind_of(step: Spoken) -> str | None:
    """``model``, ``tool``, ``agent`` or ``step``; ``None`` for a step that is no part of the conversation."""
    operation = operation_of(step.place, step.outline)
    if operation in MODEL_OPERATIONS:
        return "model"
    if operation == "execute_tool":
        return "tool"
    if operation in AGENT_OPERATIONS:
        return "agent"
    is_silent = operation in SILENT_OPERATIONS
    return None if is_silent and status_of(step.place, step.outline) not in WRONG else "step"


def _is_silent(step: Spoken, kind: str) -> bool:
    """Whether a step that tells nothing is left out: plain code that did not fail."""
    is_plain = kind == "step" and operation_of(step.place, step.outline) == "function"
    return is_plain and status_of(step.place, step.outline) not in WRONG


def _blocks(step: Spoken, kind: str, said: Counter[bytes]) -> list[Block]:
    if kind == "model":
        given = _new(blocks_of(step.input, "user"), said)
        answer = blocks_of(step.output, "assistant")
        said.update(map(_mark, answer))
        return [*given, *answer]
    if kind == "agent":
        return _new([block for block in blocks_of(step.input, "user") if block.role == "user"], said)
    blocks = list(_exchange(step, kind))
    said.update(map(_mark, blocks))
    return blocks


def _new(blocks: Sequence[Block], said: Counter[bytes]) -> list[Block]:
    """The blocks that come more often than they were said; they are said from now on."""
    here: Counter[bytes] = Counter()
    new = []
    for block in blocks:
        mark = _mark(block)
        here[mark] += 1
        if here[mark] > said[mark]:
            said[mark] = here[mark]
            new.append(block)
    return new


def _exchange(step: Spoken, kind: str) -> Iterator[Block]:
    """What a step that holds no conversation took and gave."""
    name = step.outline.step_name
    if kind == "tool":
        if step.input is not None:
            yield Block("tool_call", "assistant", arguments_of(step.input), name)
        if step.output is not None:
            yield Block("tool_result", "tool", plain(step.output), name)
        return
    # What holds messages is around a model call, which tells them.
    if step.input is not None and not looks_like_messages(step.input):
        yield Block("input", "assistant", step.input, name)
    if step.output is not None and not looks_like_messages(step.output):
        yield Block("output", "tool", step.output, name)


def arguments_of(given: Any) -> Any:
    """A tool's arguments without a call or a message around them."""
    value = decoded_json(given) if isinstance(given, str) else given
    part = parts.read(value) if isinstance(value, Mapping) else None
    if part is not None and part.kind == "tool_call" and part.value:
        return arguments_of(part.value)
    if isinstance(value, list) and looks_like_messages(value):
        said = blocks_of(value, "assistant")
        return said[0].value if len(said) == 1 else value
    return value


def _mark(block: Block) -> bytes:
    """The same for what says the same, whoever reports it in whatever wrapping."""
    kind = {"input": "tool_call", "output": "tool_result"}.get(block.kind, block.kind)
    return kind.encode() + b" " + _canonical(block.value)


def _canonical(value: Any) -> bytes:
    inner = value
    while isinstance(inner, Mapping) and len(inner) == 1 and next(iter(inner)) in AROUND:
        (inner,) = inner.values()
    if isinstance(inner, str):
        return inner.strip().encode("utf-8", "replace")
    return orjson.dumps(inner, option=orjson.OPT_SORT_KEYS)


def _turn(step: Spoken, kind: str, blocks: Sequence[Block]) -> dict[str, Any]:
    place, outline = step.place, step.outline
    return {
        "step_index": place.index,
        "span_id": place.span_id.hex(),
        "kind": kind,
        "step_name": outline.step_name,
        "operation": operation_of(place, outline),
        "agent_name": outline.agent_name,
        "model": outline.model,
        "status": status_of(place, outline),
        "attempt": place.attempt,
        "depth": place.depth,
        "start_time": outline.start_time,
        "duration_ms": outline.duration_ms,
        "tokens": outline.tokens if place.counts_tokens else None,
        "error_type": outline.error_type,
        "error_message": step.error_message,
        "blocks": [_told(block) for block in blocks],
    }


def _told(block: Block) -> dict[str, Any]:
    text = block.value if isinstance(block.value, str) else None
    value = None if text is not None else block.value
    if text is None and len(written := orjson.dumps(value)) > CUT:
        text, value = written.decode(), None
    return {
        "kind": block.kind,
        "role": block.role,
        "name": block.name,
        "call_id": block.call_id,
        "text": None if text is None else text[:CUT],
        "value": value,
        "is_cut": text is not None and len(text) > CUT,
    }
