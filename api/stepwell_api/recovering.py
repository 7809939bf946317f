"""Recovers a failed run: asks the webhook of its agent to try again or to go on, and tells what came of it.

The webhook is called by a worker, from the outbox. The run that it starts says whose recovery it is
(``stepwell.recovery.of``), or the webhook's answer names its trace; so both runs lead to each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncConnection

from stepwell.semconv import RECOVERY_ID, RECOVERY_OF
from stepwell_api.execution_rows import Located, locate
from stepwell_api.insight.retryability import Action
from stepwell_api.webhooks import outbox, registry
from stepwell_api.webhooks.outbox import Budget
from stepwell_api.webhooks.registry import Webhook
from stepwell_storage import queries
from stepwell_storage.model import Status

SQL = queries.load("recovery")

RUNS_WITHIN: Final = timedelta(days=30)
"""A run recovers one that started at most so long before."""
MAX_CHAIN: Final = 3
"""So often a run is recovered, its recovery is recovered, and so on, unless somebody insists."""
BACKOFF_S: Final = 60.0
LONGEST_BACKOFF_S: Final = 3600.0
LARGEST_PART_BYTES: Final = 100_000
"""Of the input, and of the checkpoint's state: what is larger is left out and to be fetched from the API."""
POSSIBLE: Final = (Action.RETRY, Action.RETRY_WITH_BACKOFF, Action.RESUME)
"""What a webhook can do; the other actions are for people."""

Row = Mapping[str, Any]


class Stage(StrEnum):
    """How far a recovery has come."""

    WAITING = "waiting"
    """The webhook is still to be called, or to be called again."""
    SENT = "sent"
    """The webhook has taken it; no run is seen yet."""
    REFUSED = "refused"
    """The webhook did not take it."""
    RUNNING = "running"
    RECOVERED = "recovered"
    FAILED_AGAIN = "failed_again"


_STAGES: Final = {"waiting": Stage.WAITING, "failed": Stage.REFUSED, "cancelled": Stage.REFUSED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the webhook is to do."""

    action: Action
    reason: str
    checkpoint: Row | None
    note: str | None
    is_forced: bool


class NoWebhookError(Exception):
    """No webhook is set up, or enabled, for the agent."""


class BudgetSpentError(Exception):
    """The agent's budget for recoveries is spent."""

    def __init__(self, budget: Budget) -> None:
        super().__init__("The budget is spent")
        self.budget = budget


class AlreadyRecoveringError(Exception):
    """A recovery of the run is under way, or has gone well; the message says which."""


async def request(
    connection: psycopg.AsyncConnection[Any], run: Row, located: Located, wanted: Wanted, now: datetime
) -> str:
    """Puts the call in the outbox; gives the recovery's id.

    Raises:
        NoWebhookError: there is none to call.
        BudgetSpentError: it may not be called so often.
        AlreadyRecoveringError: a call waits, or goes on.
        BodyTooLargeError: what the webhook has to be told is too large.
    """
    async with connection.transaction():
        webhook = await registry.lock_for_recovery(connection, run["workspace_id"], run["agent_id"])
        if webhook is None:
            raise NoWebhookError
        before = await _requested(connection, run)
        if any(row["delivery_state"] == "waiting" for row in before):
            raise AlreadyRecoveringError("A recovery of this run waits for its webhook already")
        budget = await outbox.budget_of(connection, webhook, run["agent_id"], now)
        if budget.left <= 0:
            raise BudgetSpentError(budget)
        recovery_id = outbox.new_id("rec")
        delay_s = min(BACKOFF_S * 2 ** len(before), LONGEST_BACKOFF_S)
        await connection.execute(SQL.insert_recovery, _columns(run, webhook, recovery_id, wanted, now))
        await outbox.enqueue(
            connection,
            webhook,
            recovery_id,
            message(run, located, recovery_id, wanted, len(before) + 1, now),
            agent_id=run["agent_id"],
            subject=run["execution_id"],
            now=now,
            delay_s=delay_s if wanted.action is Action.RETRY_WITH_BACKOFF else 0.0,
        )
    return recovery_id


def _columns(run: Row, webhook: Webhook, recovery_id: str, wanted: Wanted, now: datetime) -> dict[str, Any]:
    return {
        **{name: run[name] for name in ("workspace_id", "execution_id", "agent_id")},
        "recovery_id": recovery_id,
        "webhook_id": webhook.webhook_id,
        "action": wanted.action.value,
        "checkpoint_id": wanted.checkpoint and wanted.checkpoint["id"],
        "note": wanted.note,
        "is_forced": wanted.is_forced,
        "now": now,
    }


def message(run: Row, located: Located, recovery_id: str, wanted: Wanted, number: int, now: datetime) -> dict[str, Any]:
    """What the webhook is told; a large input or state is left out and named in `left_out`."""
    source = {"recovery_of": located.execution_id, "recovery_id": recovery_id}
    told = ("execution_id", "trace_id", "agent_id", "agent_name", "version", "environment", "session_id", "user_id",
            "start_time", "status", "error_type", "error_message", "error_step_name")  # fmt: skip
    left_out: list[str] = []
    checkpoint = wanted.checkpoint and {
        "id": wanted.checkpoint["id"],
        "time": wanted.checkpoint["time"],
        "state": _bounded("checkpoint.state", wanted.checkpoint["state"], left_out),
        "resume": _bounded("checkpoint.resume", wanted.checkpoint["resume"], left_out),
    }
    return {
        "type": "execution.recovery",
        "timestamp": now,
        "data": {
            "recovery_id": recovery_id,
            "action": wanted.action.value,
            "reason": wanted.reason,
            "number": number,
            "note": wanted.note,
            "execution": {name: run[name] for name in told},
            "input": _bounded("input", run["input_data"], left_out),
            "checkpoint": checkpoint,
            "left_out": left_out,
            "href": f"/api/v1/executions/{located.execution_id}",
            "report": {
                "attributes": {RECOVERY_OF: located.execution_id, RECOVERY_ID: recovery_id},
                "trigger": {"type": "webhook", "source": source},
            },
        },
    }


def _bounded(name: str, value: Any, left_out: list[str]) -> Any:
    if value is not None and len(orjson.dumps(value)) > LARGEST_PART_BYTES:
        left_out.append(name)
        return None
    return value


async def _requested(connection: psycopg.AsyncConnection[Any], run: Row) -> list[dict[str, Any]]:
    parameters = {"workspace_id": run["workspace_id"], "execution_id": run["execution_id"]}
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL.read_recoveries, parameters)
        return await cursor.fetchall()


