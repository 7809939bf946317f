"""Webhooks and what they sent, recoveries of failed runs, alert rules and alerts."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, UUID

from stepwell_storage.schema.columns import TIME, key, metadata, now, optional, required


def _enabled() -> "Column[bool]":
    return Column("is_enabled", Boolean(), nullable=False, server_default=text("true"))


webhooks = Table(
    "webhooks",
    metadata,
    key("workspace_id", UUID()),
    key("webhook_id", Text()),
    *[required(name, Text()) for name in ("purpose", "agent_id", "name", "url", "format")],
    required("salt", BYTEA()),
    required("key_id", Text()),
    *[required(name, Integer()) for name in ("max_attempts", "hour_budget", "day_budget")],
    _enabled(),
    now("created_at"),
    now("changed_at"),
    CheckConstraint("purpose IN ('recovery', 'alert')"),
    CheckConstraint("format IN ('stepwell', 'slack')"),
    CheckConstraint("max_attempts BETWEEN 1 AND 10"),
    CheckConstraint("hour_budget >= 0"),
    CheckConstraint("day_budget >= 0"),
)
Index(
    "webhooks_recovery",
    webhooks.c.workspace_id,
    webhooks.c.agent_id,
    unique=True,
    postgresql_where=webhooks.c.purpose == "recovery",
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    key("workspace_id", UUID()),
    key("delivery_id", Text()),
    *[required(name, Text()) for name in ("webhook_id", "agent_id", "subject", "body", "state")],
    Column("attempts", Integer(), nullable=False, server_default=text("0")),
    required("next_attempt_at", TIME),
    *optional(TIME, "claimed_until"),
    *optional(Text(), "claim"),
    required("created_at", TIME),
    *optional(TIME, "ended_at"),
    *optional(Text(), "reason"),
    CheckConstraint("state IN ('waiting', 'delivered', 'failed', 'cancelled')"),
)
Index(
    "webhook_deliveries_waiting",
    webhook_deliveries.c.workspace_id,
    webhook_deliveries.c.next_attempt_at,
    webhook_deliveries.c.delivery_id,
    postgresql_where=webhook_deliveries.c.state == "waiting",
)
Index(
    "webhook_deliveries_recent",
    webhook_deliveries.c.workspace_id,
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.created_at.desc(),
    webhook_deliveries.c.delivery_id,
)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    key("workspace_id", UUID()),
    key("delivery_id", Text()),
    key("attempt", Integer()),
    required("outcome", Text()),
    required("started_at", TIME),
    *optional(Double(), "duration_ms"),
    *optional(Integer(), "http_status"),
    *optional(Text(), "reason", "response"),
)

recoveries = Table(
    "recoveries",
    metadata,
    key("workspace_id", UUID()),
    key("recovery_id", Text()),
    *[required(name, Text()) for name in ("execution_id", "agent_id", "webhook_id", "action")],
    *optional(Text(), "checkpoint_id", "note"),
    required("is_forced", Boolean()),
    *optional(Text(), "told_trace_id"),
    required("requested_at", TIME),
)
for _index, _column in (("recoveries_execution", "execution_id"), ("recoveries_agent", "agent_id")):
    Index(
        _index,
        recoveries.c.workspace_id,
        recoveries.c[_column],
        recoveries.c.requested_at,
        recoveries.c.recovery_id,
    )
Index(
    "recoveries_told",
    recoveries.c.workspace_id,
    recoveries.c.told_trace_id,
    recoveries.c.recovery_id,
    postgresql_where=recoveries.c.told_trace_id.is_not(None),
)

alert_rules = Table(
    "alert_rules",
    metadata,
    key("workspace_id", UUID()),
    key("rule_id", Text()),
    *[required(name, Text()) for name in ("name", "kind", "agent_id", "environment")],
    required("condition", JSONB()),
    required("severity", Text()),
    required("cooldown_s", Integer()),
    required("webhook_ids", ARRAY(Text())),
    _enabled(),
    *optional(TIME, "muted_until"),
    now("created_at"),
    now("changed_at"),
    now("next_check_at"),
    *optional(TIME, "checked_at", "checked_until"),
    *optional(Text(), "failure"),
    *optional(TIME, "claimed_until"),
    *optional(Text(), "claim"),
    CheckConstraint("kind IN ('figure', 'regression', 'new_failure')"),
    CheckConstraint("severity IN ('info', 'warning', 'critical')"),
    CheckConstraint("cooldown_s >= 0"),
)

alerts = Table(
    "alerts",
    metadata,
    key("workspace_id", UUID()),
    key("alert_id", Text()),
    *[required(name, Text()) for name in ("rule_id", "subject", "agent_id", "state", "severity", "title", "detail")],
    required("evidence", JSONB()),
    *[required(name, TIME) for name in ("holds_since", "held_until", "fired_at")],
    *optional(TIME, "resolved_at", "acknowledged_at"),
    *optional(Text(), "note"),
    *optional(TIME, "muted_until", "notified_at"),
    Column("times_fired", Integer(), nullable=False, server_default=text("1")),
    CheckConstraint("state IN ('firing', 'resolved')"),
)
Index(
    "alerts_firing",
    alerts.c.workspace_id,
    alerts.c.rule_id,
    alerts.c.subject,
    unique=True,
    postgresql_where=alerts.c.state == "firing",
)
Index("alerts_recent", alerts.c.workspace_id, alerts.c.fired_at.desc(), alerts.c.alert_id)
Index("alerts_rule", alerts.c.workspace_id, alerts.c.rule_id, alerts.c.subject, alerts.c.fired_at.desc())

alert_events = Table(
    "alert_events",
    metadata,
    key("workspace_id", UUID()),
    key("alert_id", Text()),
    Column("event_id", BigInteger(), Identity(always=True), primary_key=True),
    required("at", TIME),
    required("event", Text()),
    *optional(Text(), "detail"),
)
