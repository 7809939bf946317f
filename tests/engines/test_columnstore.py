"""Chunks that are stored by columns take late spans, folds anew, moves, timeouts and deletions like any other."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from tests.rollups import check_rollups
from tests.storage.steps import DAY_NS, START_NS, WORKSPACE, make_live_step, make_step, read_all, read_one, span_numbers
from tests.storing import Connection, fold_all, store

from stepwell_storage import idle, process_memory, searching, stale
from stepwell_storage.database import connect
from stepwell_storage.model import MemorySample, Role, Step

TRACES = 40
AT_ONCE = timedelta(0)
COMPRESSED = """
SELECT hypertable_name, count(*) FILTER (WHERE is_compressed) FROM timescaledb_information.chunks
WHERE hypertable_schema = 'analytics' GROUP BY 1 ORDER BY 1
"""
RUNS = "SELECT trace_id, start_time, status, steps_total, memory_usage_mb FROM analytics.agent_executions ORDER BY 1, 2"


def _trace(trace: int, *, start_ns: int = START_NS, **fields: Any) -> list[Step]:
    """An agent that called a tool; each trace a second after the one before."""
    at_ns = start_ns + trace * 1_000_000_000
    named = {"role": Role.AGENT, "operation": "invoke_agent", "agent_name": "planner", **fields}
    agent = make_step(1, trace=trace, start_ns=at_ns, **named)
    return [agent, make_step(2, trace=trace, start_ns=at_ns + 1000, parent_span_id=agent.span_id)]


async def _compress(connection: Connection) -> None:
    """What the policy does once the chunks are old enough."""
    for table in ("step_facts", "agent_executions"):
        await connection.execute(
            f"SELECT compress_chunk(c, if_not_compressed => true) FROM show_chunks('analytics.{table}') c"
        )


@pytest.fixture
async def packed(timescale_url: str) -> AsyncIterator[Connection]:
    """A database with the runs of two days in compressed chunks; one of them has not ended."""
    async with await connect(timescale_url) as connection:
        for trace in range(1, TRACES + 1):
            await store(connection, _trace(trace, start_ns=START_NS + trace % 2 * DAY_NS))
        await store(connection, [make_live_step(1, trace=99, role=Role.AGENT, operation="invoke_agent")])
        await fold_all(connection)
        await _compress(connection)
        yield connection


async def test_chunks_are_compressed(packed: Connection) -> None:
    assert await read_all(packed, COMPRESSED) == [("agent_executions", 2), ("step_facts", 2)]


async def test_repeated_spans_are_stored_once(packed: Connection) -> None:
    before = await span_numbers(packed)
    for trace in range(1, TRACES + 1):
        await store(packed, _trace(trace, start_ns=START_NS + trace % 2 * DAY_NS))
    assert await span_numbers(packed) == before


async def test_late_span_changes_its_run_alone(packed: Connection) -> None:
    runs = await read_all(packed, RUNS)
    late = make_step(3, trace=4, start_ns=START_NS + 4_500_000_000, parent_span_id=(1).to_bytes(8, "big"))
    await store(packed, [late])
    await fold_all(packed)
    changed = [(old[3], new[3]) for old, new in zip(runs, await read_all(packed, RUNS), strict=True) if old != new]
    assert changed == [(2, 3)]
    await check_rollups(packed)


async def test_start_moves_to_an_earlier_compressed_day(packed: Connection) -> None:
    early = make_step(4, trace=5, start_ns=START_NS, role=Role.AGENT, operation="invoke_agent")
    moved = make_step(5, trace=5, start_ns=START_NS + DAY_NS + 5_000_002_000, parent_span_id=early.span_id)
    await store(packed, [early, moved])
    await fold_all(packed)
    runs = await read_all(packed, RUNS)
    assert len(runs) == len({(trace, start) for trace, start, *_ in runs})
    keys = "SELECT execution_id, start_time FROM analytics.execution_keys ORDER BY 1"
    assert await read_all(packed, keys) == await read_all(
        packed, "SELECT execution_id, start_time FROM analytics.agent_executions ORDER BY 1"
    )
    await check_rollups(packed)


async def test_everything_folded_again_is_the_same(packed: Connection) -> None:
    runs = await read_all(packed, RUNS)
    await packed.execute(
        "INSERT INTO analytics.dirty_traces (workspace_id, trace_id, earliest, latest, span_count)"
        " SELECT workspace_id, trace_id, earliest, latest, 1 FROM analytics.trace_windows"
    )
    await fold_all(packed)
    assert await read_all(packed, RUNS) == runs
    await _compress(packed)
    assert await read_all(packed, RUNS) == runs
    await check_rollups(packed)


async def test_silent_run_times_out(packed: Connection) -> None:
    assert await stale.time_out(packed, AT_ONCE) == 1
    assert await read_one(packed, "SELECT count(*) FROM analytics.agent_executions WHERE status = 'timeout'") == 1
    await check_rollups(packed)


async def test_change_unpacks_only_what_is_near(packed: Connection) -> None:
    """A chunk holds far more rows than TimescaleDB would unpack for one change by its default."""
    await packed.execute("SET timescaledb.max_tuples_decompressed_per_dml_transaction = 1100")
    many = [step for trace in range(1_000, 3_000) for step in _trace(trace, start_ns=START_NS + 2 * DAY_NS)]
    await store(packed, many)
    await fold_all(packed)
    await _compress(packed)
    await store(packed, [make_step(3, trace=2_500, start_ns=START_NS + 2 * DAY_NS + 2_500_500_000_000)])
    await fold_all(packed)
    assert await read_one(packed, "SELECT count(*) FROM analytics.agent_executions") == TRACES + 1 + 2_000
    await packed.execute("RESET timescaledb.max_tuples_decompressed_per_dml_transaction")


async def test_memory_of_a_process_reaches_compressed_runs(packed: Connection) -> None:
    await store(packed, _trace(50, process_key=b"p"))
    await fold_all(packed)
    await _compress(packed)
    sample = MemorySample(process_key=b"p", time_ns=START_NS + 50 * 10**9, memory_mb=128.0, is_resident=True)
    async with packed.transaction():
        await process_memory.insert_samples(packed, {process_memory.key_of(WORKSPACE, sample): sample})
    assert await process_memory.apply(packed) == 1
    assert await read_one(packed, "SELECT count(*) FROM analytics.agent_executions WHERE memory_usage_mb = 128") == 1


async def test_words_of_compressed_runs_are_read(packed: Connection) -> None:
    assert await searching.read_words(packed, rested=AT_ONCE) == TRACES + 1
    assert await searching.read_words(packed, rested=AT_ONCE) == 0


async def test_idle_trace_is_dropped(packed: Connection) -> None:
    await store(packed, [make_step(1, trace=77, operation="http", role=Role.OTHER)])
    await fold_all(packed)
    await _compress(packed)
    before = await read_one(packed, "SELECT count(*) FROM analytics.step_facts")
    assert await idle.drop(packed, AT_ONCE) == 1
    assert await read_one(packed, "SELECT count(*) FROM analytics.step_facts") == before - 1
