-- The words of executions, by which they are searched; see searching.py.

-- name: unread_executions
-- Some executions whose words are not read, with the windows of their traces. In no order: they are many after an
-- import, and each gets its turn. Not locked by FOR UPDATE, which compressed chunks do not know; write_words sees to it.
SELECT e.workspace_id, e.execution_id, e.start_time, e.updated_at, w.trace_id, w.earliest, w.latest, e.error_message,
       e.step_span_ids
FROM analytics.agent_executions e
JOIN analytics.trace_windows w ON w.workspace_id = e.workspace_id AND w.trace_id = decode(e.trace_id, 'hex')
WHERE e.words IS NULL AND e.start_time >= %(since)s AND e.updated_at <= now() - %(rested)s::interval
LIMIT %(limit)s

-- name: read_texts
-- The texts of the steps of some traces, in no order; messages in logs stand for an input or output that a step lacks.
SELECT t.place, s.span_id, s.step_name, s.error_message,
       coalesce(s.input, (SELECT told.input FROM analytics.step_messages(t.workspace_id, t.trace_id, s.span_id) told))::text,
       coalesce(s.output, (SELECT told.output FROM analytics.step_messages(t.workspace_id, t.trace_id, s.span_id) told))::text
FROM unnest(%(workspace_ids)s::uuid[], %(trace_ids)s::bytea[], %(earliest)s::timestamptz[], %(latest)s::timestamptz[])
     WITH ORDINALITY AS t (workspace_id, trace_id, earliest, latest, place)
CROSS JOIN LATERAL (
    SELECT f.span_id, f.step_name, f.error_message, f.input, f.output
    FROM analytics.step_facts f
    WHERE f.workspace_id = t.workspace_id AND f.trace_id = t.trace_id
      AND f.start_time BETWEEN t.earliest AND t.latest
      AND f.start_time BETWEEN %(lowest)s AND %(highest)s
    UNION ALL
    SELECT l.span_id, l.step_name, l.error_message, l.input, l.output
    FROM analytics.live_steps l
    WHERE l.workspace_id = t.workspace_id AND l.trace_id = t.trace_id
) s

-- name: write_words
-- Keeps the words of some executions, unless these were written anew since their words were read.
UPDATE analytics.agent_executions e
SET words = k.words
FROM unnest(%(workspace_ids)s::uuid[], %(execution_ids)s::text[], %(start_times)s::timestamptz[],
            %(updated_times)s::timestamptz[], %(words)s::text[])
     AS k (workspace_id, execution_id, start_time, updated_at, words)
WHERE e.workspace_id = k.workspace_id AND e.execution_id = k.execution_id AND e.start_time = k.start_time
  AND e.updated_at = k.updated_at AND e.start_time BETWEEN %(lowest)s AND %(highest)s
