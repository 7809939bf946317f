"""Partitions by UTC day: made ahead, made on demand, and never for days far away."""

import asyncio
import contextlib
from datetime import UTC, date, datetime, timedelta

import psycopg
from tests.storage.steps import DAY_NS, START_DAY, START_NS, WORKSPACE, make_step, read_all, read_one

from stepwell_storage.database import connect
from stepwell_storage.facts import insert_facts
from stepwell_storage.model import Step
from stepwell_storage.partitions import KnownDays, ensure_ahead, ensure_days

DAY = date(2026, 9, 21)
PLACES = "SELECT tableoid::regclass::text, count(*) FROM analytics.step_facts GROUP BY 1 ORDER BY 1"
PARTITIONS = """
SELECT c.relname, c.reloptions
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
WHERE p.relname = %s ORDER BY 1
"""


async def _store(connection: psycopg.AsyncConnection, *starts_ns: int) -> None:
    steps = [make_step(number, start_ns=start_ns) for number, start_ns in enumerate(starts_ns, start=1)]
    async with connection.transaction():
        await insert_facts(connection, {WORKSPACE: steps})


async def _partitions(connection: psycopg.AsyncConnection, table: str) -> dict[str, list[str] | None]:
    """The partitions' options by their names."""
    return dict(await (await connection.execute(PARTITIONS, (table,))).fetchall())


def _clock_ns() -> int:
    return START_NS


async def test_days_around_today_are_made_ahead(connection: psycopg.AsyncConnection) -> None:
    await ensure_ahead(connection, datetime(2026, 9, 21, 23, 30, tzinfo=UTC))
    days = ("default", "p20260920", "p20260921", "p20260922", "p20260923")
    for table in ("step_facts", "agent_executions"):
        assert list(await _partitions(connection, table)) == [f"{table}_{day}" for day in days]


async def test_today_is_the_day_in_utc(connection: psycopg.AsyncConnection) -> None:
    east = timedelta(hours=9)
    local = datetime(2026, 9, 22, 1, 0, tzinfo=UTC) - east
    await ensure_ahead(connection, local.astimezone())
    assert "step_facts_p20260920" in await _partitions(connection, "step_facts")
    assert "step_facts_p20260924" not in await _partitions(connection, "step_facts")


async def test_partitions_bound_whole_utc_days_and_keep_payloads_inline(connection: psycopg.AsyncConnection) -> None:
    await ensure_days(connection, [DAY])
    bound = await read_one(
        connection,
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'step_facts_p20260921'",
    )
    assert bound == "FOR VALUES FROM ('2026-09-21 00:00:00+00') TO ('2026-09-22 00:00:00+00')"
    inline = ["toast_tuple_target=8160"]
    assert await _partitions(connection, "step_facts") == {"step_facts_default": inline, "step_facts_p20260921": inline}


async def test_partition_has_the_indexes_of_its_parent(connection: psycopg.AsyncConnection) -> None:
    await ensure_days(connection, [DAY])
    for table in ("step_facts", "agent_executions"):
        unattached = await read_one(
            connection,
            "SELECT count(*) FROM pg_index child WHERE NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = indexrelid)"
            f" AND indrelid = 'analytics.{table}_p20260921'::regclass",
        )
        indexes = "SELECT count(*) FROM pg_index WHERE indrelid = 'analytics.{}'::regclass"
        of_parent = await read_one(connection, indexes.format(table))
        assert await read_one(connection, indexes.format(f"{table}_p20260921")) == of_parent
        assert unattached == 0


async def test_rows_of_the_day_move_out_of_the_default_partition(connection: psycopg.AsyncConnection) -> None:
    midnight_ns = START_NS // DAY_NS * DAY_NS
    await _store(connection, midnight_ns - 1000, midnight_ns, midnight_ns + DAY_NS - 1000, midnight_ns + DAY_NS)
    assert await read_all(connection, PLACES) == [("analytics.step_facts_default", 4)]
    await ensure_days(connection, [DAY])
    assert await read_all(connection, PLACES) == [
        ("analytics.step_facts_default", 2),
        ("analytics.step_facts_p20260921", 2),
    ]


async def test_making_days_again_changes_nothing(connection: psycopg.AsyncConnection) -> None:
    await ensure_days(connection, [DAY, DAY])
    await _store(connection, START_NS)
    await ensure_days(connection, [DAY])
    assert await read_all(connection, PLACES) == [(f"analytics.step_facts_p{START_DAY}", 1)]


async def test_many_makers_and_writers_at_once_get_along(database_url: str) -> None:
    days = [DAY + timedelta(days=n) for n in range(6)]

    async def make(order: list[date]) -> None:
        async with await connect(database_url) as own:
            await ensure_days(own, order)

    async def store(own: psycopg.AsyncConnection, step: Step) -> None:
        async with asyncio.timeout(30):
            while True:
                # Whom a new partition overtakes on the way to the default one tries again, as the group commit does.
                with contextlib.suppress(psycopg.errors.CheckViolation):
                    async with own.transaction():
                        await insert_facts(own, {WORKSPACE: [step]})
                    return

    async def write(trace: int) -> None:
        async with await connect(database_url) as own:
            for number in range(30):
                await store(own, make_step(number, trace=trace, start_ns=START_NS + number % 8 * DAY_NS))

    await asyncio.gather(make(days), write(1), make(days[::-1]), write(2), make(days[3:]), write(3))
    async with await connect(database_url) as connection:
        places = dict(await read_all(connection, PLACES))
        assert len(await _partitions(connection, "step_facts")) == 7
    assert sum(places.values()) == 90
    # Days 6 and 7 of the eight have no partition; all others' rows are where they belong.
    assert places["analytics.step_facts_default"] == sum(number % 8 in (6, 7) for number in range(30)) * 3


async def test_known_days_are_made_on_demand_within_bounds(connection: psycopg.AsyncConnection) -> None:
    days = KnownDays(clock_ns=_clock_ns)
    far = [0, START_NS - 401 * DAY_NS, START_NS + 3 * DAY_NS, 2**64 - 1]
    near = [START_NS, START_NS - 400 * DAY_NS, START_NS + 2 * DAY_NS]
    await days.ensure(connection, [*far, *near])
    assert list(await _partitions(connection, "step_facts")) == [
        "step_facts_default",
        "step_facts_p20250817",
        "step_facts_p20260921",
        "step_facts_p20260923",
    ]


async def test_long_reader_of_the_default_partition_only_postpones(
    database_url: str, connection: psycopg.AsyncConnection
) -> None:
    """Waiting in line would hold up every other reader and writer behind us."""
    now_ns = START_NS
    days = KnownDays(clock_ns=lambda: now_ns)
    async with await connect(database_url) as reader:
        async with reader.transaction():
            await reader.execute("SELECT count(*) FROM analytics.step_facts_default")
            await days.ensure(connection, [START_NS])
            await _store(connection, START_NS)
        assert await read_all(connection, PLACES) == [("analytics.step_facts_default", 1)]
        await days.ensure(connection, [START_NS])
        assert list(await _partitions(connection, "step_facts")) == ["step_facts_default"]
        now_ns += 60 * 1_000_000_000
        await days.ensure(connection, [START_NS])
    assert await read_all(connection, PLACES) == [(f"analytics.step_facts_p{START_DAY}", 1)]
