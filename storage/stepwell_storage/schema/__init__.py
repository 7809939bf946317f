"""The tables as SQLAlchemy sees them, for selects that are put together at run time.

The migrations make the tables; a test compares what they give with what stands here, so that neither drifts.
Queries that are known beforehand are SQL texts in ``sql/``.
"""

from stepwell_storage.schema.access import audit_log, members, redaction_rules, sessions
from stepwell_storage.schema.alerting import (
    alert_events,
    alert_rules,
    alerts,
    recoveries,
    webhook_attempts,
    webhook_deliveries,
    webhooks,
)
from stepwell_storage.schema.columns import SCHEMA, metadata, views
from stepwell_storage.schema.executions import (
    agent_executions,
    execution_keys,
    execution_steps,
    path_hash,
    tokens,
    word_vector,
)
from stepwell_storage.schema.facts import (
    dirty_processes,
    dirty_traces,
    live_steps,
    memory_samples,
    step_facts,
    step_logs,
    trace_windows,
)
from stepwell_storage.schema.ledger import ledger_entries, ledger_hours, trace_findings
from stepwell_storage.schema.rollups import rollup_complete_days, rollup_days, rollup_deltas, rollup_hours
from stepwell_storage.schema.tenants import (
    api_keys,
    deleted_traces,
    engine,
    retention,
    suggestion_states,
    workspaces,
)

__all__ = [
    "SCHEMA",
    "agent_executions",
    "alert_events",
    "alert_rules",
    "alerts",
    "api_keys",
    "audit_log",
    "deleted_traces",
    "dirty_processes",
    "dirty_traces",
    "engine",
    "execution_keys",
    "execution_steps",
    "ledger_entries",
    "ledger_hours",
    "live_steps",
    "members",
    "memory_samples",
    "metadata",
    "path_hash",
    "recoveries",
    "redaction_rules",
    "retention",
    "rollup_complete_days",
    "rollup_days",
    "rollup_deltas",
    "rollup_hours",
    "sessions",
    "step_facts",
    "step_logs",
    "suggestion_states",
    "tokens",
    "trace_findings",
    "trace_windows",
    "views",
    "webhook_attempts",
    "webhook_deliveries",
    "webhooks",
    "word_vector",
    "workspaces",
]
