-- Runs that go on now, and what has just changed in them.

-- name: listen
-- From now on notifications come; see announcing.py.
LISTEN stepwell_live

-- name: read_open
-- The open runs of a workspace and the database's time; a row without a run where there is none.
SELECT k.execution_id, now()
FROM (SELECT) AS one
LEFT JOIN analytics.execution_keys k ON k.is_open AND k.workspace_id = %(workspace_id)s

-- name: read_running
-- The open runs of a workspace, the newest first, each with its last step that has started and not ended.
SELECT e.execution_id, e.trace_id, e.agent_id, e.agent_name, e.status, e.environment, e.version, e.user_id, e.session_id,
       e.start_time, e.last_activity_at, e.steps_total, e.steps_completed, e.prompt_tokens, e.completion_tokens, e.cost_usd,
       step.span_id AS current_span_id, step.step_name AS current_step_name, step.step_type AS current_step_type,
       step.operation AS current_operation, step.start_time AS current_start_time
FROM (
    SELECT workspace_id, execution_id, start_time, trace_id
    FROM analytics.execution_keys
    WHERE is_open AND workspace_id = %(workspace_id)s
      AND (%(start_time)s::timestamptz IS NULL
           OR start_time < %(start_time)s OR start_time = %(start_time)s AND execution_id > %(execution_id)s)
    ORDER BY start_time DESC, execution_id
    LIMIT %(limit)s
) AS k
JOIN analytics.agent_executions e
    ON e.workspace_id = k.workspace_id AND e.execution_id = k.execution_id AND e.start_time = k.start_time
LEFT JOIN LATERAL (
    SELECT l.span_id, l.step_name, l.step_type, l.operation, l.start_time
    FROM analytics.live_steps l
    WHERE l.workspace_id = k.workspace_id AND l.trace_id = k.trace_id AND l.span_id = ANY (e.step_span_ids)
      AND NOT EXISTS (
          SELECT FROM analytics.step_facts f
          WHERE f.workspace_id = l.workspace_id AND f.trace_id = l.trace_id AND f.span_id = l.span_id
            AND f.start_time = l.start_time
      )
    ORDER BY l.start_time DESC, array_position(e.step_span_ids, l.span_id) DESC
    LIMIT 1
) AS step ON true
WHERE e.status IN ('pending', 'running')
  AND (%(agent_ids)s::text[] IS NULL OR e.agent_id = ANY (%(agent_ids)s))
ORDER BY e.start_time DESC, e.execution_id

-- name: read_changed
-- The runs of some traces as they are now.
SELECT k.workspace_id, k.trace_id AS trace, e.execution_id, e.trace_id, e.agent_id, e.agent_name, e.status, e.environment,
       e.version, e.start_time, e.end_time, e.duration_ms, e.last_activity_at, e.steps_total, e.steps_completed,
       e.prompt_tokens, e.completion_tokens, e.cost_usd, e.error_type, e.error_message, e.step_span_ids
FROM unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[]) AS t (workspace_id, trace_id)
JOIN analytics.execution_keys k ON k.workspace_id = t.workspace_id AND k.trace_id = t.trace_id
JOIN analytics.agent_executions e
    ON e.workspace_id = k.workspace_id AND e.execution_id = k.execution_id AND e.start_time = k.start_time
ORDER BY e.start_time, e.execution_id

-- name: read_new_steps
-- The steps of some traces that came lately, finished and live ones, of each trace the newest.
SELECT t.workspace_id, t.trace_id, s.*
FROM unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[]) AS t (workspace_id, trace_id)
JOIN analytics.trace_windows w ON w.workspace_id = t.workspace_id AND w.trace_id = t.trace_id
CROSS JOIN LATERAL (
    SELECT span_id, step_name, step_type, operation, status, start_time, end_time, duration_ms, error_type, is_live,
           created_at
    FROM (
        SELECT span_id, step_name, step_type, operation, status, start_time, end_time, duration_ms, error_type,
               false AS is_live, created_at
        FROM analytics.step_facts f
        WHERE f.workspace_id = t.workspace_id AND f.trace_id = t.trace_id
          AND f.start_time BETWEEN w.earliest AND w.latest AND f.start_time >= now() - %(longest)s::interval
          AND f.created_at >= greatest(%(since)s, now() - %(look_back)s::interval)
        UNION ALL
        SELECT span_id, step_name, step_type, operation, status, start_time, end_time, duration_ms, error_type,
               true AS is_live, created_at
        FROM analytics.live_steps l
        WHERE l.workspace_id = t.workspace_id AND l.trace_id = t.trace_id AND l.created_at >= greatest(%(since)s, now() - %(look_back)s::interval)
    ) AS come
    ORDER BY created_at DESC, start_time DESC, span_id
    LIMIT %(limit)s
) AS s
ORDER BY s.created_at, s.start_time, s.span_id, s.is_live DESC
