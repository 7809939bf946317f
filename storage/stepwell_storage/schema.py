"""The tables as SQLAlchemy sees them, for selects that are put together at run time.

The migrations make the tables; a test compares what they give with what stands here, so that neither drifts.
Queries that are known beforehand are SQL texts in ``sql/``.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    case,
    cast,
    func,
    or_,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, TIMESTAMP, UUID
from sqlalchemy.schema import SchemaItem

SCHEMA: Final = "analytics"

metadata: Final = MetaData(schema=SCHEMA)
"""The tables."""
views: Final = MetaData(schema=SCHEMA)
"""The views, apart because nobody creates or compares them like tables."""

TIME: Final = TIMESTAMP(timezone=True)
BY_START: Final = "RANGE (start_time)"


def _key(name: str, kind: Any) -> "Column[Any]":
    return Column(name, kind, primary_key=True)


def _required(name: str, kind: Any) -> "Column[Any]":
    return Column(name, kind, nullable=False)


def _optional(kind: Any, *names: str) -> "list[Column[Any]]":
    return [Column(name, kind) for name in names]


def _now(name: str) -> "Column[Any]":
    return Column(name, TIME, nullable=False, server_default=func.now())


def _step_columns(*, is_start_in_key: bool) -> "list[Column[Any]]":
    """The columns of steps, which finished and running ones share."""
    return [
        _key("workspace_id", UUID()),
        _key("trace_id", BYTEA()),
        _key("span_id", BYTEA()),
        *_optional(BYTEA(), "parent_span_id"),
        *_optional(Boolean(), "parent_is_remote"),
        Column("start_time", TIME, nullable=False, primary_key=is_start_in_key),
        *_optional(TIME, "end_time"),
        *_optional(Double(), "duration_ms"),
        *[_required(name, Text()) for name in ("name", "step_name", "step_type", "role", "operation", "status")],
        *_optional(Text(), "error_type", "error_message", "agent_name", "span_agent_name", "agent_ref"),
        *_optional(Text(), "agent_version", "model", "provider", "response_id", "finish_reason"),
        *_optional(BigInteger(), "prompt_tokens", "completion_tokens", "cache_read_tokens", "cache_write_tokens"),
        *_optional(BigInteger(), "reasoning_tokens"),
        *_optional(Double(), "cost_usd", "credits", "memory_mb"),
        *_optional(Text(), "session_id", "conversation_id", "user_id", "trigger_type"),
        *_optional(JSONB(), "trigger_source"),
        *_optional(Text(), "runtime_mode", "service_name", "service_version", "environment", "framework"),
        *_optional(Text(), "scope_name"),
        _required("has_input", Boolean()),
        _required("has_output", Boolean()),
        _required("flags", ARRAY(Text())),
        *_optional(JSONB(), "checkpoints", "input", "output", "error", "attributes", "resource", "events", "links"),
        _now("created_at"),
        *_optional(BYTEA(), "process_key"),
        *_optional(Text(), "key_id"),
    ]


engine = Table(
    "engine",
    metadata,
    Column("is_only", Boolean(), primary_key=True, server_default=text("true")),
    _required("engine", Text()),
    *_optional(JSONB(), "moving"),
    *_optional(TIME, "decided_at"),
    CheckConstraint("is_only"),
    CheckConstraint("engine IN ('undecided', 'native', 'timescale')"),
)

workspaces = Table(
    "workspaces", metadata, _key("workspace_id", UUID()), _required("name", Text()), _now("created_at"),
    *_optional(Double(), "credits_per_usd"), UniqueConstraint("name"),
)  # fmt: skip

api_keys = Table(
    "api_keys",
    metadata,
    Column("workspace_id", UUID(), ForeignKey(workspaces.c.workspace_id), primary_key=True),
    _key("key_id", Text()),
    _required("key_hash", BYTEA()),
    _required("key_prefix", Text()),
    _required("scopes", ARRAY(Text())),
    _now("created_at"),
    *_optional(TIME, "revoked_at"),
    UniqueConstraint("key_hash"),
)

retention = Table(
    "retention",
    metadata,
    _key("workspace_id", UUID()),
    *_optional(Integer(), "raw_days", "payload_days", "hour_days", "day_days"),
    *_optional(TIME, "raw_before", "payloads_before", "deleted_at", "payloads_emptied_before"),
    *[CheckConstraint(f"{name} >= 0") for name in ("raw_days", "payload_days", "hour_days", "day_days")],
)

deleted_traces = Table(
    "deleted_traces",
    metadata,
    _key("workspace_id", UUID()),
    _key("trace_id", BYTEA()),
    *_optional(ARRAY(BYTEA()), "span_ids"),
    _now("deleted_at"),
)

step_facts = Table("step_facts", metadata, *_step_columns(is_start_in_key=True), postgresql_partition_by=BY_START)

live_steps = Table("live_steps", metadata, *_step_columns(is_start_in_key=False))
Index("live_steps_age", live_steps.c.workspace_id, live_steps.c.start_time)

step_logs = Table(
    "step_logs",
    metadata,
    *[_key(name, kind) for name, kind in (("workspace_id", UUID()), ("trace_id", BYTEA()), ("span_id", BYTEA()))],
    _key("time", TIME),
    _key("record_key", BYTEA()),
    *_optional(Text(), "event_name"),
    *_optional(Integer(), "severity_number"),
    *_optional(Text(), "severity_text"),
    *_optional(JSONB(), "input", "output", "body", "attributes"),
    _required("flags", ARRAY(Text())),
    _now("created_at"),
    *_optional(Text(), "key_id"),
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
    _required("workspace_id", UUID()),
    _required("trace_id", BYTEA()),
    _required("earliest", TIME),
    _required("latest", TIME),
    _required("span_count", Integer()),
    _now("marked_at"),
)

trace_windows = Table(
    "trace_windows",
    metadata,
    _key("workspace_id", UUID()),
    _key("trace_id", BYTEA()),
    _required("earliest", TIME),
    _required("latest", TIME),
    *_optional(TIME, "idle_since"),
)
Index(
    "trace_windows_idle",
    trace_windows.c.workspace_id,
    trace_windows.c.idle_since,
    trace_windows.c.trace_id,
    postgresql_where=text("idle_since IS NOT NULL"),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    _key("workspace_id", UUID()),
    Column("entry_id", BigInteger(), Identity(always=True), primary_key=True),
    *[_required(name, Text()) for name in ("key_id", "signal", "outcome", "reason")],
    _required("hour", TIME),
    _required("amount", Numeric()),
)

ledger_hours = Table(
    "ledger_hours",
    metadata,
    _key("workspace_id", UUID()),
    _key("hour", TIME),
    *[_key(name, Text()) for name in ("key_id", "signal", "outcome", "reason")],
    _required("amount", Numeric()),
)

trace_findings = Table(
    "trace_findings",
    metadata,
    _key("workspace_id", UUID()),
    _key("trace_id", BYTEA()),
    _key("hour", TIME),
    *[_key(name, Text()) for name in ("key_id", "outcome")],
    _required("amount", Numeric()),
)

execution_keys = Table(
    "execution_keys",
    metadata,
    _key("workspace_id", UUID()),
    _key("execution_id", Text()),
    _required("trace_id", BYTEA()),
    _required("start_time", TIME),
    _now("created_at"),
    *_optional(BYTEA(), "process_key"),
    *_optional(TIME, "last_activity_at"),
    Column("is_open", Boolean(), nullable=False, server_default=text("false")),
)
Index("execution_keys_trace", execution_keys.c.workspace_id, execution_keys.c.trace_id)
Index(
    "execution_keys_open",
    execution_keys.c.workspace_id,
    execution_keys.c.last_activity_at,
    execution_keys.c.execution_id,
    postgresql_where=execution_keys.c.is_open,
)
Index(
    "execution_keys_process",
    execution_keys.c.workspace_id,
    execution_keys.c.process_key,
    execution_keys.c.last_activity_at,
    execution_keys.c.execution_id,
    postgresql_where=execution_keys.c.process_key.is_not(None),
)

memory_samples = Table(
    "memory_samples",
    metadata,
    _key("workspace_id", UUID()),
    _key("process_key", BYTEA()),
    _key("time", TIME),
    _key("is_resident", Boolean()),
    _required("memory_mb", Double()),
    _now("created_at"),
)
Index("memory_samples_age", memory_samples.c.workspace_id, memory_samples.c.created_at)

dirty_processes = Table(
    "dirty_processes",
    metadata,
    Column("sequence", BigInteger(), Identity(always=True), primary_key=True),
    _required("workspace_id", UUID()),
    _required("process_key", BYTEA()),
    _required("earliest", TIME),
    _required("latest", TIME),
    _now("marked_at"),
)

agent_executions = Table(
    "agent_executions",
    metadata,
    _required("id", UUID()),
    _key("workspace_id", UUID()),
    _key("execution_id", Text()),
    _required("trace_id", Text()),
    *_optional(Text(), "root_span_id", "parent_execution_id"),
    _required("agent_id", Text()),
    *_optional(Text(), "agent_name", "user_id", "session_id", "trigger_type"),
    *_optional(JSONB(), "trigger_source", "input_data", "output_data"),
    _key("start_time", TIME),
    *_optional(TIME, "end_time"),
    *_optional(Double(), "duration_ms"),
    _required("last_activity_at", TIME),
    _required("status", Text()),
    *_optional(Text(), "error_type", "error_message", "error_step_name", "error_fingerprint"),
    *_optional(Double(), "credits_consumed"),
    *_optional(JSONB(), "tokens_used"),
    *_optional(BigInteger(), "prompt_tokens", "completion_tokens"),
    *_optional(Double(), "cost_usd"),
    _required("api_calls_count", Integer()),
    *_optional(Double(), "memory_usage_mb"),
    _required("steps_total", Integer()),
    _required("steps_completed", Integer()),
    _required("execution_graph", JSONB()),
    _required("path", Text()),
    _required("checkpoints", ARRAY(JSONB())),
    *_optional(Text(), "environment", "runtime_mode", "version", "service_name", "framework"),
    _required("models", ARRAY(Text())),
    _required("step_span_ids", ARRAY(BYTEA())),
    _required("step_attempts", ARRAY(Integer())),
    _required("duplicate_span_ids", ARRAY(BYTEA())),
    _now("created_at"),
    _now("updated_at"),
    _required("figures", JSONB()),
    *_optional(ARRAY(Integer()), "step_depths"),
    *_optional(ARRAY(SmallInteger()), "step_marks"),
    *_optional(ARRAY(Double()), "step_self_ms"),
    *_optional(ARRAY(Integer()), "duplicates_of"),
    *_optional(Text(), "words"),
    postgresql_partition_by=BY_START,
)
_recent = (agent_executions.c.start_time.desc(), agent_executions.c.execution_id)
Index("agent_executions_recent", agent_executions.c.workspace_id, *_recent)
Index("agent_executions_agent", agent_executions.c.workspace_id, agent_executions.c.agent_id, *_recent)
Index("agent_executions_status", agent_executions.c.workspace_id, agent_executions.c.status, *_recent)
Index(
    "agent_executions_running",
    agent_executions.c.workspace_id,
    agent_executions.c.last_activity_at,
    postgresql_where=text("status IN ('pending', 'running')"),
)
Index("agent_executions_duration", agent_executions.c.workspace_id, agent_executions.c.duration_ms)
_told: Final = (agent_executions.c.prompt_tokens, agent_executions.c.completion_tokens)
_both: Final = [cast(func.coalesce(amount, text("0")), Numeric) for amount in _told]
tokens: Final = cast(
    case((or_(*[amount.is_not(None) for amount in _told]), func.least(_both[0] + _both[1], text(str(2**63 - 1))))),
    BigInteger(),
)
"""An execution's tokens of both kinds; where one is unknown, what is known. The index is found by this expression."""
_last: Final = agent_executions.c.execution_id.desc()
Index("agent_executions_cost", agent_executions.c.workspace_id, agent_executions.c.cost_usd, _last)
Index("agent_executions_tokens", agent_executions.c.workspace_id, tokens, _last)
Index("agent_executions_steps", agent_executions.c.workspace_id, agent_executions.c.steps_total, _last)
Index(
    "agent_executions_unsuccessful",
    agent_executions.c.workspace_id,
    agent_executions.c.agent_id,
    agent_executions.c.status,
    *_recent,
    postgresql_where=text("status <> 'success'"),
)
for _index, _column in (
    ("agent_executions_error", agent_executions.c.error_type),
    ("agent_executions_user", agent_executions.c.user_id),
    ("agent_executions_session", agent_executions.c.session_id),
):
    Index(_index, agent_executions.c.workspace_id, _column, *_recent, postgresql_where=_column.is_not(None))
