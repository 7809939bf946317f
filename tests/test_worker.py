"""The worker on a real database: committed steps become executions, once, whatever happens in between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.rows import dict_row
from tests.spans import MS, START_NS, TRACE_ID, agent, chat, span_id, steps, tool
from tests.storing import Connection, fold_all, store

from stepwell_storage import folding, worker
from stepwell_storage.database import connect
from stepwell_storage.keys import LOCAL_WORKSPACE_ID, set_credit_rate
from stepwell_storage.model import Step
from stepwell_storage.settings import Settings
from stepwell_storage.traces import read_steps

DEADLINE_S = 20.0
DAY_NS = 86_400_000 * MS
OUTPUT = {"stepwell.output": '{"answer": 42}'}
RUN = (
    agent("a", "refund", for_ms=100, attributes={**OUTPUT, "stepwell.input": '{"order": "A-17"}'}),
    chat("c1", parent="a", at_ms=1, reason="tool_calls"),
    tool("t", "lookup", parent="a", at_ms=20),
    chat("c2", parent="a", at_ms=40),
)


async def executions(connection: Connection) -> list[dict[str, Any]]:
    """All stored executions without what tells when they were written."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("SELECT * FROM analytics.agent_executions ORDER BY execution_id")
        rows = await cursor.fetchall()
    return [{k: v for k, v in row.items() if k not in ("created_at", "updated_at")} for row in rows]


async def test_a_changed_credit_rate_holds_for_runs_folded_from_then_on(connection: Connection) -> None:
    other = [step._replace(trace_id=bytes([7] * 16)) for step in steps(*RUN)]
    for rate, sent in ((100.0, steps(*RUN)), (200.0, other)):
        await set_credit_rate(connection, "local", rate)
        await store(connection, sent)
        await fold_all(connection)

    rows = {row["trace_id"]: row for row in await executions(connection)}
    cost_usd = rows[TRACE_ID.hex()]["cost_usd"]
    assert rows[TRACE_ID.hex()]["credits_consumed"] == pytest.approx(cost_usd * 100)
    assert rows[(bytes([7] * 16)).hex()]["credits_consumed"] == pytest.approx(cost_usd * 200)


async def eventually(probe: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await probe():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running_worker(settings: Settings) -> AsyncIterator[None]:
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(worker.run(settings, started=ready.set, stop=stop))
    await asyncio.wait_for(ready.wait(), DEADLINE_S)
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, DEADLINE_S)


async def test_a_run_is_stored_with_every_column_that_its_spans_tell(connection: Connection) -> None:
    await store(connection, steps(*RUN))
    await fold_all(connection)

    (row,) = await executions(connection)
    start = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
    expected = {
        "execution_id": f"{TRACE_ID.hex()}-{span_id('a').hex()}",
        "trace_id": TRACE_ID.hex(),
        "root_span_id": span_id("a").hex(),
        "agent_id": "refund",
        "status": "success",
        "start_time": start,
        "end_time": start + timedelta(milliseconds=100),
        "duration_ms": 100.0,
        "input_data": {"order": "A-17"},
        "output_data": {"answer": 42},
        "tokens_used": {"prompt": 200, "completion": 20},
        "prompt_tokens": 200,
        "completion_tokens": 20,
        "api_calls_count": 2,
        "steps_total": 4,
        "steps_completed": 4,
        "path": "chat > lookup > chat",
        "environment": "production",
        "version": "1.4.0",
        "models": ["gpt-4o"],
        "error_type": None,
        "cost_usd": 0.0007,
        "step_attempts": [1, 1, 1, 1],
    }
    assert {key: row[key] for key in expected} == expected
    assert row["execution_graph"]["edges"] == [
        {"from": "chat", "to": "lookup", "count": 1},
        {"from": "lookup", "to": "chat", "count": 1},
    ]


async def test_the_view_of_steps_has_the_specifications_columns(connection: Connection) -> None:
    await store(connection, steps(*RUN))
    await fold_all(connection)

    cursor = await connection.execute(
        "SELECT execution_id, step_index, step_name, step_type, status, tokens_used, attempt, operation "
        "FROM analytics.execution_steps ORDER BY step_index"
    )
    execution_id = f"{TRACE_ID.hex()}-{span_id('a').hex()}"
    assert await cursor.fetchall() == [
        (execution_id, 0, "refund", "action", "success", None, 1, "invoke_agent"),
        (execution_id, 1, "chat", "api_call", "success", 110, 1, "chat"),
        (execution_id, 2, "lookup", "action", "success", None, 1, "execute_tool"),
        (execution_id, 3, "chat", "api_call", "success", 110, 1, "chat"),
    ]


async def test_what_is_read_back_is_what_was_stored_without_its_payload(connection: Connection) -> None:
    sent = steps(*RUN)
    await store(connection, sent)
    await fold_all(connection)

    found = await read_steps(connection, LOCAL_WORKSPACE_ID, TRACE_ID)

    def without_payload(step: Step) -> Step:
        return step._replace(attributes_json=None, resource_json=None, input_json=None, output_json=None)

    assert set(found) == {without_payload(s) for s in sent}


async def test_spans_one_by_one_in_any_order_and_twice_give_the_same_rows(connection: Connection) -> None:
    await store(connection, steps(*RUN))
    await fold_all(connection)
    at_once = await executions(connection)
    await connection.execute("TRUNCATE analytics.agent_executions, analytics.execution_keys, analytics.step_facts")

    for sent in (RUN[3], RUN[1], RUN[0], RUN[1], RUN[2], RUN[0]):
        await store(connection, steps(sent))
        await fold_all(connection)

    assert await executions(connection) == at_once


