"""Workspaces and API keys: shown once, stored hashed, scoped, revoked soon."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from tests.storage.steps import read_all

from stepwell_storage import keys
from stepwell_storage.authentication import KEY, Authenticator
from stepwell_storage.database import make_pool
from stepwell_storage.errors import DatabaseUnavailableError, StorageError


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[AsyncConnectionPool[psycopg.AsyncConnection]]:
    async with make_pool(database_url) as pool:
        yield pool


async def test_workspaces_are_made_and_listed_by_name(connection: psycopg.AsyncConnection) -> None:
    made = await keys.create_workspace(connection, "acme")
    listed = await keys.list_workspaces(connection)
    assert [workspace.name for workspace in listed] == ["acme", "local"]
    assert listed[0] == made
    assert listed[1].workspace_id == keys.LOCAL_WORKSPACE_ID


async def test_credit_rate_is_unknown_until_it_is_set_and_can_be_taken_back(
    connection: psycopg.AsyncConnection,
) -> None:
    await keys.create_workspace(connection, "acme")
    for rate in (None, 100.0, 0.0, None):
        changed = await keys.set_credit_rate(connection, "acme", rate)
        assert changed.credits_per_usd == rate
        assert await keys.list_workspaces(connection) == [changed, (await keys.list_workspaces(connection))[1]]
        known = await keys.credit_rates(connection, [changed.workspace_id, keys.LOCAL_WORKSPACE_ID])
        assert known == ({} if rate is None else {changed.workspace_id: rate})


@pytest.mark.parametrize("rate", [-1.0, float("nan"), float("inf"), 1e10])
async def test_odd_credit_rate_is_refused(connection: psycopg.AsyncConnection, rate: float) -> None:
    with pytest.raises(StorageError, match="from 0 to"):
        await keys.set_credit_rate(connection, "local", rate)


async def test_credit_rate_of_an_unknown_workspace_is_refused(connection: psycopg.AsyncConnection) -> None:
    with pytest.raises(keys.UnknownWorkspaceError, match="'nobody'"):
        await keys.set_credit_rate(connection, "nobody", 1.0)


async def test_workspace_of_a_taken_name_is_refused(connection: psycopg.AsyncConnection) -> None:
    with pytest.raises(keys.WorkspaceExistsError, match="'local'"):
        await keys.create_workspace(connection, "local")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "x" * 201], ids=repr)
async def test_odd_workspace_name_is_refused(connection: psycopg.AsyncConnection, name: str) -> None:
    with pytest.raises(StorageError, match="printable"):
        await keys.create_workspace(connection, name)


async def test_key_is_stored_hashed_and_shown_once(connection: psycopg.AsyncConnection) -> None:
    issued = await keys.create_key(connection, "local", ["ingest"])
    assert KEY.fullmatch(issued.key)
    assert issued.key not in repr(issued)
    ((key_hash,),) = await read_all(connection, "SELECT key_hash FROM analytics.api_keys")
    assert key_hash == hashlib.sha256(issued.key.encode()).digest()
    assert await read_all(connection, f"SELECT 1 FROM analytics.api_keys k WHERE k::text LIKE '%{issued.key}%'") == []
    assert await keys.list_keys(connection) == [issued.api_key]
    assert issued.key.startswith(issued.api_key.key_prefix)
    assert (issued.api_key.workspace, issued.api_key.scopes) == ("local", ["ingest"])


async def test_keys_are_listed_by_workspace(connection: psycopg.AsyncConnection) -> None:
    await keys.create_workspace(connection, "acme")
    here = await keys.create_key(connection, "acme")
    there = await keys.create_key(connection, "local")
    assert await keys.list_keys(connection, "acme") == [here.api_key]
    assert await keys.list_keys(connection) == [here.api_key, there.api_key]
    assert await keys.list_keys(connection, "nobody") == []


async def test_key_for_an_unknown_workspace_or_scope_is_refused(connection: psycopg.AsyncConnection) -> None:
    with pytest.raises(keys.UnknownWorkspaceError, match="'nobody'"):
        await keys.create_key(connection, "nobody")
    for scopes in ([], ["ingest", "everything"]):
        with pytest.raises(StorageError, match="ingest, read, admin"):
            await keys.create_key(connection, "local", scopes)


async def test_revoking_keeps_the_first_moment_and_knows_no_unknown_key(connection: psycopg.AsyncConnection) -> None:
    issued = await keys.create_key(connection, "local")
    revoked = await keys.revoke_key(connection, issued.api_key.key_id)
    assert revoked.revoked_at is not None
    assert await keys.revoke_key(connection, issued.api_key.key_id) == revoked
    with pytest.raises(keys.UnknownKeyError, match="'nothing'"):
        await keys.revoke_key(connection, "nothing")


@pytest.mark.parametrize(
    ("scopes", "opens"),
    [
        (["ingest"], {"ingest"}),
        (["read"], {"read"}),
        (["ingest", "read"], {"ingest", "read"}),
        (["edit"], {"read", "edit"}),
        (["admin"], {"ingest", "read", "edit", "admin"}),
        (["operate"], {"operate"}),
    ],
    ids=lambda scopes: "-".join(sorted(scopes)),
)
async def test_key_opens_its_workspace_within_its_scopes(
    connection: psycopg.AsyncConnection,
    pool: AsyncConnectionPool[psycopg.AsyncConnection],
    scopes: list[str],
    opens: set[str],
) -> None:
    workspace = await keys.create_workspace(connection, "acme")
    issued = await keys.create_key(connection, "acme", scopes)
    authenticator = Authenticator(pool)
    answers = {scope: await authenticator.workspace_of(issued.key, scope) for scope in keys.Scope}
    assert answers == {scope: workspace.workspace_id if scope in opens else None for scope in keys.Scope}


async def test_unknown_and_malformed_keys_open_nothing(pool: AsyncConnectionPool[psycopg.AsyncConnection]) -> None:
    authenticator = Authenticator(pool)
    for key in ("", "sw_", "sw_" + "a" * 43, "sw_" + "a" * 44, "Bearer x", "sw_" + "ü" * 43, "\0", "\ud800"):
        assert await authenticator.workspace_of(key, "ingest") is None


async def test_revoked_key_is_refused_within_two_seconds(
    connection: psycopg.AsyncConnection, pool: AsyncConnectionPool[psycopg.AsyncConnection]
) -> None:
    clock = Clock()
    authenticator = Authenticator(pool, clock_s=clock)
    issued = await keys.create_key(connection, "local")
    assert await authenticator.workspace_of(issued.key, "ingest") == keys.LOCAL_WORKSPACE_ID
    await keys.revoke_key(connection, issued.api_key.key_id)
    clock.now_s += 1.9
    assert await authenticator.workspace_of(issued.key, "ingest") == keys.LOCAL_WORKSPACE_ID
    clock.now_s += 0.2
    assert await authenticator.workspace_of(issued.key, "ingest") is None


async def test_new_key_works_within_two_seconds_of_a_refusal(
    connection: psycopg.AsyncConnection, pool: AsyncConnectionPool[psycopg.AsyncConnection]
) -> None:
    clock = Clock()
    authenticator = Authenticator(pool, clock_s=clock)
    issued = await keys.create_key(connection, "local")
    await connection.execute("UPDATE analytics.api_keys SET revoked_at = now()")
    assert await authenticator.workspace_of(issued.key, "read") is None
    await connection.execute("UPDATE analytics.api_keys SET revoked_at = NULL")
    assert await authenticator.workspace_of(issued.key, "read") is None
    clock.now_s += 2.1
    assert await authenticator.workspace_of(issued.key, "read") == keys.LOCAL_WORKSPACE_ID


async def test_expired_key_is_refused_within_two_seconds(
    connection: psycopg.AsyncConnection, pool: AsyncConnectionPool[psycopg.AsyncConnection]
) -> None:
    clock = Clock()
    authenticator = Authenticator(pool, clock_s=clock)
    issued = await keys.create_key(connection, "local", expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert await authenticator.workspace_of(issued.key, "read") == keys.LOCAL_WORKSPACE_ID
    await connection.execute("UPDATE analytics.api_keys SET expires_at = now()")
    clock.now_s += 2.1
    assert await authenticator.workspace_of(issued.key, "read") is None


async def test_last_use_is_written_down_to_the_minute(
    connection: psycopg.AsyncConnection, pool: AsyncConnectionPool[psycopg.AsyncConnection]
) -> None:
    clock = Clock()
    authenticator = Authenticator(pool, clock_s=clock)
    issued = await keys.create_key(connection, "local")
    assert issued.api_key.last_used_at is None
    uses = []
    for _ in range(2):
        assert await authenticator.workspace_of(issued.key, "read") == keys.LOCAL_WORKSPACE_ID
        uses.append((await keys.list_keys(connection))[0].last_used_at)
        clock.now_s += 2.1
    assert uses[0] is not None
    assert uses == [uses[0]] * 2
    await connection.execute("UPDATE analytics.api_keys SET last_used_at = last_used_at - interval '2 minutes'")
    assert await authenticator.workspace_of(issued.key, "read") == keys.LOCAL_WORKSPACE_ID
    assert ((await keys.list_keys(connection))[0].last_used_at or uses[0]) > uses[0] - timedelta(minutes=1)


async def test_flood_of_invented_keys_does_not_push_real_ones_out(
    connection: psycopg.AsyncConnection, database_url: str
) -> None:
    issued = await keys.create_key(connection, "local")
    async with make_pool(database_url, min_size=0, wait_s=0.2) as pool:
        authenticator = Authenticator(pool, clock_s=Clock(), cached_keys=5)
        known: UUID | None = await authenticator.workspace_of(issued.key, "read")
        for number in range(20):
            assert await authenticator.workspace_of(f"sw_{number:043}", "read") is None
        await connection.execute("ALTER TABLE analytics.api_keys RENAME TO elsewhere")
        assert await authenticator.workspace_of(issued.key, "read") == known == keys.LOCAL_WORKSPACE_ID


async def test_database_that_is_away_is_no_refusal() -> None:
    async with make_pool("postgresql://127.0.0.1:1/nowhere", min_size=0, wait_s=0.2) as pool:
        with pytest.raises(DatabaseUnavailableError):
            await Authenticator(pool).workspace_of("sw_" + "a" * 43, "ingest")