word_vector: Final = func.array_to_tsvector(func.string_to_array(agent_executions.c.words, text("' '")))
"""An execution's words as they are searched; the index is found by this very expression."""
Index("agent_executions_words", word_vector, postgresql_using="gin")
Index(
    "agent_executions_unread",
    agent_executions.c.workspace_id,
    agent_executions.c.start_time,
    postgresql_where=agent_executions.c.words.is_(None),
)


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
        _required("item", Text()),
        *_optional(Text(), "detail", "step_name"),
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
        *_optional(ARRAY(Integer()), "durations", "memories"),
        *_optional(TIME, "last_seen"),
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
rollup_complete_days = Table("rollup_complete_days", metadata, _key("workspace_id", UUID()), _key("day", TIME))

execution_steps = Table(
    "execution_steps",
    views,
    *_optional(UUID(), "id", "workspace_id"),
    *_optional(Text(), "execution_id"),
    *_optional(Integer(), "step_index"),
    *_optional(Text(), "step_name", "step_type"),
    *_optional(TIME, "start_time", "end_time"),
    *_optional(Double(), "duration_ms"),
    *_optional(Text(), "status"),
    *_optional(JSONB(), "input", "output", "error"),
    *_optional(BigInteger(), "tokens_used"),
    *_optional(ARRAY(JSONB()), "api_calls"),
    *_optional(Text(), "trace_id", "span_id", "parent_span_id", "operation", "agent_name", "model"),
    *_optional(BigInteger(), "prompt_tokens", "completion_tokens"),
    *_optional(Double(), "cost_usd"),
    *_optional(Text(), "error_type"),
    *_optional(Integer(), "attempt"),
    *_optional(JSONB(), "attributes"),
    *_optional(TIME, "created_at"),
)
