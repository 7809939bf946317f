"""Rules and alerts as they are stored."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import orjson
import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from stepwell_api.alerts.rules import Rule
from stepwell_storage import queries

SQL = queries.load("alerts")

LEASE: Final = timedelta(minutes=2)
"""A check is given up by then, and may be made by another worker."""
KEPT_FOR: Final = timedelta(days=400)

Connection = psycopg.AsyncConnection[Any]


def new_id(prefix: str) -> str:
    """An id of a rule or an alert."""
    return f"{prefix}_{uuid4().hex}"


async def insert_rule(connection: Connection, columns: Mapping[str, Any], now: datetime) -> None:
    """Stores a new rule."""
    await connection.execute(SQL.insert_rule, {**columns, "condition": Jsonb(columns["condition"]), "now": now})


async def change_rule(connection: Connection, columns: Mapping[str, Any], *, is_another: bool, now: datetime) -> None:
    """Writes a rule anew; `is_another` where it looks at something else, so that its past is not its own."""
    parameters = {**columns, "condition": Jsonb(columns["condition"]), "is_another": is_another, "now": now}
    async with connection.transaction():
        await connection.execute(SQL.change_rule, parameters)
        if is_another or not columns["is_enabled"]:
            await _resolve_all(connection, columns["workspace_id"], columns["rule_id"], "The rule was changed", now)


async def delete_rule(connection: Connection, workspace_id: UUID, rule_id: str, now: datetime) -> bool:
    """Takes a rule away; false where there is none."""
    parameters = {"workspace_id": workspace_id, "rule_id": rule_id}
    async with connection.transaction():
        await _resolve_all(connection, workspace_id, rule_id, "The rule was deleted", now)
        return (await connection.execute(SQL.delete_rule, parameters)).rowcount > 0


async def read_rules(connection: Connection, workspace_id: UUID, rule_id: str | None = None) -> list[Rule]:
    """The workspace's rules by name, or the one of this id."""
    async with connection.cursor(row_factory=class_row(Rule)) as cursor:
        await cursor.execute(SQL.list_rules, {"workspace_id": workspace_id, "rule_id": rule_id})
        return await cursor.fetchall()


async def claim_rule(connection: Connection, now: datetime, claim: str) -> Rule | None:
    """Takes the rule whose check is due the longest."""
    async with connection.cursor(row_factory=class_row(Rule)) as cursor:
        await cursor.execute(SQL.claim_rule, {"now": now, "claimed_until": now + LEASE, "claim": claim})
        return await cursor.fetchone()


async def finish_check(
    connection: Connection,
    rule: Rule,
    claim: str,
    now: datetime,
    *,
    next_check_at: datetime,
    failure: str | None = None,
) -> bool:
    """Gives a rule back; false where somebody else has taken it meanwhile, whose check counts."""
    parameters = {
        "workspace_id": rule.workspace_id,
        "rule_id": rule.rule_id,
        "claim": claim,
        "now": now,
        "next_check_at": next_check_at,
        "failure": failure,
        "checked_until": None if failure else now,
    }
    return (await connection.execute(SQL.finish_check, parameters)).rowcount > 0


async def read_standing(connection: Connection, rule: Rule, since: datetime) -> dict[str, dict[str, Any]]:
    """A rule's newest alert of each subject: those that fire, and those resolved since then."""
    parameters = {"workspace_id": rule.workspace_id, "rule_id": rule.rule_id, "since": since}
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL.read_standing, parameters)
        return {row["subject"]: row for row in await cursor.fetchall()}


async def note_event(
    connection: Connection, workspace_id: UUID, alert_id: str, event: str, now: datetime, detail: str | None = None
) -> None:
    """Writes down what happened to an alert."""
    parameters = {"workspace_id": workspace_id, "alert_id": alert_id, "event": event, "now": now, "detail": detail}
    await connection.execute(SQL.note_event, parameters)


async def read_alerts(
    connection: Connection,
    workspace_id: UUID,
    *,
    limit: int,
    alert_id: str | None = None,
    states: Sequence[str] | None = None,
    agent_ids: Sequence[str] | None = None,
    rule_id: str | None = None,
    before: datetime | None = None,
    after_id: str = "",
) -> list[dict[str, Any]]:
    """Alerts, the newest first."""
    parameters = {
        "workspace_id": workspace_id,
        "limit": limit,
        "alert_id": alert_id,
        "states": list(states) if states else None,
        "agent_ids": list(agent_ids) if agent_ids else None,
        "rule_id": rule_id,
        "before": before,
        "after_id": after_id,
    }
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL.read_alerts, parameters)
        return [{**row, "evidence": orjson.loads(row["evidence"])} for row in await cursor.fetchall()]


async def read_events(connection: Connection, workspace_id: UUID, alert_id: str) -> list[dict[str, Any]]:
    """What happened to an alert, in order."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL.read_events, {"workspace_id": workspace_id, "alert_id": alert_id})
        return await cursor.fetchall()


async def change_alert(connection: Connection, workspace_id: UUID, alert_id: str, columns: Mapping[str, Any]) -> None:
    """Writes what people did about an alert: `acknowledged_at`, `muted_until` and `note`."""
    await connection.execute(SQL.change_alert, {"workspace_id": workspace_id, "alert_id": alert_id, **columns})


async def forget_old(connection: Connection, now: datetime) -> None:
    """Forgets alerts that were resolved long ago."""
    await connection.execute(SQL.forget_alerts, {"before": now - KEPT_FOR})


async def _resolve_all(connection: Connection, workspace_id: UUID, rule_id: str, why: str, now: datetime) -> None:
    parameters = {"workspace_id": workspace_id, "rule_id": rule_id, "now": now}
    for (alert_id,) in await (await connection.execute(SQL.resolve_all, parameters)).fetchall():
        await note_event(connection, workspace_id, alert_id, "resolved", now, why)
