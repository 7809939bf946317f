"""Finds out which TimescaleDB a server has: none, its Apache edition, the Community edition, or one that is broken.

The licence that a server states is no proof: an installation without the Community edition's library states the same.
So the probe tries what only that edition can do, in a transaction that is rolled back.
"""

from dataclasses import dataclass
from enum import StrEnum

import psycopg
from psycopg import sql

from stepwell_migrations import statements

SQL = statements.load("edition")
OLDEST_TIMESCALEDB = (2, 19)
"""Older ones cannot change rows of compressed chunks as Stepwell needs it."""


class Kind(StrEnum):
    """What a database offers beyond PostgreSQL itself."""

    PLAIN = "plain"
    """TimescaleDB is not part of this database; the server may still have it."""
    APACHE = "apache"
    """Hypertables alone: no columnstore, no continuous aggregates, no policies."""
    COMMUNITY = "community"
    """All of it; what Stepwell makes use of."""
    OUTDATED = "outdated"
    """It is older than `OLDEST_TIMESCALEDB`."""
    BROKEN = "broken"
    """It is there but does not work; `Edition.reason` says how."""
    UNKNOWN = "unknown"
    """The role may not try it out."""


@dataclass(frozen=True, slots=True)
class Edition:
    """What the probe found."""

    kind: Kind
    version: str | None = None
    """Of the extension in this database."""
    available: str | None = None
    """What ``CREATE EXTENSION`` would bring; ``None`` where it is created already, or the server has none."""
    reason: str | None = None
    """What PostgreSQL said where it does not work."""

    @property
    def mend(self) -> str | None:
        """What to do to get the Community edition; ``None`` where it is there."""
        if self.kind is Kind.PLAIN and self.available:
            return (
                f"The server has TimescaleDB {self.available}: as a superuser run CREATE EXTENSION timescaledb; "
                "in this database (the server must have it in shared_preload_libraries)."
            )
        return _MENDS.get(self.kind)


_INSTALL = (
    "Install the Community edition of TimescaleDB on the server (its own packages; distributions often hold the "
    "Apache edition), put timescaledb into shared_preload_libraries and restart PostgreSQL"
)
_MENDS = {
    Kind.PLAIN: f"{_INSTALL}; then run CREATE EXTENSION timescaledb; in this database.",
    Kind.APACHE: f"{_INSTALL}, with timescaledb.license = 'timescale'.",
    Kind.OUTDATED: (
        f"Upgrade TimescaleDB on the server to {'.'.join(map(str, OLDEST_TIMESCALEDB))} or newer; then run "
        "ALTER EXTENSION timescaledb UPDATE; as the first statement of a session."
    ),
    Kind.BROKEN: (
        "The files of TimescaleDB on the server do not fit its settings. Either install the whole Community edition, "
        "in the version that this database has, or set timescaledb.license = 'apache' in postgresql.conf; then restart "
        "PostgreSQL."
    ),
    Kind.UNKNOWN: "Grant the role CREATE on this database, so that it can be found out.",
}


def probe(connection: psycopg.Connection) -> Edition:
    """What the database has; leaves nothing behind. The connection must not be in a transaction.

    Raises:
        psycopg.OperationalError: the connection broke.
    """
    try:
        installed = connection.execute(SQL["installed"]).fetchone()
        if installed is None:
            offered = connection.execute(SQL["available"]).fetchone()
            return Edition(Kind.PLAIN, available=offered[0] if offered else None)
    except psycopg.errors.UndefinedFile as error:
        # The library is missing: from here on, every statement of the session fails so.
        return Edition(Kind.BROKEN, reason=_said(error))
    finally:
        connection.rollback()
    version, licence, schema = installed
    if _number(version) < OLDEST_TIMESCALEDB:
        return Edition(Kind.OUTDATED, version)
    return _try_out(connection, version, licence, schema)


def _try_out(connection: psycopg.Connection, version: str, licence: str | None, schema: str) -> Edition:
    try:
        for name in ("make_room", "make_table", "make_hypertable", "make_continuous_aggregate"):
            connection.execute(sql.SQL(SQL[name]).format(extension=sql.Identifier(schema)))
    except psycopg.Error as error:
        if connection.closed:
            raise
        return verdict(version, licence, error)
    finally:
        if not connection.closed:
            connection.rollback()
    return Edition(Kind.COMMUNITY, version)


def verdict(version: str, licence: str | None, error: psycopg.Error) -> Edition:
    """What it means that this error came when the features of the Community edition were tried."""
    kind = Kind.BROKEN
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        kind = Kind.UNKNOWN
    elif isinstance(error, psycopg.errors.FeatureNotSupported) and licence == "apache":
        kind = Kind.APACHE
    return Edition(kind, version, reason=_said(error))


def create_extension(connection: psycopg.Connection) -> str | None:
    """Creates TimescaleDB in the database; gives why not where that cannot be.

    The connection may not survive: a server that has not loaded TimescaleDB's library at its start ends it.
    """
    try:
        connection.execute(SQL["create_extension"])
        connection.commit()
    except psycopg.Error as error:
        return _said(error)
    return None


def _number(version: str) -> tuple[int, ...]:
    """Major and minor of a version such as ``2.23.0-dev``."""
    return tuple(int(part) for part in version.split(".")[:2])


def _said(error: psycopg.Error) -> str:
    return " ".join((error.diag.message_primary or str(error)).split())
