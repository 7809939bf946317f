"""The rows of traces, deleted in the caller's transaction and told to the ledger."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from stepwell_storage import findings, ledger, metrics, queries
from stepwell_storage.traces import TraceWindow, columns_of

SQL = queries.load("deletion")

REASON: Final = "deleted"

Connection = psycopg.AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Deleted:
    """How much was deleted."""

    executions: int = 0
    steps: int = 0
    """Running ones included."""
    log_records: int = 0
    size_bytes: int = 0
    """Of the rows of steps and log records, as they were stored; without indexes."""
    findings: ledger.Tally = field(default_factory=ledger.Tally)
    """What that changed in the ledger beside the drops themselves."""

    def __add__(self, other: "Deleted") -> "Deleted":
        found = ledger.Tally(self.findings)
        for line, amount in other.findings.items():
            found[line] += amount
        return Deleted(
            self.executions + other.executions,
            self.steps + other.steps,
            self.log_records + other.log_records,
            self.size_bytes + other.size_bytes,
            found,
        )


async def delete_traces(connection: Connection, windows: Sequence[TraceWindow]) -> Deleted:
    """Deletes all that is stored of traces but their executions; the caller holds their locks."""
    if not windows:
        return Deleted()
    deleted = await _delete(connection, windows, [None] * len(windows))
    found = await findings.forget(connection, windows)
    columns = columns_of(windows)
    parameters = {name: columns[name] for name in ("workspace_ids", "trace_ids")}
    await connection.execute(SQL.forget_windows, parameters)
    return deleted + Deleted(findings=found)


async def delete_spans(connection: Connection, window: TraceWindow, span_ids: Collection[bytes]) -> Deleted:
    """Deletes single spans of a trace with their log records; the caller holds its lock."""
    told = "{" + ",".join(f'"\\\\x{span_id.hex()}"' for span_id in span_ids) + "}"
    return await _delete(connection, [window], [told])


async def _delete(connection: Connection, windows: Sequence[TraceWindow], span_ids: Sequence[str | None]) -> Deleted:
    parameters = {**columns_of(windows), "span_ids": list(span_ids), "reason": REASON}
    counted = []
    for statement in (SQL.delete_steps, SQL.delete_live_steps, SQL.delete_logs):
        row = await (await connection.execute(statement, parameters)).fetchone()
        counted.append((0, 0) if row is None else (int(row[0]), int(row[1])))
    (steps, steps_bytes), (live, live_bytes), (logs, logs_bytes) = counted
    return Deleted(0, steps + live, logs, steps_bytes + live_bytes + logs_bytes)


def observe(deleted: Deleted) -> None:
    """Counts in the metrics what was deleted, once that has committed."""
    metrics.SPANS_DROPPED.labels(REASON).inc(deleted.steps)
    metrics.LOG_RECORDS.labels("dropped").inc(deleted.log_records)
