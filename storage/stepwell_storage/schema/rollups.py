"""Figures by hour and by day: see `stepwell_storage.rollups`."""

from typing import Any

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Numeric, PrimaryKeyConstraint, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.schema import SchemaItem

from stepwell_storage.schema.columns import TIME, key, metadata, optional, required


def _amounts(kind: Any, *names: str) -> "list[Column[Any]]":
    """What is added up."""
    return [Column(name, kind, nullable=False, server_default=text("0")) for name in names]


def _rollup_columns(*, is_key: bool) -> "list[SchemaItem]":
    """What rollups of hours and days, and rows that wait to be added to them, share; see `rollups.figures`."""
    dimensions: list[Column[Any]] = [
        Column("workspace_id", UUID(), nullable=False),
        Column("agent_id", Text(), nullable=False),
        Column("bucket", TIME, nullable=False),
        *[Column(name, Text(), nullable=False) for name in ("environment", "version", "kind")],
        Column("item_id", UUID(), nullable=False),
    ]
    key = ("workspace_id", "agent_id", "kind", "bucket", "environment", "version", "item_id")
    return [
        *dimensions,
        required("item", Text()),
        *optional(Text(), "detail", "step_name"),
        *_amounts(BigInteger(), "pending", "running", "success", "failed", "timeout", "cancelled", "executions"),
        *_amounts(BigInteger(), "retries", "duration_count"),
        *_amounts(Numeric(), "duration_ms", "duration_square_ms2", "self_ms", "critical_ms", "critical_success_ms"),
        *_amounts(Numeric(), "prompt_tokens"),
        *_amounts(BigInteger(), "prompt_known"),
        *_amounts(Numeric(), "completion_tokens"),
        *_amounts(BigInteger(), "completion_known"),
        *_amounts(Numeric(), "cost_usd"),
        *_amounts(BigInteger(), "cost_known"),
        *_amounts(Numeric(), "credits"),
        *_amounts(BigInteger(), "credits_known", "api_calls"),
        *_amounts(Numeric(), "memory_mb"),
        *_amounts(BigInteger(), "memory_known", "steps"),
        *optional(ARRAY(Integer()), "durations", "memories"),
        *optional(TIME, "last_seen"),
        *([PrimaryKeyConstraint(*key)] if is_key else []),
    ]


rollup_deltas = Table(
    "rollup_deltas",
    metadata,
    Column("sequence", BigInteger(), Identity(always=True), primary_key=True),
    *_rollup_columns(is_key=False),
)
rollup_hours = Table("rollup_hours", metadata, *_rollup_columns(is_key=True))
Index("rollup_hours_kind", rollup_hours.c.workspace_id, rollup_hours.c.kind, rollup_hours.c.bucket)
rollup_days = Table("rollup_days", metadata, *_rollup_columns(is_key=True))
Index("rollup_days_kind", rollup_days.c.workspace_id, rollup_days.c.kind, rollup_days.c.bucket)
rollup_complete_days = Table("rollup_complete_days", metadata, key("workspace_id", UUID()), key("day", TIME))
