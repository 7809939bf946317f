-- Runs that have not ended and give no sign of life; see stale.py.

-- name: silent
-- Some of the open executions without a sign of life for long enough; each is known by its key.
SELECT workspace_id, execution_id, trace_id
FROM analytics.execution_keys
WHERE is_open AND last_activity_at < now() - %(stale_after)s::interval
ORDER BY last_activity_at, workspace_id, execution_id
LIMIT %(limit)s

-- name: close
-- Takes the mark from those that are still open and silent, now that no fold can change them.
UPDATE analytics.execution_keys k
SET is_open = false
FROM unnest(%(workspace_ids)s::uuid[], %(execution_ids)s::text[]) AS silent (workspace_id, execution_id)
WHERE k.workspace_id = silent.workspace_id AND k.execution_id = silent.execution_id
  AND k.is_open AND k.last_activity_at < now() - %(stale_after)s::interval
RETURNING k.workspace_id, k.execution_id, k.start_time

-- name: counted_as
-- As what runs at their known start times were counted; no fold can change that now.
SELECT e.workspace_id, e.execution_id, e.figures ->> 'status'
FROM unnest(%(workspace_ids)s::uuid[], %(execution_ids)s::text[], %(start_times)s::timestamptz[])
     AS k (workspace_id, execution_id, start_time)
JOIN analytics.agent_executions e
    ON e.workspace_id = k.workspace_id AND e.execution_id = k.execution_id AND e.start_time = k.start_time
WHERE e.start_time BETWEEN %(lowest)s AND %(highest)s

-- name: time_out
-- One run becomes a timeout; named whole, so that of a compressed chunk only its neighbours are unpacked.
UPDATE analytics.agent_executions
SET status = 'timeout',
    figures = CASE jsonb_typeof(figures) WHEN 'object' THEN figures || '{"status": "timeout"}' ELSE figures END,
    updated_at = now()
WHERE workspace_id = %(workspace_id)s AND execution_id = %(execution_id)s AND start_time = %(start_time)s
  AND status IN ('pending', 'running')
RETURNING workspace_id, agent_id, environment, version, start_time, last_activity_at, duration_ms, path, error_type,
          error_step_name, error_fingerprint, prompt_tokens, completion_tokens, cost_usd, credits_consumed,
          api_calls_count, memory_usage_mb, steps_total, agent_name, figures

-- name: find_open
-- Marks the open executions that a Stepwell has written which did not know of the mark.
UPDATE analytics.execution_keys k
SET is_open = true, last_activity_at = e.last_activity_at
FROM analytics.agent_executions e
WHERE e.status IN ('pending', 'running')
  AND k.workspace_id = e.workspace_id AND k.execution_id = e.execution_id AND k.start_time = e.start_time
  AND NOT k.is_open
