-- Reading a trace's steps, always bounded in time by the trace's known window.

-- name: read_narrow
-- What the fold needs of the steps of several traces; finished and live ones, in no order.
SELECT t.place, s.*
FROM unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[], %(earliest)s::timestamptz[], %(latest)s::timestamptz[])
     WITH ORDINALITY AS t (workspace_id, trace_id, earliest, latest, place)
CROSS JOIN LATERAL (
    SELECT span_id, parent_span_id, parent_is_remote, start_time, end_time, duration_ms, name, step_name, step_type,
           role, operation, status, error_type, error_message, agent_name, span_agent_name, agent_ref, agent_version,
           model, provider, response_id, finish_reason, prompt_tokens, completion_tokens, cache_read_tokens,
           cache_write_tokens, reasoning_tokens, cost_usd, credits, memory_mb, session_id, conversation_id, user_id, trigger_type,
           trigger_source::text, runtime_mode, service_name, service_version, environment, framework, scope_name,
           process_key, has_input, has_output, flags, checkpoints::text, false AS is_live, NULL::bigint AS seen_ns
    FROM analytics.step_facts f
    WHERE f.workspace_id = t.workspace_id AND f.trace_id = t.trace_id
      AND f.start_time BETWEEN t.earliest AND t.latest
      AND f.start_time BETWEEN %(lowest)s AND %(highest)s
    UNION ALL
    SELECT span_id, parent_span_id, parent_is_remote, start_time, end_time, duration_ms, name, step_name, step_type,
           role, operation, status, error_type, error_message, agent_name, span_agent_name, agent_ref, agent_version,
           model, provider, response_id, finish_reason, prompt_tokens, completion_tokens, cache_read_tokens,
           cache_write_tokens, reasoning_tokens, cost_usd, credits, memory_mb, session_id, conversation_id, user_id, trigger_type,
           trigger_source::text, runtime_mode, service_name, service_version, environment, framework, scope_name,
           process_key, has_input, has_output, flags, checkpoints::text, true AS is_live,
           CASE jsonb_typeof(attributes -> 'stepwell.span.seen_ns') WHEN 'number' THEN
               LEAST(GREATEST((attributes ->> 'stepwell.span.seen_ns')::numeric, 0), 9e18)::bigint END AS seen_ns
    FROM analytics.live_steps l
    WHERE l.workspace_id = t.workspace_id AND l.trace_id = t.trace_id
) s

-- name: read_message_spans
-- The spans of several traces whose logs hold messages, and which way these went.
SELECT t.place, l.span_id, bool_or(l.input IS NOT NULL) AS has_input, bool_or(l.output IS NOT NULL) AS has_output
FROM unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[]) WITH ORDINALITY AS t (workspace_id, trace_id, place)
JOIN analytics.step_logs l ON l.workspace_id = t.workspace_id AND l.trace_id = t.trace_id
WHERE l.input IS NOT NULL OR l.output IS NOT NULL
GROUP BY t.place, l.span_id

-- name: window
-- The time range in which a trace's steps start.
SELECT earliest, latest FROM analytics.trace_windows
WHERE workspace_id = %(workspace_id)s AND trace_id = %(trace_id)s
