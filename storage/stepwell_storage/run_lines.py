"""Writes executions as lines of PostgreSQL's COPY text format; pure.

By hand, as `rows` does for steps. The order of the fields is that of ``copy_executions`` in ``sql/fold.sql``; if you
change one, also change the other.
"""

import json
import uuid
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Final, TypeVar

from stepwell_storage.arrays import array_of, array_of_ids, array_of_texts
from stepwell_storage.fold.path import logical_names
from stepwell_storage.model import Execution, SavedCheckpoint, Step
from stepwell_storage.places import columns_of_places
from stepwell_storage.rollups.figures import Run
from stepwell_storage.rollups.parts import quoted
from stepwell_storage.rollups.stored import figures_json
from stepwell_storage.rows import NULL, escape, timestamp
from stepwell_storage.times import to_datetime

_MAX_EDGES: Final = 500

_Counted = TypeVar("_Counted")
Payload = tuple[str | None, str | None]


def run_line(run: Run, execution: Execution, payload: Payload, created_at: str) -> str:
    """The line of an execution; `payload` is its input and output, `created_at` a time as PostgreSQL reads it."""
    fields = [
        *_identity(run.workspace_id, execution),
        *map(_text, payload),
        *_course(execution),
        *_usage(execution),
        *_structure(execution),
        escape(figures_json(run)),
        created_at,
    ]
    return "\t".join(fields) + "\n"


def _identity(workspace_id: uuid.UUID, execution: Execution) -> Sequence[str]:
    """Columns ``id`` to ``trigger_source``."""
    return (
        uuid.uuid5(workspace_id, execution.execution_id).hex,
        workspace_id.hex,
        execution.execution_id,
        execution.trace_id.hex(),
        execution.root_span_id.hex() if execution.root_span_id else NULL,
        _text(execution.parent_execution_id),
        escape(execution.agent_id),
        _text(execution.agent_name),
        _text(execution.user_id),
        _text(execution.session_id),
        _text(execution.trigger_type),
        _text(execution.trigger_source_json),
    )


def _course(execution: Execution) -> Sequence[str]:
    """Columns ``start_time`` to ``error_fingerprint``."""
    return (
        timestamp(execution.start_ns),
        NULL if execution.end_ns is None else timestamp(execution.end_ns),
        _number(execution.duration_ms),
        timestamp(execution.last_activity_ns),
        execution.status.value,
        _text(execution.error_type),
        _text(execution.error_message),
        _text(execution.error_step_name),
        _text(execution.error_fingerprint),
    )


def _usage(execution: Execution) -> Sequence[str]:
    """Columns ``credits_consumed`` to ``memory_usage_mb``."""
    return (
        _number(execution.credits),
        tokens_used(execution) or NULL,
        _number(execution.prompt_tokens),
        _number(execution.completion_tokens),
        _number(execution.cost_usd),
        _number(execution.api_calls),
        _number(execution.memory_mb),
    )


def _structure(execution: Execution) -> Sequence[str]:
    """Columns ``steps_total`` to ``duplicates_of``."""
    placements = execution.placements
    return (
        _number(execution.steps_total),
        _number(execution.steps_completed),
        escape(graph_json(execution)),
        escape(execution.path),
        escape(array_of_texts(map(_checkpoint_json, execution.checkpoints))) if execution.checkpoints else "{}",
        _text(execution.environment),
        _text(execution.runtime_mode),
        _text(execution.version),
        _text(execution.service_name),
        _text(execution.framework),
        escape(array_of_texts(execution.models)),
        escape(array_of_ids([placement.step.span_id for placement in placements])),
        array_of([placement.attempt for placement in placements]),
        escape(array_of_ids([p.step.span_id for p in placements if p.duplicate_of is not None])),
        *columns_of_places(execution),
    )


def _text(text: str | None) -> str:
    return NULL if text is None else escape(text)


def _number(number: float | None) -> str:
    return NULL if number is None else repr(number)


def tokens_used(execution: Execution) -> str | None:
    """The specification's ``tokens_used`` as JSON: only the classes that are known; ``None`` where none is."""
    told = (
        ("prompt", execution.prompt_tokens),
        ("completion", execution.completion_tokens),
        ("cache_read", execution.cache_read_tokens),
        ("cache_write", execution.cache_write_tokens),
        ("reasoning", execution.reasoning_tokens),
    )
    known = [f'"{name}":{count}' for name, count in told if count is not None]
    return f"{{{','.join(known)}}}" if known else None


def graph_json(execution: Execution) -> str:
    """The stored ``execution_graph``: path, how often each step ran, and which followed which how often.

    Its size is bounded by the number of different names, not of steps; the API adds the tree of single steps.
    """
    names = list(map(quoted, logical_names(_inner_steps(execution))))
    nodes = [f'{{"name":{name},"count":{count}}}' for name, count in _most_common(Counter(names))]
    edges = [f'{{"from":{a},"to":{b},"count":{count}}}' for (a, b), count in _most_common(Counter(pairwise(names)))]
    return f'{{"path":{quoted(execution.path)},"nodes":[{",".join(nodes)}],"edges":[{",".join(edges)}]}}'


def _most_common(counts: Counter[_Counted]) -> list[tuple[_Counted, int]]:
    """What counts most first, a bounded number of them."""
    return sorted(counts.items(), key=itemgetter(1), reverse=True)[:_MAX_EDGES]


def _inner_steps(execution: Execution) -> Sequence[Step]:
    steps = [p.step for p in execution.placements if p.duplicate_of is None]
    return [step for step in steps if step.span_id != execution.root_span_id] or steps


def _checkpoint_json(saved: SavedCheckpoint) -> str:
    checkpoint, step = saved.checkpoint, saved.step
    time = to_datetime(checkpoint.time_ns).isoformat()
    return (
        f'{{"id":{json.dumps(checkpoint.id)},"time":"{time}","state":{checkpoint.state_json or "null"},'
        f'"step_name":{json.dumps(step.step_name)},"span_id":"{step.span_id.hex()}",'
        f'"resume":{checkpoint.resume_json or "null"}}}'
    )
