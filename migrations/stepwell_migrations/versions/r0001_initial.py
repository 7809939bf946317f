"""The first schema: workspaces, keys, steps and log records as facts, dirty marks, folded executions.

Revision: 0001
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STEP_COLUMNS = """
    workspace_id      uuid NOT NULL,
    trace_id          bytea NOT NULL,
    span_id           bytea NOT NULL,
    parent_span_id    bytea,
    parent_is_remote  boolean,
    start_time        timestamptz NOT NULL,
    end_time          timestamptz,
    duration_ms       double precision,
    name              text NOT NULL,
    step_name         text NOT NULL,
    step_type         text NOT NULL,
    role              text NOT NULL,
    operation         text NOT NULL,
    status            text NOT NULL,
    error_type        text,
    error_message     text,
    agent_name        text,
    span_agent_name   text,
    agent_ref         text,
    agent_version     text,
    model             text,
    provider          text,
    response_id       text,
    finish_reason     text,
    prompt_tokens     bigint,
    completion_tokens bigint,
    cache_read_tokens bigint,
    cache_write_tokens bigint,
    reasoning_tokens  bigint,
    cost_usd          double precision,
    credits           double precision,
    memory_mb         double precision,
    session_id        text,
    conversation_id   text,
    user_id           text,
    trigger_type      text,
    trigger_source    jsonb,
    runtime_mode      text,
    service_name      text,
    service_version   text,
    environment       text,
    framework         text,
    scope_name        text,
    has_input         boolean NOT NULL,
    has_output        boolean NOT NULL,
    flags             text[] NOT NULL,
    checkpoints       jsonb,
    input             jsonb,
    output            jsonb,
    error             jsonb,
    attributes        jsonb,
    resource          jsonb,
    events            jsonb,
    links             jsonb,
    created_at        timestamptz NOT NULL DEFAULT now()
"""

TENANTS = """
CREATE TABLE analytics.workspaces (
    workspace_id uuid PRIMARY KEY,
    name         text NOT NULL UNIQUE,
    created_at   timestamptz NOT NULL DEFAULT now()
);
INSERT INTO analytics.workspaces (workspace_id, name) VALUES ('00000000-0000-0000-0000-000000000001', 'local');

CREATE TABLE analytics.api_keys (
    workspace_id uuid NOT NULL REFERENCES analytics.workspaces,
    key_id       text NOT NULL,
    key_hash     bytea NOT NULL UNIQUE,
    key_prefix   text NOT NULL,
    scopes       text[] NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    revoked_at   timestamptz,
    PRIMARY KEY (workspace_id, key_id)
);
"""

FACTS = f"""
CREATE TABLE analytics.step_facts ({STEP_COLUMNS},
    PRIMARY KEY (workspace_id, trace_id, span_id, start_time)
) PARTITION BY RANGE (start_time);
CREATE TABLE analytics.step_facts_default PARTITION OF analytics.step_facts DEFAULT
    WITH (toast_tuple_target = 8160);

CREATE TABLE analytics.live_steps ({STEP_COLUMNS},
    PRIMARY KEY (workspace_id, trace_id, span_id)
) WITH (toast_tuple_target = 8160);
CREATE INDEX live_steps_age ON analytics.live_steps (workspace_id, start_time);

