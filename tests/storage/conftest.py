"""A connection to the test's database, with our session settings."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from stepwell_storage.database import connect


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """To a fresh database at the newest schema."""
    async with await connect(database_url) as connection:
        yield connection
