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
-- What the fold found about the steps of some runs. Each is looked up by itself, as are windows of traces below: joined,
-- they are taken for so many that all runs of the time are read instead.
SELECT wanted.place, e.*
FROM unnest(%(execution_ids)s::text[], %(starts)s::timestamptz[])
     WITH ORDINALITY AS wanted (execution_id, start_time, place)
CROSS JOIN LATERAL (
    SELECT r.step_span_ids, r.step_attempts, r.step_depths, r.step_marks, r.step_self_ms,
           r.duplicate_span_ids, r.duplicates_of
    FROM analytics.agent_executions r
    WHERE r.workspace_id = %(workspace_id)s AND r.execution_id = wanted.execution_id
      AND r.start_time = wanted.start_time
      AND r.start_time >= %(lowest)s AND r.start_time <= %(highest)s
      AND r.step_depths IS NOT NULL
    LIMIT 1
) AS e

-- name: read_sampled_steps
-- The finished steps of some traces without payloads, each with digests of its input and output.
SELECT wanted.place, s.*
FROM unnest(%(trace_ids)s::bytea[]) WITH ORDINALITY AS wanted (trace_id, place)
CROSS JOIN LATERAL (
    SELECT t.earliest, t.latest FROM analytics.trace_windows t
    WHERE t.workspace_id = %(workspace_id)s AND t.trace_id = wanted.trace_id
    LIMIT 1
) AS w
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
CROSS JOIN LATERAL (
    SELECT t.earliest, t.latest FROM analytics.trace_windows t
    WHERE t.workspace_id = %(workspace_id)s AND t.trace_id = wanted.trace_id
    LIMIT 1
) AS w
CROSS JOIN LATERAL (
    SELECT f.span_id,
           CASE WHEN pg_column_size(f.input) <= %(max_bytes)s THEN f.input::text END AS input,
           CASE WHEN pg_column_size(f.output) <= %(max_bytes)s THEN f.output::text END AS output
    FROM analytics.step_facts f
    WHERE f.workspace_id = %(workspace_id)s AND f.trace_id = wanted.trace_id
      AND f.start_time BETWEEN w.earliest AND w.latest
) AS s

-- name: read_cluster_times
-- How many runs of an agent ended in each kind of failure, by stretches of time of equal length.
SELECT item, detail AS error_type, step_name,
       date_bin(%(length)s::interval, bucket, %(origin)s::timestamptz) AS start,
       sum(executions)::bigint AS executions
FROM (
    SELECT item, detail, step_name, bucket, executions FROM analytics.rollup_hours
    WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s AND kind = %(kind)s
      AND bucket >= %(start)s AND bucket < %(stop)s
      AND (%(environments)s::text[] IS NULL OR environment = ANY (%(environments)s))
      AND (%(versions)s::text[] IS NULL OR version = ANY (%(versions)s))
    UNION ALL
    SELECT item, detail, step_name, bucket, executions FROM analytics.rollup_deltas
    WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s AND kind = %(kind)s
      AND bucket >= %(start)s AND bucket < %(stop)s
      AND (%(environments)s::text[] IS NULL OR environment = ANY (%(environments)s))
      AND (%(versions)s::text[] IS NULL OR version = ANY (%(versions)s))
) AS figures
GROUP BY item, error_type, step_name, date_bin(%(length)s::interval, bucket, %(origin)s::timestamptz)
HAVING sum(executions) <> 0
ORDER BY start, item, error_type, step_name

-- name: read_cluster_examples
-- Runs that ended in a kind of failure within some stretches of time: for each place the newest, or the first.
SELECT asked.place, run.execution_id, run.trace_id, run.start_time, run.error_type, run.error_step_name,
       run.error_message
FROM unnest(%(places)s::integer[], %(fingerprints)s::text[], %(starts)s::timestamptz[], %(stops)s::timestamptz[],
            %(newest)s::boolean[])
     AS asked (place, fingerprint, start, stop, newest)
CROSS JOIN LATERAL (
    SELECT e.execution_id, e.trace_id, e.start_time, e.error_type, e.error_step_name, e.error_message
    FROM analytics.agent_executions e
    WHERE e.workspace_id = %(workspace_id)s AND e.agent_id = %(agent_id)s
      AND e.status = %(status)s AND e.status <> 'success'
      AND coalesce(e.error_fingerprint, '') = asked.fingerprint
      AND e.start_time >= asked.start AND e.start_time < asked.stop
      AND e.start_time >= %(lowest)s AND e.start_time < %(highest)s
      AND (%(environments)s::text[] IS NULL OR e.environment = ANY (%(environments)s))
      AND (%(versions)s::text[] IS NULL OR e.version = ANY (%(versions)s))
    ORDER BY CASE WHEN asked.newest THEN e.start_time END DESC, e.start_time, e.execution_id
    LIMIT CASE WHEN asked.newest THEN 5 ELSE 1 END
) AS run
ORDER BY asked.place, run.start_time DESC, run.execution_id

-- name: read_failed_messages
-- What the failed steps of a name in some traces say of their failure.
SELECT wanted.place, s.error_type, s.error_message
FROM unnest(%(trace_ids)s::bytea[], %(step_names)s::text[]) WITH ORDINALITY AS wanted (trace_id, step_name, place)
CROSS JOIN LATERAL (
    SELECT t.earliest, t.latest FROM analytics.trace_windows t
    WHERE t.workspace_id = %(workspace_id)s AND t.trace_id = wanted.trace_id
    LIMIT 1
) AS w
CROSS JOIN LATERAL (
    SELECT f.error_type, f.error_message, f.start_time, f.span_id
    FROM analytics.step_facts f
    WHERE f.workspace_id = %(workspace_id)s AND f.trace_id = wanted.trace_id AND f.step_name = wanted.step_name
      AND f.start_time BETWEEN w.earliest AND w.latest AND f.error_message IS NOT NULL
) AS s
ORDER BY wanted.place, s.start_time, s.span_id
