"""Steps of past days are compressed once, without a change of what they say."""

import json
from datetime import date, timedelta

import psycopg
import pytest
from tests.storage.steps import DAY_NS, START_NS, make_step, read_all, read_one
from tests.storing import store

from stepwell_storage.database import connect
from stepwell_storage.packing import COLD_AFTER, pack_one
from stepwell_storage.partitions import ensure_days

DAY = date(2026, 9, 21)
PARTITION = "step_facts_p20260921"
LATER = DAY + COLD_AFTER + timedelta(days=1)
SIZE = f"SELECT pg_table_size('analytics.{PARTITION}')"
ROWS = "SELECT span_id, input::text FROM analytics.step_facts ORDER BY 1"


@pytest.fixture
async def filled(connection: psycopg.AsyncConnection) -> psycopg.AsyncConnection:
    """A day and the next one, each with steps of long inputs."""
    await ensure_days(connection, [DAY, DAY + timedelta(days=1)])
    message = json.dumps([{"role": "user", "content": f"what is {number} plus {number}?"} for number in range(90)])
    for day in range(2):
        start_ns = START_NS + day * DAY_NS
        await store(
            connection, [make_step(day * 500 + span, start_ns=start_ns, input_json=message) for span in range(300)]
        )
    return connection


async def test_cold_day_is_packed_once_and_says_the_same(filled: psycopg.AsyncConnection) -> None:
    before, rows = await read_one(filled, SIZE), await read_all(filled, ROWS)
    assert await pack_one(filled, LATER, smallest_bytes=0) == PARTITION
    assert await read_one(filled, SIZE) < before / 2
    assert await read_all(filled, ROWS) == rows
    assert await pack_one(filled, LATER, smallest_bytes=0) is None


async def test_hot_days_are_left_alone(filled: psycopg.AsyncConnection) -> None:
    assert await pack_one(filled, DAY + COLD_AFTER, smallest_bytes=0) is None


async def test_small_days_are_not_worth_it(filled: psycopg.AsyncConnection) -> None:
    assert await pack_one(filled, LATER, smallest_bytes=100_000_000) is None


async def test_day_in_use_is_packed_another_time(database_url: str, filled: psycopg.AsyncConnection) -> None:
    async with await connect(database_url) as reader, reader.transaction():
        await reader.execute(f"SELECT count(*) FROM analytics.{PARTITION}")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await pack_one(filled, LATER, smallest_bytes=0)
    assert await read_one(filled, "SHOW lock_timeout") == "0"
    assert await pack_one(filled, LATER, smallest_bytes=0) == PARTITION


async def test_packed_day_takes_late_steps_once(filled: psycopg.AsyncConnection) -> None:
    await pack_one(filled, LATER, smallest_bytes=0)
    count = await read_one(filled, "SELECT count(*) FROM analytics.step_facts")
    await store(filled, [make_step(0), make_step(299), make_step(400)])
    assert await read_one(filled, "SELECT count(*) FROM analytics.step_facts") == count + 1
