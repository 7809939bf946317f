"""Rollups on both engines: tables that the worker fills, or continuous aggregates; the same figures."""

import random
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from tests.rollup_sequences import run_sequence, trace
from tests.rollups import check_rollups
from tests.storing import Connection, fold_all, store

from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.retention import history
from stepwell_storage.rollups import compaction

AGGREGATES = "SELECT view_name, materialized_only FROM timescaledb_information.continuous_aggregates"
POLICIES = r"""
SELECT proc_name, config ->> 'start_offset', config ->> 'end_offset' FROM timescaledb_information.jobs
WHERE proc_name = 'policy_refresh_continuous_aggregate'
"""


@pytest.mark.parametrize("seed", range(3))
async def test_rollups_equal_the_raw_rows_on_either_engine(either: Connection, seed: int) -> None:
    await run_sequence(either, 100 + seed, runs=20)


def test_days_are_a_continuous_aggregate_in_timescaledb(timescale_url: str) -> None:
    with psycopg.connect(timescale_url) as connection:
        assert connection.execute(AGGREGATES).fetchall() == [("rollup_days", True)]
        assert connection.execute(POLICIES).fetchall() == [("policy_refresh_continuous_aggregate", "8 days", "1 day")]


async def test_old_hours_become_one_and_old_days_go_on_either_engine(either: Connection) -> None:
    rng = random.Random(5)
    await store(either, [step for number in range(1, 15) for step in trace(rng, number)])
    await fold_all(either)
    await compaction.compact(either)
    later = datetime.now(UTC) + timedelta(days=3650)
    while await compaction.sum_days(either, later):
        pass
    await history.join_hours(either, LOCAL_WORKSPACE_ID, later, lambda table, rows: None)
    await check_rollups(either)
    await history.delete_days(either, LOCAL_WORKSPACE_ID, later, lambda table, rows: None)
    for table in ("rollup_hours", "rollup_days", "rollup_complete_days"):
        cursor = await either.execute(
            psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier("analytics", table))
        )
        assert await cursor.fetchone() == (0,), table
