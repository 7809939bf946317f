"""Steps of sampled runs as `StepRecord`s: of as many runs as a budget of steps allows, drawn evenly by status."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from psycopg.rows import namedtuple_row, tuple_row
from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell_api.insight.payloads import unwrapped, words_of
from stepwell_api.insight.sample import Payload, StepRecord
from stepwell_api.question import Question
from stepwell_storage import queries
from stepwell_storage.model import Role, Status
from stepwell_storage.places import Place, read_places

SQL = queries.load("sampling")

MAX_STEPS: Final = 9_000
"""Of all runs together."""
MAX_RUN_STEPS: Final = 2_000
"""Runs with more steps are read without them."""
WORD_STEPS: Final = 1_500
"""Of successful runs; the words in their inputs and outputs say which step uses another's output."""
MAX_PAYLOAD_BYTES: Final = 16_384
"""Of one input or output, as stored; larger ones count as not recorded."""
_MS: Final = timedelta(milliseconds=1)
_ROLES: Final = {role.value: role for role in Role}
_STATUSES: Final = {status.value: status for status in Status}
_WITH_STEPS: Final = frozenset((Status.SUCCESS, Status.FAILED, Status.TIMEOUT, Status.CANCELLED))

Runs = Sequence[Any]
"""Rows of runs, or of their steps."""
Words = Mapping[tuple[int, bytes], tuple[frozenset[int] | None, frozenset[int] | None]]


async def read_steps(connection: AsyncConnection, question: Question, runs: Runs) -> dict[str, list[StepRecord]]:
    """The steps of the runs by execution id, in the order of their index."""
    chosen = within_budget([run for run in runs if Status(run.status) in _WITH_STEPS], MAX_STEPS)
    if not chosen:
        return {}
    bounds = {"workspace_id": question.workspace_id, "max_bytes": MAX_PAYLOAD_BYTES}
    placed = await _rows(connection, SQL.read_sampled_places, {**bounds, **_keys(chosen)})
    places = {row.place - 1: row for row in placed}
    traces = [bytes.fromhex(run.trace_id) for run in chosen]
    rows = await _rows(connection, SQL.read_sampled_steps, {**bounds, "trace_ids": traces}, tuple_row)
    spoken = within_budget([run for run in chosen if run.status == Status.SUCCESS], WORD_STEPS)
    told = await _rows(
        connection,
        SQL.read_sampled_payloads,
        {**bounds, "trace_ids": [bytes.fromhex(run.trace_id) for run in spoken]},
    )
    return await asyncio.to_thread(_assembled, chosen, places, rows, spoken, told)


async def _rows(
    connection: AsyncConnection, query: str, parameters: Mapping[str, Any], make_row: Any = namedtuple_row
) -> Runs:
    """The rows as binary values, which cost a fraction of what arrays, ids and times do as text."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    async with driver.cursor(binary=True, row_factory=make_row) as cursor:
        await cursor.execute(query, parameters)
        rows: list[Any] = await cursor.fetchall()
    return rows


def within_budget(runs: Runs, steps: int) -> list[Any]:
    """As many of the runs as have so many steps in all, taken evenly over their order, of every status alike."""
    eligible = [run for run in runs if run.steps_total <= MAX_RUN_STEPS]
    total = sum(run.steps_total for run in eligible)
    if total <= steps:
        return eligible
    by_status: dict[str, list[Any]] = defaultdict(list)
    for run in eligible:
        by_status[run.status].append(run)
    share = steps / total
    return [run for part in by_status.values() for run in _evenly(part, share)]


def _evenly(runs: Runs, share: float) -> Iterable[Any]:
    """Every so-many-th of them."""
    count = round(len(runs) * share)
    return (runs[int((at + 0.5) * len(runs) / count)] for at in range(count))


def _keys(runs: Runs) -> dict[str, Any]:
    starts = [run.start_time for run in runs]
    return {
        "execution_ids": [run.execution_id for run in runs],
        "starts": starts,
        "lowest": min(starts),
        "highest": max(starts),
    }


def _assembled(
    runs: Runs, places: Mapping[int, Any], rows: Runs, spoken: Runs, told: Runs
) -> dict[str, list[StepRecord]]:
    steps: dict[int, dict[bytes, Any]] = defaultdict(dict)
    for row in rows:
        steps[row[0] - 1].setdefault(row[1], row)
    words = _words(runs, spoken, told)
    return {
        run.execution_id: _records(at, run.start_time, _places(places[at]), steps[at], words)
        for at, run in enumerate(runs)
        if at in places
    }


def _words(runs: Runs, spoken: Runs, told: Runs) -> Words:
    """Words of input and output by the run's place among `runs` and the span."""
    at = {run.execution_id: place for place, run in enumerate(runs)}
    return {
        (at[spoken[row.place - 1].execution_id], row.span_id): (_words_in(row.input), _words_in(row.output))
        for row in told
    }


def _words_in(text: str | None) -> frozenset[int] | None:
    return None if text is None else words_of(unwrapped(orjson.loads(text)))


def _places(row: Any) -> list[Place]:
    duplicates = dict(zip(row.duplicate_span_ids, row.duplicates_of or (), strict=False))
    found = zip(row.step_span_ids, row.step_attempts, row.step_depths, row.step_marks, row.step_self_ms, strict=True)
    return read_places(0, found, duplicates)


def _records(
    at: int, start: datetime, places: Sequence[Place], steps: Mapping[bytes, Any], words: Words
) -> list[StepRecord]:
    """The run's steps; empty where one is not there (any more), since indices would not fit."""
    indices = {place.span_id: place.index for place in places}
    if not indices.keys() <= steps.keys():
        return []
    return [
        _record(place, start, steps[place.span_id], indices, words.get((at, place.span_id), (None, None)))
        for place in places
    ]


def _record(
    place: Place,
    start: datetime,
    row: Any,
    indices: Mapping[bytes, int],
    words: tuple[frozenset[int] | None, frozenset[int] | None],
) -> StepRecord:
    (_, _, parent_span_id, start_time, end_time, name, role, operation, step_type, status, error_type, prompt_tokens,
     completion_tokens, cost_usd, input_digest, output_digest) = row  # fmt: skip
    return StepRecord(
        name=name,
        role=_ROLES[role],
        operation=operation,
        step_type=step_type,
        parent=indices.get(parent_span_id, -1) if place.has_parent else -1,
        start_ms=(start_time - start) / _MS,
        end_ms=None if end_time is None else (end_time - start) / _MS,
        status=place.told_status or _STATUSES[status],
        attempt=place.attempt,
        prompt_tokens=prompt_tokens if place.counts_tokens else None,
        completion_tokens=completion_tokens if place.counts_tokens else None,
        cost_usd=cost_usd if place.counts_tokens else None,
        error_type=error_type,
        is_duplicate=place.duplicate_of is not None,
        input=_payload(input_digest, words[0]),
        output=_payload(output_digest, words[1]),
    )


def _payload(digest: int | None, words: frozenset[int] | None) -> Payload | None:
    return None if digest is None else Payload(digest, words)
