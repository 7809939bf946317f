"""Runs the migrations that a database lacks, by Alembic, under a lock that every Stepwell takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from stepwell_migrations import engine, runner
from stepwell_migrations.move import Report

# Any constant does, as long as every version of Stepwell takes the same one: the first bytes of "stepwell".
LOCK_KEY = 0x7374657077656C6C


def upgrade(url: str, *, may_use_timescale: bool = True, target: str = runner.HEAD) -> None:
    """`runner.migrate` for a database that is not at `runner.HEAD`; an earlier target is for tests of upgrades.

    Raises:
        MigrationError: with the mend; its subclasses tell the cause.
    """
    with _told_errors(), _connected(url) as connection, _lock(connection):
        _prepare_schema(connection)
        command.upgrade(_config(connection), target)
        if target == runner.HEAD:
            engine.settle(url, may_use_timescale=may_use_timescale)


def move_to_timescale(url: str, report: Report) -> int:
    """`engine.move_to_timescale` for a database at `runner.HEAD`, under the lock.

    Raises:
        MigrationError: with the mend; its subclasses tell the cause.
    """
    with _told_errors(), _connected(url) as connection, _lock(connection):
        return engine.move_to_timescale(url, report)


def _connected(url: str) -> Connection:
    return create_engine("postgresql+psycopg://", creator=partial(runner.connect, url), poolclass=NullPool).connect()


def _config(connection: Connection) -> Config:
    config = Config()
    # Config interpolates percent signs, which a folder's name may hold.
    config.set_main_option("script_location", str(runner.FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["schema"] = runner.SCHEMA
    config.attributes["version_table"] = runner.VERSION_TABLE
    return config


@contextmanager
def _told_errors() -> Iterator[None]:
    """SQLAlchemy wraps most of the driver's errors, but not all."""
    with runner.told_errors():
        try:
            yield
        except DBAPIError as error:
            raise runner.told(error.orig) from error


@contextmanager
def _lock(connection: Connection) -> Iterator[None]:
    """Holds the session's advisory lock; if this process dies, the server lets it go with the connection."""
    # A role's own timeouts must not cut a migration short.
    connection.execute(text("SELECT set_config('lock_timeout', :wait, false)"), {"wait": runner.LOCK_WAIT})
    connection.execute(text("SET statement_timeout = 0"))
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK_KEY})
    connection.commit()
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK_KEY})
            connection.commit()


def _prepare_schema(connection: Connection) -> None:
    """Checks again, now that nobody else migrates, and makes the schema that holds the version's table."""
    driver_connection = connection.connection.driver_connection
    assert isinstance(driver_connection, psycopg.Connection)
    runner.require_known(runner.revision(driver_connection))
    # Asked first, because CREATE SCHEMA IF NOT EXISTS needs the right to create even where the schema exists.
    if connection.scalar(text("SELECT to_regnamespace(:schema)"), {"schema": runner.SCHEMA}) is None:
        connection.execute(text(f"CREATE SCHEMA {runner.SCHEMA}"))
    connection.commit()
