"""Databases on both engines: native partitions in the embedded PostgreSQL, hypertables in TimescaleDB."""

import os
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from tests.conftest import new_database
from tests.storing import Connection
from tests.timescale.running import timescale

from stepwell_migrations import runner
from stepwell_storage.database import connect

NATIVE_TIMESCALE_URL = os.environ.get("STEPWELL_TEST_TIMESCALE_URL")
"""A PostgreSQL with TimescaleDB Community and a role that may create databases; storage is tested there as well."""
ENGINES = ["native", "timescale", *(["native timescale"] if NATIVE_TIMESCALE_URL else [])]


@pytest.fixture(scope="session")
def timescale_server_url() -> Iterator[str]:
    """TimescaleDB Community with one backend for everybody; see ``tests/timescale/server.mjs``."""
    with timescale() as url:
        yield url


@pytest.fixture
def empty_timescale_url(timescale_server_url: str) -> str:
    """Its database without our schema."""
    with psycopg.connect(timescale_server_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS analytics CASCADE")
    return timescale_server_url


@pytest.fixture
def timescale_url(empty_timescale_url: str) -> str:
    """Its database at the newest schema, with hypertables."""
    runner.migrate(empty_timescale_url)
    return empty_timescale_url


@pytest.fixture(params=ENGINES)
def either_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of its own at the newest schema, on each engine in turn."""
    if request.param == "native":
        yield request.getfixturevalue("database_url")
    elif request.param == "timescale":
        yield request.getfixturevalue("timescale_url")
    else:
        with new_database(str(NATIVE_TIMESCALE_URL)) as url:
            runner.migrate(url)
            yield url


@pytest.fixture
async def either(either_url: str) -> AsyncIterator[Connection]:
    """A connection to it, with our session settings."""
    async with await connect(either_url) as connection:
        yield connection
