"""Deleting executions and agents: their rows, logs, keys and figures go, and nothing brings them back."""

import asyncio
import random
from datetime import timedelta

import pytest
from tests.retention.test_passes import FIRST_DAY, KEPT, count, everything, log_of
from tests.rollup_sequences import trace
from tests.rollups import check_rollups
from tests.spans import Sent, agent, chat, steps, tool
from tests.storing import Connection, fold_all, store

from stepwell_storage import folding
from stepwell_storage.commit import CommitResult, Committer
from stepwell_storage.database import connect
from stepwell_storage.deletion import runs
from stepwell_storage.deletion.rows import Deleted
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.model import Step
from stepwell_storage.retention import passes, policy
from stepwell_storage.retention.policy import EVERYONE, Kept
from stepwell_storage.rollups import compaction
from stepwell_storage.settings import Settings

TABLES = ("step_facts", "agent_executions", "live_steps", "step_logs", "execution_keys", "trace_windows")
SIDE_BY_SIDE = (
    Sent("request", {"http.request.method": "GET"}, for_ms=500),
    agent("first", "planner", parent="request", at_ms=1, for_ms=100),
    chat("ask", (5, 7), parent="first", at_ms=2),
    agent("second", "writer", parent="request", at_ms=200, for_ms=100),
    tool("search", "search", parent="second", at_ms=210),
)


async def left(connection: Connection) -> list[int]:
    return [await count(connection, table) for table in TABLES]


async def ids(connection: Connection, agent_id: str | None = None) -> list[str]:
    cursor = await connection.execute(
        "SELECT execution_id FROM analytics.agent_executions WHERE agent_id = coalesce(%s, agent_id) ORDER BY 1",
        (agent_id,),
    )
    return [execution_id for (execution_id,) in await cursor.fetchall()]


async def delete(connection: Connection, execution_id: str) -> Deleted:
    deleted = await runs.delete_execution(connection, LOCAL_WORKSPACE_ID, execution_id)
    assert deleted is not None
    return deleted


async def test_the_only_run_of_a_trace_goes_with_all_of_it(connection: Connection) -> None:
    sent = [step for step in trace(random.Random(1), 1) if not step.is_live]
    await store(connection, [*sent, *map(log_of, sent)])
    await fold_all(connection)
    (execution_id,) = await ids(connection)
    deleted = await delete(connection, execution_id)
    assert (deleted.executions, deleted.steps, deleted.log_records) == (1, len(sent), len(sent))
    assert deleted.size_bytes > 100 * len(sent)
    assert await left(connection) == [0] * len(TABLES)
    assert await runs.delete_execution(connection, LOCAL_WORKSPACE_ID, execution_id) is None
    await check_rollups(connection)


@pytest.mark.parametrize("gone", ["planner", "writer"])
async def test_other_runs_of_the_trace_stay_as_they_are(connection: Connection, gone: str) -> None:
    await store(connection, steps(*SIDE_BY_SIDE))
    await fold_all(connection)
    (execution_id,) = await ids(connection, gone)
    columns = "SELECT execution_id, agent_id, status, steps_total, duration_ms, prompt_tokens, path"
    query = f"{columns} FROM analytics.agent_executions WHERE agent_id <> %s"
    before = await (await connection.execute(query, (gone,))).fetchall()
    deleted = await delete(connection, execution_id)
    assert (deleted.executions, deleted.steps) == (1, 2)
    await fold_all(connection)
    assert await (await connection.execute(query, (gone,))).fetchall() == before
    assert await count(connection, "agent_executions") == 1
    await check_rollups(connection)
    # Sent again, and a late one below: both are dropped, the sibling stays.
    late = steps(*SIDE_BY_SIDE, tool("late", "late", parent={"planner": "ask", "writer": "search"}[gone], at_ms=250))
    await store(connection, late)
    await fold_all(connection)
    assert await (await connection.execute(query, (gone,))).fetchall() == before
    assert await ids(connection, gone) == []
    assert await count(connection, "step_facts") == 3
    await check_rollups(connection)


async def test_spans_of_a_deleted_run_do_not_bring_it_back_and_are_counted(
    connection: Connection, settings: Settings
) -> None:
    sent = [step for step in trace(random.Random(2), 2) if not step.is_live]
    committer = Committer(settings)
    await committer.start()
    await committer.submit(LOCAL_WORKSPACE_ID, sent, 100)
    await fold_all(connection)
    (execution_id,) = await ids(connection)
    await delete(connection, execution_id)
    assert await committer.submit(LOCAL_WORKSPACE_ID, sent, 100) == CommitResult(stored=len(sent))
    await committer.stop()
    await fold_all(connection)
    assert await left(connection) == [0] * len(TABLES)
    assert await (await connection.execute(KEPT, (LOCAL_WORKSPACE_ID,))).fetchone() == (0,)
    dropped = "SELECT sum(amount) FROM analytics.ledger_entries WHERE outcome = 'dropped' AND reason = 'deleted'"
    assert await (await connection.execute(dropped)).fetchone() == (2 * len(sent),)


