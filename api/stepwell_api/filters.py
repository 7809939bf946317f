"""From the parameters of a question to conditions on ``analytics.agent_executions``; every value is bound."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, any_, cast, exists, func, literal, or_, select, text, true
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY

from stepwell_api.parameters import ExecutionFilters
from stepwell_api.times import Window
from stepwell_storage.schema import agent_executions as runs
from stepwell_storage.schema import live_steps, path_hash, step_facts, step_logs, trace_windows, word_vector
from stepwell_storage.words import search_query, words_in

ESCAPE = "\\"


def in_window(workspace_id: UUID, window: Window) -> list[ColumnElement[bool]]:
    """The conditions that every question about runs has."""
    return [
        runs.c.workspace_id == workspace_id,
        runs.c.start_time >= window.start,
        runs.c.start_time < window.stop,
    ]


def matching(filters: ExecutionFilters, since: datetime | None = None) -> list[list[ColumnElement[bool]]]:
    """The conditions of the filters, the window aside: what matches meets all of one of these lists, and of no other.

    They are apart because each is answered from an index of its own, which a single condition with "or" is not. Runs
    that have to be looked through for `q` are those that started after `since`.
    """
    chosen = _chosen(filters)
    if filters.q is None:
        return [chosen]
    recent = [runs.c.start_time > since] if since else []
    by_hand = [*looked_through(filters), *recent, *_held(filters.q)]
    words = words_in(filters.q)
    return [[*chosen, _is_found(words)], by_hand] if words else [by_hand]


def looked_through(filters: ExecutionFilters) -> list[ColumnElement[bool]]:
    """The conditions of the runs that have to be looked through for `q`, which takes long."""
    return [*_chosen(filters), _unread(filters.q or "")]


def is_one_of(column: ColumnElement[Any], values: Sequence[str]) -> Iterator[ColumnElement[bool]]:
    """The column holds one of the values; no condition where none are given."""
    if values:
        yield column == any_(_texts_literal(values))


def contains(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """The text occurs in the column, upper and lower case being the same; ``%`` and ``_`` mean themselves."""
    return column.ilike(like_pattern(text), escape=ESCAPE)


def like_pattern(text: str) -> str:
    """The LIKE pattern for values that hold the text."""
    for special in (ESCAPE, "%", "_"):
        text = text.replace(special, ESCAPE + special)
    return f"%{text}%"


def _texts_literal(values: Sequence[str]) -> ColumnElement[Any]:
    # One array parameter whatever the number of values: the statement stays the same, so its plan and text are cached.
    return literal([str(value) for value in values], ARRAY(Text))


def _chosen(filters: ExecutionFilters) -> list[ColumnElement[bool]]:
    """The conditions of all filters but `q`."""
    return [*_chosen_values(filters), *_ranges(filters), *_path(filters)]


def _chosen_values(filters: ExecutionFilters) -> Iterator[ColumnElement[bool]]:
    # Hex digits are stored in lower case, and written either way.
    yield from is_one_of(runs.c.trace_id, [trace_id.lower() for trace_id in filters.trace_id])
    yield from is_one_of(runs.c.agent_id, filters.agent_id)
    yield from is_one_of(runs.c.status, filters.status)
    yield from is_one_of(runs.c.environment, filters.environment)
    yield from is_one_of(runs.c.version, filters.version)
    yield from is_one_of(runs.c.trigger_type, filters.trigger_type)
    yield from is_one_of(runs.c.error_type, filters.error_type)
    yield from is_one_of(runs.c.user_id, filters.user_id)
    yield from is_one_of(runs.c.session_id, filters.session_id)
    yield from is_one_of(runs.c.framework, filters.framework)
    if filters.model:
        yield runs.c.models.bool_op("&&")(_texts_literal(filters.model))


def _ranges(filters: ExecutionFilters) -> Iterator[ColumnElement[bool]]:
    if filters.min_duration_ms is not None:
        yield runs.c.duration_ms >= filters.min_duration_ms
    if filters.max_duration_ms is not None:
        yield runs.c.duration_ms <= filters.max_duration_ms
    if filters.min_cost_usd is not None:
        yield runs.c.cost_usd >= filters.min_cost_usd


def _path(filters: ExecutionFilters) -> Iterator[ColumnElement[bool]]:
    if filters.path is not None:
        yield path_hash == func.hashtextextended(filters.path, text("0"))
        yield runs.c.path == filters.path


def _is_found(words: Sequence[str]) -> ColumnElement[bool]:
    """The run's words, as far as they are read, hold all of these."""
    # In a select of its own, so that the planner does not know how common the words are: it would rather take the words
    # of every row apart than read many entries of their index, which is a hundred times faster.
    asked = select(cast(literal(search_query(words)), TSQUERY)).scalar_subquery()
    return word_vector.bool_op("@@")(asked)