CREATE TABLE analytics.dirty_traces (
    sequence     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id uuid NOT NULL,
    trace_id     bytea NOT NULL,
    earliest     timestamptz NOT NULL,
    latest       timestamptz NOT NULL,
    span_count   integer NOT NULL,
    marked_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE analytics.trace_windows (
    workspace_id uuid NOT NULL,
    trace_id     bytea NOT NULL,
    earliest     timestamptz NOT NULL,
    latest       timestamptz NOT NULL,
    idle_since   timestamptz,
    PRIMARY KEY (workspace_id, trace_id)
);
CREATE INDEX trace_windows_idle ON analytics.trace_windows (workspace_id, idle_since, trace_id)
    WHERE idle_since IS NOT NULL;
"""

# Log records by their span. Not partitioned: they are asked for by their span alone, and its time does not bound theirs
# (another clock, or none at all), so that each look-up would search the partitions of all days.
# `input` and `output` are lists of messages; step_messages puts those of a span together in the order of their times.
LOGS = """
CREATE TABLE analytics.step_logs (
    workspace_id    uuid NOT NULL,
    trace_id        bytea NOT NULL,
    span_id         bytea NOT NULL,
    time            timestamptz NOT NULL,
    record_key      bytea NOT NULL,
    event_name      text,
    severity_number integer,
    severity_text   text,
    input           jsonb,
    output          jsonb,
    body            jsonb,
    attributes      jsonb,
    flags           text[] NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, trace_id, span_id, time, record_key)
) WITH (toast_tuple_target = 8160);
CREATE INDEX step_logs_messages ON analytics.step_logs (workspace_id, trace_id, span_id)
    WHERE input IS NOT NULL OR output IS NOT NULL;

CREATE FUNCTION analytics.step_messages(
    of_workspace uuid, of_trace bytea, of_span bytea, OUT input jsonb, OUT output jsonb
) RETURNS SETOF record LANGUAGE sql STABLE AS $$
SELECT
    (SELECT jsonb_agg(message.value
                      ORDER BY l.time, l.event_name <> 'gen_ai.system.message', l.record_key, message.place)
     FROM analytics.step_logs l
     CROSS JOIN LATERAL jsonb_array_elements(l.input) WITH ORDINALITY AS message (value, place)
     WHERE l.workspace_id = of_workspace AND l.trace_id = of_trace AND l.span_id = of_span
       AND (l.input IS NOT NULL OR l.output IS NOT NULL)),
    (SELECT jsonb_agg(message.value ORDER BY l.time, l.record_key, message.place)
     FROM analytics.step_logs l
     CROSS JOIN LATERAL jsonb_array_elements(l.output) WITH ORDINALITY AS message (value, place)
     WHERE l.workspace_id = of_workspace AND l.trace_id = of_trace AND l.span_id = of_span
       AND (l.input IS NOT NULL OR l.output IS NOT NULL))
$$;
"""

EXECUTIONS = """
CREATE TABLE analytics.execution_keys (
    workspace_id uuid NOT NULL,
    execution_id text NOT NULL,
    trace_id     bytea NOT NULL,
    start_time   timestamptz NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, execution_id)
);
CREATE INDEX execution_keys_trace ON analytics.execution_keys (workspace_id, trace_id);

CREATE TABLE analytics.agent_executions (
    id                  uuid NOT NULL,
    workspace_id        uuid NOT NULL,
    execution_id        text NOT NULL,
    trace_id            text NOT NULL,
    root_span_id        text,
    parent_execution_id text,
    agent_id            text NOT NULL,
    agent_name          text,
    user_id             text,
    session_id          text,
    trigger_type        text,
    trigger_source      jsonb,
    input_data          jsonb,
    output_data         jsonb,
    start_time          timestamptz NOT NULL,
    end_time            timestamptz,
    duration_ms         double precision,
    last_activity_at    timestamptz NOT NULL,
    status              text NOT NULL,
    error_type          text,
    error_message       text,
    error_step_name     text,
    error_fingerprint   text,
    credits_consumed    double precision,
    tokens_used         jsonb,
    prompt_tokens       bigint,
    completion_tokens   bigint,
    cost_usd            double precision,
    api_calls_count     integer NOT NULL,
    memory_usage_mb     double precision,
    steps_total         integer NOT NULL,
    steps_completed     integer NOT NULL,
    execution_graph     jsonb NOT NULL,
    path                text NOT NULL,
    checkpoints         jsonb[] NOT NULL,
    environment         text,
    runtime_mode        text,
    version             text,
    service_name        text,
    framework           text,
    models              text[] NOT NULL,
    step_span_ids       bytea[] NOT NULL,
    step_attempts       integer[] NOT NULL,
    duplicate_span_ids  bytea[] NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, execution_id, start_time)
) PARTITION BY RANGE (start_time);
CREATE INDEX agent_executions_recent
    ON analytics.agent_executions (workspace_id, start_time DESC, execution_id);
