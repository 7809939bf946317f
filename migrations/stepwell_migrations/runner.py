"""Brings a database to this version's schema, and says clearly where that cannot be.

Used by ``stepwell migrate`` and at the start of every serving process. Imports no application code, so that a
migration keeps its meaning while the application changes; `env` and `versions` are Alembic's side of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

SCHEMA = "analytics"
VERSION_TABLE = "schema_version"
OLDEST_POSTGRESQL = 15
CONNECT_TIMEOUT_S = 10
LOCK_WAIT = "15min"
# Any constant does, as long as every version of Stepwell takes the same one: the first bytes of "stepwell".
LOCK_KEY = 0x7374657077656C6C


class MigrationError(Exception):
    """The database cannot be brought to, or is not at, this version's schema; the message tells the mend."""


class DatabaseUnreachableError(MigrationError):
    """No connection to the database; trying again later may help."""


class UnsupportedDatabaseError(MigrationError):
    """This PostgreSQL is too old, or the role lacks a right that the schema needs."""


class SchemaTooOldError(MigrationError):
    """The database waits for ``stepwell migrate``."""


class SchemaTooNewError(MigrationError):
    """A newer Stepwell has migrated the database; this one must not touch it."""


def _config() -> Config:
    config = Config()
    # Config interpolates percent signs, which a folder's name may hold.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["schema"] = SCHEMA
    config.attributes["version_table"] = VERSION_TABLE
    return config


def _known_revisions() -> tuple[str, ...]:
    """All revisions of this version, the newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


KNOWN = _known_revisions()
HEAD: str = KNOWN[0]


def migrate(url: str) -> None:
    """Brings the database at the libpq URL to `HEAD`; does nothing where it is there already.

    Safe to run twice and from several machines at once: the second waits for the first. Each migration is one
    transaction, so a failure leaves the schema at the last one that succeeded.

    Raises:
        MigrationError: with the mend; its subclasses tell the cause.
    """
    engine = create_engine("postgresql+psycopg://", creator=partial(_connect, url), poolclass=NullPool)
    with _told_errors(), engine.connect() as connection, _lock(connection):
        _prepare_schema(connection)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def current(url: str) -> str | None:
    """The database's revision, ``None`` where Stepwell's schema is not there yet.

    Raises:
        DatabaseUnreachableError: there is no connection.
    """
    with _told_errors(), _connect(url) as connection:
        return _revision(connection)


def check(url: str) -> None:
    """Returns where the database's schema is exactly this version's.

    Raises:
        SchemaTooOldError: ``stepwell migrate`` is due.
        SchemaTooNewError: a newer Stepwell has migrated it.
        UnsupportedDatabaseError: the server's PostgreSQL is too old.
        DatabaseUnreachableError: there is no connection.
    """
    with _told_errors(), _connect(url) as connection:
        _require_supported_server(connection)
        revision = _revision(connection)
    _require_known(revision)
    if revision != HEAD:
        raise SchemaTooOldError(
            f"The database's schema is {_version_words(revision)}, this Stepwell needs version {HEAD}. "
            "Run `stepwell migrate` with the same database URL."
        )


def _connect(url: str) -> psycopg.Connection:
    """libpq reads the URL itself, so that socket folders, several hosts and odd passwords mean what libpq says."""
    try:
        return psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S, application_name="stepwell migrate")
    except psycopg.ProgrammingError:
        # Not chained: libpq's message repeats the URL, and with it the password.
        raise DatabaseUnreachableError(
            "The database URL is none that libpq reads. Write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE, "
            "with special characters percent-encoded."
        ) from None
    except psycopg.OperationalError as error:
        raise DatabaseUnreachableError(
            f"The database cannot be reached: {_one_line(error)}. Check that it runs, the URL, and the role's rights."
        ) from error


@contextmanager
def _told_errors() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise _told(error.orig) from error
    except psycopg.Error as error:
        raise _told(error) from error


def _told(cause: BaseException | None) -> MigrationError:
    """The error that tells the mend of what the database answered."""
    if isinstance(cause, psycopg.errors.InsufficientPrivilege):
        return UnsupportedDatabaseError(
            f"The role lacks a right that Stepwell's schema needs: {_one_line(cause)}. As the database's owner run "
            f"GRANT CREATE ON DATABASE … TO …; and, where it exists already, ALTER SCHEMA {SCHEMA} OWNER TO …;"
        )
    if isinstance(cause, psycopg.errors.LockNotAvailable):
        return MigrationError(
            f"Another process has been migrating this database for more than {LOCK_WAIT}. "
            "Find it in pg_stat_activity (application_name 'stepwell migrate'), then run `stepwell migrate` again."
        )
    if isinstance(cause, psycopg.OperationalError):
        return DatabaseUnreachableError(
            f"The connection to the database broke: {_one_line(cause)}. Nothing is left half-done; try again."
        )
    return MigrationError(
        f"A migration failed and was rolled back: {_one_line(cause)}. "
        "Mend the cause, then run `stepwell migrate` again; it goes on where it stopped."
    )


@contextmanager
def _lock(connection: Connection) -> Iterator[None]:
    """Holds the session's advisory lock; if this process dies, the server lets it go with the connection."""
    # A role's own timeouts must not cut a migration short.
    connection.execute(text("SELECT set_config('lock_timeout', :wait, false)"), {"wait": LOCK_WAIT})
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
    driver_connection = connection.connection.driver_connection
    assert isinstance(driver_connection, psycopg.Connection)
    _require_supported_server(driver_connection)
    _require_known(_revision(driver_connection))
    # Asked first, because CREATE SCHEMA IF NOT EXISTS needs the right to create even where the schema exists.
    if connection.scalar(text("SELECT to_regnamespace(:schema)"), {"schema": SCHEMA}) is None:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    connection.commit()


def _revision(connection: psycopg.Connection) -> str | None:
    table = f"{SCHEMA}.{VERSION_TABLE}"
    found = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
    if found is None or not found[0]:
        return None
    row = connection.execute("SELECT version_num FROM analytics.schema_version").fetchone()
    return None if row is None else str(row[0])


def _require_supported_server(connection: psycopg.Connection) -> None:
    major = connection.info.server_version // 10_000
    if major < OLDEST_POSTGRESQL:
        raise UnsupportedDatabaseError(
            f"The database server is PostgreSQL {major}; Stepwell needs {OLDEST_POSTGRESQL} or newer. "
            "Upgrade the server, or run `stepwell up` without --database-url to use the embedded one."
        )


def _require_known(revision: str | None) -> None:
    if revision is not None and revision not in KNOWN:
        raise SchemaTooNewError(
            f"The database's schema is version {revision}, newer than this Stepwell knows (version {HEAD}). "
            "Upgrade Stepwell on this machine to the version that migrated the database, or use another database."
        )


def _version_words(revision: str | None) -> str:
    return "missing" if revision is None else f"version {revision}"


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split()).rstrip(".")
