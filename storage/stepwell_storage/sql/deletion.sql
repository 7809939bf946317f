-- Deleting on purpose; see the package deletion.

-- name: tombstones
-- The places of traces that were deleted, and the spans of those that were deleted in part; null where whole.
SELECT t.place, d.span_ids
FROM unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[]) WITH ORDINALITY AS t (workspace_id, trace_id, place)
JOIN analytics.deleted_traces d ON d.workspace_id = t.workspace_id AND d.trace_id = t.trace_id
WHERE NOT EXISTS (SELECT FROM analytics.retention r WHERE r.workspace_id = t.workspace_id AND r.deleted_at IS NOT NULL)
UNION ALL
SELECT t.place, NULL
FROM unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[]) WITH ORDINALITY AS t (workspace_id, trace_id, place)
JOIN analytics.retention r ON r.workspace_id = t.workspace_id AND r.deleted_at IS NOT NULL

-- name: remember_deleted
-- Notes that a trace was deleted, whole or some more of its spans.
INSERT INTO analytics.deleted_traces AS d (workspace_id, trace_id, span_ids)
VALUES (%(workspace_id)s, %(trace_id)s, %(span_ids)s::bytea[])
ON CONFLICT (workspace_id, trace_id) DO UPDATE SET span_ids = d.span_ids || EXCLUDED.span_ids, deleted_at = now()

-- name: forget_deleted
-- Forgets traces that were deleted long ago.
DELETE FROM analytics.deleted_traces WHERE deleted_at < now() - %(kept_for)s::interval

-- name: forget_windows
-- Removes the windows of deleted traces.
DELETE FROM analytics.trace_windows w
USING unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[]) AS t (workspace_id, trace_id)
WHERE w.workspace_id = t.workspace_id AND w.trace_id = t.trace_id

-- name: delete_steps
-- Deletes the finished steps of traces, or some spans of them, tells the ledger, and gives how many and their bytes.
WITH gone AS (
    DELETE FROM analytics.step_facts f
    USING unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[], %(earliest)s::timestamptz[],
                 %(latest)s::timestamptz[], %(span_ids)s::text[]) AS t (workspace_id, trace_id, earliest, latest, span_ids)
    WHERE f.workspace_id = t.workspace_id AND f.trace_id = t.trace_id AND f.start_time BETWEEN t.earliest AND t.latest
      AND f.start_time BETWEEN %(lowest)s AND %(highest)s
      AND (t.span_ids IS NULL OR f.span_id = ANY (t.span_ids::bytea[]))
    RETURNING f.workspace_id, f.key_id, f.created_at, pg_column_size(f.*) AS size_bytes
), told AS (
    INSERT INTO analytics.ledger_entries (workspace_id, key_id, signal, outcome, reason, hour, amount)
    SELECT workspace_id, coalesce(key_id, ''), 'traces', 'dropped', %(reason)s, date_trunc('hour', created_at, 'UTC'),
           count(*)
    FROM gone
    GROUP BY 1, 2, 6
)
SELECT count(*), coalesce(sum(size_bytes), 0) FROM gone

-- name: delete_live_steps
-- The same of running steps.
WITH gone AS (
    DELETE FROM analytics.live_steps l
    USING unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[], %(span_ids)s::text[]) AS t (workspace_id, trace_id, span_ids)
    WHERE l.workspace_id = t.workspace_id AND l.trace_id = t.trace_id
      AND (t.span_ids IS NULL OR l.span_id = ANY (t.span_ids::bytea[]))
    RETURNING l.workspace_id, l.key_id, l.created_at, pg_column_size(l.*) AS size_bytes
), told AS (
    INSERT INTO analytics.ledger_entries (workspace_id, key_id, signal, outcome, reason, hour, amount)
    SELECT workspace_id, coalesce(key_id, ''), 'traces', 'dropped', %(reason)s, date_trunc('hour', created_at, 'UTC'),
           count(*)
    FROM gone
    GROUP BY 1, 2, 6
)
SELECT count(*), coalesce(sum(size_bytes), 0) FROM gone

-- name: delete_logs
-- The same of log records.
WITH gone AS (
    DELETE FROM analytics.step_logs l
    USING unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[], %(span_ids)s::text[]) AS t (workspace_id, trace_id, span_ids)
    WHERE l.workspace_id = t.workspace_id AND l.trace_id = t.trace_id
      AND (t.span_ids IS NULL OR l.span_id = ANY (t.span_ids::bytea[]))
    RETURNING l.workspace_id, l.key_id, l.created_at, pg_column_size(l.*) AS size_bytes
), told AS (
    INSERT INTO analytics.ledger_entries (workspace_id, key_id, signal, outcome, reason, hour, amount)
    SELECT workspace_id, coalesce(key_id, ''), 'logs', 'dropped', %(reason)s, date_trunc('hour', created_at, 'UTC'),
           count(*)
    FROM gone
    GROUP BY 1, 2, 6
)
SELECT count(*), coalesce(sum(size_bytes), 0) FROM gone

