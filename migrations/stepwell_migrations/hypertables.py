"""What differs between the engines: which tables are hypertables on TimescaleDB Community, and how a table becomes one.

The one place with statements that only one engine understands. A table becomes a hypertable in three steps: `begin`
puts an empty hypertable beside it and takes its name away, `move` carries the rows over, `finish` gives the name to the
hypertable. A table without rows needs only the first and the last, in one transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from stepwell_migrations import statements

SQL = statements.load("hypertables")
ENGINE_SQL = statements.load("engine")

LOCK_WAIT: Final = "10s"
COMPRESS_AFTER: Final = "7 days"
"""Age of a chunk's youngest row from which on it is stored by columns."""


@dataclass(frozen=True, slots=True)
class Hypertable:
    """A table that is a hypertable on TimescaleDB Community."""

    name: str
    time_column: str
    chunk: str
    """The time that a chunk spans, as PostgreSQL writes an interval."""
    segment_by: str
    """Columns of rows that are stored together; few values each, so never ids."""
    order_by: str
    compress_after: str = COMPRESS_AFTER
    toast_tuple_target: int | None = None
    """Rows up to this many bytes stay whole; ``None`` for PostgreSQL's own bound."""

    @property
    def old(self) -> str:
        """What the table is called while its rows move away."""
        return f"{self.name}_native"

    @property
    def new(self) -> str:
        """What the hypertable is called while the rows come in."""
        return f"{self.name}_hyper"


TABLES: Final = (
    Hypertable("step_facts", "start_time", "1 day", "workspace_id", "start_time", toast_tuple_target=8160),
    Hypertable("agent_executions", "start_time", "1 day", "workspace_id, agent_id", "start_time"),
    Hypertable("rollup_hours", "bucket", "30 days", "workspace_id, agent_id, kind", "bucket", compress_after="60 days"),
)
"""If you change this, also look at `stepwell_storage.partitions.TABLES`, which makes the native partitions of some."""

DAYS: Final = "rollup_days"
"""A table that the worker fills, which is a continuous aggregate of ``rollup_hours`` where that is a hypertable."""

Grants = Sequence[tuple[str, str, bool]]


def lacking(connection: psycopg.Connection) -> list[Hypertable]:
    """The tables of `TABLES` that are there and no hypertables yet; TimescaleDB has to be created."""
    rows = connection.execute(SQL["tables"], {"names": [table.name for table in TABLES]}).fetchall()
    native = {name for name, is_hypertable in rows if not is_hypertable}
    return [table for table in TABLES if table.name in native]


def begin(connection: psycopg.Connection, tables: Iterable[Hypertable]) -> None:
    """Takes the tables' names away and makes empty hypertables, in the caller's transaction.

    Nobody can read or write these tables from its commit on until `finish`. Our views, which would keep the old tables
    in use, are dropped; their definitions are kept in ``analytics.engine``.

    Raises:
        psycopg.errors.LockNotAvailable: somebody uses the tables.
    """
    connection.execute(SQL["bound_lock_wait"], {"wait": LOCK_WAIT})
    chosen = list(tables)
    for table in chosen:
        run(connection, "lock", table=table.name)
    views = connection.execute(SQL["views"]).fetchall()
    for name, *_ in reversed(views):
        run(connection, "drop_view", view=name)
    for table in chosen:
        _put_beside(connection, table)
    moving = {"tables": [table.name for table in chosen], "views": views}
    connection.execute(ENGINE_SQL["begin_move"], {"moving": Jsonb(moving)})


def finish(connection: psycopg.Connection, moving: dict[str, Any]) -> None:
    """Gives the hypertables their tables' names and brings the views back, in the caller's transaction.

    Raises:
        RowsLeftError: an old table still holds rows.
    """
    connection.execute(SQL["bound_lock_wait"], {"wait": LOCK_WAIT})
    for table in TABLES:
        if table.name in moving["tables"]:
            _put_in_place(connection, table)
    if connection.execute(SQL["is_table"], {"name": DAYS}).fetchone() == (True,):
        _aggregate_days(connection)
    connection.execute(ENGINE_SQL["end_move"])
    for name, definition, comment, owner, grants in moving["views"]:
        run(connection, "create_view", view=name, definition=sql.SQL(definition.rstrip().removesuffix(";")))
        if comment:
            run(connection, "comment_on_view", view=name, comment=sql.Literal(comment))
        _give_rights(connection, name, owner, grants)