async def read_log(connection: psycopg.AsyncConnection[Any], run: Row, runs: Sequence[Row]) -> list[dict[str, Any]]:
    """All recoveries of a run that were asked for, in order, with their calls and the runs that came of them."""
    found = await _requested(connection, run)
    attempts = await outbox.read_attempts(connection, run["workspace_id"], [row["recovery_id"] for row in found])
    return [_described(row, attempts.get(row["recovery_id"], []), runs) for row in found]


def _described(row: dict[str, Any], attempts: Sequence[Row], runs: Sequence[Row]) -> dict[str, Any]:
    own = [run for run in runs if run["recovery_id"] == row["recovery_id"]]
    stage = _STAGES.get(row["delivery_state"], Stage.SENT)
    if own:
        stage = stage_of_runs([Status(run["status"]) for run in own])
    told = {name: value for name, value in row.items() if name not in ("delivery_state", "agent_id")}
    return {**told, "state": stage.value, "attempts": attempts, "execution_ids": [run["execution_id"] for run in own]}


def stage_of_runs(statuses: Sequence[Status]) -> Stage:
    """How far the runs of a recovery have come; a receiver that acts twice starts two."""
    if Status.SUCCESS in statuses:
        return Stage.RECOVERED
    if Status.RUNNING in statuses or Status.PENDING in statuses:
        return Stage.RUNNING
    return Stage.FAILED_AGAIN


async def read_runs(connection: AsyncConnection, workspace_id: UUID, located: Located) -> list[dict[str, Any]]:
    """The runs that recover this one, in order."""
    parameters = {**_parameters(workspace_id, located), "within": RUNS_WITHIN}
    rows = await connection.exec_driver_sql(SQL.read_recovery_runs, parameters)
    return [dict(row._mapping) for row in rows]


async def read_origin(connection: AsyncConnection, workspace_id: UUID, located: Located) -> Located | None:
    """The run that this one recovers; ``None`` where it recovers none, or one that is gone."""
    row = (await connection.exec_driver_sql(SQL.read_recovered_run, _parameters(workspace_id, located))).one_or_none()
    if row is None or row.recovery_of is None:
        return None
    origin = await locate(connection, workspace_id, row.recovery_of)
    return None if origin is None or origin.execution_id == located.execution_id else origin


async def chain_length(connection: AsyncConnection, workspace_id: UUID, located: Located) -> int:
    """How many runs before this one it is the recovery of, counted up to `MAX_CHAIN`."""
    length, at = 0, located
    while length < MAX_CHAIN:
        origin = await read_origin(connection, workspace_id, at)
        if origin is None:
            break
        length, at = length + 1, origin
    return length


def _parameters(workspace_id: UUID, located: Located) -> dict[str, Any]:
    return {
        "workspace_id": workspace_id,
        "execution_id": located.execution_id,
        "trace_id": located.trace_id.hex(),
        "start_time": located.start_time,
    }
