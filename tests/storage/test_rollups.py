"""Rollups equal what the raw rows tell, whatever came in whatever order, and whenever they were summed up."""

import json

import pytest
from tests.rollup_sequences import run_sequence
from tests.storing import Connection

from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.model import Status
from stepwell_storage.rollups import compaction
from stepwell_storage.rollups.figures import Figures, Item, Kind
from stepwell_storage.rollups.parts import dump_parts, load_parts

INSERT_DELTAS = """
INSERT INTO analytics.rollup_deltas
    (workspace_id, agent_id, bucket, environment, version, kind, item_id, item, executions)
SELECT %(workspace_id)s, 'a' || n %% 50, '2026-03-01'::timestamptz, '', '', 'execution', %(workspace_id)s, '', 1
FROM generate_series(1, %(count)s) AS n
"""


@pytest.mark.parametrize("seed", range(10))
async def test_rollups_equal_the_raw_rows_after_any_sequence(connection: Connection, seed: int) -> None:
    await run_sequence(connection, seed, runs=40)


async def test_large_backlog_is_summed_up_whatever_was_planned_before(connection: Connection) -> None:
    async def compact(count: int) -> None:
        await connection.execute(INSERT_DELTAS, {"workspace_id": LOCAL_WORKSPACE_ID, "count": count})
        assert await compaction.compact(connection) == count

    for _ in range(12):  # from then on the server keeps one plan
        await compact(1)
        await connection.execute("VACUUM (ANALYZE) analytics.rollup_deltas")
    await connection.execute("SET statement_timeout = '20s'")
    await compact(45_000)
    cursor = await connection.execute("SELECT sum(executions) FROM analytics.rollup_hours")
    assert await cursor.fetchone() == (45_012,)


OLDER = '[["step", "look\\"up", null, {"failed": 1, "duration_count": 1, "duration_ms": 2000000}, {"198": 1}]]'


def test_figures_of_steps_are_read_as_this_version_and_older_ones_wrote_them() -> None:
    figures = Figures()
    figures.take_status(Status.FAILED)
    figures.count("duration_count", 1)
    figures.count("duration_ms", 2_000_000)
    figures.durations[198] = 1
    parts = ((Item(Kind.STEP, 'look"up'), figures),)
    assert load_parts(json.loads(dump_parts(parts))) == load_parts(json.loads(OLDER)) == parts
