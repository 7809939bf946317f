"""What the migrations make is what `stepwell_storage.schema` says, in both directions."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.pool import NullPool

from stepwell_storage import schema

COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
       pg_get_expr(d.adbin, d.adrelid)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'analytics'::regnamespace AND c.relkind = ANY (%(kinds)s) AND NOT c.relispartition
  AND c.relname <> 'schema_version'
ORDER BY c.relname, a.attnum
"""
INDEXES = """
SELECT t.relname, pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
WHERE t.relnamespace = 'analytics'::regnamespace AND NOT t.relispartition AND t.relname <> 'schema_version'
ORDER BY 1, 2
"""
# Not-null constraints are compared as columns; PostgreSQL lists them here from version 18 on.
CONSTRAINTS = """
SELECT t.relname, pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
WHERE t.relnamespace = 'analytics'::regnamespace AND NOT t.relispartition AND t.relname <> 'schema_version'
  AND k.contype <> 'n'
ORDER BY 1, 2
"""
PARTITION_KEYS = """
SELECT partrelid::regclass::text, pg_get_partkeydef(partrelid) FROM pg_partitioned_table ORDER BY 1
"""


@pytest.fixture
def declared_url(empty_database_url: str) -> str:
    """A database made from the metadata alone."""
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(empty_database_url), poolclass=NullPool
    )
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA analytics"))
        schema.metadata.create_all(connection)
    return empty_database_url


def _rows(url: str, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query, parameters or None).fetchall()


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        pytest.param(COLUMNS, {"kinds": ["r", "p"]}, id="columns"),
        pytest.param(INDEXES, {}, id="indexes"),
        pytest.param(CONSTRAINTS, {}, id="constraints"),
        pytest.param(PARTITION_KEYS, {}, id="partition keys"),
    ],
)
def test_migrations_make_the_declared_tables(
    database_url: str, declared_url: str, query: str, parameters: dict[str, Any]
) -> None:
    made = _rows(database_url, query, **parameters)
    assert made == _rows(declared_url, query, **parameters)
    assert made


def test_migrations_make_the_declared_views(database_url: str) -> None:
    made = [(view, column, kind) for view, column, kind, *_ in _rows(database_url, COLUMNS, kinds=["v"])]
    assert made == sorted(_declared_view_columns(), key=lambda column: column[0])


def _declared_view_columns() -> Iterator[tuple[str, str, str]]:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for view in schema.views.tables.values():
        for column in view.columns:
            yield view.name, column.name, column.type.compile(dialect).lower()


def test_every_tenant_table_and_index_starts_with_the_workspace() -> None:
    without = {"dirty_processes", "dirty_traces", "engine", "rollup_deltas", "workspaces"}
    for table in schema.metadata.tables.values():
        if table.name not in without:
            assert next(iter(table.primary_key.columns)).name == "workspace_id", table.name
        for index in table.indexes:
            # What is in a text or an array is found by GIN, which takes no uuid beside it without an extension.
            if index.dialect_options["postgresql"]["using"] == "gin":
                continue
            assert next(iter(index.columns)).name == "workspace_id", index.name


def test_metadata_selects_run_on_every_relation(database_url: str) -> None:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(database_url), poolclass=NullPool)
    with engine.connect() as connection:
        for table in [*schema.metadata.tables.values(), *schema.views.tables.values()]:
            connection.execute(table.select().limit(1)).all()
