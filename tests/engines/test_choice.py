"""What a server has is found out, and a new database gets the engine that fits."""

from collections.abc import Iterator

import psycopg
import pytest
from tests.storage.test_schema import COLUMNS, CONSTRAINTS, INDEXES
from tests.timescale.running import timescale

from stepwell_migrations import edition, engine, runner
from stepwell_migrations.edition import Edition, Kind
from stepwell_migrations.engine import Engine

HYPERTABLES = """
SELECT h.hypertable_name, d.time_interval::text, h.compression_enabled
FROM timescaledb_information.hypertables h
JOIN timescaledb_information.dimensions d USING (hypertable_schema, hypertable_name)
WHERE h.hypertable_schema = 'analytics' ORDER BY 1
"""
COLUMNSTORE = """
SELECT hypertable::text, segmentby, orderby, compress_after
FROM timescaledb_information.hypertable_compression_settings
JOIN (SELECT hypertable_name, config ->> 'compress_after' AS compress_after FROM timescaledb_information.jobs
      WHERE proc_name = 'policy_compression') AS policy ON hypertable::text = 'analytics.' || hypertable_name
ORDER BY 1
"""

DAYS = "rollup_days"
"""A table of ours on one engine, a continuous aggregate on the other."""


@pytest.fixture(scope="module")
def bare_server_url() -> Iterator[str]:
    """A server that has TimescaleDB, in a database that does not use it."""
    with timescale(is_created=False) as url:
        yield url


def _probe(url: str) -> Edition:
    with psycopg.connect(url) as connection:
        return edition.probe(connection)


def _rows(url: str, query: str, **parameters: object) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query, parameters or None).fetchall()


def test_plain_server_is_told_from_a_community_edition(empty_database_url: str, empty_timescale_url: str) -> None:
    assert _probe(empty_database_url) == Edition(Kind.PLAIN)
    found = _probe(empty_timescale_url)
    assert (found.kind, found.mend) == (Kind.COMMUNITY, None)
    assert found.version is not None


def test_probe_leaves_nothing_behind(empty_timescale_url: str) -> None:
    _probe(empty_timescale_url)
    assert _rows(empty_timescale_url, "SELECT 1 FROM pg_namespace WHERE nspname = 'stepwell_probe'") == []
    assert _rows(empty_timescale_url, HYPERTABLES) == []


@pytest.mark.parametrize(
    ("licence", "kind", "mend"),
    [
        pytest.param("apache", Kind.APACHE, "timescaledb.license = 'timescale'", id="apache edition"),
        pytest.param("timescale", Kind.BROKEN, "timescaledb.license = 'apache'", id="licence without its library"),
    ],
)
def test_refused_feature_is_judged_by_the_licence(licence: str, kind: Kind, mend: str) -> None:
    refused = psycopg.errors.FeatureNotSupported("functionality not supported under the current license")
    found = edition.verdict("2.23.0", licence, refused)
    assert found.kind is kind
    assert mend in str(found.mend)


def test_missing_library_is_told_with_its_mend() -> None:
    missing = psycopg.errors.UndefinedFile('could not access file "$libdir/timescaledb-tsl-2.23.0"')
    told = runner.told(missing)
    assert isinstance(told, runner.UnsupportedDatabaseError)
    assert "TimescaleDB does not work" in str(told)
    assert "timescaledb.license = 'apache'" in str(told)


def test_new_database_gets_hypertables_where_the_server_has_them(timescale_url: str) -> None:
    assert engine.of(timescale_url) is Engine.TIMESCALE
    assert _rows(timescale_url, HYPERTABLES) == [
        ("agent_executions", "1 day", True),
        ("rollup_hours", "30 days", True),
        ("step_facts", "1 day", True),
    ]
    assert _rows(timescale_url, COLUMNSTORE) == [
        ("analytics.agent_executions", "workspace_id,agent_id", "start_time", "7 days"),
        ("analytics.rollup_hours", "workspace_id,agent_id,kind", "bucket", "60 days"),
        ("analytics.step_facts", "workspace_id", "start_time", "7 days"),
    ]


def test_new_database_gets_native_partitions_elsewhere(database_url: str) -> None:
    assert engine.of(database_url) is Engine.NATIVE


def test_timescale_can_be_refused(empty_timescale_url: str) -> None:
    runner.migrate(empty_timescale_url, may_use_timescale=False)
    assert engine.of(empty_timescale_url) is Engine.NATIVE
    assert _rows(empty_timescale_url, HYPERTABLES) == []
    runner.migrate(empty_timescale_url)
    assert engine.of(empty_timescale_url) is Engine.NATIVE


def test_extension_is_created_where_it_is_available(bare_server_url: str) -> None:
    found = _probe(bare_server_url)
    assert (found.kind, found.version) == (Kind.PLAIN, None)
    assert found.available is not None
    assert "CREATE EXTENSION" in str(found.mend)
    runner.migrate(bare_server_url)
    assert engine.of(bare_server_url) is Engine.TIMESCALE


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        pytest.param(COLUMNS, {"kinds": ["r", "p", "v"]}, id="columns"),
        pytest.param(INDEXES, {}, id="indexes"),
        pytest.param(CONSTRAINTS, {}, id="constraints"),
        pytest.param(
            "SELECT viewname, definition FROM pg_views WHERE schemaname = 'analytics' ORDER BY 1", {}, id="views"
        ),
    ],
)
def test_both_engines_have_the_same_relations(
    database_url: str, timescale_url: str, query: str, parameters: dict[str, object]
) -> None:
    native, hyper = _rows(database_url, query, **parameters), _rows(timescale_url, query, **parameters)
    # A partitioned table's own index is said to be on it ONLY.
    assert [_without_only(row) for row in native if row[0] != DAYS] == [row for row in hyper if row[0] != DAYS]


def test_days_have_the_same_columns_whoever_keeps_them(database_url: str, timescale_url: str) -> None:
    native, hyper = (
        [row[1:3] for row in _rows(url, COLUMNS, kinds=["r", "v"]) if row[0] == DAYS]
        for url in (database_url, timescale_url)
    )
    assert native == hyper


def _without_only(row: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(part.replace(" ON ONLY ", " ON ") if isinstance(part, str) else part for part in row)


def test_migrating_again_changes_nothing(timescale_url: str) -> None:
    before = _rows(timescale_url, "SELECT engine, moving, decided_at FROM analytics.engine")
    runner.migrate(timescale_url)
    assert _rows(timescale_url, "SELECT engine, moving, decided_at FROM analytics.engine") == before
