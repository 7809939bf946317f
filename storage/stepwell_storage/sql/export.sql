-- Reading steps of many executions for export, a bounded number at a time.

-- name: read_export_places
-- What the fold found about the steps of some executions, and when their traces' steps start.
SELECT wanted.place, e.step_span_ids, e.step_attempts,
       coalesce(e.step_depths, array_fill(NULL::integer, ARRAY[cardinality(e.step_span_ids)])) AS step_depths,
       coalesce(e.step_marks, array_fill(0::smallint, ARRAY[cardinality(e.step_span_ids)])) AS step_marks,
       coalesce(e.step_self_ms, array_fill(NULL::double precision, ARRAY[cardinality(e.step_span_ids)]))
           AS step_self_ms,
       e.duplicate_span_ids, e.duplicates_of, w.earliest, w.latest
FROM unnest(%(execution_ids)s::text[], %(starts)s::timestamptz[])
     WITH ORDINALITY AS wanted (execution_id, start_time, place)
JOIN analytics.agent_executions e
    ON e.workspace_id = %(workspace_id)s AND e.execution_id = wanted.execution_id
    AND e.start_time = wanted.start_time
    AND e.start_time >= %(lowest)s AND e.start_time <= %(highest)s
JOIN analytics.trace_windows w ON w.workspace_id = %(workspace_id)s AND w.trace_id = decode(e.trace_id, 'hex')
WHERE cardinality(e.step_span_ids) > 0
ORDER BY wanted.place

-- name: read_export_steps
-- Some steps with what they carried; of a live span and its finished one the latter.
SELECT wanted.place, s.parent_span_id, s.start_time, s.end_time, s.duration_ms, s.name, s.step_name, s.step_type,
       s.operation, s.status, s.error_type, s.error_message, s.agent_name, s.model, s.provider, s.prompt_tokens,
       s.completion_tokens, s.cost_usd, s.credits,
       coalesce(s.input, told.input)::text AS input, coalesce(s.output, told.output)::text AS output,
       s.error::text AS error, s.attributes::text AS attributes
FROM unnest(%(trace_ids)s::bytea[], %(span_ids)s::bytea[], %(earliest)s::timestamptz[], %(latest)s::timestamptz[])
     WITH ORDINALITY AS wanted (trace_id, span_id, earliest, latest, place)
CROSS JOIN LATERAL (
    SELECT step.*
    FROM (
        SELECT f.parent_span_id, f.start_time, f.end_time, f.duration_ms, f.name, f.step_name, f.step_type,
               f.operation, f.status, f.error_type, f.error_message, coalesce(f.agent_name, f.span_agent_name)
                   AS agent_name, f.model, f.provider, f.prompt_tokens, f.completion_tokens, f.cost_usd, f.credits,
               f.input, f.output, f.error, f.attributes, false AS is_live
        FROM analytics.step_facts f
        WHERE f.workspace_id = %(workspace_id)s AND f.trace_id = wanted.trace_id AND f.span_id = wanted.span_id
          AND f.start_time BETWEEN wanted.earliest AND wanted.latest
          AND f.start_time BETWEEN %(lowest)s AND %(highest)s
        UNION ALL
        SELECT l.parent_span_id, l.start_time, l.end_time, l.duration_ms, l.name, l.step_name, l.step_type,
               l.operation, l.status, l.error_type, l.error_message, coalesce(l.agent_name, l.span_agent_name),
               l.model, l.provider, l.prompt_tokens, l.completion_tokens, l.cost_usd, l.credits, l.input, l.output,
               l.error, l.attributes, true
        FROM analytics.live_steps l
        WHERE l.workspace_id = %(workspace_id)s AND l.trace_id = wanted.trace_id AND l.span_id = wanted.span_id
    ) AS step
    ORDER BY step.is_live, step.start_time
    LIMIT 1
) AS s
LEFT JOIN LATERAL analytics.step_messages(%(workspace_id)s::uuid, wanted.trace_id, wanted.span_id) AS told
    ON s.input IS NULL OR s.output IS NULL
ORDER BY wanted.place
