"""Who changed what: keys, members, sessions, workspaces, decisions and deletions, each written down once.

Entries are appended where the change is made, and never changed; they go with their workspace.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from stepwell_storage import queries

SQL = queries.load("audit")


class Action(StrEnum):
    """What was done."""

    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    SESSION_BEGUN = "session.begun"
    SESSION_ENDED = "session.ended"
    MEMBER_SET = "member.set"
    MEMBER_REMOVED = "member.removed"
    WORKSPACE_CREATED = "workspace.created"
    WORKSPACE_DELETED = "workspace.deleted"
    WORKSPACE_CHANGED = "workspace.changed"
    EXECUTION_DELETED = "execution.deleted"
    AGENT_DELETED = "agent.deleted"
    SUGGESTION_DECIDED = "suggestion.decided"
    EXECUTION_RECOVERED = "execution.recovered"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_DELETED = "webhook.deleted"
    ALERT_RULE_CREATED = "alert_rule.created"
    ALERT_RULE_CHANGED = "alert_rule.changed"
    ALERT_RULE_DELETED = "alert_rule.deleted"
    ALERT_CHANGED = "alert.changed"
    RETENTION_CHANGED = "retention.changed"
    REDACTION_CHANGED = "redaction.changed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One change."""

    entry_id: int
    at: datetime
    actor: str
    action: str
    target: str | None
    detail: dict[str, Any]


async def note(
    connection: psycopg.AsyncConnection[Any],
    workspace_id: UUID,
    actor: str,
    action: Action,
    target: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Writes a change down; `detail` holds what JSON can, and never a key."""
    values = {"workspace_id": workspace_id, "actor": actor, "action": action, "target": target}
    await connection.execute(SQL.insert_entry, {**values, "detail": Jsonb(dict(detail or {}))})


async def read(
    connection: psycopg.AsyncConnection[Any], workspace_id: UUID, *, before: int | None = None, limit: int = 50
) -> list[Entry]:
    """The newest entries, or those before an entry, the newest first."""
    async with connection.cursor(row_factory=class_row(Entry)) as cursor:
        await cursor.execute(SQL.list_entries, {"workspace_id": workspace_id, "before": before, "limit": limit})
        return await cursor.fetchall()
