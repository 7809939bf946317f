"""The way back is a backup: what ``pg_dump`` took is what ``pg_restore`` brings, at the schema that it had."""

import random
import subprocess
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from tests.conftest import new_database
from tests.rollup_sequences import trace
from tests.rollups import check_rollups
from tests.storing import Connection, fold_all, store

from stepwell_migrations import runner
from stepwell_migrations.upgrade import upgrade
from stepwell_storage.database import connect
from stepwell_storage.embedded import EmbeddedPostgres
from stepwell_storage.embedded.binaries import find_bin_dir
from stepwell_storage.rollups import compaction

BIN = find_bin_dir(None)
TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'analytics'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname
"""


def dump(url: str, file: Path) -> None:
    """As docs/storage.md tells to."""
    subprocess.run([BIN / "pg_dump", "--format=custom", f"--file={file}", url], check=True)


def restore(url: str, file: Path) -> None:
    """Into an empty database."""
    subprocess.run([BIN / "pg_restore", f"--dbname={url}", file], check=True)


def contents(url: str) -> dict[str, list[Any]]:
    """Every row of every table, in no order of their own."""
    with psycopg.connect(url) as connection:
        names = [name for (name,) in connection.execute(TABLES)]
        return {
            name: sorted(
                row
                for (row,) in connection.execute(
                    sql.SQL("SELECT row_to_json(t)::text FROM {} t").format(sql.Identifier("analytics", name))
                )
            )
            for name in names
        }


async def _fill(connection: Connection) -> None:
    rng = random.Random(8)
    await store(connection, [step for number in range(1, 20) for step in trace(rng, number)])
    await fold_all(connection)
    await compaction.compact(connection)
    await store(connection, trace(rng, 20))


async def test_restored_backup_holds_every_row_and_goes_on(
    postgres: EmbeddedPostgres, database_url: str, connection: Connection, tmp_path: Path
) -> None:
    await _fill(connection)
    dump(database_url, tmp_path / "stepwell.dump")
    with new_database(postgres.url) as restored_url:
        restore(restored_url, tmp_path / "stepwell.dump")
        runner.check(restored_url)
        assert contents(restored_url) == contents(database_url)
        async with await connect(restored_url) as restored:
            await fold_all(restored)  # the trace that was not folded yet when the backup was taken
            await check_rollups(restored)


def test_backup_leads_back_from_a_newer_schema(
    postgres: EmbeddedPostgres, empty_database_url: str, tmp_path: Path
) -> None:
    upgrade(empty_database_url, target=runner.KNOWN[-1])
    before = contents(empty_database_url)
    dump(empty_database_url, tmp_path / "before.dump")
    runner.migrate(empty_database_url)
    with new_database(postgres.url) as restored_url:
        restore(restored_url, tmp_path / "before.dump")
        assert runner.current(restored_url) == runner.KNOWN[-1]
        assert contents(restored_url) == before
