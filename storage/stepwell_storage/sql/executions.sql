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
SELECT span_id, start_time, false AS is_live, created_at,
       input::text, output::text, error::text, attributes::text, resource::text, events::text, links::text
FROM analytics.step_facts
WHERE workspace_id = %(workspace_id)s
  AND trace_id = %(trace_id)s
  AND span_id = ANY (%(span_ids)s)
  AND start_time BETWEEN %(earliest)s AND %(latest)s
UNION ALL
SELECT span_id, start_time, true AS is_live, created_at,
       input::text, output::text, error::text, attributes::text, resource::text, events::text, links::text
FROM analytics.live_steps
WHERE workspace_id = %(workspace_id)s
  AND trace_id = %(trace_id)s
  AND span_id = ANY (%(span_ids)s)
ORDER BY span_id, is_live, start_time
