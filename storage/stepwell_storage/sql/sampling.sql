-- Reading a bounded number of an agent's runs, each found by an index: slices of time say which, so that what is read
-- does not grow with the number of runs.

-- name: read_successes
-- The successful runs of some slices of time; heavy columns are left out where they are too large.
SELECT run.*
FROM unnest(%(starts)s::timestamptz[], %(stops)s::timestamptz[]) AS slice (start, stop)
CROSS JOIN LATERAL (
    SELECT e.execution_id, e.trace_id, e.start_time, e.status, e.duration_ms, e.path, e.version, e.environment,
           e.models, e.trigger_type, e.runtime_mode, e.framework, e.service_name, e.user_id, e.session_id,
           e.prompt_tokens, e.completion_tokens, e.cost_usd, e.error_type, e.error_fingerprint, e.error_step_name,
           e.steps_total,
           CASE WHEN pg_column_size(e.input_data) <= %(max_input_bytes)s THEN e.input_data::text END AS input_data
    FROM analytics.agent_executions e
    WHERE e.workspace_id = %(workspace_id)s AND e.agent_id = %(agent_id)s AND e.status = 'success'
      AND e.start_time >= slice.start AND e.start_time < slice.stop
      AND e.start_time >= %(lowest)s AND e.start_time < %(highest)s
      AND (%(environments)s::text[] IS NULL OR e.environment = ANY (%(environments)s))
      AND (%(versions)s::text[] IS NULL OR e.version = ANY (%(versions)s))
    ORDER BY e.start_time DESC, e.execution_id
    LIMIT %(limit)s
) AS run
ORDER BY run.start_time, run.execution_id
LIMIT %(limit)s

-- name: read_others
-- The runs of some slices of time that are not successful, by status.
SELECT run.*
FROM unnest(%(statuses)s::text[], %(starts)s::timestamptz[], %(stops)s::timestamptz[]) AS slice (status, start, stop)
CROSS JOIN LATERAL (
    SELECT e.execution_id, e.trace_id, e.start_time, e.status, e.duration_ms, e.path, e.version, e.environment,
           e.models, e.trigger_type, e.runtime_mode, e.framework, e.service_name, e.user_id, e.session_id,
           e.prompt_tokens, e.completion_tokens, e.cost_usd, e.error_type, e.error_fingerprint, e.error_step_name,
           e.steps_total,
           CASE WHEN pg_column_size(e.input_data) <= %(max_input_bytes)s THEN e.input_data::text END AS input_data
    FROM analytics.agent_executions e
    WHERE e.workspace_id = %(workspace_id)s AND e.agent_id = %(agent_id)s
      AND e.status = slice.status AND e.status <> 'success'
      AND e.start_time >= slice.start AND e.start_time < slice.stop
      AND e.start_time >= %(lowest)s AND e.start_time < %(highest)s
      AND (%(environments)s::text[] IS NULL OR e.environment = ANY (%(environments)s))
      AND (%(versions)s::text[] IS NULL OR e.version = ANY (%(versions)s))
    ORDER BY e.start_time DESC, e.execution_id
    LIMIT %(limit)s
) AS run
ORDER BY run.start_time, run.execution_id
LIMIT %(limit)s

-- name: read_sampled_places
-- What the fold found about the steps of some runs.
SELECT wanted.place, e.step_span_ids, e.step_attempts, e.step_depths, e.step_marks, e.step_self_ms,
       e.duplicate_span_ids, e.duplicates_of
FROM unnest(%(execution_ids)s::text[], %(starts)s::timestamptz[])
     WITH ORDINALITY AS wanted (execution_id, start_time, place)
JOIN analytics.agent_executions e
    ON e.workspace_id = %(workspace_id)s AND e.execution_id = wanted.execution_id
    AND e.start_time = wanted.start_time
    AND e.start_time >= %(lowest)s AND e.start_time <= %(highest)s
WHERE e.step_depths IS NOT NULL

-- name: read_sampled_steps
-- The finished steps of some traces without payloads, each with digests of its input and output.
SELECT wanted.place, s.*
FROM unnest(%(trace_ids)s::bytea[]) WITH ORDINALITY AS wanted (trace_id, place)
JOIN analytics.trace_windows w ON w.workspace_id = %(workspace_id)s AND w.trace_id = wanted.trace_id
CROSS JOIN LATERAL (
    SELECT f.span_id, f.parent_span_id, f.start_time, f.end_time, f.step_name, f.role, f.operation, f.step_type,
           f.status, f.error_type, f.prompt_tokens, f.completion_tokens, f.cost_usd,
           CASE WHEN pg_column_size(f.input) <= %(max_bytes)s THEN hashtextextended(f.input::text, 0) END
               AS input_digest,
           CASE WHEN pg_column_size(f.output) <= %(max_bytes)s THEN hashtextextended(f.output::text, 0) END
               AS output_digest
    FROM analytics.step_facts f
    WHERE f.workspace_id = %(workspace_id)s AND f.trace_id = wanted.trace_id
      AND f.start_time BETWEEN w.earliest AND w.latest
) AS s

-- name: read_sampled_payloads
-- Inputs and outputs of the steps of some traces, without those that are too large.
SELECT wanted.place, s.*
FROM unnest(%(trace_ids)s::bytea[]) WITH ORDINALITY AS wanted (trace_id, place)
JOIN analytics.trace_windows w ON w.workspace_id = %(workspace_id)s AND w.trace_id = wanted.trace_id
CROSS JOIN LATERAL (
    SELECT f.span_id,
           CASE WHEN pg_column_size(f.input) <= %(max_bytes)s THEN f.input::text END AS input,
           CASE WHEN pg_column_size(f.output) <= %(max_bytes)s THEN f.output::text END AS output
    FROM analytics.step_facts f
    WHERE f.workspace_id = %(workspace_id)s AND f.trace_id = wanted.trace_id
      AND f.start_time BETWEEN w.earliest AND w.latest
) AS s
