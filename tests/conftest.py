"""Fixtures that all tests share: a real PostgreSQL for the session, and a fresh database for each test that asks."""

import os
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import conninfo, sql
from tests.lifecycle.running import FREE_PORTS, running

from stepwell_migrations import runner
from stepwell_storage.database import connect
from stepwell_storage.embedded import EmbeddedPostgres
from stepwell_storage.settings import Settings

IN_CI = os.environ.get("CI") == "true"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One embedded PostgreSQL for the whole run; without fsync, for its data is thrown away."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), fsync=False) as server:
        yield server


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database of its own without our schema."""
    with new_database(postgres.url) as url:
        yield url


@pytest.fixture(scope="session")
def _migrated_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Name of a database at the newest schema, to be copied: a copy costs a fraction of the migrations."""
    with new_database(postgres.url) as url:
        runner.migrate(url)
        yield str(conninfo.conninfo_to_dict(url)["dbname"])


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, _migrated_database: str) -> Iterator[str]:
    """A database of its own at the newest schema."""
    with new_database(postgres.url, template=_migrated_database) as url:
        yield url


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """To that database, with our session settings."""
    async with await connect(database_url) as connection:
        yield connection


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Settings on a fresh database, with free ports."""
    return Settings(database_url=database_url, port=0, otlp_http_port=0, otlp_grpc_port=0)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder that does not exist yet."""
    return tmp_path / "data"


@pytest.fixture(scope="module")
def stepwell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A whole ``stepwell up`` for a module: its addresses ``api``, ``otlp_http`` and ``otlp_grpc``."""
    folder = tmp_path_factory.mktemp("stepwell")
    with running(folder, "up", "--data-dir", folder / "data", *FREE_PORTS) as command:
        yield command.ready()


@contextmanager
def new_database(server_url: str, *, template: str = "template1") -> Iterator[str]:
    """URL of a database of its own, for as long as the block runs."""
    name = f"test_{uuid.uuid4().hex}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(create)
    try:
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(drop)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failed one: there everything that a test may miss locally is present."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself."""
    report = yield
    if IN_CI and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report
