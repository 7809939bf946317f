"""Traces without any agent, model or tool activity: kept for late parents, then dropped and counted."""

from dataclasses import replace
from datetime import timedelta

import psycopg
from tests.spans import Sent, agent, chat, steps
from tests.storing import Connection, fold_all, store

from stepwell_storage import idle, metrics
from stepwell_storage.model import LogRecord

AT_ONCE = timedelta(seconds=-1)
LATER = timedelta(hours=1)
REQUEST = Sent("GET /", {"http.request.method": "GET"}, for_ms=90)
QUERY = Sent("SELECT", {"db.system": "postgresql"}, parent="GET /", at_ms=5)


async def count(connection: Connection, table: str) -> int:
    query = psycopg.sql.SQL("SELECT count(*) FROM analytics.{}").format(psycopg.sql.Identifier(table))
    row = await (await connection.execute(query)).fetchone()
    assert row is not None
    number: int = row[0]
    return number


async def test_a_trace_without_agents_is_dropped_after_its_time_and_counted(connection: Connection) -> None:
    await store(connection, steps(REQUEST, QUERY))
    await fold_all(connection)
    counter = metrics.SPANS_DROPPED.labels(idle.REASON)
    before = counter._value.get()

    assert await idle.drop(connection, LATER) == 0
    assert await idle.drop(connection, AT_ONCE) == 2
    assert counter._value.get() - before == 2
    assert [await count(connection, table) for table in ("step_facts", "trace_windows")] == [0, 0]


async def test_a_trace_with_an_agent_is_never_dropped(connection: Connection) -> None:
    await store(connection, steps(REQUEST, agent("a", parent="GET /", at_ms=1), chat("c", parent="a", at_ms=2)))
    await fold_all(connection)

    assert await idle.drop(connection, AT_ONCE) == 0
    assert await count(connection, "agent_executions") == 1


async def test_a_late_agent_keeps_the_trace(connection: Connection) -> None:
    await store(connection, steps(QUERY))
    await fold_all(connection)
    await store(connection, steps(agent("GET /", for_ms=50)))
    await fold_all(connection)

    assert await idle.drop(connection, AT_ONCE) == 0
    assert await count(connection, "step_facts") == 2


async def test_a_trace_whose_new_spans_wait_for_their_fold_is_left_alone(connection: Connection) -> None:
    await store(connection, steps(QUERY))
    await fold_all(connection)
    await store(connection, steps(agent("GET /", for_ms=50)))

    assert await idle.drop(connection, AT_ONCE) == 0
    await fold_all(connection)
    assert await count(connection, "agent_executions") == 1


async def test_live_steps_of_an_idle_trace_go_too(connection: Connection) -> None:
    await store(connection, steps(Sent("GET /", {"stepwell.span.state": "started"})))
    await fold_all(connection)

    assert await idle.drop(connection, AT_ONCE) == 1
    assert await count(connection, "live_steps") == 0


async def test_log_records_of_an_idle_trace_go_too_also_where_no_span_ever_came(connection: Connection) -> None:
    (query,) = steps(QUERY)
    record = LogRecord(trace_id=query.trace_id, span_id=query.span_id, time_ns=query.start_ns, record_key=b"1")
    await store(connection, [query, record, replace(record, trace_id=b"\x07" * 16)])
    await fold_all(connection)
    counter = metrics.LOG_RECORDS.labels("dropped")
    before = counter._value.get()

    assert await idle.drop(connection, LATER) == 0
    assert await idle.drop(connection, AT_ONCE) == 3
    assert counter._value.get() - before == 2
    assert [await count(connection, table) for table in ("step_logs", "trace_windows")] == [0, 0]


async def test_more_idle_traces_than_fit_one_transaction_are_dropped(connection: Connection) -> None:
    many = idle.MAX_TRACES + 5
    spans = [step._replace(trace_id=i.to_bytes(16, "big")) for i in range(1, many + 1) for step in steps(QUERY)]
    await store(connection, spans)
    await fold_all(connection)

    assert await idle.drop(connection, AT_ONCE) == many