CREATE INDEX agent_executions_agent
    ON analytics.agent_executions (workspace_id, agent_id, start_time DESC, execution_id);
CREATE INDEX agent_executions_status
    ON analytics.agent_executions (workspace_id, status, start_time DESC, execution_id);
CREATE INDEX agent_executions_running
    ON analytics.agent_executions (workspace_id, last_activity_at) WHERE status IN ('pending', 'running');
CREATE INDEX agent_executions_duration
    ON analytics.agent_executions (workspace_id, duration_ms);
CREATE TABLE analytics.agent_executions_default PARTITION OF analytics.agent_executions DEFAULT;
"""

# The specification's execution_steps: every step under its execution. Facts never change, so the fold keeps the order
# of an execution's steps on the execution; a query that names a workspace and a time range reads nothing else.
EXECUTION_STEPS = """
CREATE VIEW analytics.execution_steps AS
SELECT
    md5(f.workspace_id::text || encode(f.trace_id, 'hex') || encode(f.span_id, 'hex'))::uuid AS id,
    e.workspace_id,
    e.execution_id,
    (place.ordinality - 1)::integer AS step_index,
    f.step_name,
    f.step_type,
    f.start_time,
    f.end_time,
    f.duration_ms,
    f.status,
    coalesce(f.input, (SELECT told.input FROM analytics.step_messages(f.workspace_id, f.trace_id, f.span_id) told))
        AS input,
    coalesce(f.output, (SELECT told.output FROM analytics.step_messages(f.workspace_id, f.trace_id, f.span_id) told))
        AS output,
    f.error,
    CASE WHEN f.prompt_tokens IS NULL AND f.completion_tokens IS NULL THEN NULL
         ELSE coalesce(f.prompt_tokens, 0) + coalesce(f.completion_tokens, 0) END AS tokens_used,
    CASE WHEN f.step_type = 'api_call'
         THEN ARRAY[jsonb_build_object('operation', f.operation, 'model', f.model, 'provider', f.provider)]
         ELSE ARRAY[]::jsonb[] END AS api_calls,
    encode(f.trace_id, 'hex') AS trace_id,
    encode(f.span_id, 'hex') AS span_id,
    encode(f.parent_span_id, 'hex') AS parent_span_id,
    CASE WHEN f.span_id = ANY (e.duplicate_span_ids) THEN 'chain' ELSE f.operation END AS operation,
    f.agent_name,
    f.model,
    f.prompt_tokens,
    f.completion_tokens,
    f.cost_usd,
    f.error_type,
    e.step_attempts[place.ordinality] AS attempt,
    f.attributes,
    f.created_at
FROM analytics.agent_executions e
CROSS JOIN LATERAL unnest(e.step_span_ids) WITH ORDINALITY AS place (span_id, ordinality)
JOIN analytics.trace_windows w ON w.workspace_id = e.workspace_id AND w.trace_id = decode(e.trace_id, 'hex')
CROSS JOIN LATERAL (
    SELECT * FROM analytics.step_facts s
    WHERE s.workspace_id = e.workspace_id AND s.trace_id = w.trace_id AND s.span_id = place.span_id
      AND s.start_time BETWEEN w.earliest AND w.latest
    UNION ALL
    SELECT * FROM analytics.live_steps s
    WHERE s.workspace_id = e.workspace_id AND s.trace_id = w.trace_id AND s.span_id = place.span_id
      AND NOT EXISTS (
        SELECT FROM analytics.step_facts d
        WHERE d.workspace_id = e.workspace_id AND d.trace_id = w.trace_id AND d.span_id = place.span_id
          AND d.start_time BETWEEN w.earliest AND w.latest)
    ORDER BY start_time
    LIMIT 1
) f;
"""


def upgrade() -> None:
    """Creates everything in the schema ``analytics``, which the runner has made."""
    for part in (TENANTS, FACTS, LOGS, EXECUTIONS, EXECUTION_STEPS):
        op.execute(part)


def downgrade() -> None:
    """Not offered: the way back is a backup."""
    raise NotImplementedError("Stepwell migrates forward only; restore a backup to go back")
