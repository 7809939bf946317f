"""Connections: the same settings everywhere, and failures under our own name."""

from collections.abc import Awaitable, Callable

import psycopg
import pytest
from sqlalchemy import text

from stepwell_storage.database import connect, defer_durability, make_engine, make_pool, unavailability_told
from stepwell_storage.errors import DatabaseUnavailableError, StorageError

AWAY = "postgresql://someone:secret@127.0.0.1:1/nowhere"
SETTINGS = (
    "SELECT current_setting('jit'), current_setting('TimeZone'), current_setting('application_name'),"
    " current_setting('statement_timeout')"
)


async def _of_connection(url: str) -> tuple[str, ...]:
    async with await connect(url, application_name="test", statement_timeout_s=1.5) as connection:
        row = await (await connection.execute(SETTINGS)).fetchone()
    assert row is not None
    return row


async def _of_pool(url: str) -> tuple[str, ...]:
    async with (
        make_pool(url, application_name="test", statement_timeout_s=1.5) as pool,
        pool.connection() as connection,
    ):
        row = await (await connection.execute(SETTINGS)).fetchone()
    assert row is not None
    return row


async def _of_engine(url: str) -> tuple[str, ...]:
    engine = make_engine(url, application_name="test", statement_timeout_s=1.5)
    async with engine.connect() as connection:
        row = (await connection.execute(text(SETTINGS))).one()
    await engine.dispose()
    return tuple(row)


@pytest.mark.parametrize("settings_of", [_of_connection, _of_pool, _of_engine])
async def test_sessions_have_our_settings(
    database_url: str, settings_of: Callable[[str], Awaitable[tuple[str, ...]]]
) -> None:
    assert await settings_of(database_url) == ("off", "UTC", "test", "1500ms")


async def test_commits_wait_for_the_disk_unless_a_session_is_told_otherwise(
    database_url: str, connection: psycopg.AsyncConnection
) -> None:
    async with await connect(database_url) as folding:
        await defer_durability(folding)
        waits = [await (await one.execute("SHOW synchronous_commit")).fetchone() for one in (folding, connection)]

    assert waits == [("off",), ("on",)]


async def test_transactions_are_explicit(connection: psycopg.AsyncConnection) -> None:
    await connection.execute("SELECT 1")
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


async def test_engine_commits_as_sqlalchemy_does(database_url: str, connection: psycopg.AsyncConnection) -> None:
    engine = make_engine(database_url)
    insert = text("INSERT INTO analytics.workspaces (workspace_id, name) VALUES (gen_random_uuid(), :name)")
    async with engine.begin() as begun:
        await begun.execute(insert, {"name": "kept"})
    async with engine.connect() as begun:
        await begun.execute(insert, {"name": "rolled back"})
    await engine.dispose()
    names = await (await connection.execute("SELECT name FROM analytics.workspaces ORDER BY name")).fetchall()
    assert names == [("kept",), ("local",)]


async def test_database_that_is_away_is_told_without_the_password() -> None:
    with pytest.raises(DatabaseUnavailableError, match="not available") as told:
        await connect(AWAY)
    assert "secret" not in str(told.value)
    engine = make_engine(AWAY)
    with pytest.raises(DatabaseUnavailableError):
        await engine.connect().start()
    pool = make_pool(AWAY, min_size=0, wait_s=0.2)
    with pytest.raises(DatabaseUnavailableError), unavailability_told():
        async with pool, pool.connection():
            pass


async def test_url_that_is_none_is_told_without_the_password() -> None:
    with pytest.raises(StorageError, match="none that libpq reads") as told:
        await connect("postgresql+psycopg://someone:secret@localhost/x")
    assert "secret" not in str(told.value)


async def test_url_may_overrule_the_defaults(database_url: str) -> None:
    async with await connect(f"{database_url}&application_name=theirs&connect_timeout=9") as connection:
        parameters = connection.info.get_parameters()
    assert (parameters["application_name"], parameters["connect_timeout"]) == ("theirs", "9")


async def test_pool_replaces_a_connection_that_the_server_ended(
    database_url: str, connection: psycopg.AsyncConnection
) -> None:
    async with make_pool(database_url, max_size=1) as pool:
        async with pool.connection() as pooled:
            ended = pooled.info.backend_pid
        await connection.execute("SELECT pg_terminate_backend(%s, 5000)", (ended,))
        async with pool.connection() as pooled:
            assert pooled.info.backend_pid != ended
