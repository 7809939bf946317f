"""Compares all that is stored with all that was sent, to the last span and token."""

import psycopg
from tests.faults.traffic import Traffic
from tests.lifecycle.process_table import until

FOLD_TIMEOUT_S = 60.0

STORED = "SELECT trace_id, span_id FROM analytics.step_facts WHERE trace_id = ANY(%s) ORDER BY trace_id, span_id"
RUNS = """
SELECT trace_id, status, steps_total, prompt_tokens, completion_tokens
FROM analytics.agent_executions WHERE trace_id = ANY(%s) ORDER BY trace_id
"""
LEDGER = """
SELECT outcome, sum(amount)::int FROM (
    SELECT outcome, amount FROM analytics.ledger_entries UNION ALL SELECT outcome, amount FROM analytics.ledger_hours
) AS lines GROUP BY outcome
"""


def assert_exact(database_url: str, *sent: Traffic, fold_timeout_s: float = FOLD_TIMEOUT_S) -> None:
    """All spans of `sent` are stored once, and their runs are as they were; the ledger tells of every row there is."""
    traces = [run.trace_id for traffic in sent for run in traffic.runs]
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert _stored(connection, traces) == sorted(span for traffic in sent for span in traffic.spans)
        until(lambda: _waiting(connection) == 0, "everything is folded", fold_timeout_s)
        found = connection.execute(RUNS, ([trace.hex() for trace in traces],)).fetchall()
        wanted = [
            (run.trace_id.hex(), run.status, run.steps, run.prompt_tokens, run.completion_tokens)
            for traffic in sent
            for run in traffic.runs
        ]
        assert found == sorted(wanted)
        _assert_ledger_adds_up(connection)


def stored(database_url: str, sent: Traffic) -> set[tuple[bytes, bytes]]:
    """Trace id and span id of what is stored of `sent`."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        return set(_stored(connection, [run.trace_id for run in sent.runs]))


def _stored(connection: psycopg.Connection, traces: list[bytes]) -> list[tuple[bytes, bytes]]:
    return [(bytes(trace), bytes(span)) for trace, span in connection.execute(STORED, (traces,))]


def _waiting(connection: psycopg.Connection) -> int:
    return _count(connection, "SELECT count(*) FROM analytics.dirty_traces")


def _assert_ledger_adds_up(connection: psycopg.Connection) -> None:
    told = dict.fromkeys(("received", "stored", "duplicate", "rejected", "dropped", "orphaned"), 0)
    told |= dict(connection.execute(LEDGER).fetchall())
    assert told["received"] == told["stored"] + told["duplicate"] + told["rejected"]
    assert told["stored"] == _count(connection, "SELECT count(*) FROM analytics.step_facts")
    assert (told["rejected"], told["dropped"], told["orphaned"]) == (0, 0, 0)


def _count(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    number: int = row[0]
    return number
