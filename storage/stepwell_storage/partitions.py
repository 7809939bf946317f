"""Native partitions by UTC day, made ahead by the worker and on demand by whoever writes steps of another day.

Rows of a day without a partition go to the default partition and move when the day gets one. Days far away get none:
a clock that is decades off would otherwise make a partition for each of its spans. On hypertables there is nothing to
do: TimescaleDB makes their chunks as rows come.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import psycopg
from psycopg import sql

from stepwell_storage import queries
from stepwell_storage.errors import DatabaseUnavailableError

SQL = queries.load("partitions")

TABLES = ("step_facts", "agent_executions")
DAYS_BACK = 400
DAYS_AHEAD = 2
NS_PER_DAY = 86_400 * 1_000_000_000
EPOCH = date(1970, 1, 1)

# Any constant does, as long as all processes take the same one.
TURN_KEY = 0x7374657077706172
TURN_WAIT = "5s"
LOCK_WAIT = "300ms"
ATTEMPTS = 8
PAUSE_S = 0.05
POSTPONE_S = 10.0


def partition_name(table: str, day: date) -> str:
    """Such as ``step_facts_p20261122``."""
    return f"{table}_p{day:%Y%m%d}"


async def ensure_ahead(connection: psycopg.AsyncConnection, now: datetime) -> None:
    """Makes the partitions from yesterday to `DAYS_AHEAD` days ahead; the worker calls it every now and then.

    Raises:
        DatabaseUnavailableError: a long statement holds the default partition; call again later.
    """
    today = now.astimezone(UTC).date()
    await ensure_days(connection, [today + timedelta(days=days) for days in range(-1, DAYS_AHEAD + 1)])


async def ensure_days(connection: psycopg.AsyncConnection, days: Iterable[date]) -> None:
    """Makes the partitions of these days in all `TABLES`, whatever days they are, and moves their rows there.

    Each partition is a short transaction of its own, so the connection must not be in one. Safe from many processes
    at once and beside writers.

    Raises:
        DatabaseUnavailableError: the locks were not to be had; the days' rows stay in the default partition for now.
    """
    wanted = {partition_name(table, day): (table, day) for day in days for table in TABLES}
    for name in await _missing(connection, {name: table for name, (table, _) in wanted.items()}):
        await _create_patiently(connection, *wanted[name])


async def _missing(connection: psycopg.AsyncConnection, parents: Mapping[str, str]) -> list[str]:
    """Those that are not there of these partitions, given by name with their tables."""
    cursor = await connection.execute(SQL.missing, {"names": list(parents), "parents": list(parents.values())})
    return [name for (name,) in await cursor.fetchall()]


async def _create_patiently(connection: psycopg.AsyncConnection, table: str, day: date) -> None:
    """Rather asks for the locks again and again than waits in line, where it would hold up everyone behind it."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await _create(connection, table, day)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            if attempt == ATTEMPTS:
                raise DatabaseUnavailableError(f"The partition of {table} for {day} had to wait for a lock") from error
        await asyncio.sleep(random.uniform(0.5, 1.5) * PAUSE_S * attempt)  # noqa: S311 - spreads the processes


async def _create(connection: psycopg.AsyncConnection, table: str, day: date) -> None:
    name = partition_name(table, day)
    places = {
        "parent": sql.Identifier(table),
        "default": sql.Identifier(f"{table}_default"),
        "partition": sql.Identifier(name),
        "day_start": sql.Literal(f"{day} 00:00:00+00"),
        "day_end": sql.Literal(f"{day + timedelta(days=1)} 00:00:00+00"),
    }
    create = {
        "step_facts": (SQL.create_step_facts, SQL.omit_payload_statistics),
        "agent_executions": (SQL.create_agent_executions,),
    }[table]
    async with connection.transaction():
        await connection.execute(SQL.take_turn, {"turn_wait": TURN_WAIT, "key": TURN_KEY})
        if not await _missing(connection, {name: table}):
            return
        await connection.execute(SQL.bound_lock_wait, {"wait": LOCK_WAIT})
        for statement in (*create, SQL.lock_default, SQL.move_rows, SQL.attach):
            await connection.execute(sql.SQL(statement).format(**places))


@dataclass(slots=True)
class KnownDays:
    """The days that are known to have partitions, so that a process asks the database once for each."""

    clock_ns: Callable[[], int] = time.time_ns
    _known: set[int] = field(default_factory=set)
    _postponed_until_ns: dict[int, int] = field(default_factory=dict)

    async def ensure(self, connection: psycopg.AsyncConnection, start_times_ns: Iterable[int]) -> None:
        """Makes the partitions of these times as far as they lie between `DAYS_BACK` and `DAYS_AHEAD`.

        Where a partition cannot be made just now, the rows go to the default partition, and it is tried again after
        `POSTPONE_S`.
        """
        now_ns = self.clock_ns()
        new = {time_ns // NS_PER_DAY for time_ns in start_times_ns} - self._known
        due = [day for day in sorted(new) if self._is_due(day, now_ns)]
        if not due:
            return
        try:
            await ensure_days(connection, [EPOCH + timedelta(days=day) for day in due])
        except DatabaseUnavailableError:
            until_ns = now_ns + round(POSTPONE_S * 1e9)
            self._postponed_until_ns.update(dict.fromkeys(due, until_ns))
        else:
            self._known.update(due)
            for day in due:
                self._postponed_until_ns.pop(day, None)

    def _is_due(self, day: int, now_ns: int) -> bool:
        today = now_ns // NS_PER_DAY
        is_near = today - DAYS_BACK <= day <= today + DAYS_AHEAD
        return is_near and self._postponed_until_ns.get(day, 0) <= now_ns