def _unread(text: str) -> ColumnElement[bool]:
    """No words of the run can be asked for the text: they are not read yet, or it holds none."""
    return runs.c.words.is_(None) if words_in(text) else true()


def _held(text: str) -> Iterator[ColumnElement[bool]]:
    """The run's texts, looked through, hold all words of the text; one without any word is looked for as it is."""
    for word in words_in(text) or [text]:
        yield _holds(word)


def _holds(text: str) -> ColumnElement[bool]:
    """The text occurs somewhere in the run's texts, looked for in all of them."""
    of_run = [
        contains(runs.c.error_message, text),
        _json_contains(runs.c.input_data, text),
        _json_contains(runs.c.output_data, text),
    ]
    return or_(*of_run, _has_step_with(step_facts, text), _has_step_with(live_steps, text), _has_message_with(text))


def _json_contains(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """The text occurs in the JSON as it is written, or in a string of it, where quotes and line ends are escaped."""
    written = cast(column, Text)
    escaped = json.dumps(text, ensure_ascii=False)[1:-1]
    if escaped == text:
        return contains(written, text)
    return or_(contains(written, text), contains(written, escaped))


def _has_message_with(text: str) -> ColumnElement[bool]:
    """Whether a message in the logs of the run's steps holds the text."""
    of_run = and_(
        step_logs.c.workspace_id == runs.c.workspace_id,
        step_logs.c.trace_id == func.decode(runs.c.trace_id, "hex"),
        step_logs.c.span_id == any_(runs.c.step_span_ids),
        or_(step_logs.c.input.is_not(None), step_logs.c.output.is_not(None)),
    )
    held = or_(_json_contains(step_logs.c.input, text), _json_contains(step_logs.c.output, text))
    return exists(select(1).select_from(step_logs).where(of_run, held).correlate(runs))


def _has_step_with(steps: Any, text: str) -> ColumnElement[bool]:
    """Whether a step of the run, from one of the two tables of steps, holds the text; bounded in time by its trace."""
    trace = (
        select(trace_windows.c.trace_id, trace_windows.c.earliest, trace_windows.c.latest)
        .where(trace_windows.c.workspace_id == runs.c.workspace_id)
        .where(trace_windows.c.trace_id == func.decode(runs.c.trace_id, "hex"))
        .correlate(runs)
        .lateral()
    )
    held = or_(
        contains(steps.c.step_name, text),
        contains(steps.c.error_message, text),
        _json_contains(steps.c.input, text),
        _json_contains(steps.c.output, text),
    )
    of_run = and_(
        steps.c.workspace_id == runs.c.workspace_id,
        steps.c.trace_id == trace.c.trace_id,
        steps.c.start_time.between(trace.c.earliest, trace.c.latest),
        steps.c.span_id == any_(runs.c.step_span_ids),
    )
    return exists(select(1).select_from(trace.join(steps, of_run)).where(held).correlate(runs))
