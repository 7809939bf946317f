"""Payloads go before their rows: what is left says so, takes less room, and folds to the same runs."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.retention.test_passes import FIRST_DAY
from tests.rollups import check_rollups
from tests.spans import agent, chat, steps, tool
from tests.storing import Connection, fold_all, store

from stepwell_storage import searching
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.model import Checkpoint, LogRecord, Step
from stepwell_storage.partitions import ensure_days
from stepwell_storage.retention import passes, policy
from stepwell_storage.retention.policy import Kept

NOW = FIRST_DAY + timedelta(days=40)
SECRET = '{"question": "where is the xylophone?", "long": "' + "".join(chr(97 + n * n % 26) for n in range(4000)) + '"}'


def run(trace: int) -> list[Step]:
    trace_id = trace.to_bytes(16, "big")
    sent = steps(
        agent("a", "planner", for_ms=90), chat("c", (3, 4), parent="a", at_ms=2), tool("t", parent="a", at_ms=20)
    )
    saved = Checkpoint(id="1", time_ns=sent[0].start_ns, state_json=SECRET)
    sent[0] = sent[0]._replace(checkpoints=(saved,))
    return [
        step._replace(trace_id=trace_id, input_json=SECRET, output_json=SECRET, has_input=True, has_output=True)
        for step in sent
    ]


def message(step: Step) -> LogRecord:
    return LogRecord(
        trace_id=step.trace_id, span_id=step.span_id, time_ns=step.start_ns, record_key=b"1", input_json=SECRET
    )


async def one(connection: Connection, query: str) -> Any:
    row = await (await connection.execute(query)).fetchone()
    assert row is not None
    return row[0]


async def mentions(connection: Connection, table: str) -> int:
    return int(await one(connection, f"SELECT count(*) FROM analytics.{table} t WHERE t::text LIKE '%xylophone%'"))


async def runs(connection: Connection) -> list[tuple[Any, ...]]:
    columns = "execution_id, status, steps_total, path, prompt_tokens, duration_ms, step_span_ids, figures"
    cursor = await connection.execute(f"SELECT {columns} FROM analytics.agent_executions ORDER BY 1")
    return await cursor.fetchall()


@pytest.fixture
async def emptied(connection: Connection) -> list[tuple[Any, ...]]:
    """Forty runs without payloads, and what they were before."""
    await ensure_days(connection, [FIRST_DAY.date()])
    sent = [step for trace in range(1, 41) for step in run(trace)]
    await store(connection, [*sent, *[message(step) for step in sent[::3]]])
    await fold_all(connection)
    await searching.read_words(connection, rested=timedelta(0))
    before = await runs(connection)
    for table in ("step_facts", "agent_executions", "step_logs"):
        assert await mentions(connection, table) > 0
    await policy.change(connection, LOCAL_WORKSPACE_ID, {Kept.PAYLOADS: 30})
    await passes.make(connection, NOW)
    return before


async def test_nothing_of_them_is_left(connection: Connection, emptied: list[Any]) -> None:
    assert len(emptied) == 40
    for table in ("step_facts", "agent_executions", "step_logs"):
        assert await mentions(connection, table) == 0, table
    told = await one(connection, "SELECT array_agg(DISTINCT flags::text) FROM analytics.step_facts")
    assert all("payload_expired" in flags for flags in told)
    assert await one(connection, "SELECT count(*) FROM analytics.step_logs") == 40


async def test_room_comes_back(connection: Connection, emptied: list[Any]) -> None:
    name = f"analytics.step_facts_p{FIRST_DAY:%Y%m%d}"
    assert len(emptied) == 40
    assert await one(connection, f"SELECT pg_relation_size('{name}')") < 120 * 1500


async def test_runs_are_the_same_when_folded_again_and_late_payloads_go_too(
    connection: Connection, emptied: list[Any]
) -> None:
    late = run(1)[2]._replace(span_id=b"late-one", step_name="late")
    await store(connection, [late])
    await connection.execute(
        "INSERT INTO analytics.dirty_traces (workspace_id, trace_id, earliest, latest, span_count)"
        " SELECT workspace_id, trace_id, earliest, latest, 1 FROM analytics.trace_windows"
    )
    await fold_all(connection)
    after = await runs(connection)
    changed = [now for now, then in zip(after, emptied, strict=True) if now != then]
    assert [row[2] for row in changed] == [4]
    await test_nothing_of_them_is_left(connection, emptied)
    await check_rollups(connection)


async def test_the_api_says_why_there_are_none(
    api: httpx.AsyncClient, connection: Connection, emptied: list[Any]
) -> None:
    path = f"/api/v1/executions/{emptied[0][0]}"
    answer = (await api.get(path)).json()
    assert (answer["payload_expired"], answer["input_data"], answer["status"]) == (True, None, "success")
    (first, *_) = (await api.get(f"{path}/steps")).json()["items"]
    assert first["input"] is None
    assert "payload_expired" in first["flags"]


async def test_younger_payloads_stay(connection: Connection) -> None:
    await store(connection, run(1))
    await fold_all(connection)
    await policy.change(connection, LOCAL_WORKSPACE_ID, {Kept.PAYLOADS: 41})
    await passes.make(connection, NOW)
    assert await one(connection, "SELECT count(*) FROM analytics.step_facts WHERE input IS NOT NULL") == 3
