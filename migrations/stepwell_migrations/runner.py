"""Brings a database to this version's schema, and says clearly where that cannot be.

Used by ``stepwell migrate`` and at the start of every serving process. Imports no application code, so that a
migration keeps its meaning while the application changes; `upgrade`, `env` and `versions` are Alembic's side of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from stepwell_migrations.edition import Edition, Kind

if TYPE_CHECKING:
    from stepwell_migrations.move import Report

SCHEMA = "analytics"
VERSION_TABLE = "schema_version"
OLDEST_POSTGRESQL = 15
CONNECT_TIMEOUT_S = 10
LOCK_WAIT = "15min"

FOLDER = Path(__file__).parent
KNOWN = tuple(sorted((path.stem[1:].partition("_")[0] for path in (FOLDER / "versions").glob("r*.py")), reverse=True))
"""All revisions of this version, the newest first; a migration's file is named after its revision."""
HEAD: str = KNOWN[0]


class MigrationError(Exception):
    """The database cannot be brought to, or is not at, this version's schema; the message tells the mend."""


class DatabaseUnreachableError(MigrationError):
    """No connection to the database; trying again later may help."""


class UnsupportedDatabaseError(MigrationError):
    """This PostgreSQL is too old, or the role lacks a right that the schema needs."""


class SchemaTooOldError(MigrationError):
    """The database waits for ``stepwell migrate``."""


class MoveUnfinishedError(MigrationError):
    """The tables are on the way to hypertables; the move has to be finished before anyone can use them."""


class SchemaTooNewError(MigrationError):
    """A newer Stepwell has migrated the database; this one must not touch it."""


def migrate(url: str, *, may_use_timescale: bool = True) -> None:
    """Brings the database at the libpq URL to `HEAD`; does nothing where it is there already.

    Safe to run twice and from several machines at once: the second waits for the first. Each migration is one
    transaction, so a failure leaves the schema at the last one that succeeded. A new database gets hypertables where
    the server has TimescaleDB Community and `may_use_timescale` is not refused.

    Raises:
        MigrationError: with the mend; its subclasses tell the cause.
    """
    try:
        check(url)
    except SchemaTooOldError:
        # Alembic takes its time to load, which most starts can spare.
        from stepwell_migrations.upgrade import upgrade

        upgrade(url, may_use_timescale=may_use_timescale)


def move_to_timescale(url: str, report: "Report") -> int:
    """Brings the database to `HEAD` and all its rows into hypertables; gives the number of rows that moved.

    Goes on where an earlier move was cut off, and does nothing where it is done.

    Raises:
        MigrationError: the server has no TimescaleDB Community, or other processes use the database; the message tells
            the mend.
    """
    from stepwell_migrations import upgrade

    with suppress(MoveUnfinishedError):
        migrate(url)
    return upgrade.move_to_timescale(url, report)


def current(url: str) -> str | None:
    """The database's revision, ``None`` where Stepwell's schema is not there yet.

    Raises:
        DatabaseUnreachableError: there is no connection.
    """
    with told_errors(), connect(url) as connection:
        return revision(connection)


def check(url: str) -> None:
    """Returns where the database's schema is exactly this version's.

    Raises:
        SchemaTooOldError: ``stepwell migrate`` is due.
        SchemaTooNewError: a newer Stepwell has migrated it.
        MoveUnfinishedError: a move to TimescaleDB goes on, or was cut off.
        UnsupportedDatabaseError: the server's PostgreSQL is too old.
        DatabaseUnreachableError: there is no connection.
    """
    with told_errors(), connect(url) as connection:
        _require_supported_server(connection)
        found = revision(connection)
        require_known(found)
        is_decided = found == HEAD and _is_decided(connection)
    if not is_decided:
        raise SchemaTooOldError(
            f"The database's schema is {_version_words(found)}, this Stepwell needs version {HEAD}. "
            "Run `stepwell migrate` with the same database URL."
        )


def connect(url: str) -> psycopg.Connection:
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
def told_errors() -> Iterator[None]:
    """Raises what PostgreSQL says as a `MigrationError` that tells the mend."""
    try:
        yield
    except psycopg.Error as error:
        raise told(error) from error


def told(cause: BaseException | None) -> MigrationError:
    """The error that tells the mend of what the database answered."""
    if isinstance(cause, psycopg.errors.InsufficientPrivilege):
        return UnsupportedDatabaseError(
            f"The role lacks a right that Stepwell's schema needs: {_one_line(cause)}. As the database's owner run "
            f"GRANT CREATE ON DATABASE … TO …; and, where it exists already, ALTER SCHEMA {SCHEMA} OWNER TO …;"
        )
    if isinstance(cause, psycopg.errors.UndefinedFile):
        broken = Edition(Kind.BROKEN)
        return UnsupportedDatabaseError(f"The server's TimescaleDB does not work: {_one_line(cause)}. {broken.mend}")
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


def revision(connection: psycopg.Connection) -> str | None:
    """The same over a connection."""
    table = f"{SCHEMA}.{VERSION_TABLE}"
    found = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
    if found is None or not found[0]:
        return None
    row = connection.execute("SELECT version_num FROM analytics.schema_version").fetchone()
    return None if row is None else str(row[0])


def _is_decided(connection: psycopg.Connection) -> bool:
    """Whether the last step of migrating is done as well, which chooses the engine."""
    ((engine, is_moving),) = connection.execute("SELECT engine, moving IS NOT NULL FROM analytics.engine").fetchall()
    if is_moving:
        raise MoveUnfinishedError(
            "The database's tables are being moved to TimescaleDB, or a move was cut off. Wait for it, or run "
            "`stepwell migrate --to timescale` with the same database URL, which goes on where it stopped."
        )
    return bool(engine != "undecided")


def _require_supported_server(connection: psycopg.Connection) -> None:
    major = connection.info.server_version // 10_000
    if major < OLDEST_POSTGRESQL:
        raise UnsupportedDatabaseError(
            f"The database server is PostgreSQL {major}; Stepwell needs {OLDEST_POSTGRESQL} or newer. "
            "Upgrade the server, or run `stepwell up` without --database-url to use the embedded one."
        )


def require_known(found: str | None) -> None:
    """Raises `SchemaTooNewError` for a revision that this version does not have."""
    if found is not None and found not in KNOWN:
        raise SchemaTooNewError(
            f"The database's schema is version {found}, newer than this Stepwell knows (version {HEAD}). "
            "Upgrade Stepwell on this machine to the version that migrated the database, or use another database."
        )


def _version_words(found: str | None) -> str:
    return "missing" if found is None else f"version {found}"


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split()).rstrip(".")
