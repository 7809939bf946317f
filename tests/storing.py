"""Stores steps and log records for tests, and folds what waits, without a worker."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import psycopg

from stepwell_storage import facts, folding
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.model import Fact

Connection: TypeAlias = psycopg.AsyncConnection[Any]


async def store(connection: Connection, sent: Sequence[Fact]) -> None:
    """Commits facts of the local workspace, as a writer does."""
    async with connection.transaction():
        await facts.insert_facts(connection, {LOCAL_WORKSPACE_ID: sent})


async def fold_all(connection: Connection) -> None:
    """Folds every trace that waits."""
    for batch in folding.batches(await folding.waiting(connection)):
        await folding.fold(connection, batch)
