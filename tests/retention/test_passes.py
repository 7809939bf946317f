"""What retention deletes and what it leaves: rows go, rollups stay, nothing comes in again from before."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg import sql
from tests.rollup_sequences import trace
from tests.rollups import check_rollups, rollups
from tests.spans import START_NS
from tests.storing import Connection, fold_all, store

from stepwell_storage import facts, keys, stale
from stepwell_storage.commit import CommitResult, Committer
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.model import Fact, LogRecord, Step
from stepwell_storage.partitions import ensure_days
from stepwell_storage.retention import passes, policy
from stepwell_storage.retention.policy import EVERYONE, Kept, RetentionError
from stepwell_storage.rollups import compaction
from stepwell_storage.settings import Settings
from stepwell_storage.times import to_datetime

FIRST_DAY = to_datetime(START_NS).replace(hour=0, minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)
RAW = ("step_facts", "agent_executions", "live_steps", "step_logs", "execution_keys")
KEPT = "SELECT coalesce(sum(amount * CASE outcome WHEN 'stored' THEN 1 ELSE -1 END), 0) FROM analytics.ledger_entries"
KEPT += " WHERE outcome IN ('stored', 'replaced', 'dropped') AND workspace_id = %s AND signal = 'traces'"


async def count(connection: Connection, table: str, workspace_id: UUID = LOCAL_WORKSPACE_ID) -> int:
    query = sql.SQL("SELECT count(*) FROM analytics.{} WHERE workspace_id = %s").format(sql.Identifier(table))
    row = await (await connection.execute(query, (workspace_id,))).fetchone()
    assert row is not None
    return int(row[0])


async def counts(connection: Connection, workspace_id: UUID = LOCAL_WORKSPACE_ID) -> list[int]:
    return [await count(connection, table, workspace_id) for table in RAW]


async def partitions(connection: Connection) -> list[str]:
    cursor = await connection.execute(
        "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND relname LIKE 'step_facts_p%'"
        " ORDER BY relname"
    )
    return [name for (name,) in await cursor.fetchall()]


def log_of(step: Step) -> LogRecord:
    return LogRecord(trace_id=step.trace_id, span_id=step.span_id, time_ns=step.start_ns, record_key=b"1")


async def everything(connection: Connection) -> dict[str, Any]:
    """What all rollups tell, day by day."""
    return {kind: await rollups(connection, kind) for kind in ("execution", "path", "step", "failure", "timeout")}


async def fill(connection: Connection, rng: random.Random, runs: int = 40) -> list[Step]:
    """Runs over ten days, each day with a partition, all of it folded."""
    sent = [step for number in range(1, runs) for step in trace(rng, number)]
    await ensure_days(connection, {(FIRST_DAY + n * DAY).date() for n in range(12)})
    await store(connection, [*sent, *map(log_of, sent[:30])])
    await fold_all(connection)
    return sent


@pytest.mark.parametrize("seed", range(4))
async def test_rows_go_and_rollups_stay(connection: Connection, seed: int) -> None:
    """However far the sums are brought up; the days that keep their rows still equal them."""
    rng = random.Random(seed)
    await fill(connection, rng)
    now = FIRST_DAY + 10 * DAY
    if rng.random() < 0.5:
        await compaction.compact(connection)
        await compaction.sum_days(connection, now)
    before = await everything(connection)
    await policy.change(connection, EVERYONE, {Kept.RAW: 5})
    assert await passes.make(connection, now)
    assert await everything(connection) == before
    cursor = await connection.execute("SELECT min(start_time) FROM analytics.agent_executions")
    row = await cursor.fetchone()
    assert row is not None
    assert row[0] >= FIRST_DAY + 5 * DAY
    # What is left may be folded again, and summed up at any time.
    await connection.execute(
        "INSERT INTO analytics.dirty_traces (workspace_id, trace_id, earliest, latest, span_count)"
        " SELECT workspace_id, trace_id, earliest, latest, 1 FROM analytics.trace_windows"
    )
    await fold_all(connection)
    await compaction.compact(connection)
    while await compaction.sum_days(connection, now):
        pass
    assert await everything(connection) == before
    await connection.execute("DELETE FROM analytics.rollup_days WHERE bucket < %s", (FIRST_DAY + 5 * DAY,))
    await connection.execute("DELETE FROM analytics.rollup_hours WHERE bucket < %s", (FIRST_DAY + 5 * DAY,))
    await check_rollups(connection)


async def test_days_go_whole_where_nobody_keeps_them(connection: Connection) -> None:
    await fill(connection, random.Random(1))
    assert len(await partitions(connection)) == 12
    await policy.change(connection, EVERYONE, {Kept.RAW: 5})
    await passes.make(connection, FIRST_DAY + 10 * DAY)
    assert await partitions(connection) == [f"step_facts_p{FIRST_DAY + n * DAY:%Y%m%d}" for n in range(5, 12)]


async def test_rows_in_no_partition_of_their_own_go_too(connection: Connection) -> None:
    rng = random.Random(2)
    await store(connection, [step for number in range(1, 30) for step in trace(rng, number)])
    await fold_all(connection)
    await policy.change(connection, EVERYONE, {Kept.RAW: 1})
    await passes.make(connection, FIRST_DAY + 20 * DAY)
    assert await counts(connection) == [0] * len(RAW)


async def test_a_workspace_may_keep_its_rows_longer_or_shorter(connection: Connection) -> None:
    longer = (await keys.create_workspace(connection, "longer")).workspace_id
    sent = await fill(connection, random.Random(3))
    async with connection.transaction():
        await facts.insert_facts(connection, {longer: sent})
    await fold_all(connection)
    before = await counts(connection, longer)
    await policy.change(connection, EVERYONE, {Kept.RAW: 2})
    await policy.change(connection, longer, {Kept.RAW: 30})
    await passes.make(connection, FIRST_DAY + 20 * DAY)
    assert await counts(connection, longer) == before
    assert await counts(connection) == [0] * len(RAW)
    await policy.change(connection, longer, {Kept.RAW: 1})
    await passes.make(connection, FIRST_DAY + 20 * DAY)
    assert await counts(connection, longer) == [0] * len(RAW)
    assert await partitions(connection) == []


async def test_the_ledger_tells_what_is_kept(connection: Connection, settings: Settings) -> None:
    committer = Committer(settings)
    await committer.start()
    rng = random.Random(4)
    await ensure_days(connection, {(FIRST_DAY + n * DAY).date() for n in range(5)})
    for number in range(1, 30):
        await committer.submit(LOCAL_WORKSPACE_ID, trace(rng, number), 100)
    await committer.stop()
    await policy.change(connection, EVERYONE, {Kept.RAW: 6})
    await passes.make(connection, FIRST_DAY + 10 * DAY)
    stored = await count(connection, "step_facts") + await count(connection, "live_steps")
    assert stored > 0
    row = await (await connection.execute(KEPT, (LOCAL_WORKSPACE_ID,))).fetchone()
    assert row == (stored,)


async def test_late_spans_are_refused_and_make_no_second_run(connection: Connection, settings: Settings) -> None:
    """Those from before the horizon at the door; those after it of a trace that began before by the fold."""
    root, *rest = [step for step in trace(random.Random(5), 1) if not step.is_live]
    day_ns = 86_400_000_000_000
    await store(connection, [root])
    await fold_all(connection)
    before = await everything(connection)
    now = to_datetime(root.start_ns) + 3 * DAY
    await policy.change(connection, EVERYONE, {Kept.RAW: 1})
    await passes.make(connection, now)
    committer = Committer(settings)
    await committer.start()
    sent: list[Fact] = [*rest[:1], log_of(root)]
    assert await committer.submit(LOCAL_WORKSPACE_ID, sent, 100) == CommitResult(too_old=len(sent))
    later = make_later(root, day_ns * 3)
    assert await committer.submit(LOCAL_WORKSPACE_ID, [later], 100) == CommitResult(stored=1)
    await committer.stop()
    await fold_all(connection)
    assert await count(connection, "agent_executions") == 0
    assert await everything(connection) == before


def make_later(step: Step, by_ns: int) -> Step:
    end_ns = None if step.end_ns is None else step.end_ns + by_ns
    return step._replace(span_id=b"later!!!", start_ns=step.start_ns + by_ns, end_ns=end_ns)


async def test_a_pass_that_was_cut_off_is_finished_by_the_next(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(connection, random.Random(6))
    before = await everything(connection)
    await policy.change(connection, EVERYONE, {Kept.RAW: 3})
    now = FIRST_DAY + 10 * DAY
    done = 0

    class CutOffError(Exception):
        pass

    for stop_after in (1, 3, 5, 8):

        def report(_: str, __: int, last: int = stop_after) -> None:
            nonlocal done
            done += 1
            if done == last:
                raise CutOffError

        done = 0
        with pytest.raises(CutOffError):
            await passes.make(connection, now, report)
    await passes.make(connection, now)
    row = await (await connection.execute("SELECT min(start_time) FROM analytics.step_facts")).fetchone()
    assert row is not None
    assert row[0] >= FIRST_DAY + 7 * DAY
    assert await everything(connection) == before


async def test_hours_of_old_days_become_one_and_old_days_go(connection: Connection) -> None:
    await fill(connection, random.Random(7))
    now = FIRST_DAY + 20 * DAY
    await compaction.compact(connection)
    while await compaction.sum_days(connection, now):
        pass
    before = await everything(connection)
    await policy.change(connection, EVERYONE, {Kept.HOURS: 15, Kept.RAW: 15})
    await passes.make(connection, now)
    query = "SELECT count(DISTINCT bucket) FROM analytics.rollup_hours WHERE bucket >= %s AND bucket < %s"
    for n in range(5):
        start = FIRST_DAY + n * DAY
        row = await (await connection.execute(query, (start, start + DAY))).fetchone()
        assert row in [(0,), (1,)]
    assert await everything(connection) == before
    # Joined days may change like any others, and are then summed up from what they kept.
    await connection.execute("DELETE FROM analytics.rollup_complete_days")
    while await compaction.sum_days(connection, now):
        pass
    assert await everything(connection) == before
    await policy.change(connection, EVERYONE, {Kept.DAYS: 15})
    await passes.make(connection, now)
    left = {key[3] for figures in (await everything(connection)).values() for key in figures}
    assert left == {key[3] for figures in before.values() for key in figures if key[3] >= FIRST_DAY + 5 * DAY}


@pytest.mark.parametrize(
    "times",
    [
        {Kept.RAW: 5, Kept.PAYLOADS: 6},
        {Kept.HOURS: 5},
        {Kept.RAW: 9, Kept.HOURS: 8},
        {Kept.DAYS: 100},
        {Kept.PAYLOADS: -1},
        {Kept.PAYLOADS: 99_999_999},
    ],
)
async def test_times_that_break_a_rule_are_refused(connection: Connection, times: dict[Kept, int | None]) -> None:
    with pytest.raises(RetentionError):
        await policy.change(connection, EVERYONE, times)
    assert (await policy.read(connection))[0] == policy.Policy()


async def test_a_rule_that_one_workspace_would_break_is_told_with_its_name(connection: Connection) -> None:
    await policy.change(connection, LOCAL_WORKSPACE_ID, {Kept.PAYLOADS: 50})
    with pytest.raises(RetentionError, match="'local'"):
        await policy.change(connection, EVERYONE, {Kept.RAW: 30, Kept.PAYLOADS: 10})
    await policy.change(connection, LOCAL_WORKSPACE_ID, {Kept.PAYLOADS: None})
    await policy.change(connection, EVERYONE, {Kept.RAW: 30, Kept.PAYLOADS: 10})
    assert (await policy.read(connection))[1][0].policy == policy.Policy(payloads=10, raw=30)


async def test_without_times_nothing_goes(connection: Connection) -> None:
    await fill(connection, random.Random(8))
    before = await counts(connection)
    await passes.make(connection, datetime(9000, 1, 1, tzinfo=UTC))
    assert await counts(connection) == before
    assert await stale.time_out(connection, timedelta(0)) >= 0