@pytest.mark.parametrize("seed", range(4))
async def test_figures_after_any_deletions_equal_the_rows_that_are_left(connection: Connection, seed: int) -> None:
    rng = random.Random(seed)
    waiting = [step for number in range(1, 30) for step in trace(rng, number)]
    rng.shuffle(waiting)
    now = FIRST_DAY + timedelta(days=20)
    while waiting:
        cut = rng.randrange(1, 40)
        sent, waiting = waiting[:cut], waiting[cut:]
        await store(connection, sent)
        if rng.random() < 0.7:
            await fold_all(connection)
        if rng.random() < 0.5:
            await compaction.compact(connection)
            await compaction.sum_days(connection, now)
        known = await ids(connection)
        for execution_id in rng.sample(known, min(len(known), 2)):
            await delete(connection, execution_id)
        await check_rollups(connection)
    await runs.delete_agent(connection, LOCAL_WORKSPACE_ID, "planner")
    await fold_all(connection)
    await runs.delete_agent(connection, LOCAL_WORKSPACE_ID, "planner")
    assert await ids(connection, "planner") == []
    await check_rollups(connection)


async def test_an_agent_goes_with_figures_of_runs_that_are_gone_already(connection: Connection) -> None:
    """Its rows were dropped by their time; the figures of all agents lose its share."""
    rng = random.Random(5)
    sent = [step for number in range(1, 40) for step in trace(rng, number)]
    await store(connection, sent)
    await fold_all(connection)
    alone = [run for run in await _runs(connection) if run[0] != "planner"]
    now = FIRST_DAY + timedelta(days=12)
    await compaction.compact(connection)
    while await compaction.sum_days(connection, now):
        pass
    await policy.change(connection, EVERYONE, {Kept.RAW: 6})
    await passes.make(connection, now)
    await runs.delete_agent(connection, LOCAL_WORKSPACE_ID, "planner")
    figures = await everything(connection)
    assert all(key[0] != "planner" for kind in figures.values() for key in kind)
    told = {key[3]: 0 for key in figures["execution"]}
    for key, values in figures["execution"].items():
        told[key[3]] += values["executions"] if key[0] == "" else 0
    expected: dict[object, int] = {}
    for _, day in alone:
        expected[day] = expected.get(day, 0) + 1
    assert told == expected


async def _runs(connection: Connection) -> list[tuple[str, object]]:
    cursor = await connection.execute(
        "SELECT agent_id, date_trunc('day', start_time, 'UTC') FROM analytics.agent_executions"
    )
    return [(agent_id, day) for agent_id, day in await cursor.fetchall()]


async def test_deleting_beside_folds_leaves_nothing_half_done(connection: Connection, database_url: str) -> None:
    """Runs are deleted while their spans come and are folded, again and again."""
    rng = random.Random(6)
    traces = [trace(rng, number) for number in range(1, 25)]
    await store(connection, [step for sent in traces for step in sent[:1]])
    await fold_all(connection)
    doomed = await ids(connection)

    async def fold_on() -> None:
        async with await connect(database_url) as folder:
            for sent in traces:
                await store(folder, sent)
                for batch in folding.batches(await folding.waiting(folder)):
                    await folding.fold(folder, batch)

    async def delete_on() -> None:
        async with await connect(database_url) as deleter:
            for execution_id in doomed:
                await runs.delete_execution(deleter, LOCAL_WORKSPACE_ID, execution_id)

    await asyncio.gather(fold_on(), delete_on())
    await fold_all(connection)
    assert not set(doomed) & set(await ids(connection))
    await check_rollups(connection)


async def test_a_deletion_that_is_cut_off_changes_nothing(connection: Connection) -> None:
    sent: list[Step] = trace(random.Random(7), 3)
    await store(connection, [step._replace(is_live=False) for step in sent])
    await fold_all(connection)
    before = await left(connection)
    (execution_id,) = await ids(connection)

    async with connection.transaction(force_rollback=True):
        await delete(connection, execution_id)
    assert await left(connection) == before
    await check_rollups(connection)
