-- What followed failures of one kind, to tell whether repeating them helps.

-- name: read_retries
-- For an agent's newest runs with one kind of failure the next run that repeats each: of the same session; without a
-- session, with the same input (and user); without both, of the same user. Runs that are still open tell nothing.
WITH failed AS (
    SELECT newest.*
    FROM (
        SELECT e.execution_id, e.start_time, e.session_id, e.user_id, e.input_data, e.error_fingerprint
        FROM analytics.agent_executions e
        WHERE e.workspace_id = %(workspace_id)s AND e.agent_id = %(agent_id)s
          AND e.status = %(status)s AND e.status <> 'success'
          AND e.start_time >= %(start)s AND e.start_time < %(stop)s
        ORDER BY e.start_time DESC, e.execution_id
        LIMIT %(max_failed)s
    ) AS newest
    WHERE newest.error_fingerprint = %(fingerprint)s
    ORDER BY newest.start_time DESC, newest.execution_id
    LIMIT %(max_alike)s
)
SELECT failed.execution_id AS failed_id, later.execution_id, later.status
FROM failed
CROSS JOIN LATERAL (
    SELECT e.execution_id, e.status, e.start_time
    FROM analytics.agent_executions e
    WHERE failed.session_id IS NOT NULL
      AND e.workspace_id = %(workspace_id)s AND e.session_id = failed.session_id AND e.agent_id = %(agent_id)s
      AND e.start_time > failed.start_time AND e.start_time < failed.start_time + %(within)s::interval
      AND e.start_time >= %(start)s AND e.start_time < %(stop)s
    ORDER BY e.start_time, e.execution_id
    LIMIT 1
) AS later
WHERE later.status NOT IN ('pending', 'running')
UNION ALL
SELECT failed.execution_id, later.execution_id, later.status
FROM failed
CROSS JOIN LATERAL (
    SELECT following.execution_id, following.status
    FROM (
        SELECT e.execution_id, e.status, e.start_time, e.input_data, e.user_id
        FROM analytics.agent_executions e
        WHERE failed.session_id IS NULL AND failed.input_data IS NOT NULL
          AND e.workspace_id = %(workspace_id)s AND e.agent_id = %(agent_id)s
          AND e.start_time > failed.start_time AND e.start_time < failed.start_time + %(within)s::interval
          AND e.start_time >= %(start)s AND e.start_time < %(stop)s
        ORDER BY e.start_time, e.execution_id DESC
        LIMIT %(next_runs)s
    ) AS following
    WHERE following.input_data = failed.input_data AND following.user_id IS NOT DISTINCT FROM failed.user_id
    ORDER BY following.start_time, following.execution_id
    LIMIT 1
) AS later
WHERE later.status NOT IN ('pending', 'running')
UNION ALL
SELECT failed.execution_id, later.execution_id, later.status
FROM failed
CROSS JOIN LATERAL (
    SELECT e.execution_id, e.status
    FROM analytics.agent_executions e
    WHERE failed.session_id IS NULL AND failed.input_data IS NULL AND failed.user_id IS NOT NULL
      AND e.workspace_id = %(workspace_id)s AND e.user_id = failed.user_id AND e.agent_id = %(agent_id)s
      AND e.start_time > failed.start_time AND e.start_time < failed.start_time + %(within)s::interval
      AND e.start_time >= %(start)s AND e.start_time < %(stop)s
    ORDER BY e.start_time, e.execution_id
    LIMIT 1
) AS later
WHERE later.status NOT IN ('pending', 'running')
ORDER BY failed_id, execution_id

-- name: read_attempts
-- The calls of a step, in order, in an agent's newest runs in which any step was repeated after a failure.
SELECT run.execution_id, call.attempt, s.step_name, s.status, s.error_type, s.error_message
FROM (
    SELECT newest.execution_id, newest.trace_id, newest.step_span_ids, newest.step_attempts
    FROM (
        SELECT e.execution_id, e.trace_id, e.step_span_ids, e.step_attempts, e.start_time
        FROM analytics.agent_executions e
        WHERE e.workspace_id = %(workspace_id)s AND e.agent_id = %(agent_id)s
          AND e.start_time >= %(start)s AND e.start_time < %(stop)s
        ORDER BY e.start_time DESC, e.execution_id
        LIMIT %(max_looked_at)s
    ) AS newest
    WHERE 2 = ANY (newest.step_attempts)
    ORDER BY newest.start_time DESC, newest.execution_id
    LIMIT %(max_retried)s
) AS run
CROSS JOIN LATERAL unnest(run.step_span_ids, run.step_attempts)
    WITH ORDINALITY AS call (span_id, attempt, place)
JOIN analytics.trace_windows w ON w.workspace_id = %(workspace_id)s AND w.trace_id = decode(run.trace_id, 'hex')
JOIN analytics.step_facts s
    ON s.workspace_id = %(workspace_id)s AND s.trace_id = w.trace_id AND s.span_id = call.span_id
    AND s.start_time BETWEEN w.earliest AND w.latest
WHERE s.step_name = %(step_name)s
ORDER BY run.execution_id, call.place
