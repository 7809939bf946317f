"""Workspaces and what is theirs alone: keys, retention, deleted traces, decisions; the engine of the database."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, UUID

from stepwell_storage.schema.columns import TIME, key, metadata, now, optional, required

engine = Table(
    "engine",
    metadata,
    Column("is_only", Boolean(), primary_key=True, server_default=text("true")),
    required("engine", Text()),
    *optional(JSONB(), "moving"),
    *optional(TIME, "decided_at"),
    CheckConstraint("is_only"),
    CheckConstraint("engine IN ('undecided', 'native', 'timescale')"),
)

workspaces = Table(
    "workspaces", metadata, key("workspace_id", UUID()), required("name", Text()), now("created_at"),
    *optional(Double(), "credits_per_usd"), *optional(ARRAY(Text()), "redacted"), UniqueConstraint("name"),
)  # fmt: skip

api_keys = Table(
    "api_keys",
    metadata,
    Column("workspace_id", UUID(), ForeignKey(workspaces.c.workspace_id), primary_key=True),
    key("key_id", Text()),
    required("key_hash", BYTEA()),
    required("key_prefix", Text()),
    required("scopes", ARRAY(Text())),
    now("created_at"),
    *optional(TIME, "revoked_at", "expires_at", "last_used_at"),
    UniqueConstraint("key_hash"),
)

retention = Table(
    "retention",
    metadata,
    key("workspace_id", UUID()),
    *optional(Integer(), "raw_days", "payload_days", "hour_days", "day_days"),
    *optional(TIME, "raw_before", "payloads_before", "deleted_at", "payloads_emptied_before"),
    *[CheckConstraint(f"{name} >= 0") for name in ("raw_days", "payload_days", "hour_days", "day_days")],
)

deleted_traces = Table(
    "deleted_traces",
    metadata,
    key("workspace_id", UUID()),
    key("trace_id", BYTEA()),
    *optional(ARRAY(BYTEA()), "span_ids"),
    now("deleted_at"),
)

suggestion_states = Table(
    "suggestion_states",
    metadata,
    key("workspace_id", UUID()),
    *[key(name, Text()) for name in ("agent_id", "suggestion_id")],
    required("state", Text()),
    *optional(Text(), "note"),
    required("suggestion", JSONB()),
    now("changed_at"),
    now("created_at"),
    CheckConstraint("state IN ('open', 'accepted', 'dismissed', 'done')"),
)
