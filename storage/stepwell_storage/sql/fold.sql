-- The worker's side: claiming dirty traces, writing executions, marking silent runs.

-- name: configure_folds
-- Leaves the merging of new entries into the indexes of words and models to whoever reads the words: it takes a while,
-- which a fold must not be charged for. In kB.
SELECT set_config('gin_pending_list_limit', '65536', false)

-- name: waiting_marks
-- The oldest dirty marks; the worker groups them by trace and chooses which to claim.
SELECT sequence, workspace_id, trace_id, span_count, marked_at, may_end_run
FROM analytics.dirty_traces
ORDER BY sequence
LIMIT %(limit)s

-- name: claim_marks
-- Takes marks off the queue for this transaction; those that another worker holds are skipped.
DELETE FROM analytics.dirty_traces
WHERE sequence IN (
    SELECT sequence FROM analytics.dirty_traces
    WHERE sequence = ANY (%(sequences)s)
    ORDER BY sequence
    FOR UPDATE SKIP LOCKED
)
RETURNING workspace_id, trace_id, earliest, latest, span_count

-- name: lock_traces
-- One worker at a time folds a trace; in a fixed order, so that two never wait for each other.
SELECT pg_advisory_xact_lock(key)
FROM (SELECT DISTINCT hashtextextended(encode(trace_id, 'hex'), 0) AS key
      FROM unnest(%(trace_ids)s::bytea[]) AS trace_id
      ORDER BY key) AS ordered

-- name: widen_windows
-- Keeps for each trace the time range in which its steps start.
INSERT INTO analytics.trace_windows (workspace_id, trace_id, earliest, latest)
SELECT workspace_id, trace_id, earliest, latest
FROM unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[], %(earliest)s::timestamptz[], %(latest)s::timestamptz[])
     AS t (workspace_id, trace_id, earliest, latest)
ORDER BY workspace_id, trace_id
ON CONFLICT (workspace_id, trace_id) DO UPDATE
    SET earliest = LEAST(trace_windows.earliest, EXCLUDED.earliest),
        latest = GREATEST(trace_windows.latest, EXCLUDED.latest),
        idle_since = NULL
RETURNING workspace_id, trace_id, earliest, latest

-- name: ensure_windows
-- The windows of traces with new log records, made where no step has made one; else as they are.
INSERT INTO analytics.trace_windows (workspace_id, trace_id, earliest, latest)
SELECT workspace_id, trace_id, earliest, latest
FROM unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[], %(earliest)s::timestamptz[], %(latest)s::timestamptz[])
     AS t (workspace_id, trace_id, earliest, latest)
ORDER BY workspace_id, trace_id
ON CONFLICT (workspace_id, trace_id) DO UPDATE SET earliest = trace_windows.earliest
RETURNING workspace_id, trace_id, earliest, latest

-- name: known_executions
-- The executions that earlier folds made of these traces.
SELECT k.workspace_id, k.execution_id, k.start_time, k.created_at
FROM unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[]) AS t (workspace_id, trace_id)
JOIN analytics.execution_keys k ON k.workspace_id = t.workspace_id AND k.trace_id = t.trace_id

-- name: delete_executions
-- Removes executions at their known start times; what replaces them is inserted in the same transaction.
-- Gives what was counted of them.
DELETE FROM analytics.agent_executions e
USING unnest(%(workspace_ids)s::uuid[], %(execution_ids)s::text[], %(start_times)s::timestamptz[])
      AS k (workspace_id, execution_id, start_time)
WHERE e.workspace_id = k.workspace_id AND e.execution_id = k.execution_id AND e.start_time = k.start_time
  AND e.start_time BETWEEN %(lowest)s AND %(highest)s
RETURNING e.workspace_id, e.agent_id, e.environment, e.version, e.start_time, e.last_activity_at, e.duration_ms, e.path,
          e.error_type, e.error_step_name, e.error_fingerprint, e.prompt_tokens, e.completion_tokens, e.cost_usd,
          e.credits_consumed, e.api_calls_count, e.memory_usage_mb, e.steps_total, e.agent_name, e.figures