async def test_folding_again_changes_nothing(connection: Connection) -> None:
    await store(connection, steps(*RUN))
    await fold_all(connection)
    before = await executions(connection)

    await connection.execute(
        "INSERT INTO analytics.dirty_traces (workspace_id, trace_id, earliest, latest, span_count) "
        "SELECT workspace_id, trace_id, earliest, latest, 0 FROM analytics.trace_windows"
    )
    await fold_all(connection)

    assert await executions(connection) == before


async def test_an_execution_whose_start_moves_to_another_day_is_moved(connection: Connection) -> None:
    child = steps(chat("c", parent="a"))[0]._replace(start_ns=START_NS + DAY_NS, end_ns=START_NS + DAY_NS + MS)
    await store(connection, [child])
    await fold_all(connection)
    (fragment,) = await executions(connection)

    await store(connection, steps(agent("a", attributes=OUTPUT, for_ms=90_000_000)))
    await fold_all(connection)

    (whole,) = await executions(connection)
    assert (fragment["status"], fragment["execution_id"]) == ("running", TRACE_ID.hex())
    assert (whole["status"], whole["steps_total"]) == ("success", 2)
    assert fragment["start_time"] - whole["start_time"] == timedelta(days=1)


async def test_marks_that_another_worker_holds_are_left_to_it(connection: Connection, database_url: str) -> None:
    await store(connection, steps(*RUN))
    waiting = await folding.waiting(connection)
    other = await connect(database_url)
    async with other.transaction():
        await other.execute("SELECT sequence FROM analytics.dirty_traces FOR UPDATE")
        await folding.fold(connection, waiting)
        assert await executions(connection) == []
    await other.close()

    await fold_all(connection)

    assert len(await executions(connection)) == 1


async def test_the_worker_folds_what_is_committed_while_it_runs(settings: Settings, connection: Connection) -> None:
    async with running_worker(settings):
        await store(connection, steps(*RUN[1:]))
        await eventually(lambda: _statuses(connection, ["running"]))
        await store(connection, steps(RUN[0]))
        await eventually(lambda: _statuses(connection, ["success"]))


async def test_the_worker_works_off_what_was_left_before_it_started(settings: Settings, connection: Connection) -> None:
    await store(connection, steps(*RUN))

    async with running_worker(settings):
        await eventually(lambda: _statuses(connection, ["success"]))


async def test_many_workers_on_the_same_traces_agree(settings: Settings, connection: Connection) -> None:
    traces = [bytes([i]) * 16 for i in range(1, 31)]
    runs = {trace: [step._replace(trace_id=trace) for step in steps(*RUN)] for trace in traces}

    async with running_worker(settings), running_worker(settings), running_worker(settings):
        for i in range(len(RUN)):
            await store(connection, [run[-i - 1] for run in runs.values()])
        await eventually(lambda: _statuses(connection, ["success"] * len(traces)))
        await eventually(lambda: _nothing_waits(connection))

    rows = await executions(connection)
    assert {(row["steps_total"], row["prompt_tokens"], row["path"]) for row in rows} == {
        (4, 200, "chat > lookup > chat")
    }


async def test_a_run_with_no_sign_of_life_becomes_a_timeout_and_goes_back_when_spans_arrive(
    settings: Settings, connection: Connection
) -> None:
    async with running_worker(replace(settings, stale_after_s=0.3)):
        await store(connection, steps(*RUN[1:]))
        await eventually(lambda: _statuses(connection, ["timeout"]))
        await store(connection, steps(RUN[0]))
        await eventually(lambda: _statuses(connection, ["success"]))


async def test_a_recent_run_is_not_stale(settings: Settings, connection: Connection) -> None:
    now_ns = int(datetime.now(UTC).timestamp() * 1e9) // 1000 * 1000
    recent = [step._replace(start_ns=now_ns, end_ns=now_ns) for step in steps(*RUN[1:])]
    old = [step._replace(trace_id=b"\x07" * 16) for step in steps(*RUN[1:])]

    async with running_worker(settings):
        await store(connection, [*recent, *old])
        await eventually(lambda: _statuses(connection, ["running", "timeout"]))


async def test_the_worker_comes_back_when_its_connections_are_cut(settings: Settings, connection: Connection) -> None:
    async with running_worker(settings):
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'stepwell worker%'"
        )
        await store(connection, steps(*RUN))
        await eventually(lambda: _statuses(connection, ["success"]))


async def test_a_trace_that_cannot_be_folded_holds_up_no_other(
    settings: Settings, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    bad = [step._replace(trace_id=b"\x09" * 16) for step in steps(*RUN)]
    await store(connection, bad)
    await connection.execute("UPDATE analytics.step_facts SET role = 'broken' WHERE trace_id = %s", [b"\x09" * 16])
    await store(connection, steps(*RUN))

    async with running_worker(settings):
        await eventually(lambda: _statuses(connection, ["success"]))

    assert "fold failed" in caplog.text
    (left,) = await folding.waiting(connection)
    assert left.key == (LOCAL_WORKSPACE_ID, b"\x09" * 16)


async def _statuses(connection: Connection, wanted: list[str]) -> bool:
    cursor = await connection.execute("SELECT status FROM analytics.agent_executions ORDER BY status")
    return [row[0] for row in await cursor.fetchall()] == wanted


async def _nothing_waits(connection: Connection) -> bool:
    return not await folding.waiting(connection)
