"""Compresses the steps of past days on native partitions, where TimescaleDB's columnstore does not.

While a day is hot its payloads stay as they are, since compressing them costs more than the rest of writing. A week
later its partition is rewritten once: a day at a time, and only days that take a second or two, because nobody can read
that day meanwhile. Larger ones are the operator's to choose a time for (``docs/storage.md``).
"""

import asyncio
import logging
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg import sql

from stepwell_storage import queries
from stepwell_storage.database import UNAVAILABLE, connect
from stepwell_storage.errors import DatabaseUnavailableError
from stepwell_storage.partitions import partition_name

log = logging.getLogger(__name__)
SQL = queries.load("packing")

EVERY_S: Final = 300.0
COLD_AFTER: Final = timedelta(days=7)
SMALLEST_BYTES: Final = 1_000_000
LARGEST_BYTES: Final = 128_000_000
PACKED: Final = "toast_tuple_target=2040"
"""As ``finish_packing`` in ``sql/packing.sql`` sets it."""
LOCK_WAIT: Final = "300ms"


async def pack_one(
    connection: psycopg.AsyncConnection[Any], today: date, *, smallest_bytes: int = SMALLEST_BYTES
) -> str | None:
    """Rewrites the oldest cold partition that is not packed yet; gives its name, ``None`` where there is none.

    The connection must not be in a transaction. A crash leaves the partition as it was, to be packed another time.

    Raises:
        psycopg.errors.LockNotAvailable: somebody uses that day just now; try again later.
    """
    bounds = {"smallest_bytes": smallest_bytes, "largest_bytes": LARGEST_BYTES}
    before = partition_name("step_facts", today - COLD_AFTER)
    cursor = await connection.execute(SQL.unpacked, {**bounds, "before": before, "packed": PACKED})
    row = await cursor.fetchone()
    if row is None:
        return None
    name = str(row[0])
    await connection.execute(SQL.bound_lock_wait, {"wait": LOCK_WAIT})
    try:
        for statement in (SQL.begin_packing, SQL.rewrite, SQL.finish_packing):
            await connection.execute(sql.SQL(statement).format(partition=sql.Identifier(name)))
    finally:
        if not connection.closed:
            await connection.execute(SQL.bound_lock_wait, {"wait": "0"})
    return name


async def keep_packing(database_url: str, *, every_s: float = EVERY_S) -> None:
    """Packs a day now and then until it is cancelled; on a connection of its own, so that no fold waits for it."""
    while True:
        try:
            async with await connect(database_url, application_name="stepwell packing") as connection:
                name = await pack_one(connection, datetime.now(UTC).date())
            if name:
                log.info("compressed the steps of a past day", extra={"partition": name})
        except psycopg.errors.LockNotAvailable:
            log.debug("a past day is in use, it is compressed another time")
        except (DatabaseUnavailableError, *UNAVAILABLE) as error:
            log.warning("database unavailable, packing waits", extra={"reason": type(error).__name__})
        except psycopg.Error:
            log.exception("packing failed, it is tried again in its turn")
        await asyncio.sleep(every_s)
