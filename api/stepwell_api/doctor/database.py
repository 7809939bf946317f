"""What the doctor asks a database: versions, engine, schema, clock, and what rows take."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import psycopg

from stepwell_api.doctor.finding import Finding, State
from stepwell_migrations import edition, engine, runner
from stepwell_migrations.edition import Edition, Kind
from stepwell_migrations.engine import Engine, Recorded
from stepwell_storage import queries

SQL = queries.load("doctor")

OFF_BY_S: Final = 2.0
FAR_OFF_BY_S: Final = 60.0
TABLES: Final = (
    ("step_facts", "step", SQL.count_step_facts),
    ("agent_executions", "execution", SQL.count_agent_executions),
)


def look(url: str) -> Iterator[Finding]:
    """Everything about the database at this URL.

    Raises:
        MigrationError: it cannot be reached.
    """
    with runner.connect(url) as connection:
        found = edition.probe(connection)
        yield _postgresql(connection)
        yield timescaledb_finding(found)
    if found.kind is Kind.BROKEN:
        return  # Every statement would fail.
    with runner.told_errors(), runner.connect(url) as connection:
        connection.autocommit = True
        yield _clock(connection)
        schema = _schema(url)
        yield schema
        if schema.state is State.OK:
            recorded = engine.recorded_engine(connection)
            yield _engine(recorded, found)
            if recorded.engine is Engine.TIMESCALE:
                yield _features(connection)
            for table, row, count in TABLES:
                yield _size(connection, recorded.engine, table, row, count)


def _postgresql(connection: psycopg.Connection) -> Finding:
    number = connection.info.server_version
    major = number // 10_000
    facts = {"version": f"{major}.{number % 10_000}"}
    if major < runner.OLDEST_POSTGRESQL:
        mend = f"Upgrade the server to PostgreSQL {runner.OLDEST_POSTGRESQL} or newer."
        return Finding("postgresql", State.ERROR, f"PostgreSQL {facts['version']} is too old", mend, facts)
    return Finding("postgresql", State.OK, f"PostgreSQL {facts['version']}", facts=facts)


def timescaledb_finding(found: Edition) -> Finding:
    """What the probe found, in words."""
    facts = {"edition": found.kind.value, "version": found.version, "available": found.available}
    details = {
        Kind.PLAIN: "not in this database: plain PostgreSQL",
        Kind.APACHE: f"{found.version}, Apache edition: used as plain PostgreSQL",
        Kind.COMMUNITY: f"{found.version}, Community edition",
        Kind.OUTDATED: f"{found.version} is too old: used as plain PostgreSQL",
        Kind.BROKEN: f"it does not work: {found.reason}",
        Kind.UNKNOWN: f"{found.version}; what it can do is unknown: {found.reason}",
    }
    states = {Kind.BROKEN: State.ERROR, Kind.OUTDATED: State.WARNING, Kind.UNKNOWN: State.WARNING}
    state = states.get(found.kind, State.OK)
    return Finding("timescaledb", state, f"TimescaleDB: {details[found.kind]}", found.mend, facts)


def _clock(connection: psycopg.Connection) -> Finding:
    before = datetime.now(UTC)
    ((there,),) = connection.execute(SQL.clock).fetchall()
    here = before + (datetime.now(UTC) - before) / 2
    return clock_finding((there - here).total_seconds())


def clock_finding(off_by_s: float) -> Finding:
    """What it means that the database's clock is so many seconds ahead of this machine's."""
    facts = {"database_ahead_s": round(off_by_s, 3)}
    if abs(off_by_s) < OFF_BY_S:
        return Finding("clock", State.OK, "this machine's clock and the database's agree", facts=facts)
    state = State.ERROR if abs(off_by_s) >= FAR_OFF_BY_S else State.WARNING
    direction = "ahead of" if off_by_s > 0 else "behind"
    detail = f"the database's clock is {abs(off_by_s):.1f} s {direction} this machine's"
    return Finding("clock", state, detail, "Have both kept by NTP: runs time out by the database's clock.", facts)


def _schema(url: str) -> Finding:
    facts = {"version": runner.current(url), "newest": runner.HEAD}
    try:
        runner.check(url)
    except runner.MigrationError as error:
        detail, _, mend = str(error).partition(". ")
        return Finding("schema", State.ERROR, detail, mend, facts)
    return Finding("schema", State.OK, f"schema version {runner.HEAD}, the newest", facts=facts)


def _engine(recorded: Recorded, found: Edition) -> Finding:
    facts = {"engine": recorded.engine.value}
    if recorded.engine is Engine.TIMESCALE:
        return Finding("engine", State.OK, "rows are in hypertables", facts=facts)
    hint = "`stepwell migrate --to timescale` moves them into hypertables." if found.kind is Kind.COMMUNITY else None
    return Finding("engine", State.OK, "rows are in native partitions", hint, facts)


def _features(connection: psycopg.Connection) -> Finding:
    policies = [dict(zip(("table", "policy", "after"), row, strict=True)) for row in connection.execute(SQL.policies)]
    ((aggregates,),) = connection.execute(SQL.continuous_aggregates).fetchall()
    columnstore = [policy for policy in policies if policy["policy"] == "policy_compression"]
    parts = [f"columnstore for {policy['table']} after {policy['after']}" for policy in columnstore]
    parts.append(f"continuous aggregates: {', '.join(aggregates)}" if aggregates else "no continuous aggregates")
    facts = {"policies": policies, "continuous_aggregates": aggregates}
    return Finding("features", State.OK, f"hypertables; {'; '.join(parts)}", facts=facts)


def _size(connection: psycopg.Connection, stored_by: Engine, table: str, row: str, count: str) -> Finding:
    """Size and number of a table's rows; the number is PostgreSQL's estimate where it has one."""
    statement = SQL.size_of_hypertable if stored_by is Engine.TIMESCALE else SQL.size_of_partitions
    ((size_bytes, rows, parts, packed),) = connection.execute(statement, {"table": table}).fetchall()
    if not rows:
        ((rows,),) = connection.execute(count).fetchall()
    facts: dict[str, Any] = {"table": table, "bytes": size_bytes, "rows": rows, "partitions": parts, "packed": packed}
    facts["bytes_per_row"] = round(size_bytes / rows) if rows else None
    if not rows:
        return Finding("size", State.OK, f"no {row}s are stored", facts=facts)
    detail = f"{facts['bytes_per_row']:,} bytes per {row} ({size_bytes / 1e6:,.1f} MB for about {rows:,}, with indexes)"
    return Finding("size", State.OK, detail, facts=facts)