def analyze(connection: psycopg.Connection) -> None:
    """Gathers the statistics of all `TABLES`, which chunks without any would lack for a while."""
    with connection.transaction():
        for table in TABLES:
            run(connection, "analyze", table=table.name)


class RowsLeftError(Exception):
    """A table cannot be replaced by its hypertable while it holds rows."""


def _put_beside(connection: psycopg.Connection, table: Hypertable) -> None:
    place = {"table": f"analytics.{table.name}"}
    owner, grants = connection.execute(SQL["owner_and_grants"], place).fetchone() or ("", ())
    indexes = connection.execute(SQL["indexes"], place).fetchall()
    run(connection, "rename_table", table=table.name, other_name=table.old)
    for name, *_ in indexes:
        run(connection, "rename_index", table=name, other_name=f"{name}_native")
    run(connection, "create_like", new=table.new, old=table.old)
    if table.toast_tuple_target:
        run(connection, "set_storage", new=table.new, toast_tuple_target=sql.Literal(table.toast_tuple_target))
    run(
        connection,
        "create_hypertable",
        extension=_extension_schema(connection),
        new=sql.Literal(f"analytics.{table.new}"),
        time_column=sql.Literal(table.time_column),
        chunk=sql.Literal(table.chunk),
    )
    for name, columns, is_unique, is_primary in indexes:
        kind = "add_primary_key" if is_primary else "create_unique_index" if is_unique else "create_index"
        # A primary key is written without the access method that the definition starts with.
        told = columns.removeprefix("btree ") if is_primary else columns
        run(connection, kind, table=table.new, index=name, columns=sql.SQL(told))
    _give_rights(connection, table.new, owner, grants)


def _put_in_place(connection: psycopg.Connection, table: Hypertable) -> None:
    run(connection, "lock", table=table.old)
    if run(connection, "is_empty", table=table.old).fetchone() != (True,):
        raise RowsLeftError(table.name)
    run(connection, "drop_table", table=table.old)
    run(connection, "rename_table", table=table.new, other_name=table.name)
    run(
        connection,
        "enable_columnstore",
        table=table.name,
        segment_by=sql.Literal(table.segment_by),
        order_by=sql.Literal(table.order_by),
    )
    run(
        connection,
        "add_columnstore_policy",
        extension=_extension_schema(connection),
        qualified=sql.Literal(f"analytics.{table.name}"),
        compress_after=sql.Literal(table.compress_after),
    )


def _aggregate_days(connection: psycopg.Connection) -> None:
    """Puts the continuous aggregate in the place of the table, whose sums it will hold again."""
    extension = _extension_schema(connection)
    owner, grants = connection.execute(SQL["owner_and_grants"], {"table": f"analytics.{DAYS}"}).fetchone() or ("", ())
    run(connection, "drop_table", table=DAYS)
    run(connection, "aggregate_days", extension=extension)
    for name in ("index_days", "index_kinds", "forget_complete_days"):
        run(connection, name)
    _give_rights(connection, DAYS, owner, grants)
    run(connection, "add_refresh_policy", extension=extension)


def _give_rights(connection: psycopg.Connection, relation: str, owner: str, grants: Grants) -> None:
    run(connection, "own", table=relation, owner=owner)
    for privilege, grantee, may_pass_on in grants:
        to = sql.SQL("PUBLIC") if grantee == "public" else sql.Identifier(grantee)
        name = "grant_with_option" if may_pass_on else "grant"
        run(connection, name, table=relation, privilege=sql.SQL(privilege), grantee=to)


def run(connection: psycopg.Connection, name: str, **places: sql.Composable | str) -> psycopg.Cursor[Any]:
    """Runs a statement of ``hypertables.sql``; words are identifiers."""
    quoted = {key: sql.Identifier(place) if isinstance(place, str) else place for key, place in places.items()}
    return connection.execute(sql.SQL(SQL[name]).format(**quoted))


def _extension_schema(connection: psycopg.Connection) -> str:
    ((schema,),) = connection.execute(SQL["extension_schema"]).fetchall()
    return str(schema)