-- name: delete_cold_execution
-- Removes a single one of long ago, named whole: of a compressed chunk only its neighbours are unpacked.
DELETE FROM analytics.agent_executions
WHERE workspace_id = %(workspace_id)s AND execution_id = %(execution_id)s AND start_time = %(start_time)s
RETURNING workspace_id, agent_id, environment, version, start_time, last_activity_at, duration_ms, path, error_type,
          error_step_name, error_fingerprint, prompt_tokens, completion_tokens, cost_usd, credits_consumed,
          api_calls_count, memory_usage_mb, steps_total, agent_name, figures

-- name: delete_keys
-- Forgets executions that the newest fold no longer finds.
DELETE FROM analytics.execution_keys k
USING unnest(%(workspace_ids)s::uuid[], %(execution_ids)s::text[]) AS gone (workspace_id, execution_id)
WHERE k.workspace_id = gone.workspace_id AND k.execution_id = gone.execution_id

-- name: upsert_keys
-- Where each execution stands in time, in which process, and whether it goes on.
INSERT INTO analytics.execution_keys (
    workspace_id, execution_id, trace_id, start_time, process_key, last_activity_at, is_open
)
SELECT workspace_id, execution_id, trace_id, start_time, process_key, last_activity_at, is_open
FROM unnest(%(workspace_ids)s::uuid[], %(execution_ids)s::text[], %(trace_ids)s::bytea[], %(start_times)s::timestamptz[],
            %(process_keys)s::bytea[], %(last_activity_times)s::timestamptz[], %(are_open)s::boolean[])
     AS k (workspace_id, execution_id, trace_id, start_time, process_key, last_activity_at, is_open)
ORDER BY workspace_id, execution_id
ON CONFLICT (workspace_id, execution_id) DO UPDATE
    SET start_time = EXCLUDED.start_time,
        process_key = EXCLUDED.process_key,
        last_activity_at = EXCLUDED.last_activity_at,
        is_open = EXCLUDED.is_open

-- name: read_run_payload
-- Input and output of the spans that give an execution its own.
SELECT t.place, s.input::text, s.output::text
FROM unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[], %(span_ids)s::bytea[],
            %(earliest)s::timestamptz[], %(latest)s::timestamptz[])
     WITH ORDINALITY AS t (workspace_id, trace_id, span_id, earliest, latest, place)
CROSS JOIN LATERAL (
    SELECT f.input, f.output
    FROM analytics.step_facts f
    WHERE f.workspace_id = t.workspace_id AND f.trace_id = t.trace_id AND f.span_id = t.span_id
      AND f.start_time BETWEEN t.earliest AND t.latest
      AND f.start_time BETWEEN %(lowest)s AND %(highest)s
    UNION ALL
    SELECT l.input, l.output
    FROM analytics.live_steps l
    WHERE l.workspace_id = t.workspace_id AND l.trace_id = t.trace_id AND l.span_id = t.span_id
    LIMIT 1
) s

-- name: read_run_messages
-- The same from messages in the spans' logs. Apart, because few runs have any, and planning it takes as long as all else.
SELECT t.place, told.input::text, told.output::text
FROM unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[], %(span_ids)s::bytea[])
     WITH ORDINALITY AS t (workspace_id, trace_id, span_id, place)
CROSS JOIN LATERAL analytics.step_messages(t.workspace_id, t.trace_id, t.span_id) AS told

-- name: copy_executions
-- Writes execution rows; the columns are those of executions.py, in the same order.
COPY analytics.agent_executions (
    id, workspace_id, execution_id, trace_id, root_span_id, parent_execution_id, agent_id, agent_name, user_id,
    session_id, trigger_type, trigger_source, input_data, output_data, start_time, end_time, duration_ms,
    last_activity_at, status, error_type, error_message, error_step_name, error_fingerprint, credits_consumed,
    tokens_used, prompt_tokens, completion_tokens, cost_usd, api_calls_count, memory_usage_mb, steps_total,
    steps_completed, execution_graph, path, checkpoints, environment, runtime_mode, version, service_name, framework,
    models, step_span_ids, step_attempts, duplicate_span_ids, step_depths, step_marks, step_self_ms, duplicates_of,
    figures, created_at
) FROM STDIN
