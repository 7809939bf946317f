"""Captures whose prompts and completions came as log records: in any order and twice they give the same rows."""

import random
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from tests.captures import Capture, captures
from tests.storing import Connection, fold_all, store

from stepwell_receiver.logs import map_logs
from stepwell_receiver.mapping import map_request
from stepwell_receiver.protobuf import decode_logs, decode_traces
from stepwell_storage.model import Fact, Step

MAX_BYTES = 1024 * 1024
Rows = list[dict[str, Any]]

WITH_LOGS = [pytest.param(c, id=c.name) for c in captures("openai-v2", "agent-framework", "adk") if c.bodies("logs")]
(AGENT,) = [capture for capture in captures("openai-v2") if capture.name == "openai-v2__semconv_agent"]


def sent(capture: Capture) -> list[Fact]:
    """All steps and log records of a capture, in the order of their arrival."""
    found: list[Fact] = []
    for body in capture.bodies():
        found += map_request(decode_traces(body), max_attribute_bytes=MAX_BYTES)
    for body in capture.bodies("logs"):
        found += map_logs(decode_logs(body), max_attribute_bytes=MAX_BYTES)
    return found


async def rows_after(connection: Connection, groups: list[list[Fact]]) -> tuple[Rows, Rows]:
    """Executions and steps after storing and folding the groups one after the other, in an empty database."""
    tables = "step_facts, live_steps, step_logs, dirty_traces, trace_windows, execution_keys, agent_executions"
    for table in tables.split(", "):
        await connection.execute(psycopg.sql.SQL("TRUNCATE analytics.{}").format(psycopg.sql.Identifier(table)))
    for group in groups:
        await store(connection, group)
        await fold_all(connection)
    return (
        await _read(connection, "SELECT * FROM analytics.agent_executions ORDER BY execution_id"),
        await _read(connection, "SELECT * FROM analytics.execution_steps ORDER BY execution_id, step_index"),
    )


async def _read(connection: Connection, query: str) -> Rows:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query)
        rows = await cursor.fetchall()
    return [{k: v for k, v in row.items() if k not in ("created_at", "updated_at")} for row in rows]


async def test_model_steps_have_the_messages_of_their_logs(connection: Connection) -> None:
    runs, steps = await rows_after(connection, [sent(AGENT)])

    asked = [{"role": "system", "content": "Handle refunds"}, {"role": "user", "content": "Please refund A-17"}]
    calls = [step for step in steps if step["operation"] == "chat"]
    assert [call["input"][:2] for call in calls] == [asked] * 3
    assert [[message["role"] for message in call["input"][2:]] for call in calls] == [
        [],
        ["assistant", "tool"],
        ["assistant", "tool"] * 2,
    ]
    assert [[choice["finish_reason"] for choice in call["output"]] for call in calls] == [
        ["tool_calls"],
        ["tool_calls"],
        ["stop"],
    ]
    (run,) = runs
    assert (run["status"], run["input_data"], run["output_data"]) == ("success", asked, calls[-1]["output"])


@pytest.mark.parametrize("capture", WITH_LOGS)
async def test_logs_before_after_between_and_twice_give_the_same_rows(connection: Connection, capture: Capture) -> None:
    everything = sent(capture)
    expected = await rows_after(connection, [everything])
    assert expected[0]

    half = len(everything) // 2
    assert await rows_after(connection, [everything[::-1][:half], everything[::-1][half:]]) == expected
    for seed in range(3):
        chance = random.Random(seed)
        shuffled = [*everything, *chance.sample(everything, half)]
        chance.shuffle(shuffled)
        assert await rows_after(connection, [shuffled[at : at + 5] for at in range(0, len(shuffled), 5)]) == expected


@pytest.mark.parametrize("capture", WITH_LOGS)
async def test_logs_change_no_run_but_its_payload(connection: Connection, capture: Capture) -> None:
    without, _ = await rows_after(connection, [[fact for fact in sent(capture) if isinstance(fact, Step)]])
    told, _ = await rows_after(connection, [sent(capture)])

    for row in (*without, *told):
        del row["input_data"], row["output_data"]
    assert told == without
