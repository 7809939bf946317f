"""Checks every rollup against a computation of its own from the raw rows, for tests."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from tests.storing import Connection

from stepwell_storage.rollups import histogram
from stepwell_storage.rollups.figures import MEASURES

SUMS = ", ".join(f"sum({measure})" for measure in MEASURES)

# What readers add: complete days, hours of the others, and what waits.
ROLLUPS = f"""
SELECT agent_id, environment, version, day, kind, item, detail, step_name, {SUMS}, json_agg(durations), max(last_seen)
FROM (
    SELECT d.*, bucket AS day FROM analytics.rollup_days d
    JOIN analytics.rollup_complete_days c ON c.workspace_id = d.workspace_id AND c.day = d.bucket
    UNION ALL
    SELECT h.*, date_trunc('day', bucket, 'UTC') FROM analytics.rollup_hours h
    WHERE NOT EXISTS (SELECT FROM analytics.rollup_complete_days c
                      WHERE c.workspace_id = h.workspace_id AND c.day = date_trunc('day', h.bucket, 'UTC'))
    UNION ALL
    SELECT {{columns}}, date_trunc('day', bucket, 'UTC') FROM analytics.rollup_deltas
) AS rows
GROUP BY agent_id, environment, version, day, kind, item, detail, step_name
"""

RUNS = """
SELECT agent_id, coalesce(environment, ''), coalesce(version, ''), date_trunc('day', start_time, 'UTC'), status,
       duration_ms, prompt_tokens, completion_tokens, cost_usd, credits_consumed, api_calls_count, steps_total,
       path, error_fingerprint, error_type, error_step_name, last_activity_at, memory_usage_mb, agent_name
FROM analytics.agent_executions
"""

STEPS = """
SELECT e.agent_id, coalesce(e.environment, ''), coalesce(e.version, ''), date_trunc('day', e.start_time, 'UTC'),
       e.execution_id, s.span_id = e.root_span_id, s.step_name, s.operation, s.status, s.duration_ms, s.attempt,
       s.model
