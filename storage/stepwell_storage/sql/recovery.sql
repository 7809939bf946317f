-- What followed failures of one kind, to tell whether repeating them helps.

-- name: read_retries
-- For an agent's newest runs with one kind of failure the next run that repeats each: one that says so; else one of the
-- same session and user with the same input; else, where no input is known, of the same session and trigger. Runs that
-- are still open tell nothing.
WITH failed AS (
    SELECT newest.*
    FROM (
        SELECT e.execution_id, e.trace_id, e.start_time, e.session_id, e.user_id, e.input_data, e.trigger_source,
               e.error_fingerprint
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
),
found AS (
    SELECT failed.execution_id AS failed_id, later.execution_id, later.status, 1 AS rank
    FROM failed
    CROSS JOIN LATERAL (
        SELECT e.execution_id, e.status
        FROM analytics.agent_executions e
        WHERE e.workspace_id = %(workspace_id)s AND e.agent_id = %(agent_id)s
          AND (e.trigger_source ->> 'recovery_of') IN (failed.execution_id, failed.trace_id)
          AND e.start_time > failed.start_time AND e.start_time < failed.start_time + %(within)s::interval
          AND e.start_time >= %(start)s AND e.start_time < %(stop)s
        ORDER BY e.start_time, e.execution_id
        LIMIT 1
    ) AS later
    UNION ALL
    SELECT failed.execution_id, later.execution_id, later.status, 2
    FROM failed
    CROSS JOIN LATERAL (
        SELECT following.execution_id, following.status
        FROM (
            SELECT e.execution_id, e.status, e.start_time, e.input_data, e.user_id, e.trigger_source
            FROM analytics.agent_executions e
            WHERE failed.session_id IS NOT NULL
              AND e.workspace_id = %(workspace_id)s AND e.session_id = failed.session_id
              AND e.agent_id = %(agent_id)s
              AND e.start_time > failed.start_time AND e.start_time < failed.start_time + %(within)s::interval
              AND e.start_time >= %(start)s AND e.start_time < %(stop)s
            ORDER BY e.start_time, e.execution_id
            LIMIT %(next_runs)s
        ) AS following
        WHERE following.user_id IS NOT DISTINCT FROM failed.user_id
          AND (following.input_data = failed.input_data
               OR (following.input_data IS NULL AND failed.input_data IS NULL
                   AND following.trigger_source = failed.trigger_source))
        ORDER BY following.start_time, following.execution_id
        LIMIT 1
    ) AS later
    UNION ALL
    SELECT failed.execution_id, later.execution_id, later.status, 2
    FROM failed
    CROSS JOIN LATERAL (
        SELECT following.execution_id, following.status
        FROM (
            SELECT e.execution_id, e.status, e.start_time, e.input_data, e.user_id, e.session_id
            FROM analytics.agent_executions e
            WHERE failed.session_id IS NULL AND failed.input_data IS NOT NULL
              AND e.workspace_id = %(workspace_id)s AND e.agent_id = %(agent_id)s
              AND e.start_time > failed.start_time AND e.start_time < failed.start_time + %(within)s::interval
              AND e.start_time >= %(start)s AND e.start_time < %(stop)s
            ORDER BY e.start_time, e.execution_id DESC
            LIMIT %(next_runs)s
        ) AS following
        WHERE following.input_data = failed.input_data AND following.user_id IS NOT DISTINCT FROM failed.user_id
          AND following.session_id IS NULL
        ORDER BY following.start_time, following.execution_id
        LIMIT 1
    ) AS later
)
SELECT DISTINCT ON (found.failed_id) found.failed_id, found.execution_id, found.status
FROM found
WHERE found.status NOT IN ('pending', 'running')
ORDER BY found.failed_id, found.rank, found.execution_id

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

-- name: read_recovery_runs
-- The runs that recover a run: those that say so, and those that the webhook's answer named.
SELECT run.execution_id, run.agent_id, run.status, run.start_time, run.duration_ms, run.recovery_id
FROM (
    SELECT e.execution_id, e.agent_id, e.status, e.start_time, e.duration_ms,
           e.trigger_source ->> 'recovery_id' AS recovery_id
    FROM analytics.agent_executions e
    WHERE e.workspace_id = %(workspace_id)s
      AND (e.trigger_source ->> 'recovery_of') IN (%(execution_id)s, %(trace_id)s)
      AND e.start_time >= %(start_time)s::timestamptz AND e.start_time < %(start_time)s::timestamptz + %(within)s::interval
      AND e.execution_id <> %(execution_id)s
    UNION
    SELECT e.execution_id, e.agent_id, e.status, e.start_time, e.duration_ms, r.recovery_id
    FROM analytics.recoveries r
    JOIN analytics.execution_keys k
        ON k.workspace_id = r.workspace_id AND k.trace_id = decode(r.told_trace_id, 'hex')
    JOIN analytics.agent_executions e
        ON e.workspace_id = k.workspace_id AND e.execution_id = k.execution_id AND e.start_time = k.start_time
    WHERE r.workspace_id = %(workspace_id)s AND r.execution_id = %(execution_id)s AND r.told_trace_id <> %(trace_id)s
      AND e.agent_id = r.agent_id
      AND (e.trigger_source ->> 'recovery_of') IS NULL
) AS run
ORDER BY run.start_time, run.execution_id

-- name: read_recovered_run
-- The run that a run recovers: the one that it says, else the one whose recovery its trace was started for.
SELECT coalesce(own.recovery_of, told.execution_id) AS recovery_of
FROM (
    SELECT e.trigger_source ->> 'recovery_of' AS recovery_of
    FROM analytics.agent_executions e
    WHERE e.workspace_id = %(workspace_id)s AND e.execution_id = %(execution_id)s AND e.start_time = %(start_time)s
) AS own
LEFT JOIN LATERAL (
    SELECT r.execution_id FROM analytics.recoveries r
    WHERE r.workspace_id = %(workspace_id)s AND r.told_trace_id = %(trace_id)s AND r.execution_id <> %(execution_id)s
    ORDER BY r.recovery_id
    LIMIT 1
) AS told ON true

-- name: insert_recovery
-- That a run is to be recovered.
INSERT INTO analytics.recoveries
    (workspace_id, recovery_id, execution_id, agent_id, webhook_id, action, checkpoint_id, note, is_forced,
     requested_at)
VALUES
    (%(workspace_id)s, %(recovery_id)s, %(execution_id)s, %(agent_id)s, %(webhook_id)s, %(action)s, %(checkpoint_id)s,
     %(note)s, %(is_forced)s, %(now)s)

-- name: read_recoveries
-- How a run was to be recovered, in order, and what became of the calls; nulls where these are long ago.
SELECT r.recovery_id, r.execution_id, r.agent_id, r.webhook_id, r.action, r.checkpoint_id, r.note, r.is_forced,
       r.requested_at, d.state AS delivery_state, d.reason,
       CASE WHEN d.state = 'waiting' THEN d.next_attempt_at END AS next_attempt_at
FROM analytics.recoveries r
LEFT JOIN analytics.webhook_deliveries d ON d.workspace_id = r.workspace_id AND d.delivery_id = r.recovery_id
WHERE r.workspace_id = %(workspace_id)s AND r.execution_id = %(execution_id)s
ORDER BY r.requested_at, r.recovery_id
