"""Decides, records and changes what stores the rows: native partitions, or TimescaleDB Community's hypertables.

A new database gets hypertables where the server offers them. One that holds data stays what it is until it is moved
on purpose. All of it happens under the lock of `runner`'s migrations.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import psycopg

from stepwell_migrations import edition, hypertables, move, runner, statements
from stepwell_migrations.edition import Edition, Kind

SQL = statements.load("engine")


class Engine(StrEnum):
    """What stores the rows; the words of the column ``engine``."""

    UNDECIDED = "undecided"
    NATIVE = "native"
    TIMESCALE = "timescale"


@dataclass(frozen=True, slots=True)
class Recorded:
    """The row of ``analytics.engine``."""

    engine: Engine
    moving: dict[str, Any] | None
    """What it takes to finish a move that has begun; ``None`` where none has."""


class EngineUnavailableError(runner.MigrationError):
    """The server does not offer what was asked for; the message tells the mend."""


class ProcessesConnectedError(runner.MigrationError):
    """A move would pull the tables away from under processes that serve."""


def recorded_engine(connection: psycopg.Connection) -> Recorded:
    """What the database says of itself; its schema must be at `runner.HEAD`."""
    ((engine, moving),) = connection.execute(SQL["read"]).fetchall()
    return Recorded(Engine(engine), moving)


def of(url: str) -> Engine:
    """What stores the rows of the database at this URL.

    Raises:
        MigrationError: it cannot be reached.
    """
    with runner.told_errors(), runner.connect(url) as connection:
        return recorded_engine(connection).engine


def find_edition(url: str, *, may_create: bool = True) -> Edition:
    """What TimescaleDB the database has; creates the extension where the server offers it and the role may."""
    with runner.connect(url) as connection:
        found = edition.probe(connection)
    if found.kind is not Kind.PLAIN or found.available is None or not may_create:
        return found
    # A connection of its own: a server that has not loaded the library at its start ends it.
    with suppress(psycopg.Error), runner.connect(url) as connection:
        refusal = edition.create_extension(connection)
        if refusal:
            return replace(found, reason=refusal)
    with runner.connect(url) as connection:
        return edition.probe(connection)


def settle(url: str, *, may_use_timescale: bool) -> None:
    """Decides where nothing is decided yet, and makes hypertables of tables that migrations have added.

    A database that holds data or that other processes use keeps its native partitions.
    """
    with runner.connect(url) as connection:
        with connection.transaction():
            now = recorded_engine(connection)
            keeps_native = not may_use_timescale or _is_in_use(connection)
        engine = now.engine
        if engine is Engine.UNDECIDED:
            engine = Engine.NATIVE if keeps_native else _best(find_edition(url))
        with connection.transaction():
            if engine is Engine.TIMESCALE and now.moving is None:
                _convert_at_once(connection)
            if engine is not now.engine:
                connection.execute(SQL["decide"], {"engine": engine})


def move_to_timescale(url: str, report: move.Report) -> int:
    """Moves all rows into hypertables and gives their number; goes on where an earlier move was cut off.

    Takes bounded transactions. While it runs, nobody can use the tables. Does nothing where it is done.

    Raises:
        EngineUnavailableError: the server has no working TimescaleDB Community.
        ProcessesConnectedError: other processes of Stepwell use the database.
    """
    found = find_edition(url)
    if found.kind is not Kind.COMMUNITY:
        raise EngineUnavailableError(_refusal(found))
    with runner.told_errors(), runner.connect(url) as connection:
        require_alone(connection)
        with connection.transaction():
            now = recorded_engine(connection)
            if now.moving is None and hypertables.lacking(connection):
                hypertables.begin(connection, hypertables.lacking(connection))
                now = recorded_engine(connection)
        rows = 0
        if now.moving is not None:
            rows = move.move_rows(connection, now.moving, report)
        with connection.transaction():
            if now.moving is not None:
                hypertables.finish(connection, now.moving)
            connection.execute(SQL["decide"], {"engine": Engine.TIMESCALE})
        hypertables.analyze(connection)
    return rows


def _is_in_use(connection: psycopg.Connection) -> bool:
    ((holds_data,),) = connection.execute(SQL["holds_data"]).fetchall()
    return holds_data or bool(connection.execute(SQL["connected"]).fetchall())


def _best(found: Edition) -> Engine:
    return Engine.TIMESCALE if found.kind is Kind.COMMUNITY else Engine.NATIVE


def _convert_at_once(connection: psycopg.Connection) -> None:
    """For tables that are new or small: one transaction, in which their rows move along."""
    tables = hypertables.lacking(connection)
    if tables:
        hypertables.begin(connection, tables)
        moving = recorded_engine(connection).moving or {}
        move.move_rows(connection, moving, lambda progress: None)
        hypertables.finish(connection, moving)


def require_alone(connection: psycopg.Connection) -> None:
    """Returns where no process of Stepwell but those that migrate is connected to the database.

    Raises:
        ProcessesConnectedError: there are some; the message names them.
    """
    with connection.transaction():
        connected = connection.execute(SQL["connected"]).fetchall()
    if connected:
        names = ", ".join(f"{name} ({count})" for name, count in connected)
        raise ProcessesConnectedError(
            f"Processes of Stepwell use this database: {names}. Stop them (`stepwell up`, `receiver`, `worker` and "
            "`api`, on every machine); senders keep what they cannot deliver for a while. Then run this again."
        )


def _refusal(found: Edition) -> str:
    has = {
        Kind.PLAIN: "The server has no TimescaleDB, or this database does not use it",
        Kind.APACHE: f"The server has TimescaleDB {found.version} in its Apache edition, which has no columnstore, no "
        "continuous aggregates and no policies",
        Kind.OUTDATED: f"The server's TimescaleDB {found.version} is too old",
        Kind.BROKEN: "The server's TimescaleDB does not work",
        Kind.UNKNOWN: "The role may not find out what the server's TimescaleDB can do",
    }[found.kind]
    said = f" ({found.reason})" if found.reason else ""
    return f"{has}{said}; nothing was changed. {found.mend}"