FROM analytics.execution_steps s
JOIN analytics.agent_executions e ON e.workspace_id = s.workspace_id AND e.execution_id = s.execution_id
WHERE NOT decode(s.span_id, 'hex') = ANY (e.duplicate_span_ids)
"""

Row = dict[str, Any]


async def rollups(connection: Connection, kind: str) -> dict[tuple[Any, ...], Row]:
    """Rows of one kind that are not nothing, by what they are about."""
    named = await connection.execute(
        "SELECT string_agg(column_name, ', ' ORDER BY ordinal_position) FROM information_schema.columns "
        "WHERE table_schema = 'analytics' AND table_name = 'rollup_hours'"
    )
    row = await named.fetchone()
    assert row is not None
    cursor = await connection.execute(ROLLUPS.format(columns=row[0]))
    result = {}
    for found in await cursor.fetchall():
        values = dict(zip(MEASURES, found[8:-2], strict=True))
        values["durations"] = histogram.from_array(histogram.merged(found[-2]))
        values["last_seen"] = found[-1]
        if found[4] == kind and values["executions"]:
            result[(*found[:4], *found[5:8])] = values
    return result


def durations(values: Iterable[float | None]) -> dict[int, int]:
    return dict(Counter(histogram.bucket_of(value) for value in values if value is not None))


def total(values: Iterable[Any]) -> float:
    return sum(float(value) for value in values if value is not None)


async def check_rollups(connection: Connection) -> None:
    """Every rollup against a computation of its own from the raw rows."""
    runs = await (await connection.execute(RUNS)).fetchall()
    await _check_runs(connection, runs)
    await _check_items(connection, runs, "path", lambda run: (run[12], None, None))
    for kind, status in (("failure", "failed"), ("timeout", "timeout")):
        ended = [run for run in runs if run[4] == status]
        await _check_items(connection, ended, kind, lambda run: (run[13] or "", run[14], run[15]), everyone=True)
    await _check_steps(connection)


async def _check_runs(connection: Connection, runs: list[tuple[Any, ...]]) -> None:
    groups = {
        **_grouped(runs, lambda run: ("", run[18], None), everyone=False),
        **_grouped([("", *run[1:]) for run in runs], lambda run: ("", None, None), everyone=False),
    }
    await _check_figures(await rollups(connection, "execution"), groups)
    merged: dict[tuple[Any, ...], list[tuple[Any, ...]]] = defaultdict(list)
    for key, members in groups.items():
        merged[(key[0], "", "", *key[3:])] += members
    await _check_figures(await rollups(connection, "total"), merged)


async def _check_figures(found: dict[tuple[Any, ...], Row], groups: dict[tuple[Any, ...], Any]) -> None:
    assert found.keys() == groups.keys()
    for key, members in groups.items():
        row = found[key]
        for status in ("pending", "running", "success", "failed", "timeout", "cancelled"):
            assert row[status] == sum(run[4] == status for run in members), (key, status)
        assert row["durations"] == durations(run[5] for run in members)
        for measure, at in (("duration_ms", 5), ("prompt_tokens", 6), ("completion_tokens", 7), ("cost_usd", 8)):
            assert float(row[measure]) == pytest.approx(total(run[at] for run in members)), measure
        assert row["prompt_known"] == sum(run[6] is not None for run in members)
        assert row["cost_known"] == sum(run[8] is not None for run in members)
        assert float(row["credits"]) == pytest.approx(total(run[9] for run in members))
        assert float(row["memory_mb"]) == pytest.approx(total(run[17] for run in members))
        assert row["memory_known"] == sum(run[17] is not None for run in members)
        assert row["api_calls"] == sum(run[10] for run in members)
        assert row["steps"] == sum(run[11] for run in members)
        assert row["last_seen"] >= max(run[16] for run in members)


async def _check_items(
    connection: Connection,
    runs: list[tuple[Any, ...]],
    kind: str,
    item: Callable[[tuple[Any, ...]], tuple[Any, ...]],
    *,
    everyone: bool = False,
) -> None:
    groups = _grouped(runs, item, everyone=everyone)
    found = await rollups(connection, kind)
    assert found.keys() == groups.keys()
    for key, members in groups.items():
        assert found[key]["executions"] == len(members)
        assert found[key]["success"] == sum(run[4] == "success" for run in members)
        assert found[key]["durations"] == durations(run[5] for run in members)


async def _check_steps(connection: Connection) -> None:
    told = await (await connection.execute(STEPS)).fetchall()
    for kind, is_root in (("step", False), ("root", True)):
        groups = defaultdict(list)
        for row in told:
            if bool(row[5]) is is_root:
                groups[(*row[:4], row[6], row[7], None)].append(row)
        found = await rollups(connection, kind)
        assert found.keys() == groups.keys()
        for key, members in groups.items():
            assert found[key]["failed"] == sum(row[8] == "failed" for row in members)
            assert found[key]["executions"] == len({row[4] for row in members})
            assert found[key]["retries"] == sum(row[10] > 1 for row in members)
            assert found[key]["durations"] == durations(row[9] for row in members)
    models = await rollups(connection, "model")
    calls = Counter((row[0], row[11]) for row in told if row[11])
    summed: Counter[tuple[str, str]] = Counter()
    for key, row in models.items():
        summed[key[0], key[4]] += sum(row[s] for s in ("success", "failed", "running", "cancelled", "timeout"))
    assert summed == calls


def _grouped(
    runs: list[tuple[Any, ...]], item: Callable[[tuple[Any, ...]], tuple[Any, ...]], *, everyone: bool
) -> dict[tuple[Any, ...], list[tuple[Any, ...]]]:
    groups = defaultdict(list)
    for run in runs:
        for agent_id in (run[0], "") if everyone else (run[0],):
            groups[(agent_id, *run[1:4], *item(run))].append(run)
    return dict(groups)
