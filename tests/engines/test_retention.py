"""Retention and deletion hold on both engines: whole parts and single rows go, payloads too, rollups stay."""

import random
from datetime import timedelta

from tests.retention.test_passes import FIRST_DAY, RAW, counts, everything
from tests.rollup_sequences import trace
from tests.rollups import check_rollups
from tests.storing import Connection, fold_all, store

from stepwell_storage import facts, keys
from stepwell_storage.deletion import runs
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.retention import passes, policy
from stepwell_storage.retention.policy import EVERYONE, Kept

NOW = FIRST_DAY + timedelta(days=10)


async def fill(connection: Connection) -> None:
    rng = random.Random(11)
    await store(connection, [step for number in range(1, 25) for step in trace(rng, number)])
    await fold_all(connection)


async def test_rows_go_and_rollups_stay(either: Connection) -> None:
    await fill(either)
    before = await everything(either)
    await policy.change(either, EVERYONE, {Kept.RAW: 5, Kept.PAYLOADS: 2})
    await passes.make(either, NOW)
    assert await everything(either) == before
    for table in ("step_facts", "agent_executions"):
        row = await (await either.execute(f"SELECT min(start_time) FROM analytics.{table}")).fetchone()
        assert row is not None
        assert row[0] >= FIRST_DAY + timedelta(days=5)
    flagged = "SELECT count(*) FILTER (WHERE 'payload_expired' = ANY (flags) AND input IS NULL), count(*)"
    row = await (
        await either.execute(
            f"{flagged} FROM analytics.step_facts WHERE start_time < %s", (FIRST_DAY + timedelta(days=8),)
        )
    ).fetchone()
    assert row is not None
    assert row[0] == row[1] > 0
    await policy.change(either, EVERYONE, {Kept.RAW: 1, Kept.PAYLOADS: 1})
    await passes.make(either, NOW + timedelta(days=10))
    assert await counts(either) == [0] * len(RAW)
    assert await everything(either) == before


async def test_one_workspace_keeps_what_another_loses(either: Connection) -> None:
    longer = (await keys.create_workspace(either, "longer")).workspace_id
    rng = random.Random(12)
    sent = [step for number in range(1, 12) for step in trace(rng, number)]
    async with either.transaction():
        await facts.insert_facts(either, {longer: sent, LOCAL_WORKSPACE_ID: sent})
    await fold_all(either)
    kept = await counts(either, longer)
    await policy.change(either, LOCAL_WORKSPACE_ID, {Kept.RAW: 1})
    await passes.make(either, NOW + timedelta(days=10))
    assert await counts(either, longer) == kept
    assert await counts(either) == [0] * len(RAW)


async def test_what_is_deleted_leaves_the_figures(either: Connection) -> None:
    await fill(either)
    cursor = await either.execute("SELECT execution_id FROM analytics.agent_executions ORDER BY execution_id LIMIT 5")
    for (execution_id,) in await cursor.fetchall():
        assert await runs.delete_execution(either, LOCAL_WORKSPACE_ID, execution_id)
    await check_rollups(either)
    await runs.delete_agent(either, LOCAL_WORKSPACE_ID, "writer")
    await check_rollups(either)
