"""Connections to the database, all with the same session settings; every other module gets its connections here.

Connections are in autocommit mode, so that a transaction is always one that somebody wrote down:
``async with connection.transaction(): …``. Only those of `make_engine` follow SQLAlchemy's rules.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool

from stepwell_storage import queries
from stepwell_storage.errors import DatabaseUnavailableError, StorageError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

SQL = queries.load("sessions")

CONNECTION_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 5,
    # A database machine that vanishes without a word is noticed within a minute, not after the system's two hours.
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""libpq parameters that a URL may overrule."""

UNAVAILABLE = (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction, OSError, asyncio.TimeoutError)
"""What a database raises that is away, starting, stopping, full or a replica: the same call may succeed later."""


@contextmanager
def unavailability_told() -> Iterator[None]:
    """Raises what the driver says of a database that is away as `DatabaseUnavailableError`."""
    try:
        yield
    except UNAVAILABLE as error:
        raise DatabaseUnavailableError(f"The database is not available: {' '.join(str(error).split())}") from error


async def connect(
    url: str, *, application_name: str = "stepwell", statement_timeout_s: float = 0.0
) -> psycopg.AsyncConnection:
    """A connection in autocommit mode with our session settings; a timeout of 0 means none.

    Raises:
        DatabaseUnavailableError: the database cannot be reached.
        StorageError: the URL is none that libpq reads.
    """
    parameters = _parameters(url, application_name)
    with unavailability_told():
        connection = await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
        try:
            await _configure(connection, statement_timeout_s=statement_timeout_s)
        except BaseException:
            await connection.close()
            raise
    return connection


async def defer_durability(connection: psycopg.AsyncConnection[Any]) -> None:
    """Lets the session's commits return before they are on disk: for work alone that is found again and done again.

    A crash of the database may take the last fraction of a second of such commits, each as a whole and none before an
    earlier one. With a fold its marks come back; whatever the session had only read was durable already.
    """
    await connection.execute(SQL.defer_durability)


def make_pool(
    url: str,
    *,
    application_name: str = "stepwell",
    min_size: int = 1,
    max_size: int = 4,
    wait_s: float = 5.0,
    statement_timeout_s: float = 0.0,
) -> AsyncConnectionPool[psycopg.AsyncConnection]:
    """A pool of such connections, not opened yet: ``async with pool`` or ``await pool.open()``.

    `wait_s` bounds the wait for a free connection. Wrap uses in `unavailability_told`: the pool raises the driver's
    errors.
    """
    return AsyncConnectionPool(
        kwargs={**_parameters(url, application_name), "autocommit": True},
        configure=partial(_configure, statement_timeout_s=statement_timeout_s),
        # A connection that died with a restart of the database is replaced instead of handed out.
        check=AsyncConnectionPool.check_connection,
        min_size=min_size,
        max_size=max_size,
        timeout=wait_s,
        open=False,
    )


def make_engine(
    url: str, *, application_name: str = "stepwell api", statement_timeout_s: float = 30.0
) -> "AsyncEngine":
    """SQLAlchemy's engine over such connections, for selects that are put together at run time.

    libpq reads the URL itself, so that socket folders, several hosts and odd passwords mean what libpq says.
    A database that is away raises `DatabaseUnavailableError` on connecting.
    """
    # Only the API needs SQLAlchemy; the receiver and the worker start faster and smaller without it.
    from sqlalchemy.ext.asyncio import create_async_engine

    async def open_connection() -> psycopg.AsyncConnection:
        connection = await connect(url, application_name=application_name, statement_timeout_s=statement_timeout_s)
        await connection.set_autocommit(False)
        return connection

    return create_async_engine(
        "postgresql+psycopg://",
        async_creator=open_connection,
        pool_size=8,
        max_overflow=0,
        pool_timeout=5.0,
        pool_pre_ping=True,
        use_native_hstore=False,
    )


async def _configure(connection: psycopg.AsyncConnection, *, statement_timeout_s: float) -> None:
    await connection.execute(SQL.configure, {"statement_timeout": f"{round(statement_timeout_s * 1000)}ms"})


def _parameters(url: str, application_name: str) -> dict[str, Any]:
    try:
        told = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # Not chained: libpq's message repeats the URL, and with it the password.
        raise StorageError("The database URL is none that libpq reads (postgresql://USER@HOST:PORT/DATABASE)") from None
    return {**CONNECTION_DEFAULTS, "application_name": application_name, **told}
