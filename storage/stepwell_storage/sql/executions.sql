-- Reading executions whose questions never change; lists with their filters are put together in the API.

-- name: locate_execution
-- Where the execution of this id is: ids are found through their keys, so that no partition is searched in vain.
SELECT execution_id, trace_id, start_time
FROM analytics.execution_keys
WHERE workspace_id = %(workspace_id)s AND execution_id = %(execution_id)s

-- name: locate_first_of_trace
-- The first execution of a trace.
SELECT execution_id, trace_id, start_time
FROM analytics.execution_keys
WHERE workspace_id = %(workspace_id)s AND trace_id = %(trace_id)s
ORDER BY start_time, execution_id
LIMIT 1

-- name: read_siblings
-- The other executions of a trace, in order of their starts.
SELECT e.execution_id, e.parent_execution_id, e.agent_id, e.agent_name, e.status, e.start_time, e.duration_ms
FROM analytics.execution_keys k
JOIN analytics.agent_executions e
    ON e.workspace_id = k.workspace_id AND e.execution_id = k.execution_id AND e.start_time = k.start_time
WHERE k.workspace_id = %(workspace_id)s
  AND k.trace_id = %(trace_id)s
  AND k.execution_id <> %(execution_id)s
ORDER BY e.start_time, e.execution_id

-- name: read_payloads
-- What some steps of a trace carry beyond what the fold reads; several rows of a span differ in start or in being live.
-- Messages in their logs stand for an input or output that they lack.
SELECT span_id, start_time, is_live, created_at,
       coalesce(input, (SELECT told.input FROM analytics.step_messages(workspace_id, trace_id, span_id) told))::text
           AS input,
       coalesce(output, (SELECT told.output FROM analytics.step_messages(workspace_id, trace_id, span_id) told))::text
           AS output,
       error::text, attributes::text, resource::text, events::text, links::text
FROM (
    SELECT *, false AS is_live FROM analytics.step_facts
    UNION ALL
    SELECT *, true AS is_live FROM analytics.live_steps
) AS step
WHERE workspace_id = %(workspace_id)s
  AND trace_id = %(trace_id)s
  AND span_id = ANY (%(span_ids)s)
  AND start_time BETWEEN %(earliest)s AND %(latest)s
ORDER BY span_id, is_live, start_time

-- name: read_logs
-- The first log lines of some spans of a trace, without the messages that are input or output; one more than are shown.
SELECT line.span_id, line.time, line.severity_number, line.severity_text, line.event_name,
       line.body::text AS body, line.attributes::text AS attributes, line.flags
FROM unnest(%(span_ids)s::bytea[]) AS wanted (span_id)
CROSS JOIN LATERAL (
    SELECT span_id, time, record_key, severity_number, severity_text, event_name, body, attributes, flags
    FROM analytics.step_logs l
    WHERE l.workspace_id = %(workspace_id)s AND l.trace_id = %(trace_id)s AND l.span_id = wanted.span_id
      AND l.input IS NULL AND l.output IS NULL
    ORDER BY l.workspace_id, l.trace_id, l.span_id, l.time, l.record_key
    LIMIT %(limit)s
) AS line
ORDER BY line.span_id, line.time, line.record_key
