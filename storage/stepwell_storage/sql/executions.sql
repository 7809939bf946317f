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

-- name: read_places
-- The places of some steps of an execution, which are slices of arrays, and the window of its trace; see places.py.
-- Nulls in place of the arrays: it was folded before these were kept.
SELECT w.earliest, w.latest, cardinality(e.step_span_ids) AS total,
       e.step_span_ids[%(first)s:%(last)s] AS span_ids, e.step_attempts[%(first)s:%(last)s] AS attempts,
       e.step_depths[%(first)s:%(last)s] AS depths, e.step_marks[%(first)s:%(last)s] AS marks,
       e.step_self_ms[%(first)s:%(last)s] AS self_ms, e.duplicate_span_ids, e.duplicates_of
FROM analytics.agent_executions e
JOIN analytics.trace_windows w ON w.workspace_id = e.workspace_id AND w.trace_id = %(trace_id)s
WHERE e.workspace_id = %(workspace_id)s AND e.execution_id = %(execution_id)s AND e.start_time = %(start_time)s

-- name: read_steps
-- Some steps of a trace in full: first what read_narrow in traces.sql gives, in its order, then when the row was made
-- and the payloads. A span may have several rows. Messages in its logs stand for an input or output that it lacks.
SELECT 0 AS place, span_id, parent_span_id, parent_is_remote, start_time, end_time, duration_ms, name, step_name,
       step_type, role, operation, status, error_type, error_message, agent_name, span_agent_name, agent_ref,
       agent_version, model, provider, response_id, finish_reason, prompt_tokens, completion_tokens, cache_read_tokens,
       cache_write_tokens, reasoning_tokens, cost_usd, credits, memory_mb, session_id, conversation_id, user_id,
       trigger_type, trigger_source::text, runtime_mode, service_name, service_version, environment, framework,
       scope_name, process_key, has_input, has_output, flags, checkpoints::text, is_live,
       NULL::bigint AS seen_ns,
       created_at,
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

-- name: read_run_places
-- The places of all steps of an execution and the window of its trace; see places.py. Nulls in place of the arrays: it
-- was folded before these were kept.
SELECT w.earliest, w.latest, e.step_span_ids, e.step_attempts, e.step_depths, e.step_marks, e.step_self_ms,
       e.duplicate_span_ids, e.duplicates_of
FROM analytics.agent_executions e
JOIN analytics.trace_windows w ON w.workspace_id = e.workspace_id AND w.trace_id = %(trace_id)s
WHERE e.workspace_id = %(workspace_id)s AND e.execution_id = %(execution_id)s AND e.start_time = %(start_time)s

-- name: read_run_steps
-- What charts and graphs need of all steps of a trace, in no order. A span may have several rows.
SELECT span_id, parent_span_id, start_time, end_time, duration_ms, step_name, step_type, operation, status,
       coalesce(agent_name, span_agent_name) AS agent_name, model, error_type,
       CASE WHEN prompt_tokens IS NULL AND completion_tokens IS NULL THEN NULL
            ELSE coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0) END AS tokens,
       cost_usd, is_live
FROM (
    SELECT *, false AS is_live FROM analytics.step_facts
    UNION ALL
    SELECT *, true AS is_live FROM analytics.live_steps
) AS step
WHERE workspace_id = %(workspace_id)s
  AND trace_id = %(trace_id)s
  AND start_time BETWEEN %(earliest)s AND %(latest)s

-- name: read_spoken
-- What some steps of a trace took and gave: what read_run_steps tells, in its order, the error and the payloads. Of
-- several rows of a span the one to take comes first. Payloads that are too large to be told are told by their size.
SELECT span_id, parent_span_id, start_time, end_time, duration_ms, step_name, step_type, operation, status,
       coalesce(agent_name, span_agent_name) AS agent_name, model, error_type,
       CASE WHEN prompt_tokens IS NULL AND completion_tokens IS NULL THEN NULL
            ELSE coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0) END AS tokens,
       cost_usd, is_live, error_message,
       CASE WHEN length(taken) > %(largest)s THEN to_json(format('[%%s characters]', length(taken)))::text ELSE taken END,
       CASE WHEN length(given) > %(largest)s THEN to_json(format('[%%s characters]', length(given)))::text ELSE given END
FROM (
    SELECT step.*,
           coalesce(step.input, (SELECT told.input FROM analytics.step_messages(workspace_id, trace_id, span_id) told))::text
               AS taken,
           coalesce(step.output, (SELECT told.output FROM analytics.step_messages(workspace_id, trace_id, span_id) told))::text
               AS given
    FROM (
        SELECT *, false AS is_live FROM analytics.step_facts
        UNION ALL
        SELECT *, true AS is_live FROM analytics.live_steps
    ) AS step
    WHERE workspace_id = %(workspace_id)s
      AND trace_id = %(trace_id)s
      AND span_id = ANY (%(span_ids)s)
      AND start_time BETWEEN %(earliest)s AND %(latest)s
) AS spoken
ORDER BY span_id, is_live, start_time
