"""What came in: steps, log records, memory of processes, and the marks that tell the worker what is new."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Double, Identity, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, UUID

from stepwell_storage.schema.columns import BY_START, TIME, key, metadata, now, optional, required


def _step_columns(*, is_start_in_key: bool) -> "list[Column[Any]]":
    """The columns of steps, which finished and running ones share."""
    return [
        key("workspace_id", UUID()),
        key("trace_id", BYTEA()),
        key("span_id", BYTEA()),
        *optional(BYTEA(), "parent_span_id"),
        *optional(Boolean(), "parent_is_remote"),
        Column("start_time", TIME, nullable=False, primary_key=is_start_in_key),
        *optional(TIME, "end_time"),
        *optional(Double(), "duration_ms"),
        *[required(name, Text()) for name in ("name", "step_name", "step_type", "role", "operation", "status")],
        *optional(Text(), "error_type", "error_message", "agent_name", "span_agent_name", "agent_ref"),
        *optional(Text(), "agent_version", "model", "provider", "response_id", "finish_reason"),
        *optional(BigInteger(), "prompt_tokens", "completion_tokens", "cache_read_tokens", "cache_write_tokens"),
        *optional(BigInteger(), "reasoning_tokens"),
        *optional(Double(), "cost_usd", "credits", "memory_mb"),
        *optional(Text(), "session_id", "conversation_id", "user_id", "trigger_type"),
        *optional(JSONB(), "trigger_source"),
        *optional(Text(), "runtime_mode", "service_name", "service_version", "environment", "framework"),
        *optional(Text(), "scope_name"),
        required("has_input", Boolean()),
        required("has_output", Boolean()),
        required("flags", ARRAY(Text())),
        *optional(JSONB(), "checkpoints", "input", "output", "error", "attributes", "resource", "events", "links"),
        now("created_at"),
        *optional(BYTEA(), "process_key"),
        *optional(Text(), "key_id"),
    ]


step_facts = Table("step_facts", metadata, *_step_columns(is_start_in_key=True), postgresql_partition_by=BY_START)

live_steps = Table("live_steps", metadata, *_step_columns(is_start_in_key=False))
Index("live_steps_age", live_steps.c.workspace_id, live_steps.c.start_time)

step_logs = Table(
    "step_logs",
    metadata,
    *[key(name, kind) for name, kind in (("workspace_id", UUID()), ("trace_id", BYTEA()), ("span_id", BYTEA()))],
    key("time", TIME),
    key("record_key", BYTEA()),
    *optional(Text(), "event_name"),
    *optional(Integer(), "severity_number"),
    *optional(Text(), "severity_text"),
    *optional(JSONB(), "input", "output", "body", "attributes"),
    required("flags", ARRAY(Text())),
    now("created_at"),
    *optional(Text(), "key_id"),
)
Index(
    "step_logs_messages",
    step_logs.c.workspace_id,
    step_logs.c.trace_id,
    step_logs.c.span_id,
    postgresql_where=step_logs.c.input.is_not(None) | step_logs.c.output.is_not(None),
)

dirty_traces = Table(
    "dirty_traces",
    metadata,
    Column("sequence", BigInteger(), Identity(always=True), primary_key=True),
    required("workspace_id", UUID()),
    required("trace_id", BYTEA()),
    required("earliest", TIME),
    required("latest", TIME),
    required("span_count", Integer()),
    now("marked_at"),
    Column("may_end_run", Boolean(), nullable=False, server_default=text("false")),
)

trace_windows = Table(
    "trace_windows",
    metadata,
    key("workspace_id", UUID()),
    key("trace_id", BYTEA()),
    required("earliest", TIME),
    required("latest", TIME),
    *optional(TIME, "idle_since"),
)
Index(
    "trace_windows_idle",
    trace_windows.c.workspace_id,
    trace_windows.c.idle_since,
    trace_windows.c.trace_id,
    postgresql_where=text("idle_since IS NOT NULL"),
)

memory_samples = Table(
    "memory_samples",
    metadata,
    key("workspace_id", UUID()),
    key("process_key", BYTEA()),
    key("time", TIME),
    key("is_resident", Boolean()),
    required("memory_mb", Double()),
    now("created_at"),
)
Index("memory_samples_age", memory_samples.c.workspace_id, memory_samples.c.created_at)

dirty_processes = Table(
    "dirty_processes",
    metadata,
    Column("sequence", BigInteger(), Identity(always=True), primary_key=True),
    required("workspace_id", UUID()),
    required("process_key", BYTEA()),
    required("earliest", TIME),
    required("latest", TIME),
    now("marked_at"),
)
