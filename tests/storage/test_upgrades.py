"""Every earlier schema, with data in it, becomes the newest one; also while processes of that time still write."""

import threading
from typing import Any

import psycopg
import pytest
from tests.rollups import check_rollups
from tests.storage.steps import WORKSPACE
from tests.storing import Connection, fold_all

from stepwell_migrations import engine, runner
from stepwell_migrations.engine import Engine
from stepwell_migrations.upgrade import upgrade
from stepwell_storage.database import connect

OLDEST = runner.KNOWN[-1]

# As a process of the first schema writes: its columns, and none of those that came later.
INSERT_STEP = """
INSERT INTO analytics.step_facts (workspace_id, trace_id, span_id, parent_span_id, start_time, end_time, duration_ms,
    name, step_name, step_type, role, operation, status, agent_name, has_input, has_output, flags, input)
VALUES (%(workspace_id)s, %(trace_id)s, %(span_id)s, %(parent_span_id)s, '2026-09-21 12:00+00',
    '2026-09-21 12:00:01+00', 1000, %(name)s, %(name)s, 'action', %(role)s, %(operation)s, 'success', 'planner', true,
    false, '{}', '{"q": 1}')
"""
INSERT_MARK = """
INSERT INTO analytics.dirty_traces (workspace_id, trace_id, earliest, latest, span_count)
VALUES (%(workspace_id)s, %(trace_id)s, '2026-09-21 12:00+00', '2026-09-21 12:00+00', 2)
"""
INSERT_WINDOW = """
INSERT INTO analytics.trace_windows (workspace_id, trace_id, earliest, latest)
VALUES (%(workspace_id)s, %(trace_id)s, '2026-09-21 12:00+00', '2026-09-21 12:00+00')
"""
INSERT_EXECUTION = """
INSERT INTO analytics.agent_executions (id, workspace_id, execution_id, trace_id, root_span_id, agent_id, agent_name,
    start_time, end_time, duration_ms, last_activity_at, status, api_calls_count, steps_total, steps_completed,
    execution_graph, path, checkpoints, models, step_span_ids, step_attempts, duplicate_span_ids)
VALUES (gen_random_uuid(), %(workspace_id)s, %(execution_id)s, %(trace_hex)s, %(root_hex)s, 'planner', 'planner',
    '2026-09-21 12:00+00', '2026-09-21 12:00:01+00', 1000, '2026-09-21 12:00:01+00', 'success', 0, 2, 2, '{}', 'tool',
    '{}', '{}', ARRAY[%(root)s, %(tool)s]::bytea[], '{1,1}', '{}')
"""
INSERT_KEY = """
INSERT INTO analytics.execution_keys (workspace_id, execution_id, trace_id, start_time)
VALUES (%(workspace_id)s, %(execution_id)s, %(trace_id)s, '2026-09-21 12:00+00')
"""
ROOT, TOOL = b"\1" * 8, b"\2" * 8


def _write_steps(connection: psycopg.Connection, number: int) -> None:
    """An agent and its tool, in one transaction with their mark."""
    trace = {"workspace_id": WORKSPACE, "trace_id": number.to_bytes(16, "big")}
    agent = {"span_id": ROOT, "parent_span_id": None, "name": "planner", "role": "agent", "operation": "invoke_agent"}
    tool = {"span_id": TOOL, "parent_span_id": ROOT, "name": "tool", "role": "tool", "operation": "execute_tool"}
    with connection.transaction():
        connection.execute(INSERT_STEP, {**trace, **agent})
        connection.execute(INSERT_STEP, {**trace, **tool})
        connection.execute(INSERT_MARK, trace)


def _write_folded(connection: psycopg.Connection, number: int) -> None:
    """The same when a worker of the first schema has folded it."""
    _write_steps(connection, number)
    trace_id = number.to_bytes(16, "big")
    run: dict[str, Any] = {"workspace_id": WORKSPACE, "trace_id": trace_id, "trace_hex": trace_id.hex()}
    run |= {"root": ROOT, "tool": TOOL, "root_hex": ROOT.hex(), "execution_id": f"{trace_id.hex()}-{ROOT.hex()}"}
    with connection.transaction():
        connection.execute("DELETE FROM analytics.dirty_traces WHERE trace_id = %(trace_id)s", run)
        for statement in (INSERT_WINDOW, INSERT_EXECUTION, INSERT_KEY):
            connection.execute(statement, run)


async def _runs(connection: Connection) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(
        "SELECT right(trace_id, 2), agent_id, status, steps_total FROM analytics.agent_executions ORDER BY trace_id"
    )
    return await cursor.fetchall()


@pytest.mark.parametrize("version", runner.KNOWN[::-1])
async def test_schema_with_data_becomes_the_newest(empty_database_url: str, version: str) -> None:
    upgrade(empty_database_url, target=OLDEST)
    with psycopg.connect(empty_database_url, autocommit=True) as old:
        _write_folded(old, 1)
        _write_steps(old, 2)
    if version != OLDEST:
        upgrade(empty_database_url, target=version)

    runner.migrate(empty_database_url)

    runner.check(empty_database_url)
    assert engine.of(empty_database_url) is Engine.NATIVE
    async with await connect(empty_database_url) as connection:
        await fold_all(connection)
        assert await _runs(connection) == [("01", "planner", "success", 2), ("02", "planner", "success", 2)]
        cursor = await connection.execute("SELECT count(*), count(input) FROM analytics.execution_steps")
        assert await cursor.fetchone() == (4, 4)
        await check_rollups(connection)


async def test_receivers_of_the_first_schema_write_through_all_migrations(empty_database_url: str) -> None:
    upgrade(empty_database_url, target=OLDEST)
    written = 0
    migrated = threading.Event()

    def write() -> None:
        nonlocal written
        with psycopg.connect(empty_database_url, autocommit=True, application_name="stepwell receiver") as connection:
            while True:
                is_last = migrated.is_set()
                written += 1
                _write_steps(connection, written)
                if is_last:
                    return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        runner.migrate(empty_database_url)
    finally:
        migrated.set()
        writer.join(30)

    async with await connect(empty_database_url) as connection:
        await fold_all(connection)
        assert len(await _runs(connection)) == written
        await check_rollups(connection)