-- name: trace_of
-- The trace of an execution.
SELECT trace_id FROM analytics.execution_keys WHERE workspace_id = %(workspace_id)s AND execution_id = %(execution_id)s

-- name: traces_of_agent
-- The traces of some executions of an agent.
SELECT decode(trace_id, 'hex')
FROM analytics.agent_executions
WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s
ORDER BY start_time DESC, execution_id
LIMIT %(limit)s

-- name: windows
-- The time ranges of some traces.
SELECT workspace_id, trace_id, earliest, latest
FROM analytics.trace_windows
WHERE workspace_id = %(workspace_id)s AND trace_id = ANY (%(trace_ids)s::bytea[])

-- name: runs_of_traces
-- All executions of some traces, and which spans are theirs.
SELECT k.workspace_id, k.execution_id, k.trace_id, k.start_time, k.created_at, e.agent_id, e.step_span_ids
FROM analytics.execution_keys k
CROSS JOIN LATERAL (
    SELECT agent_id, step_span_ids FROM analytics.agent_executions e
    WHERE e.workspace_id = k.workspace_id AND e.execution_id = k.execution_id AND e.start_time = k.start_time
    LIMIT 1
) AS e
WHERE k.workspace_id = %(workspace_id)s AND k.trace_id = ANY (%(trace_ids)s::bytea[])
ORDER BY k.execution_id

-- name: mark_dirty
-- Lets the worker fold what is left of a trace.
INSERT INTO analytics.dirty_traces (workspace_id, trace_id, earliest, latest, span_count)
SELECT workspace_id, trace_id, earliest, latest, 1 FROM analytics.trace_windows
WHERE workspace_id = %(workspace_id)s AND trace_id = %(trace_id)s

-- name: take_turn
-- Waits until nobody sums up rollups; the turn ends with the transaction.
SELECT pg_advisory_xact_lock(%(key)s)

-- name: take_history_away
-- Deletes the hours of an agent from before its workspace's horizon, and takes them from those of all agents.
WITH gone AS (
    DELETE FROM analytics.rollup_hours h
    USING analytics.retention r
    WHERE h.workspace_id = %(workspace_id)s AND h.agent_id = %(agent_id)s AND h.kind = ANY (%(kinds)s)
      AND r.workspace_id = %(workspace_id)s AND h.bucket < r.raw_before
    RETURNING h.*
)
INSERT INTO analytics.rollup_deltas (
    workspace_id, agent_id, bucket, environment, version, kind, item_id, item, detail, step_name, pending, running,
    success, failed, timeout, cancelled, executions, retries, duration_count, duration_ms, duration_square_ms2,
    self_ms, critical_ms, critical_success_ms, prompt_tokens, prompt_known, completion_tokens, completion_known,
    cost_usd, cost_known, credits, credits_known, api_calls, memory_mb, memory_known, steps, durations, memories
)
SELECT
    workspace_id, %(all_agents)s, bucket, environment, version, kind, item_id, item, detail, step_name, -pending,
    -running, -success, -failed, -timeout, -cancelled, -executions, -retries, -duration_count, -duration_ms,
    -duration_square_ms2, -self_ms, -critical_ms, -critical_success_ms, -prompt_tokens, -prompt_known,
    -completion_tokens, -completion_known, -cost_usd, -cost_known, -credits, -credits_known, -api_calls, -memory_mb,
    -memory_known, -steps,
    CASE WHEN durations IS NOT NULL THEN ARRAY(
        SELECT CASE place WHEN 1 THEN value ELSE -value END
        FROM unnest(durations) WITH ORDINALITY AS u (value, place) ORDER BY place) END,
    CASE WHEN memories IS NOT NULL THEN ARRAY(
        SELECT CASE place WHEN 1 THEN value ELSE -value END
        FROM unnest(memories) WITH ORDINALITY AS u (value, place) ORDER BY place) END
FROM gone
WHERE kind IN ('execution', 'failure', 'timeout')

-- name: delete_history_of_days
-- Deletes the days of an agent from before its workspace's horizon; those of all agents follow from the hours.
DELETE FROM analytics.rollup_days d
USING analytics.retention r
WHERE d.workspace_id = %(workspace_id)s AND d.agent_id = %(agent_id)s AND d.kind = ANY (%(kinds)s)
  AND r.workspace_id = %(workspace_id)s AND d.bucket < r.raw_before
