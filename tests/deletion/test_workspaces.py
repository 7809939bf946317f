"""Deleting a workspace leaves nothing of it, and nothing of the others changes."""

import random

import pytest
from psycopg import sql
from tests.rollup_sequences import trace
from tests.rollups import check_rollups
from tests.storing import Connection, fold_all, store

from stepwell_storage import facts, keys
from stepwell_storage.deletion import workspaces
from stepwell_storage.errors import StorageError
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.partitions import ensure_days
from stepwell_storage.retention import passes
from stepwell_storage.rollups import compaction
from stepwell_storage.schema import metadata
from stepwell_storage.times import to_datetime

OF_WORKSPACES = [table.name for table in metadata.tables.values() if "workspace_id" in table.c]


async def rows(connection: Connection, workspace_id: object) -> dict[str, int]:
    found = {}
    for name in OF_WORKSPACES:
        query = sql.SQL("SELECT count(*) FROM analytics.{} WHERE workspace_id = %s").format(sql.Identifier(name))
        row = await (await connection.execute(query, (workspace_id,))).fetchone()
        assert row is not None
        if row[0]:
            found[name] = row[0]
    return found


async def test_nothing_is_left_of_it(connection: Connection) -> None:
    red = (await keys.create_workspace(connection, "red")).workspace_id
    await keys.create_key(connection, "red")
    rng = random.Random(1)
    sent = [step for number in range(1, 30) for step in trace(rng, number)]
    await ensure_days(connection, {to_datetime(step.start_ns).date() for step in sent[:40]})
    await store(connection, sent)
    async with connection.transaction():
        await facts.insert_facts(connection, {red: sent})
    await fold_all(connection)
    await compaction.compact(connection)
    async with connection.transaction():
        await facts.insert_facts(connection, {red: trace(rng, 77)})
    before = await rows(connection, LOCAL_WORKSPACE_ID)
    deleted = await workspaces.delete_workspace(connection, "red")
    assert deleted["agent_executions"] == 29
    assert deleted["step_facts"] > 29
    assert (await rows(connection, red)).keys() == {"retention"}
    assert await rows(connection, LOCAL_WORKSPACE_ID) == before
    await check_rollups(connection)
    # What a receiver still had in its hands is dropped by the next fold, and the rest by the next pass.
    async with connection.transaction():
        await facts.insert_facts(connection, {red: trace(rng, 78)})
    await fold_all(connection)
    await passes.make(connection, to_datetime(sent[0].start_ns))
    assert (await rows(connection, red)).keys() == {"retention"}
    assert await rows(connection, LOCAL_WORKSPACE_ID) == before


async def test_where_everything_lands_without_authentication_stays(connection: Connection) -> None:
    with pytest.raises(StorageError, match="'local' cannot be deleted"):
        await workspaces.delete_workspace(connection, "local")
    with pytest.raises(keys.UnknownWorkspaceError):
        await workspaces.delete_workspace(connection, "nobody")
