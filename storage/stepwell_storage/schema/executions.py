"""Executions, which the worker folds from steps, and the view of their steps."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
    case,
    cast,
    func,
    or_,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, UUID

from stepwell_storage.schema.columns import BY_START, TIME, key, metadata, now, optional, required, views

execution_keys = Table(
    "execution_keys",
    metadata,
    key("workspace_id", UUID()),
    key("execution_id", Text()),
    required("trace_id", BYTEA()),
    required("start_time", TIME),
    now("created_at"),
    *optional(BYTEA(), "process_key"),
    *optional(TIME, "last_activity_at"),
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

agent_executions = Table(
    "agent_executions",
    metadata,
    required("id", UUID()),
    key("workspace_id", UUID()),
    key("execution_id", Text()),
    required("trace_id", Text()),
    *optional(Text(), "root_span_id", "parent_execution_id"),
    required("agent_id", Text()),
    *optional(Text(), "agent_name", "user_id", "session_id", "trigger_type"),
    *optional(JSONB(), "trigger_source", "input_data", "output_data"),
    key("start_time", TIME),
    *optional(TIME, "end_time"),
    *optional(Double(), "duration_ms"),
    required("last_activity_at", TIME),
    required("status", Text()),
    *optional(Text(), "error_type", "error_message", "error_step_name", "error_fingerprint"),
    *optional(Double(), "credits_consumed"),
    *optional(JSONB(), "tokens_used"),
    *optional(BigInteger(), "prompt_tokens", "completion_tokens"),
    *optional(Double(), "cost_usd"),
    required("api_calls_count", Integer()),
    *optional(Double(), "memory_usage_mb"),
    required("steps_total", Integer()),
    required("steps_completed", Integer()),
    required("execution_graph", JSONB()),
    required("path", Text()),
    required("checkpoints", ARRAY(JSONB())),
    *optional(Text(), "environment", "runtime_mode", "version", "service_name", "framework"),
    required("models", ARRAY(Text())),
    required("step_span_ids", ARRAY(BYTEA())),
    required("step_attempts", ARRAY(Integer())),
    required("duplicate_span_ids", ARRAY(BYTEA())),
    now("created_at"),
    now("updated_at"),
    required("figures", JSONB()),
    *optional(ARRAY(Integer()), "step_depths"),
    *optional(ARRAY(SmallInteger()), "step_marks"),
    *optional(ARRAY(Double()), "step_self_ms"),
    *optional(ARRAY(Integer()), "duplicates_of"),
    *optional(Text(), "words"),
    postgresql_partition_by=BY_START,
)
_recent = (agent_executions.c.start_time.desc(), agent_executions.c.execution_id)
Index("agent_executions_recent", agent_executions.c.workspace_id, *_recent)
Index("agent_executions_agent", agent_executions.c.workspace_id, agent_executions.c.agent_id, *_recent)
Index("agent_executions_status", agent_executions.c.workspace_id, agent_executions.c.status, *_recent)
Index("agent_executions_environment", agent_executions.c.workspace_id, agent_executions.c.environment, *_recent)
path_hash: Final = func.hashtextextended(agent_executions.c.path, text("0"))
"""Stands for an execution's path, which may be longer than an index takes."""
Index("agent_executions_path", agent_executions.c.workspace_id, path_hash, *_recent)
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
recovered: Final = agent_executions.c.trigger_source.op("->>")(text("'recovery_of'"))
"""The run that an execution says it recovers; the index is found by this very expression."""
Index(
    "agent_executions_recovers",
    agent_executions.c.workspace_id,
    recovered,
    agent_executions.c.start_time,
    postgresql_where=recovered.is_not(None),
)
word_vector: Final = func.array_to_tsvector(func.string_to_array(agent_executions.c.words, text("' '")))
"""An execution's words as they are searched; the index is found by this very expression."""
Index("agent_executions_words", word_vector, postgresql_using="gin")
Index("agent_executions_models", agent_executions.c.models, postgresql_using="gin")
Index(
    "agent_executions_unread",
    agent_executions.c.workspace_id,
    agent_executions.c.start_time,
    postgresql_where=agent_executions.c.words.is_(None),
)


execution_steps = Table(
    "execution_steps",
    views,
    *optional(UUID(), "id", "workspace_id"),
    *optional(Text(), "execution_id"),
    *optional(Integer(), "step_index"),
    *optional(Text(), "step_name", "step_type"),
    *optional(TIME, "start_time", "end_time"),
    *optional(Double(), "duration_ms"),
    *optional(Text(), "status"),
    *optional(JSONB(), "input", "output", "error"),
    *optional(BigInteger(), "tokens_used"),
    *optional(ARRAY(JSONB()), "api_calls"),
    *optional(Text(), "trace_id", "span_id", "parent_span_id", "operation", "agent_name", "model"),
    *optional(BigInteger(), "prompt_tokens", "completion_tokens"),
    *optional(Double(), "cost_usd"),
    *optional(Text(), "error_type"),
    *optional(Integer(), "attempt"),
    *optional(JSONB(), "attributes"),
    *optional(TIME, "created_at"),
)
