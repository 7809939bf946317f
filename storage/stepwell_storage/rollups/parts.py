"""What the steps of one execution add to the rollups: by name and operation, and model calls by model.

Counted when the execution is folded, and kept with its row as JSON, so that whatever takes the run away takes away the
same.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import orjson

from stepwell_storage.model import Execution, Placement, Role, Status
from stepwell_storage.rollups.figures import MEASURES, SCALES, Figures, Item, Kind, Run, scaled
from stepwell_storage.rollups.histogram import bucket_of
from stepwell_storage.rows import CACHED_TEXT_CHARACTERS, CACHED_TEXTS

_Key = tuple[Kind, str, str | None]
"""The first fields of an `Item`."""

_ROOT, _STEP, _MODEL, _MODEL_ROLE = Kind.ROOT, Kind.STEP, Kind.MODEL, Role.MODEL
"""Members of enumerations are looked up slowly, and here for every step."""
_AT: Final = {name: at for at, name in enumerate(MEASURES)}
_NS: Final = 10 ** SCALES["duration_ms"]
_STATUS: Final = {status: _AT[status.value] for status in Status}
_EXECUTIONS: Final = _AT["executions"]
_RETRIES: Final = _AT["retries"]
_DURATION: Final = _AT["duration_count"]
_SELF: Final = _AT["self_ms"]
_CRITICAL: Final = _AT["critical_ms"]
_CRITICAL_SUCCESS: Final = _AT["critical_success_ms"]
_PROMPT: Final = _AT["prompt_tokens"]
_COMPLETION: Final = _AT["completion_tokens"]
_COST: Final = _AT["cost_usd"]
_CREDITS: Final = _AT["credits"]
_COST_DIGITS: Final = SCALES["cost_usd"]
_CREDITS_DIGITS: Final = SCALES["credits"]


def run_of(workspace_id: UUID, execution: Execution) -> Run:
    """The run that a fold gave."""
    return Run(
        workspace_id=workspace_id,
        agent_id=execution.agent_id,
        agent_name=execution.agent_name,
        environment=execution.environment,
        version=execution.version,
        start_ns=execution.start_ns,
        last_activity_ns=execution.last_activity_ns,
        status=execution.status,
        duration_ms=execution.duration_ms,
        path=execution.path,
        error_type=execution.error_type,
        error_step_name=execution.error_step_name,
        error_fingerprint=execution.error_fingerprint,
        prompt_tokens=execution.prompt_tokens,
        completion_tokens=execution.completion_tokens,
        cost_usd=execution.cost_usd,
        credits=execution.credits,
        api_calls=execution.api_calls,
        memory_mb=execution.memory_mb,
        steps_total=execution.steps_total,
        parts=tuple(_parts(execution).items()),
    )


def _parts(execution: Execution) -> dict[Item, Figures]:
    """Steps by name and operation, model calls by model; reports of a call that is counted already are left out.

    Steps that count alike are summed up together, and only their sums are added to those of names and models.
    """
    groups: dict[tuple[_Key, _Key | None], list[Placement]] = {}
    root_span_id = execution.root_span_id
    for placement in execution.placements:
        if placement.duplicate_of is None:
            step = placement.step
            name: _Key = (_ROOT if step.span_id == root_span_id else _STEP, step.step_name, placement.operation)
            model: _Key | None = (
                (_MODEL, step.model, step.provider) if step.role is _MODEL_ROLE and step.model else None
            )
            group = groups.get((name, model))
            if group is None:
                groups[name, model] = [placement]
            else:
                group.append(placement)
    parts: dict[_Key, Figures] = {}
    is_success = execution.status is Status.SUCCESS
    for (name, model), placements in groups.items():
        figures = _sum(placements, is_success=is_success)
        for key in (name,) if model is None else (name, model):
            known = parts.get(key)
            if known is None:
                parts[key] = figures if key is name else figures.copy()
            else:
                known.add(figures)
    for figures in parts.values():
        figures.amounts[_EXECUTIONS] = 1  # the run, however many steps it has there
    return {Item(*key): figures for key, figures in parts.items()}


def _sum(placements: Sequence[Placement], *, is_success: bool) -> Figures:
    """What some steps add together."""
    amounts: defaultdict[int, int] = defaultdict(int)
    durations: dict[int, int] = {}
    known = duration_ns = squares_ns2 = self_ns = critical_ns = retries = 0
    for placement in placements:
        step = placement.step
        amounts[_STATUS[placement.status]] += 1
        duration_ms = step.duration_ms
        if duration_ms is not None:
            ns = round(duration_ms * _NS)
            known += 1
            duration_ns += ns
            squares_ns2 += ns * ns
            bucket = bucket_of(duration_ms)
            durations[bucket] = durations.get(bucket, 0) + 1
        if placement.counts_tokens or step.credits is not None:
            _take_usage(amounts, placement)
        if placement.attempt > 1:
            retries += 1
        if placement.self_duration_ms is not None:
            self_ns += round(placement.self_duration_ms * _NS)
        critical_ns += placement.critical_ns
    told = (
        (_RETRIES, retries),
        *((_DURATION, known), (_DURATION + 1, duration_ns), (_DURATION + 2, squares_ns2)),
        *((_SELF, self_ns), (_CRITICAL, critical_ns), (_CRITICAL_SUCCESS, critical_ns if is_success else 0)),
    )
    amounts.update([pair for pair in told if pair[1]])
    return Figures(amounts, durations)


def _take_usage(amounts: defaultdict[int, int], placement: Placement) -> None:
    """Adds the tokens and the cost that count, and credits."""
    step = placement.step
    if placement.counts_tokens:
        if step.prompt_tokens is not None:
            amounts[_PROMPT] += step.prompt_tokens
            amounts[_PROMPT + 1] += 1
        if step.completion_tokens is not None:
            amounts[_COMPLETION] += step.completion_tokens
            amounts[_COMPLETION + 1] += 1
        if step.cost_usd is not None:
            amounts[_COST] += scaled(step.cost_usd, _COST_DIGITS)
            amounts[_COST + 1] += 1
    if step.credits is not None:
        amounts[_CREDITS] += scaled(step.credits, _CREDITS_DIGITS)
        amounts[_CREDITS + 1] += 1


def dump_parts(parts: Iterable[tuple[Item, Figures]]) -> str:
    """The figures of steps and models as JSON for the execution's row, to take away what a fold replaces.

    ``[kind, name, detail, "measure:amount,…", "bucket:count,…"]`` each, measures by their index in `MEASURES`:
    the database keeps a text of numbers in a third of the room that it takes for an object of them.
    """
    return "[" + ",".join([_part_json(item, figures) for item, figures in parts]) + "]"


def _part_json(item: Item, figures: Figures) -> str:
    texts = f'["{item.kind}",{quoted(item.name)},{quoted(item.detail)}'
    return f'{texts},"{_numbers(dict(figures.amounts))}","{_numbers(figures.durations)}"]'


def _numbers(pairs: dict[int, int]) -> str:
    """As Python writes them, which is the fastest way, without braces and spaces."""
    return repr(pairs)[1:-1].replace(" ", "")


def quoted(text: str | None) -> str:
    """A text as JSON; names repeat in nearly every run."""
    return _quoted(text) if text is None or len(text) <= CACHED_TEXT_CHARACTERS else orjson.dumps(text).decode()


@lru_cache(maxsize=CACHED_TEXTS)
def _quoted(text: str | None) -> str:
    return orjson.dumps(text).decode()


def load_parts(rows: Iterable[Sequence[Any]]) -> tuple[tuple[Item, Figures], ...]:
    """The reverse of `dump_parts`."""
    return tuple((Item(Kind(kind), name, detail), _figures(*rest)) for kind, name, detail, *rest in rows)


def _figures(amounts: str | Mapping[str, int], durations: str | Mapping[str, int]) -> Figures:
    """From texts of numbers; from objects, whose measures have their names, where an older version wrote them."""
    if isinstance(amounts, str):
        told = defaultdict(int, _pairs(amounts))
    else:
        told = defaultdict(int, {_AT[name]: amount for name, amount in amounts.items()})
    counts = _pairs(durations) if isinstance(durations, str) else [(int(at), n) for at, n in durations.items()]
    return Figures(told, dict(counts))


def _pairs(text: str) -> list[tuple[int, int]]:
    return [(int(left), int(right)) for left, _, right in [pair.partition(":") for pair in text.split(",") if pair]]
